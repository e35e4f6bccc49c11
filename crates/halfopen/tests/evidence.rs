//! Evidence belongs to a port, and what a network answers is spent within it: the preset `adaptive` with real sockets. What
//! comes of whole programs is measured by `halfopen-bench workloads`.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::desk::{PATIENCE, ask_well, until};
use testkit::dial::Outcome;
use testkit::{Dialer, Dialling, HostKind, Lab, Limiter, Mix, Status, require_lab};

const HTTPS: u16 = 443;
const SSH: u16 = 22;

fn limited(lab: &Lab) -> Limiter {
    let limiter = Limiter::builder(lab);
    limiter.set("preset", "adaptive").start().unwrap()
}

fn on_port(destinations: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    destinations.iter().map(|to| SocketAddr::new(to.ip(), port)).collect()
}

fn dial(lab: &Lab, to: &[SocketAddr]) -> Dialling {
    Dialer::new(lab).destinations(to.iter().copied()).spawn().unwrap()
}

/// How many are connected once so many have been, or after `PATIENCE`.
fn connected(dialling: &Dialling, most: usize) -> usize {
    let _ = dialling.await_reports(most, PATIENCE);
    dialling.reports().iter().filter(|report| report.outcome == Outcome::Connected).count()
}

/// Sixty answers are worth a hundred first contacts and more, on their own port.
fn waiting_behind_sixty_answers(scanned: u16) -> i64 {
    const DEAD: usize = 150;
    const LIVE: usize = 60;
    let lab = Lab::builder().every_port().build().unwrap();
    let hosts = lab.draw(&Mix { live: LIVE, dead: DEAD, ..Mix::default() }).unwrap();
    let limiter = limited(&lab);
    let farmed = dial(&lab, &on_port(&hosts.of(HostKind::Live), HTTPS));
    assert_eq!(connected(&farmed, LIVE), LIVE);
    let _scan = dial(&lab, &on_port(&hosts.of(HostKind::Dead), scanned));
    until("the scan to be begun", PATIENCE, || {
        let host = limiter.status().unwrap().host;
        (host.admitted + host.released + host.queued == i64::try_from(LIVE + DEAD).unwrap())
            .then_some(host.queued)
    })
}

#[test]
fn what_one_port_has_answered_buys_nothing_on_another() {
    require_lab!();
    let (elsewhere, there) = (waiting_behind_sixty_answers(SSH), waiting_behind_sixty_answers(HTTPS));
    assert!(
        elsewhere >= 100 && there < elsewhere - 30,
        "{elsewhere} wait on another port, {there} on the same"
    );
}

/// An address that was dialled on a port on which answers are to be had is as unknown as before on any other.
#[test]
fn an_address_that_was_tried_on_one_port_is_a_first_contact_on_another() {
    const DEAD: usize = 90;
    require_lab!();
    let lab = Lab::builder().every_port().build().unwrap();
    let hosts = lab.draw(&Mix { live: 40, dead: DEAD, ..Mix::default() }).unwrap();
    let limiter = limited(&lab);
    let farmed = dial(&lab, &on_port(&hosts.of(HostKind::Live), HTTPS));
    assert_eq!(connected(&farmed, 40), 40);
    let first_contacts = || {
        let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
        let scopes = status["scopes"].as_array().unwrap().iter();
        scopes.filter_map(|scope| scope["first_contacts"].as_u64()).sum::<u64>()
    };
    let before = first_contacts();
    let tried = Dialer::new(&lab)
        .patience(Duration::from_millis(200))
        .destinations(on_port(&hosts.of(HostKind::Dead), HTTPS))
        .spawn()
        .unwrap();
    tried.await_all_done(PATIENCE).unwrap();
    let there = first_contacts() - before;
    let _scan = dial(&lab, &on_port(&hosts.of(HostKind::Dead), SSH));
    limiter.await_status("a third to wait", PATIENCE, |status| status.host.queued >= 30).unwrap();
    assert!(there > 40, "{there} were tried");
}

/// Who dials an address again while the first dial of it is out reaches nobody new, though that one had to wait.
#[test]
fn an_address_whose_dial_has_waited_is_tried_once_it_is_out() {
    const DEAD: i64 = 3;
    require_lab!();
    let lab = Lab::new().unwrap();
    let dead = lab.draw(&Mix { dead: DEAD as usize, ..Mix::default() }).unwrap().destinations();
    let limiter = limited(&lab);
    limiter.set("scope.adaptive.first_contacts", 1).unwrap();
    let _first = dial(&lab, &dead);
    let out = |status: &Status| status.host.released == DEAD - 1 && status.host.queued == 0;
    limiter.await_status("all to be out", PATIENCE, out).unwrap();
    let _again = dial(&lab, &dead);
    let begun =
        |status: &Status| status.host.admitted + status.host.released + status.host.queued == 2 * DEAD;
    let host = limiter.await_status("all to be dialled again", PATIENCE, begun).unwrap().host;
    assert_eq!((host.admitted, host.released, host.queued), (DEAD + 1, DEAD - 1, 0), "{host:?}");
}

/// An administrator who looks which ports of one host are open: no scan of the kind that evidence is about.
#[test]
fn the_ports_of_one_host_are_not_held() {
    const PORTS: u16 = 500;
    require_lab!();
    let lab = Lab::builder().every_port().build().unwrap();
    let host = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap().destinations()[0];
    let limiter = limited(&lab);
    let ports: Vec<_> = (1..=PORTS).map(|port| SocketAddr::new(host.ip(), port)).collect();
    assert_eq!(connected(&dial(&lab, &ports), PORTS.into()), usize::from(PORTS));
    let host = limiter.status().unwrap().host;
    assert_eq!((host.admitted, host.released, host.queued), (PORTS.into(), 0, 0), "{host:?}");
}

#[test]
fn who_looks_after_a_network_of_which_two_thirds_are_down_sees_all_that_are_up() {
    const LIVE: usize = 80;
    require_lab!();
    let lab = Lab::new().unwrap();
    let within = Some("198.18.7.0/24".parse().unwrap());
    let hosts = lab.draw(&Mix { live: LIVE, dead: 160, within, ..Mix::default() }).unwrap();
    let _limiter = limited(&lab);
    let mut targets = hosts.destinations();
    targets.shuffle(&mut rand::rngs::StdRng::seed_from_u64(7));
    let checks = dial(&lab, &targets);
    assert_eq!(connected(&checks, LIVE), LIVE);
}
