//! The slots of a scope: how long they are held where clocks differ, limits change, and nobody asks.

use halfopen_policy::{Accounting, AttemptId, Ending, Limits, Mode, Origin, Party, Rate, ScopeId, Verdict};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// Slots of closed attempts end at a multiple of so much.
const LINGER_TICK: u64 = 1 << 29;

fn limits(half_open: u32, slot_life_ms: u64) -> Limits {
    let slot_life = Duration::from_millis(slot_life_ms);
    Limits { half_open: Some(half_open), slot_life, drain: None, ..Limits::xp_sp2() }
}

fn go(accounting: &mut Accounting, now: u64) -> AttemptId {
    let (id, verdict) = accounting.begin(now, Origin::default());
    assert_eq!(verdict, Verdict::Go);
    id
}

fn hold(accounting: &mut Accounting, now: u64) -> AttemptId {
    let (id, verdict) = accounting.begin(now, Origin::default());
    assert_eq!(verdict, Verdict::Hold);
    id
}

/// How many more go out now.
fn free(accounting: &mut Accounting, now: u64) -> usize {
    let attempts: Vec<_> = (0..100).map(|_| accounting.begin(now, Origin::default())).collect();
    for (id, _) in &attempts {
        accounting.end(now, *id, Ending::Neutral, 0);
    }
    attempts.iter().filter(|(_, verdict)| *verdict == Verdict::Go).count()
}

/// The second is closed on a CPU whose clock is behind, in the tick before.
#[test]
fn what_lingers_ends_however_the_clocks_of_two_cpus_differ() {
    let now = 20 * LINGER_TICK;
    let mut accounting = Accounting::new(Mode::Enforce, limits(2, 1_000));
    let [first, second] = [(); 2].map(|()| go(&mut accounting, now));
    accounting.end(now, first, Ending::Cancelled, 0);
    accounting.end(now - LINGER_TICK / 2, second, Ending::Cancelled, 0);
    assert_eq!(free(&mut accounting, now + 100 * LINGER_TICK), 2);
}

#[test]
fn what_lingers_does_so_for_a_seventh_of_slot_life() {
    for (slot_life_ms, least, most) in [(1_000, 1, 1_250), (7_000, 1_000, 2_100), (210_000, 3_000, 4_100)] {
        for phase in [0, 1, 250, 536] {
            let now = 100 * LINGER_TICK + phase * 1_000_000;
            let mut accounting = Accounting::new(Mode::Enforce, limits(1, slot_life_ms));
            let closed = go(&mut accounting, now);
            accounting.end(now, closed, Ending::Cancelled, 0);
            assert_eq!(free(&mut accounting, now + least * 1_000_000 - 1), 0, "{slot_life_ms} ms, {phase}");
            assert_eq!(free(&mut accounting, now + most * 1_000_000), 1, "{slot_life_ms} ms, {phase}");
        }
    }
}

/// Each is closed in a tick of its own, so that they end one after the other.
#[test]
fn what_lingers_ends_one_by_one() {
    let now = 20 * LINGER_TICK;
    let mut accounting = Accounting::new(Mode::Enforce, limits(5, 60_000));
    let out = [(); 5].map(|()| go(&mut accounting, now));
    for (ticks, id) in (0..).zip(out) {
        accounting.end(now + ticks * LINGER_TICK, id, Ending::Cancelled, 0);
    }
    let waiting = [(); 5].map(|()| hold(&mut accounting, now + 4 * LINGER_TICK));
    for (ticks, id) in (0..).zip(waiting) {
        let ends = now + (6 + ticks) * LINGER_TICK;
        assert_eq!(accounting.recheck(ends - 1, id), Verdict::Hold, "{ticks}");
        assert_eq!(accounting.recheck(ends, id), Verdict::Go, "{ticks}");
    }
}

#[test]
fn what_lingers_is_not_the_slot_of_an_attempt() {
    let now = 20 * LINGER_TICK;
    let mut accounting = Accounting::new(Mode::Enforce, limits(3, 21_000));
    let out = [(); 3].map(|()| go(&mut accounting, now));
    accounting.end(now, out[0], Ending::Cancelled, 0);
    // Those that are out expire; then nothing is left but what began since.
    assert_eq!(free(&mut accounting, now + 24 * SECOND), 3);
    accounting.end(now + 24 * SECOND, out[1], Ending::Cancelled, 0);
    assert_eq!(free(&mut accounting, now + 24 * SECOND), 3, "an aged one has no slot that could linger");
}

#[test]
fn a_slot_of_an_old_grid_is_given_back_by_its_own_attempt() {
    for ending in [Ending::Established, Ending::TimedOut, Ending::Other] {
        let mut accounting = Accounting::new(Mode::Enforce, limits(2, 1_000));
        let [first, second] = [(); 2].map(|()| go(&mut accounting, SECOND));
        accounting.set_limits(ScopeId::HOST, limits(2, 60_000));
        let [one, other] = [(); 2].map(|()| hold(&mut accounting, SECOND));
        accounting.end(SECOND, first, ending, 0);
        assert_eq!(accounting.recheck(SECOND, one), Verdict::Go, "{ending:?}");
        assert_eq!(accounting.recheck(SECOND, other), Verdict::Hold, "{ending:?}");
        accounting.end(SECOND, second, ending, 0);
        assert_eq!(accounting.recheck(SECOND, other), Verdict::Go, "{ending:?}");
        let ledger = accounting.ledger(ScopeId::HOST, SECOND);
        assert_eq!((ledger.half_open, ledger.aged), (2, 0));
    }
}

/// Whatever the limit was when it took its slot.
#[test]
fn a_slot_outlives_changes_of_grid_for_as_long_as_it_was_taken_for() {
    for changes in
        [&[60_000][..], &[60_000, 1_000], &[60_000, 1_000, 300_000], &[1_000, 60_000, 1_000, 300_000]]
    {
        let mut accounting = Accounting::new(Mode::Enforce, limits(1, 7_000));
        let first = go(&mut accounting, SECOND);
        let mut waiting = Vec::new();
        for slot_life_ms in changes {
            accounting.set_limits(ScopeId::HOST, limits(1, *slot_life_ms));
            waiting.push(hold(&mut accounting, 2 * SECOND));
        }
        assert_eq!(accounting.ledger(ScopeId::HOST, 2 * SECOND).half_open, 1, "{changes:?}");
        assert_eq!(accounting.recheck(8 * SECOND - 1, waiting[0]), Verdict::Hold, "{changes:?}");
        // The wheel's margin: two ticks of the grid in which it was taken.
        assert_eq!(accounting.recheck(8_500_000_000, waiting[0]), Verdict::Go, "{changes:?}");
        accounting.end(8_500_000_000, first, Ending::TimedOut, 0);
        if let Some(next) = waiting.get(1) {
            assert_eq!(
                accounting.recheck(8_500_000_000, *next),
                Verdict::Hold,
                "it had no slot to give back"
            );
        }
    }
}

/// In whichever place of the wheel it is.
#[test]
fn a_slot_moves_to_the_lump_of_its_grid_from_any_place_of_the_wheel() {
    const TICK: u64 = 1 << 27;
    for tick in 0..130 {
        let now = SECOND + tick * TICK;
        let mut accounting = Accounting::new(Mode::Enforce, limits(1, 7_000));
        go(&mut accounting, now);
        accounting.set_limits(ScopeId::HOST, limits(1, 60_000));
        let waiting = hold(&mut accounting, now);
        assert_eq!(accounting.recheck(now + 7 * SECOND - 1, waiting), Verdict::Hold, "{tick}");
        assert_eq!(accounting.recheck(now + 7 * SECOND + 4 * TICK, waiting), Verdict::Go, "{tick}");
    }
}

/// Those who took theirs before it, later, and never.
#[test]
fn a_repeated_syn_keeps_a_slot_of_an_old_grid_and_moves_it_to_the_new_one() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(1, 7_000));
    let first = go(&mut accounting, SECOND);
    accounting.set_limits(ScopeId::HOST, limits(1, 60_000));
    let waiting = hold(&mut accounting, SECOND);
    assert_eq!(accounting.resend(2 * SECOND, first), Verdict::Go);
    assert_eq!(accounting.recheck(10 * SECOND, waiting), Verdict::Hold, "a minute from its last SYN");
    assert_eq!(accounting.recheck(62 * SECOND - 1, waiting), Verdict::Hold);
    assert_eq!(accounting.recheck(66 * SECOND, waiting), Verdict::Go);
}

#[test]
fn a_limit_that_is_lifted_lets_all_go_whatever_their_turns() {
    let an_hour = Rate::new(1, Duration::from_hours(1));
    let full = Limits { drain: an_hour, ..limits(1, 21_000) };
    let free = Limits { half_open: None, ..full };
    for at_host in [true, false] {
        let mut accounting = Accounting::new(Mode::Enforce, if at_host { full } else { free });
        let own = accounting.open_scope(if at_host { free } else { full });
        let (of, scope) = if at_host { (None, ScopeId::HOST) } else { (Some(own), own) };
        let origin =
            |part, first| Origin { own: of, party: Party { top: 1, part }, first, ..Origin::default() };
        let begin = |accounting: &mut Accounting, part, first| accounting.begin(SECOND, origin(part, first));
        assert_eq!(begin(&mut accounting, 1, false).1, Verdict::Go);
        let waiting = [(1, false), (1, true), (2, false), (2, true)]
            .map(|(part, first)| begin(&mut accounting, part, first).0);
        for id in waiting {
            assert_eq!(accounting.recheck(SECOND, id), Verdict::Hold);
        }
        accounting.set_limits(scope, free);
        for part in 1..4 {
            assert_eq!(begin(&mut accounting, part, false).1, Verdict::Go, "past all that wait");
        }
        for id in waiting {
            assert_eq!(accounting.recheck(SECOND, id), Verdict::Go, "at the host: {at_host}");
        }
    }
}

#[test]
fn attempts_that_begin_in_one_moment_ask_each_at_a_time_of_its_own() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(0, 21_000));
    let numbers = [(); 4].map(|()| {
        let id = hold(&mut accounting, SECOND);
        accounting.number_in_queue(id)
    });
    assert_eq!(numbers, [0, 1, 2, 3].map(Some));
}

#[test]
fn the_ledger_says_when_an_attempt_last_waited_and_for_how_long() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(1, 21_000));
    let own = accounting.open_scope(limits(9, 21_000));
    let origin = Origin { own: Some(own), ..Origin::default() };
    let said = |accounting: &Accounting| {
        let [host, own] = [ScopeId::HOST, own].map(|scope| accounting.ledger(scope, SECOND));
        assert_eq!((host.last_waiter, host.longest_wait), (own.last_waiter, own.longest_wait));
        (host.last_waiter.as_millis(), host.longest_wait.as_millis())
    };
    let at = |millis: u64| SECOND + millis * 1_000_000;
    let (out, _) = accounting.begin(at(0), origin);
    assert_eq!(said(&accounting), (0, 0));
    let [one, other] = [10, 20].map(|millis| accounting.begin(at(millis), origin).0);
    assert_eq!(said(&accounting), (1_020, 0));
    accounting.end(at(500), one, Ending::Cancelled, 0);
    assert_eq!(said(&accounting), (1_500, 490));
    accounting.end(at(600), out, Ending::Established, 0);
    assert_eq!(said(&accounting), (1_500, 490), "that one did not wait");
    assert_eq!(accounting.recheck(at(700), other), Verdict::Go);
    assert_eq!(said(&accounting), (1_700, 680));
    let (third, _) = accounting.begin(at(700), origin);
    accounting.end(at(800), third, Ending::TimedOut, 0);
    assert_eq!(said(&accounting), (1_800, 680), "the longest, not the last");
    accounting.set_mode(Mode::Audit);
    accounting.begin(at(900), origin);
    assert_eq!(said(&accounting), (1_900, 680), "it would have waited");
}

#[test]
fn an_attempt_that_takes_the_place_of_an_ended_one_is_another() {
    let mut accounting = Accounting::new(Mode::Enforce, limits(1, 21_000));
    let ended = go(&mut accounting, SECOND);
    accounting.end(SECOND, ended, Ending::Established, 0);
    let next = go(&mut accounting, SECOND);
    assert!(ended < next);
    accounting.end(SECOND, ended, Ending::Established, 0);
    assert_eq!(accounting.half_open(ScopeId::HOST, SECOND), 1);
    assert_eq!(accounting.half_open(ScopeId::HOST, 30 * SECOND), 0, "its slot has expired");
}

/// Each question turns the wheel to the tick that begins, so the slot is in the last bucket that is visited.
#[test]
fn a_slot_expires_in_its_tick_however_often_somebody_asks() {
    const MS: u64 = 1_000_000;
    let mut accounting = Accounting::new(Mode::Enforce, limits(1, 1_000));
    go(&mut accounting, SECOND);
    let waiting = hold(&mut accounting, SECOND);
    let mut asked = (SECOND..4 * SECOND).step_by(MS as usize);
    let goes = asked.find(|now| accounting.recheck(*now, waiting) == Verdict::Go);
    assert!(goes.is_some_and(|at| at < 2 * SECOND + 150 * MS), "{goes:?}");
}
