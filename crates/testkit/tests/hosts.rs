//! Drawn hosts answer as their kind does, and dialers say so.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::dial::Outcome;
use testkit::{Dialer, Family, HostKind, Lab, Mix, PORT, WORLD_V4, require_lab};

const PATIENCE: Duration = Duration::from_secs(30);

fn each_kind_answers(family: Family, mapped: bool) {
    let lab = Lab::new().unwrap();
    let mix = Mix { live: 20, dead: 20, refusing: 10, unreachable: 10, slow: 10, family, within: None };
    let hosts = lab.draw(&mix).unwrap();
    let mut dialer = Dialer::new(&lab).destinations(hosts.destinations()).patience(Duration::from_secs(6));
    if mapped {
        dialer = dialer.mapped();
    }
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert_eq!(reports.len(), 70);
    for report in &reports {
        let expected = match hosts.kind(report.destination.ip()).unwrap() {
            HostKind::Live | HostKind::Slow => Outcome::Connected,
            HostKind::Dead => Outcome::Cancelled,
            HostKind::Refusing => Outcome::Refused,
            HostKind::Unreachable => Outcome::Unreachable,
        };
        assert_eq!(report.outcome, expected, "{report:?}");
        let second = Duration::from_millis(900);
        match hosts.kind(report.destination.ip()).unwrap() {
            HostKind::Slow => assert!(report.waited() > second, "a slow host answered at once: {report:?}"),
            HostKind::Live => assert!(report.waited() < second, "a live host lost a SYN: {report:?}"),
            _ => {}
        }
    }
    let accepted = lab.listener().accepted();
    for host in hosts.all() {
        let expected = u64::from(matches!(host.kind, HostKind::Live | HostKind::Slow));
        assert_eq!(accepted.get(&host.address).copied().unwrap_or(0), expected, "{host:?}");
    }
    let dropped = lab.dropped().unwrap();
    // Each dead host was sent SYNs at 0, 1, 2, 3, 4 and 5 s.
    assert!(dropped.dead >= 40, "{dropped:?}");
    assert_eq!((dropped.slow, dropped.refusing, dropped.undrawn), (10, 10, 0));
    assert!(dropped.unreachable >= 10, "{dropped:?}");
}

#[test]
fn each_kind_answers_over_ipv4() {
    require_lab!();
    each_kind_answers(Family::V4, false);
}

#[test]
fn each_kind_answers_over_ipv6() {
    require_lab!();
    each_kind_answers(Family::V6, false);
}

#[test]
fn each_kind_answers_over_both_from_ipv6_sockets() {
    require_lab!();
    each_kind_answers(Family::Both, true);
}

#[test]
fn slow_hosts_lose_as_many_syns_as_told() {
    require_lab!();
    let lab = Lab::builder().slow_drops(2).build().unwrap();
    let hosts = lab.draw(&Mix { slow: 3, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    for report in dialling.await_all_done(PATIENCE).unwrap() {
        assert_eq!(report.outcome, Outcome::Connected);
        assert!(report.waited() > Duration::from_millis(1900), "{report:?}");
    }
    assert_eq!(lab.dropped().unwrap().slow, 6);
}

#[test]
fn hosts_that_listen_on_every_port_answer_there_as_their_kind_does() {
    require_lab!();
    let lab = Lab::builder().every_port().build().unwrap();
    let hosts = lab.draw(&Mix { live: 20, dead: 20, family: Family::Both, ..Mix::default() }).unwrap();
    let ports = [22, 443, 8333, 61_234].into_iter().cycle();
    let destinations: Vec<_> =
        hosts.all().iter().zip(ports).map(|(host, port)| (host.address, port).into()).collect();
    let dialer = Dialer::new(&lab).destinations(destinations).patience(Duration::from_secs(2));
    for report in dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap() {
        let live = hosts.kind(report.destination.ip()) == Some(HostKind::Live);
        let expected = if live { Outcome::Connected } else { Outcome::Cancelled };
        assert_eq!(report.outcome, expected, "{report:?}");
    }
    let accepted = lab.listener().accepted();
    assert!(hosts.of(HostKind::Live).iter().all(|place| accepted.get(&place.ip()) == Some(&1)));
}

#[test]
fn a_host_can_die_and_come_back() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
    let outcome = || {
        let dialer =
            Dialer::new(&lab).destinations(hosts.destinations()).patience(Duration::from_millis(500));
        dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap()[0].outcome
    };
    let address = [hosts.all()[0].address];
    assert_eq!(outcome(), Outcome::Connected);
    lab.change(&address, HostKind::Dead).unwrap();
    assert_eq!(outcome(), Outcome::Cancelled);
    lab.change(&address, HostKind::Live).unwrap();
    assert_eq!(outcome(), Outcome::Connected);
}

#[test]
fn live_hosts_echo_when_told_to() {
    require_lab!();
    let lab = Lab::builder().echo().build().unwrap();
    let sent: Vec<u8> = (0..2_000_000u32).map(|number| (number % 251) as u8).collect();
    let got = lab.client().run(|| {
        let stream = TcpStream::connect((WORLD_V4, PORT)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&sent).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut got = vec![0; sent.len()];
            (&stream).read_exact(&mut got).unwrap();
            got
        })
    });
    assert!(got.unwrap() == sent, "what came back is not what was sent");
}
