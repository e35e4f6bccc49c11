//! The preset `adaptive`: a scan reaches what its answers are worth, while those who share its host, its cgroup or even its
//! process with it are served. `cargo bench --bench workloads` measures the same and more.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::dial::Outcome;
use testkit::invariant::{attempts, destinations};
use testkit::{Cgroup, Dialer, HostKind, Hosts, Lab, Limiter, Mix, Side, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);
const DEAD: usize = 200;
const LIVE: usize = 20;

struct Scene {
    lab: Lab,
    victim: Cgroup,
    innocent: Cgroup,
    dead: Vec<SocketAddr>,
    /// Twice `LIVE`.
    live: Vec<SocketAddr>,
    hosts: Hosts,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let hosts = lab.draw(&Mix { live: 2 * LIVE, dead: DEAD, ..Mix::default() }).unwrap();
        let (victim, innocent) =
            (lab.cgroup().child("victim").unwrap(), lab.cgroup().child("innocent").unwrap());
        Self { victim, innocent, dead: hosts.of(HostKind::Dead), live: hosts.of(HostKind::Live), hosts, lab }
    }

    fn limiter(&self) -> Limiter {
        let limiter = Limiter::builder(&self.lab);
        limiter.set("preset", "adaptive").start().unwrap()
    }

    /// Dials them all at once from a process in the cgroup, until `connected` have been.
    fn dial(&self, cgroup: &Cgroup, to: &[SocketAddr], connected: usize) -> testkit::Dialling {
        let dialling =
            Dialer::new(&self.lab).cgroup(cgroup).destinations(to.iter().copied()).spawn().unwrap();
        let reports = dialling.await_reports(connected, PATIENCE).unwrap();
        assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
        dialling
    }
}

/// `live_last` of the scan are met by its process before, or not.
fn scan(met: bool, most_dead: usize) {
    let scene = Scene::new();
    let limiter = scene.limiter();
    let (own, others) = scene.live.split_at(LIVE);
    if met {
        drop(scene.dial(&scene.victim, own, LIVE));
    }
    let capture = scene.lab.capture(Side::World).unwrap();
    let all: Vec<SocketAddr> = scene.dead.iter().chain(own).copied().collect();
    let scan = scene.dial(&scene.victim, &all, LIVE);
    drop(scene.dial(&scene.innocent, others, LIVE));
    let waiting = limiter.status().unwrap().host.queued;
    assert!(waiting >= i64::try_from(DEAD - most_dead).unwrap(), "{waiting} wait");

    let captured = capture.finish().unwrap();
    assert_eq!(captured.lost, 0, "the recording lost packets");
    let asked: BTreeSet<_> = destinations(&attempts(&captured.segments, &[]))
        .into_iter()
        .filter(|to| scene.hosts.kind(to.ip()) == Some(HostKind::Dead))
        .collect();
    assert!((1..=most_dead).contains(&asked.len()), "{} dead were asked", asked.len());
    drop(scan);
}

#[test]
fn a_scan_reaches_what_its_answers_are_worth_while_its_own_process_reaches_those_it_knows() {
    require_lab!();
    // One in eleven answers, as to a program that looks for peers.
    scan(true, 95);
}

#[test]
fn strangers_that_come_after_the_dead_are_reached_too() {
    require_lab!();
    scan(false, 140);
}
