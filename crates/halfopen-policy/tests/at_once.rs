//! Attempts that begin and end without the lock, beside what another CPU does at that moment: one step after the other,
//! where `threads` leaves the order to the machine.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::accounting::WalkComes;
use halfopen_policy::shared::Shared;
use halfopen_policy::{Accounting, Ending, Limits, Mode, Origin, Party, ScopeId, Verdict};
use std::time::Duration;

const LIMIT: u32 = 4;
const BEGAN_NS: u64 = 1_000_000_000_000;

fn limits(half_open: Option<u32>) -> Limits {
    Limits { half_open, slot_life: Duration::from_secs(1), drain: None, ..Limits::xp_sp2() }
}

fn origin(address: u64) -> Origin {
    Origin { party: Party { top: 1, part: 2 }, address, ..Origin::default() }
}

/// On ever so many processors: each exchange that fails is another one's that succeeds.
#[test]
fn a_slot_is_given_back_however_many_come_first() {
    let accounting = Shared::new(&limits(Some(LIMIT)), &limits(None));
    let attempt = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    Shared::others_come_first(100);
    assert!(accounting.end(&attempt, Ending::Established, BEGAN_NS).at_once);
    assert_eq!(accounting.slots(), [0, 0], "kept until it expires");
}

/// Others have changed the word at each of its tries: it takes its slot with the lock held.
#[test]
fn who_never_comes_first_takes_the_lock() {
    let accounting = Shared::new(&limits(None), &limits(None));
    let _first = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    Shared::others_come_first(8);
    let _second = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    assert_eq!((accounting.slots(), accounting.out()), ([2, 2 + 8], [2, 2]));
}

/// Others take the last two slots after it has seen them free.
#[test]
fn who_comes_last_finds_the_limit() {
    let accounting = Shared::new(&limits(None), &limits(Some(LIMIT)));
    let _out = [(); 2].map(|()| accounting.begin(&origin(1), BEGAN_NS).unwrap());
    Shared::others_come_first(2);
    assert!(accounting.begin(&origin(1), BEGAN_NS).is_none());
    assert_eq!((accounting.slots(), accounting.out()), ([2, u64::from(LIMIT)], [2, 2]));
}

/// An account of which some are out is not collected.
#[test]
fn whoever_takes_a_slot_is_counted_before() {
    let accounting = Shared::new(&limits(Some(LIMIT)), &limits(None));
    // The first turns the wheel, with the lock held.
    let _first = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    assert_eq!(accounting.out_at_exchange(|| drop(accounting.begin(&origin(1), BEGAN_NS).unwrap())), 2);
}

/// Its memory was another account's between the two.
#[test]
fn an_account_of_fewer_slots_than_none_has_as_many_as_any() {
    for fewer in 1..3 {
        let accounting = Shared::new(&limits(Some(LIMIT)), &limits(None));
        accounting.drift_slots(-fewer);
        let out = (0..2 * LIMIT).filter_map(|_| accounting.begin(&origin(1), BEGAN_NS)).count();
        assert_eq!((out, accounting.slots()), (LIMIT as usize, [LIMIT.into(); 2]), "{fewer} fewer");
    }
}

#[test]
fn while_another_decides_nobody_takes_a_slot_and_who_gives_one_back_is_told() {
    let accounting = Shared::new(&limits(Some(LIMIT)), &limits(None));
    let [first, second] = [(); 2].map(|()| accounting.begin(&origin(1), BEGAN_NS).unwrap());
    let ended = accounting.end(&first, Ending::Established, BEGAN_NS);
    assert!(ended.at_once && !ended.amid_decision);
    let third = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    let ended = accounting.amid_decision(|| accounting.end(&second, Ending::Established, BEGAN_NS));
    assert!(ended.at_once && ended.amid_decision);
    let exchanged = accounting.out_at_exchange(|| {
        accounting.amid_decision(|| drop(accounting.begin(&origin(1), BEGAN_NS).unwrap()));
    });
    assert_eq!(exchanged, 0, "it waits for the lock");
    accounting.end(&third, Ending::Established, BEGAN_NS);
    assert_eq!((accounting.slots(), accounting.out()), ([1, 1], [1, 1]));
}

/// A walk counts each attempt once, whichever of the two is first.
#[test]
fn a_walk_that_begins_beside_it_counts_an_attempt_that_begins() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(Some(LIMIT)));
    let own = accounting.open_scope(limits(None));
    let origin = Origin { own: Some(own), ..origin(1) };
    accounting.begin(BEGAN_NS, origin);
    accounting.walk_will_come(WalkComes::AtExchange);
    let (id, verdict) = accounting.begin(BEGAN_NS, origin);
    assert_eq!(verdict, Verdict::Go);
    accounting.walk_sees(id);
    assert_eq!(accounting.walk_ends(), [ScopeId::HOST, own], "that walk has not met the first");
    let out = |scope| accounting.ledger(scope, BEGAN_NS).half_open;
    assert_eq!([ScopeId::HOST, own].map(out), [1, 1]);
}

#[test]
fn a_walk_that_begins_beside_it_does_not_count_an_attempt_that_ends() {
    for moment in [WalkComes::BeforeEnd, WalkComes::AtExchange, WalkComes::AndEnds] {
        let mut accounting = Accounting::new(Mode::Enforce, limits(Some(LIMIT)));
        let own = accounting.open_scope(limits(None));
        let origin = Origin { own: Some(own), ..origin(1) };
        let [ends, stays] = [(); 2].map(|()| accounting.begin(BEGAN_NS, origin).0);
        accounting.walk_will_come(moment);
        accounting.end(BEGAN_NS, ends, Ending::Established, 0);
        accounting.walk_sees(stays);
        assert_eq!(accounting.walk_ends(), [], "{moment:?}");
        let out = |scope| accounting.ledger(scope, BEGAN_NS).half_open;
        assert_eq!([ScopeId::HOST, own].map(out), [1, 1], "{moment:?}");
    }
}

/// A walk that is over is no reason for the lock, and one that goes on is.
#[test]
fn while_a_walk_goes_on_every_attempt_takes_the_lock() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(Some(LIMIT)));
    let (first, _) = accounting.begin(BEGAN_NS, origin(1));
    accounting.walk_begins();
    accounting.walk_sees(first);
    let (second, _) = accounting.begin(BEGAN_NS, origin(1));
    accounting.end(BEGAN_NS, first, Ending::Established, 0);
    assert_eq!(accounting.walk_ends(), []);
    accounting.end(BEGAN_NS, second, Ending::Established, 0);
    assert_eq!(accounting.ledger(ScopeId::HOST, BEGAN_NS).established, 2);
}
