//! The WAN delays and loses as told.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::{Duration, Instant};

use testkit::dial::Outcome;
use testkit::{Dialer, Family, HostKind, Lab, Mix, Side, Wan, invariant, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_connection_takes_one_round_trip() {
    require_lab!(wan);
    for delay in [Duration::ZERO, Duration::from_millis(50)] {
        let lab = Lab::builder().wan(Wan { delay, loss: 0.0 }).build().unwrap();
        let hosts = lab.draw(&Mix { live: 41, family: Family::Both, ..Mix::default() }).unwrap();
        let dialer = Dialer::new(&lab).destinations(hosts.destinations()).blocking(1);
        let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
        assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
        let mut waits: Vec<_> =
            reports.iter().map(|report| report.waited().checked_sub(2 * delay).unwrap()).collect();
        waits.sort_unstable();
        println!("beyond {:?}: median {:?}, most {:?}", 2 * delay, waits[20], waits[40]);
        assert!(
            waits[20] < Duration::from_millis(20),
            "beyond {:?} the median took {:?}",
            2 * delay,
            waits[20]
        );
    }
}

#[test]
fn all_kinds_of_hosts_answer_across_it() {
    require_lab!(wan);
    let lab = Lab::builder().wan(Wan { delay: Duration::from_millis(20), loss: 0.0 }).build().unwrap();
    let capture = lab.capture(Side::Client).unwrap();
    let mix =
        Mix { live: 5, dead: 5, refusing: 5, unreachable: 5, slow: 5, family: Family::Both, within: None };
    let hosts = lab.draw(&mix).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).patience(Duration::from_secs(4));
    for report in dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap() {
        let expected = match hosts.kind(report.destination.ip()).unwrap() {
            HostKind::Live | HostKind::Slow => Outcome::Connected,
            HostKind::Dead => Outcome::Cancelled,
            HostKind::Refusing => Outcome::Refused,
            HostKind::Unreachable => Outcome::Unreachable,
        };
        assert_eq!(report.outcome, expected, "{report:?}");
    }
    let captured = capture.finish().unwrap();
    assert_eq!(captured.lost, 0);
    assert_eq!(invariant::attempts(&captured.segments, &[]).len(), 25);
}

#[test]
fn it_loses_the_share_it_is_told_to() {
    require_lab!(wan);
    let lab = Lab::builder().wan(Wan { delay: Duration::ZERO, loss: 0.3 }).build().unwrap();
    let hosts = lab.draw(&Mix { dead: 2000, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    drop(dialling);
    let deadline = Instant::now() + PATIENCE;
    while lab.wan().unwrap().delivered + lab.wan().unwrap().lost < 2000 {
        assert!(Instant::now() < deadline, "{:?}", lab.wan());
        std::thread::sleep(Duration::from_millis(5));
    }
    let tally = lab.wan().unwrap();
    let share = tally.lost as f64 / (tally.lost + tally.delivered) as f64;
    assert!((0.2..0.4).contains(&share), "{tally:?}");
    assert_eq!(tally.overrun, 0);
    let arrived = lab.dropped().unwrap().dead;
    assert!(arrived <= tally.delivered && arrived > 1000, "{arrived} arrived of {tally:?}");
}

#[test]
fn a_burst_of_ten_thousand_is_forwarded_whole() {
    require_lab!(wan);
    let lab = Lab::builder().wan(Wan { delay: Duration::from_millis(100), loss: 0.0 }).build().unwrap();
    let hosts = lab.draw(&Mix { live: 10_000, ..Mix::default() }).unwrap();
    let start = Instant::now();
    let reports = Dialer::new(&lab)
        .destinations(hosts.destinations())
        .spawn()
        .unwrap()
        .await_all_done(PATIENCE)
        .unwrap();
    println!("10,000 connections in {:?}, {:?}", start.elapsed(), lab.wan());
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
    assert_eq!(lab.wan().unwrap().overrun, 0);
}
