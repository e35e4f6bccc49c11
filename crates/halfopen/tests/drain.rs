//! The queue is worked off at its rate, whoever gives up meanwhile.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::io::Errno;
use std::time::Duration;
use testkit::desk::PATIENCE;
use testkit::dial::Outcome;
use testkit::invariant::{attempts, releases, releases_per_window};
use testkit::{Dialer, Lab, Limiter, Mix, Side, require_lab};

#[test]
fn not_strict_a_hundred_live_ones_leave_at_ten_a_second_past_dead_ones() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let dead = lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
    let live = lab.draw(&Mix { live: 100, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).set("strict", false).start().unwrap();
    let holding = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    limiter.await_status("slots held", PATIENCE, |status| status.host.half_open == 10).unwrap();
    let capture = lab.capture(Side::World).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
    let captured = capture.finish().unwrap();
    let mut attempts = attempts(captured.whole(), &[]);
    attempts.retain(|attempt| live.kind(attempt.to.ip()).is_some());
    let releases = releases(&attempts);
    assert_eq!(releases.len(), 100);
    let took = releases[99].checked_sub(releases[0]).unwrap().as_secs_f64();
    // 99 steps of a tenth of a second; the last of the queue are late by a re-check.
    assert!((9.7..=11.2).contains(&took), "{took} s");
    let most = releases_per_window(&releases, releases[0], Duration::from_secs(1)).into_iter().max();
    assert!(
        most <= Some(17),
        "{most:?} in one second: ten, and what the tolerance for late re-checks allows"
    );
    drop(holding);
}

#[test]
fn strict_and_full_nothing_leaves() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let dead = lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
    let live = lab.draw(&Mix { live: 20, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).start().unwrap();
    let holding = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    limiter.await_status("slots held", PATIENCE, |status| status.host.half_open == 10).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    // Twenty turns would have come in two seconds.
    assert!(dialling.await_reports(1, Duration::from_secs(3)).is_err());
    drop(holding);
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
}

#[test]
fn a_thousand_that_gave_up_delay_the_next_by_two_turns_at_most() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let dead = lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
    let given_up = lab.draw(&Mix { dead: 1_000, ..Mix::default() }).unwrap();
    let live = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
    // A turn takes two seconds: a thousand places kept would take half an hour.
    let limiter = Limiter::builder(&lab)
        .set("strict", false)
        .set("drain", "1/2s")
        .set("slot_life", "1h")
        .start()
        .unwrap();
    let holding = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    limiter.await_status("slots held", PATIENCE, |status| status.host.half_open == 10).unwrap();
    let giving_up = Dialer::new(&lab).destinations(given_up.destinations()).spawn().unwrap();
    limiter.await_status("a thousand wait", PATIENCE, |status| status.host.queued > 980).unwrap();
    drop(giving_up.kill());
    limiter.await_status("all places back", PATIENCE, |status| status.host.queued == 0).unwrap();
    // For a second after it has cancelled so many its user is refused what would have to wait.
    let dial = || {
        let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
        dialling.await_all_done(PATIENCE).unwrap()
    };
    let refused = |reports: &Vec<testkit::dial::Report>| {
        reports[0].outcome == Outcome::Errno(Errno::NOBUFS.raw_os_error())
    };
    let reports = (0..1_000).map(|_| dial()).find(|reports| !refused(reports)).unwrap();
    assert_eq!(reports[0].outcome, Outcome::Connected);
    // Two turns, and a re-check's lateness.
    assert!(reports[0].waited() < Duration::from_millis(4_600), "{reports:?}");
    drop(holding);
}
