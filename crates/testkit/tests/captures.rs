//! A recording holds every SYN and every answer, with the kernel's times.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::HashSet;
use std::time::Duration;

use testkit::dial::Outcome;
use testkit::invariant::{Invariant, attempts, destinations, least_gap, peak, releases};
use testkit::{Dialer, Family, HostKind, Kind, Lab, Mix, Side, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);
const LONG: Duration = Duration::from_secs(21);

#[test]
fn every_attempt_is_recorded_at_the_time_it_was_made() {
    require_lab!();
    for (side, family) in [(Side::World, Family::Both), (Side::Client, Family::Both)] {
        let lab = Lab::new().unwrap();
        let capture = lab.capture(side).unwrap();
        let mix = Mix { live: 30, dead: 30, refusing: 10, unreachable: 10, family, ..Mix::default() };
        let hosts = lab.draw(&mix).unwrap();
        let dialer =
            Dialer::new(&lab).destinations(hosts.destinations()).patience(Duration::from_millis(2500));
        let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
        let captured = capture.finish().unwrap();
        assert_eq!(captured.lost, 0);
        let ends: Vec<_> = reports
            .iter()
            .filter(|report| report.outcome == Outcome::Cancelled)
            .map(|report| report.end().unwrap())
            .collect();
        let attempts = attempts(&captured.segments, &ends);
        assert_eq!(attempts.len(), 80, "one for each dial");
        for report in &reports {
            let attempt = attempts
                .iter()
                .find(|attempt| (Some(attempt.from), attempt.to) == (report.source, report.destination))
                .unwrap_or_else(|| panic!("not recorded: {report:?}"));
            let late = attempt.syns[0].checked_sub(report.started());
            assert!(
                late.is_some_and(|late| late < Duration::from_millis(500)),
                "recorded at {:?}: {report:?}",
                attempt.syns[0]
            );
            let ended = attempt.ended.unwrap_or_else(|| panic!("no end: {report:?}"));
            assert!(ended <= report.started() + report.waited(), "ended after its dialer knew: {report:?}");
            if report.outcome == Outcome::Cancelled {
                assert_eq!(attempt.syns.len(), 3, "SYNs at 0, 1 and 2 s: {attempt:?}");
            }
        }
        let gap = least_gap(&attempts).unwrap();
        assert!(gap.length > Duration::from_millis(900), "{gap:?}");
        // A live host may reset what it has accepted, once the dialer has ended.
        let accepted: HashSet<_> = captured
            .segments
            .iter()
            .filter(|segment| segment.kind == Kind::SynAck)
            .map(|segment| segment.from)
            .collect();
        for (kind, answer) in [
            (HostKind::Live, Kind::SynAck),
            (HostKind::Refusing, Kind::Reset),
            (HostKind::Unreachable, Kind::Unreachable),
        ] {
            let answering: HashSet<_> = captured
                .segments
                .iter()
                .filter(|segment| segment.kind == answer)
                .filter(|segment| answer != Kind::Reset || !accepted.contains(&segment.from))
                .map(|segment| segment.from)
                .collect();
            assert_eq!(answering, hosts.of(kind).into_iter().collect(), "{answer:?}");
        }
    }
}

#[test]
fn a_planted_violation_is_found_and_the_true_number_passes() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut capture = lab.capture(Side::World).unwrap();
    let hosts = lab.draw(&Mix { dead: 11, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let attempts = attempts(capture.segments().unwrap(), &[]);
    assert_eq!(destinations(&attempts), hosts.destinations().into_iter().collect());
    let invariant = |half_open| Invariant { half_open, slot_life: LONG, tolerance: Duration::ZERO };
    assert_eq!(invariant(11).check(&attempts).unwrap().half_open, 11);
    let violation = invariant(10).check(&attempts).unwrap_err();
    assert_eq!(violation.peak.half_open, 11);
    assert_eq!(violation.peak.at, *releases(&attempts).last().unwrap());
}

#[test]
fn nothing_is_lost_of_a_burst_of_ten_thousand() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let capture = lab.capture(Side::World).unwrap();
    let hosts = lab.draw(&Mix { dead: 10_000, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    drop(dialling);
    let captured = capture.finish().unwrap();
    assert_eq!(captured.lost, 0);
    let attempts = attempts(&captured.segments, &[]);
    let times = releases(&attempts);
    let took = times.last().unwrap().saturating_sub(times[0]);
    println!("10,000 SYNs in {took:?}: {:.0}/s", 10_000.0 / took.as_secs_f64());
    assert_eq!(destinations(&attempts).len(), 10_000);
    assert_eq!(peak(&attempts, LONG).half_open, 10_000);
}
