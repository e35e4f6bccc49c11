//! `established` counts a connection until its socket has ended, in whatever way, and no longer.

use std::collections::HashSet;
use testkit::desk::PATIENCE;
use testkit::endings::{Moment, WAYS, churn};
use testkit::nat::{EntryState, Event, most_at_once};
use testkit::{CLIENT_V4, Lab, Limiter, require_lab};

const LIMIT: usize = 5;
const ROUNDS: usize = 2;

fn open(limiter: &Limiter) -> i64 {
    limiter.status().unwrap().host.connections.map_or(0, |of| of.open)
}

fn await_open(limiter: &Limiter, count: i64) -> Result<(), testkit::LabError> {
    let is = |status: &testkit::Status| status.host.connections.as_ref().map_or(0, |of| of.open) == count;
    limiter.await_status("as many open as there are", PATIENCE, is).map(drop)
}

#[test]
fn each_way_to_end_gives_the_place_back_just_then() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let limiter =
        Limiter::builder(&lab).set("half_open", "unlimited").set("established", 1_000).start().unwrap();
    let mut wrong = Vec::new();
    for way in WAYS {
        let watched = &mut |Moment { after, seen, .. }: Moment| {
            let (counted, is_open) = (open(&limiter), i64::from(seen.is_open()));
            if counted != is_open {
                wrong.push(format!("{way:?}: {after}: {counted} open, but {seen:?}"));
            }
            Ok(())
        };
        way.walk(&lab, lab.cgroup(), watched).unwrap();
        // The two processes of some ways end after the last moment.
        await_open(&limiter, 0).unwrap_or_else(|e| panic!("{way:?}: {e}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn never_more_than_the_limit_are_open_and_none_is_leaked() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let limiter =
        Limiter::builder(&lab).set("half_open", "unlimited").set("established", LIMIT).start().unwrap();
    let mut journal = lab.nat().unwrap().journal().unwrap();
    let churned = churn(&lab, lab.cgroup(), ROUNDS, 12);
    // A held attempt may lose what is no part of TCP, and keeps its program's own timeout.
    let may_fail = ["MPTCP", "fast open", "TCP_USER_TIMEOUT towards a vanished peer", "unanswered"];
    assert!(churned.failed.keys().all(|way| may_fail.contains(way)), "{:?}", churned.failed);
    let nat = lab.nat().unwrap();
    // The NAT box hears nothing of some ends: to it those connections stay open.
    let entries = nat.entries().unwrap();
    let silent: HashSet<_> =
        entries.iter().filter(|entry| entry.state.is_open()).map(|entry| (entry.from, entry.to)).collect();
    // Once a FIN is acknowledged, the NAT box cannot tell who has only shut down one side from who has closed: a closed
    // socket ends then, whether or not the far side has closed too (net/ipv4/tcp_input.c, tcp_rcv_state_process).
    let is_held =
        |state: EntryState| state.is_open() && !matches!(state, EntryState::CloseWait | EntryState::LastAck);
    let events = journal.events().unwrap();
    let dialled = |event: &Event| event.to.ip() != CLIENT_V4 && !silent.contains(&(event.from, event.to));
    let most = most_at_once(events, is_held, dialled);
    assert!(most <= LIMIT, "{most} at once: {events:?}");
    await_open(&limiter, 0).unwrap();
    let status = limiter.status().unwrap();
    assert!(status.host.connections.unwrap().waited > 0, "the limit was never reached");
}
