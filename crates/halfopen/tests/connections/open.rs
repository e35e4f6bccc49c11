//! `established`.

use std::time::Duration;
use testkit::desk::other_program::{Attached, Does, attach};
use testkit::desk::{PATIENCE, has};
use testkit::dial::Outcome;
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

#[test]
fn the_eleventh_waits_until_one_of_ten_ends() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let ten = lab.draw(&Mix { live: 10, ..Mix::default() }).unwrap();
    let more = lab.draw(&Mix { live: 5, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).set("established", 10).start().unwrap();
    let open = Dialer::new(&lab).destinations(ten.destinations()).spawn().unwrap();
    open.await_all_done(PATIENCE).unwrap();
    let status = limiter.status().unwrap();
    assert_eq!(status.host.connections.as_ref().map(|of| of.open), Some(10), "{status:?}");
    let waiting = Dialer::new(&lab).destinations(more.destinations()).spawn().unwrap();
    waiting.await_all_dialled(PATIENCE).unwrap();
    assert!(waiting.await_reports(1, Duration::from_secs(2)).is_err());
    drop(open.kill());
    let reports = waiting.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    let status = limiter.status().unwrap();
    assert_eq!(status.host.connections.as_ref().map(|of| of.open), Some(5), "{status:?}");
    drop(waiting.kill());
    limiter
        .await_status("none open", PATIENCE, |status| {
            status.host.connections.as_ref().is_some_and(|of| of.open == 0)
        })
        .unwrap();
}

#[test]
fn limits_switched_on_and_off_count_what_began_meanwhile() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 6, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).start().unwrap();
    let open = |limiter: &Limiter| limiter.status().unwrap().host.connections.map_or(0, |of| of.open);
    let dial = |count: usize| {
        let dialling =
            Dialer::new(&lab).destinations(hosts.destinations().into_iter().take(count)).spawn().unwrap();
        dialling.await_all_done(PATIENCE).unwrap();
        dialling
    };
    let before = dial(2);
    limiter.set("established", 100).unwrap();
    let during = dial(4);
    assert_eq!(open(&limiter), 4);
    drop(before.kill());
    assert_eq!(open(&limiter), 4, "those before never counted");
    limiter.set("established", "unlimited").unwrap();
    let after = dial(3);
    limiter.set("established", 100).unwrap();
    assert_eq!(open(&limiter), 4);
    drop(during.kill());
    limiter
        .await_status("none open", PATIENCE, |status| {
            status.host.connections.as_ref().is_some_and(|of| of.open == 0)
        })
        .unwrap();
    drop(after.kill());
    assert_eq!(open(&limiter), 0);
}

#[test]
fn counts_outlive_the_daemon() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 3, ..Mix::default() }).unwrap();
    let mut limiter = Limiter::builder(&lab).set("established", 3).persist().start().unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_done(PATIENCE).unwrap();
    limiter.kill();
    let fourth = Dialer::new(&lab).destinations(hosts.destinations().into_iter().take(1)).spawn().unwrap();
    fourth.await_all_dialled(PATIENCE).unwrap();
    limiter.start_again().unwrap();
    limiter
        .await_status("three open, one waits", PATIENCE, |status| {
            status.host.queued == 1 && status.host.connections.as_ref().is_some_and(|of| of.open == 3)
        })
        .unwrap();
    assert!(fourth.reports().is_empty());
    drop(dialling.kill());
    let reports = fourth.await_all_done(PATIENCE).unwrap();
    assert_eq!(reports[0].outcome, Outcome::Connected);
}

#[test]
fn ends_that_another_program_hides_are_found() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 4, ..Mix::default() }).unwrap().destinations();
    let limiter = Limiter::builder(&lab).set("established", 3).start().unwrap();
    attach(Does::ClearsFlags, lab.cgroup(), Attached::BesideOthers);
    let open = Dialer::new(&lab).destinations(hosts[..3].to_vec()).spawn().unwrap();
    open.await_all_done(PATIENCE).unwrap();
    let fourth = Dialer::new(&lab).destinations(hosts[3..].to_vec()).spawn().unwrap();
    limiter.await_status("the fourth to wait", PATIENCE, |status| status.host.queued == 1).unwrap();
    drop(open.kill());
    let reports = fourth.await_all_done(PATIENCE).unwrap();
    assert_eq!(reports[0].outcome, Outcome::Connected);
    drop(fourth.kill());
    limiter
        .await_status("none open", PATIENCE, |status| {
            status.host.connections.as_ref().is_some_and(|of| of.open == 0)
        })
        .unwrap();
}
