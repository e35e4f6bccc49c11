//! How fast a queue is worked off.

use halfopen_policy::scope::TURN_TOLERANCE_NS;
use halfopen_policy::{
    Accounting, AttemptId, Ending, Limits, Mode, Origin, Overflow, Rate, ScopeId, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// TCP asks again this long after a SYN that did not leave.
const RECHECK: u64 = 512_000_000;

fn limits(half_open: u32, drain: Option<Rate>) -> Limits {
    Limits { half_open: Some(half_open), drain, ..Limits::xp_sp2() }
}

fn per_second(releases: u32) -> Option<Rate> {
    Rate::new(releases, Duration::from_secs(1))
}

/// Waiters that ask every 512 ms, each at its own time.
struct Queue {
    accounting: Accounting,
    /// By the time of the next re-check.
    timers: BTreeSet<(u64, AttemptId)>,
    released: Vec<u64>,
    /// Whether a released attempt is answered at once.
    answered: bool,
}

impl Queue {
    fn new(limits: Limits) -> Self {
        Self {
            accounting: Accounting::new(Mode::Enforce, limits),
            timers: BTreeSet::new(),
            released: Vec::new(),
            answered: true,
        }
    }

    /// The attempt's first re-check comes `first_timer` later.
    fn dial(&mut self, now: u64, first_timer: u64) -> AttemptId {
        let (id, verdict) = self.accounting.begin(now, Origin::default());
        if verdict == Verdict::Hold {
            self.timers.insert((now + first_timer, id));
        }
        id
    }

    /// Runs all timers up to `until`.
    fn run(&mut self, until: u64) {
        while let Some(&(now, id)) = self.timers.first()
            && now <= until
        {
            self.timers.pop_first();
            if self.accounting.recheck(now, id) == Verdict::Hold {
                self.timers.insert((now + RECHECK, id));
                continue;
            }
            self.released.push(now);
            if self.answered {
                self.accounting.end(now, id, Ending::Established, 0);
            }
        }
    }
}

/// As many more releases as may follow one within `window`.
fn most_in(window: u64, rate: Rate) -> u64 {
    (window + TURN_TOLERANCE_NS) / rate.interval_ns()
}

#[test]
fn the_rate_is_kept_within_two_percent() {
    for (rate, waiters) in [(1, 40), (10, 100), (100, 300), (1_000, 1_500)] {
        let mut queue = Queue::new(Limits { strict: false, ..limits(0, per_second(rate)) });
        let mut dialled = 0;
        for slice in 0..310 {
            let now = slice * SECOND / 10;
            while queue.timers.len() < waiters {
                dialled += 1;
                queue.dial(now, 12_000_000 + dialled * 331_804_129 % RECHECK);
            }
            queue.run(now + SECOND / 10);
        }
        let kept =
            queue.released.iter().filter(|at| (SECOND..31 * SECOND).contains(at)).count() as f64 / 30.0;
        let off = (kept / f64::from(rate) - 1.0).abs();
        // One release more or less is 3 % at 1/s.
        assert!(
            off <= 0.02 || (kept - f64::from(rate)).abs() * 30.0 <= 1.0,
            "{kept}/s where {rate}/s is set"
        );
    }
}

#[test]
fn a_rate_holds_whatever_the_slots_unless_strict() {
    for (strict, expected) in [(false, 100), (true, 0)] {
        let mut queue = Queue::new(Limits { strict, ..limits(10, per_second(10)) });
        queue.answered = false;
        for waiter in 0..110 {
            queue.dial(0, 15_000_000 + waiter * 4_000_000);
        }
        queue.run(20 * SECOND);
        assert_eq!(queue.released.len(), expected, "strict = {strict}");
        assert!(queue.released.iter().all(|&at| at < 11 * SECOND), "strict = {strict}");
    }
}

#[test]
fn the_dead_age_and_let_the_next_ask() {
    let mut queue = Queue::new(limits(10, per_second(10)));
    queue.answered = false;
    for waiter in 0..50 {
        queue.dial(0, 15_000_000 + waiter * 4_000_000);
    }
    for (at, released) in [(20, 0), (24, 10), (46, 20), (68, 30)] {
        queue.run(at * SECOND);
        assert_eq!(queue.released.len(), released, "after {at} s");
    }
}

#[test]
fn a_thousand_cancelled_waiters_cost_the_next_one_two_turns_at_most() {
    let mut queue = Queue::new(limits(1, per_second(10)));
    let first = queue.dial(0, 0);
    let cancelled: Vec<_> = (0..1_000).map(|waiter| queue.dial(0, 15_000_000 + waiter * 400_000)).collect();
    let next = queue.dial(0, 20_000_000);
    queue.run(2 * SECOND);
    for id in cancelled {
        queue.accounting.end(2 * SECOND, id, Ending::Other, 0);
        queue.timers.retain(|&(_, waiting)| waiting != id);
    }
    queue.accounting.end(2 * SECOND, first, Ending::Established, 0);
    queue.run(2 * SECOND + RECHECK + 200_000_000);
    assert_eq!(queue.released.len(), 1, "{next:?} has not had its turn");
    assert_eq!(queue.accounting.ledger(ScopeId::HOST, 3 * SECOND).cancelled, 1_000);
}

#[test]
fn a_raised_limit_and_rate_are_in_force_at_the_next_recheck() {
    let mut queue = Queue::new(limits(10, Rate::new(1, Duration::from_hours(1))));
    queue.answered = false;
    for waiter in 0..60 {
        queue.dial(0, 15_000_000 + waiter * 4_000_000);
    }
    queue.run(SECOND);
    assert_eq!(queue.released.len(), 0);
    queue.accounting.set_limits(ScopeId::HOST, limits(40, None));
    queue.run(SECOND + RECHECK);
    assert_eq!(queue.released.len(), 30);
    queue.accounting.set_limits(ScopeId::HOST, limits(5, None));
    queue.run(10 * SECOND);
    assert_eq!(queue.released.len(), 30, "a lowered limit lets nobody out");
}

#[test]
fn what_was_let_go_unenforced_is_no_debt() {
    let mut queue = Queue::new(limits(1, per_second(1)));
    for waiter in 0..500 {
        queue.dial(0, 15_000_000 + waiter);
    }
    queue.accounting.set_mode(Mode::Off);
    queue.run(SECOND);
    assert_eq!(queue.released.len(), 499);
    queue.accounting.set_mode(Mode::Enforce);
    queue.dial(2 * SECOND, 15_000_000);
    queue.accounting.set_limits(ScopeId::HOST, limits(2, per_second(1)));
    queue.run(4 * SECOND);
    assert_eq!(queue.released.len(), 500);
}

#[test]
fn a_full_queue_refuses_only_those_who_would_have_to_wait() {
    let mut accounting = Accounting::new(Mode::Enforce, Limits { queue: 3, ..limits(1, per_second(10)) });
    let own = accounting.open_scope(Limits { queue: 1, ..limits(9, None) });
    for _ in 0..4 {
        assert!(accounting.refuses(0, Origin { own: Some(own), ..Origin::default() }).is_none());
        accounting.begin(0, Origin { own: Some(own), ..Origin::default() });
    }
    assert!(
        accounting.refuses(0, Origin { own: Some(own), ..Origin::default() }).is_some()
            && accounting.refuses(0, Origin::default()).is_some()
    );
    assert_eq!(accounting.ledger(ScopeId::HOST, 0).refused_overflow, 2);
    assert_eq!(accounting.ledger(own, 0).refused_overflow, 1);
    accounting.set_limits(
        ScopeId::HOST,
        Limits { queue: 3, overflow: Overflow::Wait, ..limits(1, per_second(10)) },
    );
    assert!(accounting.refuses(0, Origin::default()).is_none());
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Dial,
    Recheck,
    Answer,
    Cancel,
}

proptest! {
    /// Waiters ask at any time, in any order, and come and go; slots come free in bursts: no window sees more than rate
    /// and tolerance allow.
    #[test]
    fn no_window_sees_more_releases_than_the_rate_allows(
        releases_per_second in prop_oneof![1..20u32, 1..2_000u32],
        half_open in 0..20u32,
        strict in any::<bool>(),
        acts in vec(
            (
                prop_oneof![3 => Just(Act::Dial), 5 => Just(Act::Recheck), 2 => Just(Act::Answer), 1 => Just(Act::Cancel)],
                prop_oneof![3 => Just(0), 3 => 0..700_000_000u64, 1 => 0..10 * SECOND],
                1..40usize,
            ),
            1..300,
        ),
    ) {
        let Some(rate) = per_second(releases_per_second) else { return Err(TestCaseError::reject("no rate")) };
        let mut accounting = Accounting::new(Mode::Enforce, Limits { strict, ..limits(half_open, Some(rate)) });
        let (mut now, mut waiting, mut out, mut released) = (0, Vec::new(), Vec::new(), Vec::<u64>::new());
        for (act, step, count) in acts {
            now += step;
            for turn in 0..count {
                match act {
                    Act::Dial => {
                        let (id, verdict) = accounting.begin(now, Origin::default());
                        if verdict == Verdict::Hold { waiting.push(id) } else { out.push(id) }
                    }
                    Act::Recheck if !waiting.is_empty() => {
                        let at = turn * 7 % waiting.len();
                        if accounting.recheck(now, waiting[at]) == Verdict::Go {
                            released.push(now);
                            out.push(waiting.swap_remove(at));
                        }
                    }
                    Act::Answer => out.pop().into_iter().for_each(|id| accounting.end(now, id, Ending::Established, 0)),
                    Act::Cancel if turn < 5 => {
                        waiting.pop().into_iter().for_each(|id| accounting.end(now, id, Ending::Other, 0));
                    }
                    Act::Recheck | Act::Cancel => {}
                }
            }
        }
        for (first, &from) in released.iter().enumerate() {
            for (more, &to) in released[first..].iter().enumerate() {
                prop_assert!(more as u64 <= most_in(to - from, rate), "{} releases in {} ns", more + 1, to - from);
            }
        }
    }
}
