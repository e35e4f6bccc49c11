//! Attempts whose packets rules send to another address: they leave the accounting, and begin anew with that address.
//! And attempts whose first packet leaves late.

use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Limits, Mode, Origin, Rate, Refusal, ScopeId,
    Verdict,
};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn limits(half_open: u32) -> Limits {
    Limits { half_open: Some(half_open), drain: None, ..Limits::xp_sp2() }
}

fn begin(accounting: &mut Accounting, origin: Origin) -> (AttemptId, Verdict) {
    accounting.begin(SECOND, origin)
}

/// At the host and in a scope of its own.
fn both(half_open: u32) -> (Accounting, Origin, [ScopeId; 2]) {
    let mut accounting = Accounting::new(Mode::Enforce, limits(half_open));
    let own = accounting.open_scope(limits(half_open));
    (accounting, Origin { own: Some(own), ..Origin::default() }, [ScopeId::HOST, own])
}

#[test]
fn one_that_waits_is_as_if_it_had_gone() {
    let (mut accounting, origin, scopes) = both(1);
    let (out, _) = begin(&mut accounting, origin);
    let [one, other] = [(); 2].map(|()| begin(&mut accounting, origin).0);
    accounting.withdraw(SECOND + MS, one, false);
    for scope in scopes {
        let ledger = accounting.ledger(scope, SECOND + MS);
        assert_eq!((ledger.queued, ledger.released, ledger.cancelled, ledger.half_open), (1, 1, 0, 1));
        assert_eq!(
            (ledger.longest_wait, ledger.last_waiter),
            (Duration::from_millis(1), Duration::from_millis(1_001))
        );
    }
    assert_eq!(scopes.map(|scope| accounting.waiting_at(scope)), [0, 1]);
    accounting.end(SECOND + MS, out, Ending::Established, 0);
    assert_eq!(accounting.recheck(SECOND + MS, other), Verdict::Go, "nobody is before it");
    accounting.end(SECOND + MS, other, Ending::Established, 0);
    assert!(accounting.parties_are_empty());
    assert!(scopes.iter().all(|scope| accounting.ledger(*scope, SECOND + MS).half_open == 0));
}

#[test]
fn one_that_waits_leaves_its_place_in_a_full_queue() {
    let mut accounting = Accounting::new(Mode::Enforce, Limits { queue: 2, ..limits(0) });
    let waiting = [(); 2].map(|()| begin(&mut accounting, Origin::default()).0);
    assert_eq!(accounting.refuses(SECOND, Origin::default()), Some(Refusal::QueueFull));
    accounting.withdraw(SECOND, waiting[0], false);
    assert_eq!(accounting.refuses(SECOND, Origin::default()), None);
}

#[test]
fn one_that_waits_for_credit_leaves_its_place_to_the_next() {
    let first_contact = Some(FirstContact {
        credit: 1,
        rate: Rate::of_interval(Duration::from_secs(1)),
        ..FirstContact::adaptive()
    });
    let mut accounting = Accounting::new(Mode::Enforce, Limits { first_contact, ..limits(100) });
    let stranger = |address| Origin { first: true, address, ..Origin::default() };
    assert_eq!(begin(&mut accounting, stranger(1)).1, Verdict::Go);
    let [other, newest] = [2, 3].map(|address| begin(&mut accounting, stranger(address)).0);
    accounting.withdraw(SECOND, newest, false);
    assert_eq!(accounting.recheck(2 * SECOND, other), Verdict::Go, "it is the newest now");
}

/// Nothing of it is on its way, or its SYN is.
#[test]
fn one_that_is_out_leaves_its_slots_only_to_a_syn_that_has_left() {
    for sent in [false, true] {
        let (mut accounting, origin, scopes) = both(1);
        let (out, verdict) = begin(&mut accounting, origin);
        assert_eq!(verdict, Verdict::Go);
        accounting.withdraw(SECOND, out, sent);
        for scope in scopes {
            let ledger = accounting.ledger(scope, SECOND);
            assert_eq!((ledger.half_open + ledger.aged, ledger.established, ledger.failed), (0, 0, 0));
        }
        let (next, verdict) = begin(&mut accounting, origin);
        assert_eq!(verdict, if sent { Verdict::Hold } else { Verdict::Go });
        if sent {
            assert_eq!(accounting.recheck(22 * SECOND - 1, next), Verdict::Hold);
            assert_eq!(accounting.recheck(24 * SECOND, next), Verdict::Go);
        }
    }
}

#[test]
fn one_that_is_out_is_silent_if_its_syn_has_left_and_costs_nothing_otherwise() {
    for (sent, credit) in [(false, 32), (true, 31)] {
        let rules = FirstContact::adaptive();
        let mut accounting =
            Accounting::new(Mode::Enforce, Limits { first_contact: Some(rules), ..limits(1_000) });
        let begin = |accounting: &mut Accounting| {
            let (id, _) = accounting.begin(SECOND, Origin { first: true, ..Origin::default() });
            assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).pending, 1);
            accounting.withdraw(SECOND, id, sent);
            accounting.repute(ScopeId::HOST, CreditBucket::Strangers)
        };
        let repute = begin(&mut accounting);
        assert_eq!((repute.credit, repute.pending), (credit, 0), "sent: {sent}");
    }
}

#[test]
fn a_walk_finds_nothing_wrong_after_it() {
    let (mut accounting, origin, scopes) = both(2);
    let [one, other, waiting, stays] = [(); 4].map(|()| begin(&mut accounting, origin).0);
    accounting.walk_begins();
    for id in [one, other, waiting, stays] {
        accounting.walk_sees(id);
    }
    accounting.withdraw(SECOND, one, true);
    accounting.withdraw(SECOND, other, false);
    accounting.withdraw(SECOND, waiting, false);
    assert_eq!(accounting.walk_ends(), []);
    for scope in scopes {
        let ledger = accounting.ledger(scope, SECOND);
        assert_eq!((ledger.half_open + ledger.aged, ledger.queued), (0, 1));
    }
}

/// Its task was interrupted between the verdict and the packet.
#[test]
fn a_syn_that_leaves_late_keeps_its_slots_for_as_long_as_any() {
    for (late, is_late) in
        [(0, false), (8 * MS, false), (8 * MS + 1, true), (15 * SECOND, true), (90 * SECOND, true)]
    {
        let (mut accounting, origin, scopes) = both(1);
        let (out, _) = begin(&mut accounting, origin);
        let now = SECOND + late;
        assert_eq!(accounting.leaves(now, out), is_late, "{late} ns");
        if !is_late {
            continue;
        }
        let (next, verdict) = accounting.begin(now, origin);
        assert_eq!(verdict, Verdict::Hold, "{late} ns");
        let last = now + 21 * SECOND - 1;
        assert_eq!(scopes.map(|scope| accounting.ledger(scope, last).half_open), [1, 1], "{late} ns");
        assert_eq!(accounting.recheck(last, next), Verdict::Hold, "{late} ns");
        // It repeats its SYN freely for a seventh of the slot's life, from the same moment.
        assert_eq!(accounting.resend(now + 3 * SECOND, out), Verdict::Go, "{late} ns");
        assert!(!accounting.leaves(now, out), "its slots are dated anew");
    }
}
