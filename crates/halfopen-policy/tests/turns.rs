//! When turns fall due, to the nanosecond; and what decides whether an attempt is a first contact.

use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Limits, Mode, Origin, Party, Rate, ScopeId,
    Standing, Verdict,
};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const START: u64 = 20 * SECOND;

fn by_rate(half_open: u32, releases_per_second: u32) -> Limits {
    Limits {
        half_open: Some(half_open),
        drain: Rate::new(releases_per_second, Duration::from_secs(1)),
        strict: false,
        ..Limits::xp_sp2()
    }
}

fn hold(accounting: &mut Accounting, now: u64, number: usize) -> Vec<AttemptId> {
    let begin = |_| {
        let (id, verdict) = accounting.begin(now, Origin::default());
        assert_eq!(verdict, Verdict::Hold);
        id
    };
    (0..number).map(begin).collect()
}

/// How many go out at this moment.
fn released(accounting: &mut Accounting, now: u64, waiting: &mut Vec<AttemptId>) -> usize {
    let before = waiting.len();
    waiting.retain(|id| accounting.recheck(now, *id) == Verdict::Hold);
    before - waiting.len()
}

#[test]
fn a_turn_is_due_at_once_and_then_once_in_each_interval() {
    for start in [MS, START] {
        let mut accounting = Accounting::new(Mode::Enforce, by_rate(0, 10));
        let mut waiting = hold(&mut accounting, start, 40);
        for turn in 0..20 {
            let due = start + turn * 100 * MS;
            if turn > 0 {
                assert_eq!(released(&mut accounting, due - 1, &mut waiting), 0, "{turn}");
            }
            assert_eq!(released(&mut accounting, due, &mut waiting), 1, "{turn}");
        }
    }
}

/// Those that nobody took, in the last 640 ms.
#[test]
fn turns_that_nobody_took_are_kept_for_a_while() {
    for (late, at_once, next) in [(100, 2, 100), (250, 3, 50), (640, 7, 60), (641, 7, 60), (10_000, 7, 60)] {
        let mut accounting = Accounting::new(Mode::Enforce, by_rate(0, 10));
        let mut waiting = hold(&mut accounting, START, 40);
        let now = START + late * MS;
        assert_eq!(released(&mut accounting, now, &mut waiting), at_once, "{late} ms late");
        assert_eq!(released(&mut accounting, now + next * MS - 1, &mut waiting), 0, "{late} ms late");
        assert_eq!(released(&mut accounting, now + next * MS, &mut waiting), 1, "{late} ms late");
    }
}

#[test]
fn turns_are_no_use_while_nobody_waits() {
    let mut accounting = Accounting::new(Mode::Enforce, by_rate(0, 10));
    let mut waiting = hold(&mut accounting, START, 1);
    assert_eq!(released(&mut accounting, START, &mut waiting), 1);
    let now = START + 10 * SECOND;
    let mut waiting = hold(&mut accounting, now, 10);
    assert_eq!(released(&mut accounting, now, &mut waiting), 1, "the first turn is its own");
    assert_eq!(released(&mut accounting, now + 99 * MS, &mut waiting), 0);
}

/// In a scope of its own too, where slots are free.
#[test]
fn a_rate_alone_holds_nobody_who_finds_a_slot() {
    let mut accounting = Accounting::new(Mode::Enforce, by_rate(50, 1));
    let own = accounting.open_scope(by_rate(3, 1));
    let begin =
        |accounting: &mut Accounting| accounting.begin(START, Origin { own: Some(own), ..Origin::default() });
    let verdicts = [(); 4].map(|()| begin(&mut accounting).1);
    assert_eq!(verdicts, [Verdict::Go, Verdict::Go, Verdict::Go, Verdict::Hold]);
}

fn asking(rules: FirstContact) -> Limits {
    Limits { first_contact: Some(rules), half_open: None, drain: None, ..Limits::xp_sp2() }
}

fn credits(accounting: &Accounting, scopes: [ScopeId; 3]) -> [u64; 3] {
    scopes.map(|scope| accounting.repute(scope, CreditBucket::Strangers).first_contacts)
}

/// Its own account, its interface, the host: the first that asks for credit says what is known. Then all count it.
#[test]
fn the_first_scope_that_asks_for_credit_says_whether_an_address_is_known() {
    let (remembers, asks) =
        (FirstContact { credit: 100, ..FirstContact::virus_throttle() }, FirstContact::adaptive());
    let free = Limits { first_contact: None, ..asking(asks) };
    let (sets, believes) = (asking(remembers), asking(asks));
    // The limits of host, account and interface; and whether an address that is new counts, then the same one again.
    for (host, own, interface, new, again) in [
        (believes, sets, free, [1, 1, 0], [1, 1, 0]),
        (believes, sets, believes, [1, 1, 1], [1, 1, 1]),
        (sets, believes, free, [1, 1, 0], [2, 2, 0]),
        (sets, free, believes, [1, 0, 1], [2, 0, 2]),
        (believes, free, sets, [1, 0, 1], [1, 0, 1]),
        (sets, free, free, [1, 0, 0], [1, 0, 0]),
        (free, free, free, [0, 0, 0], [0, 0, 0]),
    ] {
        let mut accounting = Accounting::new(Mode::Enforce, host);
        let scopes = [ScopeId::HOST, accounting.open_scope(own), accounting.open_scope(interface)];
        let origin = Origin {
            own: Some(scopes[1]),
            interface: Some(scopes[2]),
            first: true,
            address: 7,
            ..Origin::default()
        };
        for counts in [new, again] {
            assert_eq!(accounting.begin(START, origin).1, Verdict::Go);
            assert_eq!(credits(&accounting, scopes), counts);
        }
        let before = credits(&accounting, scopes);
        accounting.begin(START, Origin { standing: Standing::NeverHold, address: 8, ..origin });
        assert_eq!(credits(&accounting, scopes), before, "what is never held costs nothing");
    }
}

/// Where no scope asks for credit nobody is a stranger: all wait alike.
#[test]
fn without_credit_all_are_of_one_rank() {
    let mut accounting = Accounting::new(Mode::Enforce, Limits { drain: None, ..by_rate(1, 1) });
    let own = accounting.open_scope(Limits { drain: None, ..by_rate(1, 1) });
    let origin = |first| Origin { own: Some(own), first, ..Origin::default() };
    let (out, _) = accounting.begin(START, origin(false));
    let [known, stranger] = [false, true].map(|first| accounting.begin(START, origin(first)).0);
    accounting.end(START, out, Ending::Established, 0);
    assert_eq!(accounting.clone().recheck(START, stranger), Verdict::Go);
    assert_eq!(accounting.recheck(START, known), Verdict::Go);
}

/// Others' turns: each of three top-level cgroups has one in a round, and within one each part.
#[test]
fn turns_go_round_whoever_asks_first() {
    let mut accounting = Accounting::new(Mode::Enforce, by_rate(0, 10));
    let of = |top, part| Origin { party: Party { top, part }, ..Origin::default() };
    let parties = [(1, 1), (1, 2), (2, 1), (3, 1)];
    let mut waiting: Vec<_> = (0..12 * parties.len())
        .map(|number| {
            let (top, part) = parties[number / 12];
            (accounting.begin(START, of(top, part)).0, (top, part))
        })
        .collect();
    // Past the turns of newcomers.
    let mut order = Vec::new();
    for step in 1..=30 {
        let now = START + step * 100 * MS;
        let at = waiting
            .iter()
            .position(|(id, _)| accounting.recheck(now, *id) == Verdict::Go)
            .expect("a turn is due");
        order.push(waiting.remove(at).1);
    }
    for round in order[12..].chunks(6) {
        let turns = |top| round.iter().filter(|(of, _)| *of == top).count();
        assert_eq!([1, 2, 3].map(turns), [2; 3], "{order:?}");
        let parts = |part| round.iter().filter(|of| **of == (1, part)).count();
        assert_eq!([1, 2].map(parts), [1; 2], "{order:?}");
    }
}
