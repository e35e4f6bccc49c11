//! What hooks ask about parties: whether they have to look at all, and how many turns are before one.

use halfopen_policy::{
    Accounting, AttemptId, Ending, FirstContact, Limits, Mode, Origin, Overflow, Party, Rate, Refusal,
    ScopeId, Verdict,
};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn slots(half_open: Option<u32>) -> Limits {
    Limits { half_open, drain: None, ..Limits::xp_sp2() }
}

fn of(top: u64, part: u64) -> Origin {
    Origin { party: Party { top, part }, ..Origin::default() }
}

fn hold(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, Verdict::Hold);
    id
}

#[test]
fn connect_looks_at_parties_only_where_the_queue_is_full_or_some_have_cancelled_too_much() {
    let mut accounting = Accounting::new(Mode::Enforce, Limits { queue: 3, ..slots(Some(0)) });
    for _ in 0..3 {
        assert!(!accounting.asks_for_part(of(1, 1)));
        hold(&mut accounting, SECOND, of(1, 1));
    }
    assert!(accounting.asks_for_part(of(1, 1)) && accounting.asks_for_part(of(2, 2)));
    assert_eq!(accounting.refuses(SECOND, of(1, 1)), Some(Refusal::QueueFull));
    assert_eq!(accounting.refuses(SECOND, of(2, 2)), None);
    accounting.set_limits(ScopeId::HOST, Limits { queue: 3, overflow: Overflow::Wait, ..slots(Some(0)) });
    assert!(!accounting.asks_for_part(of(1, 1)));
    // A queue of none is full only once somebody waits.
    let mut accounting = Accounting::new(Mode::Enforce, Limits { queue: 0, ..slots(Some(0)) });
    assert!(!accounting.asks_for_part(of(1, 1)));
    hold(&mut accounting, SECOND, of(1, 1));
    assert!(accounting.asks_for_part(of(1, 1)));

    let mut accounting = Accounting::new(Mode::Enforce, slots(Some(0)));
    let cancelled: Vec<_> = (0..1_030).map(|_| hold(&mut accounting, SECOND, of(1, 1))).collect();
    for (number, id) in (1..).zip(cancelled) {
        assert_eq!(accounting.asks_for_part(of(2, 2)), number > 1_024, "{number}");
        accounting.end(SECOND, id, Ending::Cancelled, 0);
    }
    assert_eq!(accounting.refuses(SECOND, of(1, 1)), Some(Refusal::Churn));
}

/// How many of `many` that wait so long from `from` on can be cancelled before another would be refused.
fn cancelled(accounting: &mut Accounting, many: usize, from: u64, waited: u64) -> usize {
    let waiting: Vec<_> = (0..many).map(|_| hold(accounting, from, of(1, 1))).collect();
    let now = from + waited;
    let end = |id| {
        accounting.end(now, id, Ending::Cancelled, 0);
        accounting.refuses(now, of(1, 1)).is_none()
    };
    waiting.into_iter().map(end).take_while(|goes_on| *goes_on).count() + 1
}

/// Some cancel at once; some wait for a second first, and count for a sixteenth.
#[test]
fn as_many_may_be_cancelled_at_once_as_many_pools_have() {
    for (patient, many) in [(0, 1_024), (160, 1_014), (8_000, 524)] {
        for waited in [SECOND, 9 * SECOND] {
            let mut accounting = Accounting::new(Mode::Enforce, slots(Some(0)));
            assert_eq!(cancelled(&mut accounting, patient, SECOND, waited), patient + 1);
            assert_eq!(cancelled(&mut accounting, 1_100, SECOND + waited, 0), many, "{patient}, {waited} ns");
        }
    }
}

/// A known address is reached where the host has room, whatever else its part has cancelled.
#[test]
fn who_has_cancelled_too_much_still_reaches_whom_it_knows() {
    let mut accounting = Accounting::new(Mode::Enforce, slots(Some(2)));
    let own = Some(accounting.open_scope(slots(Some(0))));
    let in_account = Origin { own, ..of(1, 1) };
    for _ in 0..1_030 {
        let id = hold(&mut accounting, SECOND, in_account);
        accounting.end(SECOND, id, Ending::Cancelled, 0);
    }
    let stranger = Origin { first: true, ..of(1, 1) };
    let named = Origin { named: true, ..stranger };
    assert_eq!(accounting.refuses(SECOND, stranger), Some(Refusal::Churn));
    assert_eq!(accounting.refuses(SECOND, named), None);
    assert_eq!(accounting.refuses(SECOND, of(1, 1)), None);
    assert_eq!(accounting.refuses(SECOND, of(1, 2)), None);
    // No room at the host.
    let out = [(); 2].map(|()| accounting.begin(SECOND, of(2, 2)).0);
    assert_eq!(accounting.refuses(SECOND, of(1, 1)), Some(Refusal::Churn));
    // Room, but others wait for it.
    let _waits = hold(&mut accounting, SECOND, of(2, 2));
    accounting.end(SECOND, out[0], Ending::Established, 0);
    assert_eq!(accounting.refuses(SECOND, of(1, 1)), Some(Refusal::Churn));
    // A second without a cancelled one, and one attempt at a time.
    assert_eq!(accounting.refuses(2 * SECOND - 1, of(1, 1)), Some(Refusal::Churn));
    assert_eq!(accounting.refuses(2 * SECOND, of(1, 1)), None);
    let one = hold(&mut accounting, 2 * SECOND, in_account);
    assert_eq!(accounting.refuses(2 * SECOND, of(1, 1)), Some(Refusal::Churn));
    accounting.end(2 * SECOND, one, Ending::TimedOut, 0);
    assert_eq!(accounting.refuses(2 * SECOND, of(1, 1)), None);
}

#[test]
fn an_attempt_looks_at_parties_only_where_it_may_have_to_wait() {
    let first_contact = Some(FirstContact {
        credit: 2,
        rate: Rate::of_interval(Duration::from_mins(10)),
        ..FirstContact::adaptive()
    });
    let stranger = |own| Origin { own: Some(own), first: true, ..of(1, 1) };
    // Slots at the host, then in its account.
    for at_host in [true, false] {
        let (full, free) = (slots(Some(1)), slots(None));
        let mut accounting = Accounting::new(Mode::Enforce, if at_host { full } else { free });
        let own = accounting.open_scope(if at_host { free } else { full });
        let origin = Origin { own: Some(own), ..of(1, 1) };
        assert!(!accounting.may_have_to_wait(SECOND, origin));
        let (out, _) = accounting.begin(SECOND, origin);
        assert!(accounting.may_have_to_wait(SECOND, origin), "no slot, at the host: {at_host}");
        assert!(!accounting.clone().may_have_to_wait(30 * SECOND, origin), "it has expired");
        hold(&mut accounting, SECOND, origin);
        accounting.end(SECOND, out, Ending::Established, 0);
        assert!(accounting.may_have_to_wait(SECOND, origin), "somebody waits, at the host: {at_host}");
        assert_eq!(accounting.may_have_to_wait(SECOND, of(1, 1)), at_host, "one outside of that account");
    }
    // Credit on its port, then for all ports.
    for port in [443, 80] {
        let mut accounting = Accounting::new(Mode::Enforce, slots(None));
        let own = accounting.open_scope(Limits { first_contact, ..slots(None) });
        accounting.begin(SECOND, Origin { port: 443, ..stranger(own) });
        assert!(!accounting.may_have_to_wait(SECOND, Origin { port, ..stranger(own) }));
        accounting.begin(SECOND, Origin { port: 443, ..stranger(own) });
        assert!(
            accounting.may_have_to_wait(SECOND, Origin { port, ..stranger(own) }),
            "no credit, port {port}"
        );
        assert!(!accounting.may_have_to_wait(SECOND, Origin { port, named: true, ..stranger(own) }));
    }
}

/// Turns go round; the latest to begin comes next but one.
#[test]
fn the_turns_until_one_s_own_are_as_many_as_wait_or_two() {
    let mut accounting = Accounting::new(Mode::Enforce, slots(Some(0)));
    hold(&mut accounting, SECOND, of(1, 1));
    assert_eq!(accounting.turns_until(of(1, 1)), [1, 1]);
    hold(&mut accounting, SECOND, of(2, 1));
    assert_eq!([of(1, 1), of(2, 1)].map(|origin| accounting.turns_until(origin)), [[2, 1]; 2]);
    for part in 2..6 {
        hold(&mut accounting, SECOND, of(2, part));
    }
    let third = hold(&mut accounting, SECOND, of(3, 1));
    for (origin, turns) in [(of(1, 1), [3, 1]), (of(2, 1), [3, 5]), (of(2, 5), [3, 2]), (of(3, 1), [2, 1])] {
        assert_eq!(accounting.turns_until(origin), turns, "{origin:?}");
    }
    // It has had its turn.
    accounting.set_mode(Mode::Audit);
    accounting.recheck(SECOND, third);
    accounting.set_mode(Mode::Enforce);
    hold(&mut accounting, SECOND, of(3, 1));
    assert_eq!(accounting.turns_until(of(3, 1)), [3, 1]);
}

/// A thirty-second of the slots, for ten seconds after a newcomer came while others waited.
#[test]
fn slots_are_kept_for_newcomers_only_where_others_wait() {
    let limits = Limits { slot_life: Duration::from_secs(1), ..slots(Some(64)) };
    for (others, least) in [(false, 64), (true, 62)] {
        let mut accounting = Accounting::new(Mode::Enforce, limits);
        let mut waiting = Vec::new();
        for _ in 0..64 {
            assert_eq!(accounting.begin(SECOND, of(1, 1)).1, Verdict::Go);
        }
        for _ in 0..300 {
            waiting.push(hold(&mut accounting, SECOND, of(1, 1)));
        }
        let mut now = 3 * SECOND;
        if others {
            let newcomer = hold(&mut accounting, SECOND, of(2, 1));
            assert_eq!(accounting.recheck(now, newcomer), Verdict::Go);
            accounting.end(now, newcomer, Ending::Established, 0);
        }
        let mut round = |now: u64| {
            let before = waiting.len();
            waiting.retain(|id| accounting.recheck(now, *id) == Verdict::Hold);
            before - waiting.len()
        };
        assert_eq!(round(now), least, "others: {others}");
        now += 10 * SECOND - 1;
        assert_eq!(round(now), least, "others: {others}");
        assert_eq!(round(now + 1), 64 - least, "ten seconds are over");
    }
}
