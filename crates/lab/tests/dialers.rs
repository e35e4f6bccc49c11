//! Dialers dial what they are told, in the cgroup and namespace they are told, and can be killed at any moment.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::{Duration, Instant};

use halfopen_lab::dial::Outcome;
use halfopen_lab::{Dialer, Family, Lab, Mix, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);

fn await_open(lab: &Lab, wanted: usize) {
    let deadline = Instant::now() + PATIENCE;
    while lab.listener().open() != wanted {
        assert!(Instant::now() < deadline, "{} connections open, not {wanted}", lab.listener().open());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ten_thousand_dials_at_once_from_one_process() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 10_000, family: Family::Both, ..Mix::default() }).unwrap();
    let start = Instant::now();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    println!("all dialled after {:?}", start.elapsed());
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    println!("all done after {:?}", start.elapsed());
    assert_eq!(reports.len(), 10_000);
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
    await_open(&lab, 10_000);
    assert_eq!(lab.cgroup().pids(), [dialling.pid()]);
    assert_eq!(dialling.kill().len(), 10_000);
    await_open(&lab, 0);
}

#[test]
fn blocking_dials_take_turns_in_the_order_given() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 30, dead: 2, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).blocking(1).close_when_connected();
    let reports =
        dialer.patience(Duration::from_millis(300)).spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().map(|report| report.index).eq(0..32), "not in order");
    let cancelled: Vec<_> = reports.iter().filter(|report| report.outcome == Outcome::Cancelled).collect();
    assert_eq!(cancelled.len(), 2);
    assert!(cancelled.iter().all(|report| report.waited() >= Duration::from_millis(300)), "{cancelled:?}");
    assert!(reports.iter().all(|report| report.source.is_some()));
    await_open(&lab, 0);
}

#[test]
fn many_threads_wait_on_dead_hosts_side_by_side() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 200, ..Mix::default() }).unwrap();
    let start = Instant::now();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).blocking(200);
    let dialling = dialer.patience(Duration::from_millis(500)).spawn().unwrap();
    dialling.await_all_done(PATIENCE).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "one after the other they take 100 s");
}

#[test]
fn dials_are_spread_when_told_to() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 50, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).dials_per_s(50.0);
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    let first = reports[0].started();
    for report in reports {
        let due = Duration::from_millis(20) * report.index as u32;
        assert!(report.started() + Duration::from_millis(5) >= first + due, "{report:?} came early");
    }
}

#[test]
fn user_timeout_ends_a_dial_before_the_kernel_would() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 1, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).user_timeout(Duration::from_secs(2));
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert_eq!(reports[0].outcome, Outcome::TimedOut);
    assert!(reports[0].waited() < Duration::from_secs(20), "{reports:?}");
}

#[test]
fn a_dialer_that_ends_early_is_told_from_one_that_is_slow() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let slow = dialling.await_all_done(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(!slow.contains("has ended"), "{slow}");
    dialling.signal(rustix::process::Signal::KILL).unwrap();
    let start = Instant::now();
    let dead = dialling.await_all_done(PATIENCE).unwrap_err().to_string();
    assert!(dead.contains("the dialer has ended"), "{dead}");
    assert!(start.elapsed() < PATIENCE);
}
