//! The limit holds whatever a sock_ops program of somebody else does, wherever it is attached: the egress hook decides
//! where the callbacks are lost, and the reconcile walk finds who has left unnoticed.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::Duration;
use testkit::desk::other_program::{Attached, Does, attach, attach_counting};
use testkit::desk::{PATIENCE, has, limit, program, until, waiting};
use testkit::dial::{Outcome, Report};
use testkit::invariant::{Invariant, attempts, destinations};
use testkit::{Cgroup, Dialer, Lab, Limiter, Mix, Scope, Side, require_lab};

const LIMIT: u32 = 5;
const DIALLED: u32 = 40;
const SLOT_LIFE: Duration = Duration::from_secs(21);

/// Where it stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Above,
    BeforeOurs,
    AfterOurs,
    Below,
}

/// Where the other's timer of 2 s is the last word, so many take some 4 s.
const RECHECKS: u32 = 4;

fn holds(does: Does, place: Where) {
    let lab = Lab::new().unwrap();
    let middle = lab.cgroup().child("middle").unwrap();
    let below = middle.child("below").unwrap();
    let attach_to = |cgroup: &Cgroup| attach(does, cgroup, Attached::BesideOthers);
    match place {
        Where::Above => attach_to(lab.cgroup()),
        Where::BeforeOurs => attach_to(&middle),
        Where::Below => attach_to(&below),
        Where::AfterOurs => {}
    }
    let builder = Limiter::builder(&lab).program(program()).limited(&middle);
    let limiter = builder.set("half_open", LIMIT).set("drain", "unlimited").start().unwrap();
    if place == Where::AfterOurs {
        attach_to(&middle);
    }
    let capture = lab.capture(Side::Client).unwrap();
    let hosts = lab.draw(&Mix { dead: DIALLED as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).cgroup(&below).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    until("every waiting attempt to ask several times", PATIENCE, || {
        let waiting = waiting(&limiter, dialling.pid());
        (waiting.len() as u32 == DIALLED - LIMIT && waiting.values().all(|asked| *asked >= RECHECKS))
            .then_some(())
    });
    let status = limiter.status().unwrap();
    assert_eq!(status.host.queued, i64::from(DIALLED - LIMIT), "{does:?} {place:?}: {status:?}");
    drop(dialling);
    limiter
        .await_status("all to be gone from the accounting", PATIENCE, |status| {
            (status.host.half_open, status.host.aged, status.host.queued) == (0, 0, 0)
        })
        .unwrap_or_else(|late| panic!("{does:?} {place:?}: {late}"));
    let captured = capture.finish().unwrap();
    let attempts = attempts(&captured.segments, &[]);
    assert_eq!(destinations(&attempts).len() as u32, LIMIT, "{does:?} {place:?}");
    let invariant = Invariant { half_open: LIMIT as usize, slot_life: SLOT_LIFE, tolerance: Duration::ZERO };
    assert_eq!(invariant.check(&attempts).unwrap().half_open as u32, LIMIT, "{does:?} {place:?}");
}

fn holds_everywhere(does: Does) {
    if !has("bpftool", "bpftool") {
        return;
    }
    std::thread::scope(|scope| {
        for place in [Where::Above, Where::BeforeOurs, Where::AfterOurs, Where::Below] {
            scope.spawn(move || holds(does, place));
        }
    });
}

#[test]
fn one_that_replies_to_everything() {
    require_lab!();
    holds_everywhere(Does::RepliesToAll);
}

#[test]
fn one_that_sets_flags_of_its_own_in_place_of_ours() {
    require_lab!();
    holds_everywhere(Does::ReplacesFlags);
}

#[test]
fn one_that_sets_the_first_timer() {
    require_lab!();
    holds_everywhere(Does::SetsFirstTimer);
}

#[test]
fn one_that_throws_replies_away() {
    require_lab!();
    holds_everywhere(Does::ReturnsZero);
}

#[test]
fn one_that_clears_our_flags_at_each_timer() {
    require_lab!();
    holds_everywhere(Does::ClearsFlags);
}

/// All slots are taken, one more waits, and the other program clears our flags at each of its timers.
fn waits_behind(mix: &Mix, slot_life: &str) -> Option<(Report, Scope)> {
    if !has("bpftool", "bpftool") {
        return None;
    }
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, LIMIT).set("slot_life", slot_life).start().unwrap();
    attach(Does::ClearsFlags, lab.cgroup(), Attached::BesideOthers);
    let first = lab.draw(mix).unwrap();
    let first = Dialer::new(&lab).destinations(first.destinations()).spawn().unwrap();
    first.await_all_dialled(PATIENCE).unwrap();
    limiter
        .await_status("the first to be out", PATIENCE, |status| {
            status.host.half_open + status.host.established == i64::from(LIMIT)
        })
        .unwrap();
    let next = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
    let next = Dialer::new(&lab).destinations(next.destinations()).spawn().unwrap();
    let report = next.await_all_done(PATIENCE).unwrap()[0];
    Some((report, limiter.status().unwrap().host))
}

#[test]
fn who_has_connected_gives_its_slot_back_though_we_are_not_told() {
    require_lab!();
    let mix = Mix { live: LIMIT as usize, ..Mix::default() };
    let Some((report, host)) = waits_behind(&mix, "5m") else { return };
    assert_eq!(report.outcome, Outcome::Connected);
    assert_eq!((host.half_open, host.aged, host.queued), (0, 0, 0), "{host:?}");
}

#[test]
fn who_waits_keeps_its_patience_though_egress_alone_decides() {
    require_lab!();
    let mix = Mix { dead: LIMIT as usize, ..Mix::default() };
    let Some((report, host)) = waits_behind(&mix, "10s") else { return };
    assert_eq!(report.outcome, Outcome::Connected, "{report:?}");
    assert!(report.waited() > Duration::from_secs(9), "{report:?}");
    assert_eq!((host.released, host.gave_up_while_queued), (1, 0), "{host:?}");
}

/// Ours wants to hear no more of an established connection; the other one does, by the same flag.
#[test]
fn one_that_hears_of_the_ends_of_connections() {
    const CONNECTIONS: usize = 30;
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    for place in [Where::Above, Where::BeforeOurs, Where::AfterOurs, Where::Below] {
        let lab = Lab::new().unwrap();
        let middle = lab.cgroup().child("middle").unwrap();
        let below = middle.child("below").unwrap();
        let start = || Limiter::builder(&lab).program(program()).limited(&middle).start().unwrap();
        let early = (place == Where::AfterOurs).then(start);
        let ends = attach_counting(match place {
            Where::Above => lab.cgroup(),
            Where::BeforeOurs | Where::AfterOurs => &middle,
            Where::Below => &below,
        });
        let _limiter = early.unwrap_or_else(start);
        let hosts = lab.draw(&Mix { live: CONNECTIONS, ..Mix::default() }).unwrap();
        let dialer = Dialer::new(&lab).cgroup(&below).destinations(hosts.destinations());
        let dialling = dialer.close_when_connected().spawn().unwrap();
        let reports = dialling.await_reports(CONNECTIONS, PATIENCE).unwrap();
        assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{place:?}: {reports:?}");
        until(&format!("{place:?}: the other to hear of every end"), PATIENCE, || {
            (ends.count() == CONNECTIONS as u64).then_some(())
        });
    }
}
