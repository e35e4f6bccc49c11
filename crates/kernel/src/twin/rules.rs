//! Lives in which the two forms once differed, or where a rule is easily lost.

use super::Life;
use super::side_by_side::Pair;
use halfopen_policy::{Ending, Limits, Mode, Rate, Standing, Verdict};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn limits(half_open: u32, slot_life_ms: u64, drain: Option<Rate>) -> Limits {
    Limits {
        half_open: Some(half_open),
        slot_life: Duration::from_millis(slot_life_ms),
        drain,
        ..Limits::xp_sp2()
    }
}

fn once_in(time: Duration) -> Option<Rate> {
    Rate::new(1, time)
}

fn begin(pair: &mut Pair) -> (usize, Verdict) {
    let begun = pair.begin(pair.clock, &Life::default(), None);
    pair.compare(pair.clock);
    begun
}

fn timer(pair: &mut Pair, socket: usize) -> Verdict {
    let verdict = pair.timer(pair.clock, socket);
    pair.compare(pair.clock);
    verdict
}

#[test]
fn an_aged_attempt_gives_no_slot_back_after_the_grid_changed() {
    let mut pair = Pair::new(Mode::Enforce, &[limits(2, 21_000, None)]);
    let (aged, _) = begin(&mut pair);
    pair.pass(20 * SECOND);
    begin(&mut pair);
    pair.pass(4 * SECOND);
    pair.set_limits(0, limits(1, 1_000, None));
    let (waiting, verdict) = begin(&mut pair);
    assert_eq!(verdict, Verdict::Hold, "the second attempt's slot is held");
    pair.end(pair.clock, aged, Ending::TimedOut, 0);
    pair.compare(pair.clock);
    assert_eq!(timer(&mut pair, waiting), Verdict::Hold, "the second attempt's slot is still held");
}

#[test]
fn slots_of_an_old_grid_that_have_expired_are_not_held_on_by_a_further_change() {
    let mut pair = Pair::new(Mode::Enforce, &[limits(2, 1_000, None)]);
    begin(&mut pair);
    pair.set_limits(0, limits(2, 21_000, None));
    begin(&mut pair);
    pair.pass(10 * SECOND);
    pair.set_limits(0, limits(2, 60_000, None));
    let (_, verdict) = begin(&mut pair);
    assert_eq!(verdict, Verdict::Go, "the first slot's grid is long past");
}

#[test]
fn a_raised_rate_is_in_force_at_the_next_recheck() {
    let mut pair = Pair::new(Mode::Enforce, &[limits(1, 100, once_in(Duration::from_hours(1)))]);
    begin(&mut pair);
    let (first, _) = begin(&mut pair);
    let (second, _) = begin(&mut pair);
    pair.pass(SECOND);
    assert_eq!(timer(&mut pair, first), Verdict::Go);
    pair.set_limits(0, limits(1, 100, once_in(Duration::from_millis(100))));
    pair.pass(SECOND);
    timer(&mut pair, second);
    pair.pass(SECOND);
    assert_eq!(timer(&mut pair, second), Verdict::Go);
}

#[test]
fn what_audit_let_go_is_no_debt_when_enforcing_begins_again() {
    let mut pair = Pair::new(Mode::Enforce, &[limits(1, 21_000, once_in(Duration::from_secs(1)))]);
    begin(&mut pair);
    let waiting: Vec<_> = (0..100).map(|_| begin(&mut pair).0).collect();
    pair.set_mode(Mode::Audit);
    for &socket in &waiting {
        assert_eq!(timer(&mut pair, socket), Verdict::Go);
        pair.end(pair.clock, socket, Ending::Established, 0);
    }
    pair.set_mode(Mode::Enforce);
    let (next, verdict) = begin(&mut pair);
    assert_eq!(verdict, Verdict::Hold);
    pair.pass(25 * SECOND);
    timer(&mut pair, next);
    pair.pass(SECOND);
    pair.compare(pair.clock);
    assert_eq!(pair.books.ledger(halfopen_policy::ScopeId::HOST, pair.clock).released, 101);
}

#[test]
fn an_audited_attempt_names_the_scope_that_would_have_held_it() {
    let mut pair = Pair::new(Mode::Audit, &[limits(9, 21_000, None), limits(1, 21_000, None)]);
    pair.begin(pair.clock, &Life { own: 1, ..Life::default() }, None);
    let (_, verdict) = pair.begin(pair.clock, &Life { own: 1, ..Life::default() }, None);
    assert_eq!(verdict, Verdict::GoAudited);
    pair.compare(pair.clock);
}

#[test]
fn an_essential_attempt_never_waits_but_takes_a_slot() {
    let limits = Limits { half_open: Some(1), ..Limits::xp_sp2() };
    let mut pair = Pair::new(Mode::Enforce, &[limits]);
    let essential = |pair: &mut Pair| {
        pair.begin(pair.clock, &Life { standing: Standing::Essential, ..Life::default() }, None)
    };
    let (first, verdict) = essential(&mut pair);
    assert_eq!(verdict, Verdict::Go);
    assert_eq!(begin(&mut pair).1, Verdict::Hold);
    assert_eq!(essential(&mut pair).1, Verdict::Go);
    assert_eq!(pair.kernel.ledger(0, pair.clock).half_open, 2);
    // Late in its slot's life, others waiting: an ordinary attempt's SYN would be held.
    pair.pass(15_000_000_000);
    assert_eq!(pair.timer(pair.clock, first), Verdict::Go);
}
