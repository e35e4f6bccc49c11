//! A hundred thousand random attempts, ended in random ways, some by killing their program: the accounting is right all along.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::rig;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use testkit::rig::Rig;
use testkit::{Dialer, Family, Hosts, Lab, Mix, Scope, Status, require_lab};

const ATTEMPTS: i64 = 100_000;
const HALF_OPEN: u32 = 50;
const DIALERS: u64 = 5;
/// The daemon counts its sockets anew every 30 s; at least one count falls into the soak.
const AT_LEAST: Duration = Duration::from_secs(40);
const AT_MOST: Duration = Duration::from_secs(140);
/// How long one process may dial.
const LONGEST_LIFE: Duration = Duration::from_secs(10);
/// Far beyond the number of sockets there ever are: what is negative in an unsigned counter is beyond this.
const MOST: i64 = 100_000;

fn begun(scope: &Scope) -> i64 {
    scope.admitted
        + scope.released
        + scope.cancelled
        + scope.gave_up_while_queued
        + scope.queued
        + scope.refused_overflow
}

#[test]
fn after_a_hundred_thousand_random_attempts_the_books_are_at_zero() {
    require_lab!();
    let rig = Rig::new(HALF_OPEN, &[("slot_life", "1s")]);
    let mix = Mix {
        live: 600,
        dead: 300,
        refusing: 300,
        slow: 60,
        unreachable: 60,
        family: Family::Both,
        within: None,
    };
    let hosts = rig.lab.draw(&mix).unwrap();
    let (stop, killed, seed) = (AtomicBool::new(false), AtomicU64::new(0), rig.lab.seed());
    let start = Instant::now();
    let mut samples = 0;
    scope(|threads| {
        for dialer in 0..DIALERS {
            let (lab, hosts, stop, killed) = (&rig.lab, &hosts, &stop, &killed);
            threads.spawn(move || {
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(dialer));
                while !stop.load(Ordering::Relaxed) {
                    killed.fetch_add(u64::from(dial_at_random(lab, hosts, &mut random)), Ordering::Relaxed);
                }
            });
        }
        let enough = |scope: &Scope| begun(scope) >= ATTEMPTS && start.elapsed() > AT_LEAST;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            loop {
                let status = rig.limiter.status().unwrap();
                plausible(&status);
                samples += 1;
                if enough(&status.host) || start.elapsed() > AT_MOST {
                    break;
                }
                sleep(Duration::from_millis(50));
            }
        }));
        // Else the dialers would go on for ever.
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let dialled = start.elapsed();

    let zero = |scope: &Scope| (scope.half_open, scope.aged, scope.queued) == (0, 0, 0);
    let end = rig.until("an empty ledger", zero);
    let killed = killed.into_inner();
    println!("{samples} samples in {dialled:?}, {killed} dialers killed: {end:?}");
    assert!(begun(&end) >= ATTEMPTS, "only {} attempts in {dialled:?}", begun(&end));
    assert!(samples > 50 && killed > 10, "{samples} samples, {killed} killed");
    assert_eq!(end.admitted + end.released, end.established + end.failed, "{end:?}");
    for (what, count) in [
        ("released", end.released),
        ("cancelled", end.cancelled),
        ("established", end.established),
        ("failed", end.failed),
        ("given up", end.gave_up_while_queued),
    ] {
        // How many of each there are is drawn, and depends on how busy the machine is.
        assert!(count > 50, "hardly any {what}: {end:?}");
    }
    let mut faults = rig::faults(&rig.limiter);
    faults.remove("churn_refused");
    assert_eq!(faults, [].into(), "after {dialled:?}");
}

fn plausible(status: &Status) {
    let scope = &status.host;
    assert!((0..=i64::from(HALF_OPEN)).contains(&scope.half_open), "{scope:?}");
    for count in [scope.aged, scope.queued] {
        assert!((0..MOST).contains(&count), "{scope:?}");
    }
    let out = scope.half_open + scope.aged;
    let (went, ended) = (scope.admitted + scope.released, scope.established + scope.failed);
    // The counters of one status are read at one time.
    assert_eq!(went - ended, out, "{scope:?}");
}

/// Lets one process dial; whether it was killed in the middle.
fn dial_at_random(lab: &Lab, hosts: &Hosts, random: &mut StdRng) -> bool {
    let count = 1 << random.random_range(3..11);
    let mapped = random.random_bool(0.2);
    let destinations = hosts.destinations();
    let chosen = (0..count).map(|_| *destinations.choose(random).unwrap());
    let chosen: Vec<SocketAddr> = chosen.filter(|to| !mapped || to.is_ipv4()).collect();
    let patience = Duration::from_millis(1 << random.random_range(0..12));
    // Each below a top-level cgroup of its own: who cancels so many is refused for a while.
    let apart = lab.cgroup().child(format!("soak-{:x}", random.random::<u64>())).unwrap();
    let mut dialer = Dialer::new(lab).cgroup(&apart).destinations(chosen).patience(patience);
    if mapped {
        dialer = dialer.mapped();
    }
    if random.random_bool(0.5) {
        dialer = dialer.close_when_connected();
    }
    if random.random_bool(0.4) {
        dialer = dialer.blocking(random.random_range(20..200));
    }
    if random.random_bool(0.4) {
        dialer = dialer.user_timeout(Duration::from_millis(random.random_range(100..3_000)));
    }
    if random.random_bool(0.2) {
        dialer = dialer.dials_per_s(f64::from(random.random_range(200..2_000)));
    }
    let dialling = dialer.spawn().unwrap();
    let kill_after = Duration::from_millis(random.random_range(0..1_500));
    let life = if random.random_bool(0.5) { kill_after } else { LONGEST_LIFE };
    let done = dialling.await_all_done(life).is_ok();
    drop(dialling.kill());
    !done
}
