//! `connect_rate`.

use crate::scene::Configured;
use std::time::Duration;
use testkit::desk::PATIENCE;
use testkit::dial::Outcome;
use testkit::invariant::{attempts, releases, releases_per_window};
use testkit::{Dialer, Lab, Limiter, Mix, Side, require_lab};

#[test]
fn a_hundred_at_once_leave_one_by_one_and_none_fails() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let live = lab.draw(&Mix { live: 100, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab)
        .set("half_open", "unlimited")
        .set("connect_rate", "20/s")
        .set("connect_burst", 5)
        .start()
        .unwrap();
    let capture = lab.capture(Side::World).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    let attempts = attempts(capture.finish().unwrap().whole(), &[]);
    let releases = releases(&attempts);
    assert_eq!(releases.len(), 100);
    // A window of a second has the rate, and the burst if it is the first.
    let most = releases_per_window(&releases, releases[0], Duration::from_secs(1));
    assert!(most.iter().all(|count| *count <= 25), "{most:?}");
    let took = releases[99].checked_sub(releases[0]).unwrap().as_secs_f64();
    assert!((4.7..=6.0).contains(&took), "{took} s");
    let status = limiter.status().unwrap();
    assert_eq!((status.host.released + status.host.admitted, status.host.queued), (100, 0), "{status:?}");
}

#[test]
fn a_known_address_waits_too_and_other_accounts_do_not() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
    let host = hosts.destinations()[0];
    let limiter =
        Configured::for_each_cgroup("connect_rate = \"6/m\"\nconnect_burst = 3").limit(&lab).start().unwrap();
    let other = lab.new_cgroup("other").unwrap();
    let flood = Dialer::new(&lab).destinations([host; 20]).spawn().unwrap();
    flood.await_reports(3, PATIENCE).unwrap();
    limiter
        .await_status("the rest waits", PATIENCE, |status| {
            status.scopes.iter().any(|scope| scope.name.starts_with("tenant[") && scope.queued == 17)
        })
        .unwrap();
    let reports = Dialer::new(&lab).cgroup(&other).destinations([host; 3]).spawn().unwrap();
    let reports = reports.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    assert_eq!(flood.reports().len(), 3, "a turn takes ten seconds");
}

#[test]
fn audit_mode_holds_nothing_and_counts() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let live = lab.draw(&Mix { live: 30, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab)
        .set("mode", "audit")
        .set("half_open", "unlimited")
        .set("connect_rate", "1/m")
        .set("connect_burst", 5)
        .set("established", 10)
        .start()
        .unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    let host = limiter.status().unwrap().host;
    let connections = host.connections.unwrap();
    assert_eq!((host.admitted, host.queued, connections.open, connections.waited), (30, 0, 30, 25));
}
