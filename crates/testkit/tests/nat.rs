//! The NAT box translates, and its table and journal say what it keeps.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::Duration;

use testkit::dial::Outcome;
use testkit::nat::{EntryState, NAT_V4, NAT_V6, most_at_once};
use testkit::{Dialer, Family, Kind, Lab, Mix, PORT, Side, require_lab};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_world_sees_the_nat_box_and_the_nat_box_keeps_who_dialled() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let nat = lab.nat().unwrap();
    let mut journal = nat.journal().unwrap();
    let hosts = lab.draw(&Mix { live: 30, dead: 4, family: Family::Both, ..Mix::default() }).unwrap();
    let capture = lab.capture(Side::World).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).patience(Duration::from_secs(2));
    let reports = dialling.spawn().unwrap();
    let done = reports.await_all_done(PATIENCE).unwrap();
    let connected: Vec<_> = done.iter().filter(|report| report.outcome == Outcome::Connected).collect();
    assert_eq!(connected.len(), 30);

    let entries = nat.entries().unwrap();
    for report in &connected {
        let entry = entries.iter().find(|entry| Some(entry.from) == report.source).unwrap();
        assert_eq!((entry.to, entry.state), (report.destination, EntryState::Established));
    }
    let events = journal.events().unwrap();
    let most = |counts: fn(EntryState) -> bool| most_at_once(events, counts, |event| event.to.port() == PORT);
    assert_eq!(most(EntryState::is_open), 34, "{events:?}");
    assert_eq!(most(|state| state == EntryState::Established), 30, "{events:?}");

    let captured = capture.finish().unwrap();
    let syns = captured.whole().iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    let dialled = syns.filter(|segment| segment.to.port() == PORT).map(|syn| syn.from.ip());
    assert!(dialled.clone().count() >= 34);
    assert!(dialled.into_iter().all(|from| from == NAT_V4 || from == NAT_V6));
    // As many as the world itself counts.
    let open = lab.world().tcp_sockets().unwrap().into_iter().filter(|socket| socket.local.port() == PORT);
    assert_eq!(open.filter(|socket| socket.remote.port() != 0).count(), 30);
}
