//! Lives in which a rule is easily lost.

use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Ledger, Limits, Mode, OnSuspect, Origin, Rate,
    Refusal, ScopeId, Standing, Verdict,
};
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

/// Accounting of one host, and what time it is.
struct Host {
    accounting: Accounting,
    clock: u64,
}

impl Host {
    fn new(mode: Mode, limits: Limits) -> Self {
        Self { accounting: Accounting::new(mode, limits), clock: 7 * SECOND }
    }

    fn pass(&mut self, nanos: u64) {
        self.clock += nanos;
    }

    fn begin(&mut self) -> (AttemptId, Verdict) {
        self.accounting.begin(self.clock, Origin::default())
    }

    fn recheck(&mut self, id: AttemptId) -> Verdict {
        self.accounting.recheck(self.clock, id)
    }

    fn set_limits(&mut self, limits: Limits) {
        self.accounting.set_limits(ScopeId::HOST, limits);
    }

    fn end(&mut self, id: AttemptId, ending: Ending) {
        self.accounting.end(self.clock, id, ending, 0);
    }

    fn ledger(&self) -> Ledger {
        self.accounting.ledger(ScopeId::HOST, self.clock)
    }
}

#[test]
fn an_aged_attempt_gives_no_slot_back_after_the_grid_changed() {
    let mut host = Host::new(Mode::Enforce, limits(2, 21_000, None));
    let (aged, _) = host.begin();
    host.pass(20 * SECOND);
    host.begin();
    host.pass(4 * SECOND);
    host.set_limits(limits(1, 1_000, None));
    let (waiting, verdict) = host.begin();
    assert_eq!(verdict, Verdict::Hold, "the second attempt's slot is held");
    host.end(aged, Ending::TimedOut);
    assert_eq!(host.recheck(waiting), Verdict::Hold, "the second attempt's slot is still held");
}

#[test]
fn slots_of_an_old_grid_that_have_expired_are_not_held_on_by_a_further_change() {
    let mut host = Host::new(Mode::Enforce, limits(2, 1_000, None));
    host.begin();
    host.set_limits(limits(2, 21_000, None));
    host.begin();
    host.pass(10 * SECOND);
    host.set_limits(limits(2, 60_000, None));
    let (_, verdict) = host.begin();
    assert_eq!(verdict, Verdict::Go, "the first slot's grid is long past");
}

#[test]
fn a_raised_rate_is_in_force_at_the_next_recheck() {
    let mut host = Host::new(Mode::Enforce, limits(1, 100, once_in(Duration::from_hours(1))));
    host.begin();
    let (first, _) = host.begin();
    let (second, _) = host.begin();
    host.pass(SECOND);
    assert_eq!(host.recheck(first), Verdict::Go);
    host.set_limits(limits(1, 100, once_in(Duration::from_millis(100))));
    host.pass(SECOND);
    host.recheck(second);
    host.pass(SECOND);
    assert_eq!(host.recheck(second), Verdict::Go);
}

#[test]
fn what_audit_let_go_is_no_debt_when_enforcing_begins_again() {
    let mut host = Host::new(Mode::Enforce, limits(1, 21_000, once_in(Duration::from_secs(1))));
    host.begin();
    let waiting: Vec<_> = (0..100).map(|_| host.begin().0).collect();
    host.accounting.set_mode(Mode::Audit);
    for &id in &waiting {
        assert_eq!(host.recheck(id), Verdict::Go);
        host.end(id, Ending::Established);
    }
    host.accounting.set_mode(Mode::Enforce);
    let (next, verdict) = host.begin();
    assert_eq!(verdict, Verdict::Hold);
    host.pass(25 * SECOND);
    host.recheck(next);
    host.pass(SECOND);
    assert_eq!(host.ledger().released, 101);
}

#[test]
fn an_audited_attempt_names_the_scope_that_would_have_held_it() {
    let mut accounting = Accounting::new(Mode::Audit, limits(9, 21_000, None));
    let own = Some(accounting.open_scope(limits(1, 21_000, None)));
    let origin = Origin { own, ..Origin::default() };
    let (first, _) = accounting.begin(SECOND, origin);
    let (second, verdict) = accounting.begin(SECOND, origin);
    assert_eq!(verdict, Verdict::GoAudited);
    assert_eq!([first, second].map(|id| accounting.held_back_by(id)), [None, own]);
}

#[test]
fn an_never_held_attempt_never_waits_but_takes_a_slot() {
    let mut host = Host::new(Mode::Enforce, limits(1, 21_000, None));
    let never_hold = Origin { standing: Standing::NeverHold, ..Origin::default() };
    let (first, verdict) = host.accounting.begin(host.clock, never_hold);
    assert_eq!(verdict, Verdict::Go);
    assert_eq!(host.begin().1, Verdict::Hold);
    assert_eq!(host.accounting.begin(host.clock, never_hold).1, Verdict::Go);
    assert_eq!(host.ledger().half_open, 2);
    // Late in its slot's life, others waiting: an ordinary attempt's SYN would be held.
    host.pass(15 * SECOND);
    assert_eq!(host.accounting.resend(host.clock, first), Verdict::Go);
}

#[test]
fn an_never_held_attempt_is_not_refused() {
    let mut host = Host::new(Mode::Enforce, Limits { queue: 1, ..limits(1, 21_000, None) });
    host.begin();
    host.begin();
    let never_hold = Origin { standing: Standing::NeverHold, ..Origin::default() };
    assert_eq!(host.accounting.refuses(host.clock, Origin::default()), Some(Refusal::QueueFull));
    assert_eq!(host.accounting.refuses(host.clock, never_hold), None);
    assert_eq!(host.ledger().refused_overflow, 1);
}

#[test]
fn a_waiter_whose_address_has_become_known_costs_no_credit() {
    let first_contact = Some(FirstContact { credit: 1, ..FirstContact::adaptive() });
    let mut host = Host::new(Mode::Enforce, Limits { first_contact, half_open: None, ..Limits::xp_sp2() });
    let stranger = Origin { first: true, ..Origin::default() };
    assert_eq!(host.accounting.begin(host.clock, stranger).1, Verdict::Go);
    let (waiting, verdict) = host.accounting.begin(host.clock, stranger);
    assert_eq!((verdict, host.recheck(waiting)), (Verdict::Hold, Verdict::Hold));
    host.accounting.knows(host.clock, waiting);
    assert_eq!(host.recheck(waiting), Verdict::Go);
    assert_eq!(host.accounting.repute(ScopeId::HOST, CreditBucket::Strangers).first_contacts, 1);
}

#[test]
fn a_blocked_suspect_is_refused_for_as_long_as_was_said() {
    let block = Duration::from_mins(10);
    let rules = FirstContact { credit: 100, on_suspect: OnSuspect::Block(block), ..FirstContact::adaptive() };
    let mut host =
        Host::new(Mode::Enforce, Limits { first_contact: Some(rules), half_open: None, ..Limits::xp_sp2() });
    let stranger = Origin { first: true, ..Origin::default() };
    for _ in 0..43 {
        assert_eq!(host.accounting.refuses(host.clock, stranger), None);
        let (id, _) = host.accounting.begin(host.clock, stranger);
        host.end(id, Ending::TimedOut);
    }
    assert_eq!(host.accounting.refuses(host.clock, Origin::default()), Some(Refusal::Blocked));
    assert_eq!(host.ledger().blocked, 1);
    host.pass(block.as_nanos() as u64 - 1);
    assert_eq!(host.accounting.refuses(host.clock, Origin::default()), Some(Refusal::Blocked));
    host.pass(1);
    assert_eq!(host.accounting.refuses(host.clock, Origin::default()), None);
}

#[test]
fn a_name_is_no_more_than_an_address_on_ports_that_worms_ask_for() {
    for (port, takes) in
        [(443, true), (80, true), (25, true), (22, false), (445, false), (8080, false), (8333, false)]
    {
        let named = Origin { first: true, named: true, port, ..Origin::default() };
        assert_eq!(named.bucket() == CreditBucket::Named, takes, "port {port}");
    }
}

#[test]
fn each_first_contact_costs_a_credit_of_its_credit_bucket() {
    let first_contact = Some(FirstContact { credit: 3, ..FirstContact::adaptive() });
    let mut host = Host::new(Mode::Enforce, Limits { first_contact, half_open: None, ..Limits::xp_sp2() });
    for (named, credits) in [(false, 3), (true, 2 * 3)] {
        let origin = Origin { first: true, named, port: 443, ..Origin::default() };
        let verdicts = (0..50).map(|_| host.accounting.begin(host.clock, origin).1);
        assert_eq!(verdicts.filter(|verdict| *verdict == Verdict::Go).count(), credits, "named: {named}");
    }
}

#[test]
fn a_late_resend_yields_to_waiters_and_an_early_one_does_not() {
    let mut host = Host::new(Mode::Enforce, limits(1, 21_000, None));
    let (out, _) = host.begin();
    let (waiting, _) = host.begin();
    for _ in 0..3 {
        host.pass(SECOND);
        assert_eq!(host.accounting.resend(host.clock, out), Verdict::Go, "in the first seventh of slot_life");
    }
    host.pass(SECOND);
    assert_eq!(host.accounting.resend(host.clock, out), Verdict::Hold);
    host.end(waiting, Ending::Other);
    assert_eq!(host.accounting.resend(host.clock, out), Verdict::Go, "nobody waits any more");
}

#[test]
fn one_early_repeat_leaves_and_only_of_a_syn_that_was_never_held() {
    let mut host = Host::new(Mode::Enforce, limits(1, 21_000, None));
    let (first, _) = host.begin();
    let (held, verdict) = host.begin();
    assert_eq!(verdict, Verdict::Hold);
    host.pass(SECOND / 100);
    assert_eq!(host.accounting.resend(host.clock, first), Verdict::Go, "TCP repeats it after its RST");
    host.pass(SECOND / 100);
    assert_eq!(host.accounting.resend(host.clock, first), Verdict::TooEarly);
    host.end(first, Ending::Established);
    assert_eq!(host.recheck(held), Verdict::Go);
    host.pass(SECOND / 100);
    assert_eq!(host.accounting.resend(host.clock, held), Verdict::TooEarly);
}

#[test]
fn the_slot_of_a_closed_attempt_lasts_for_its_syn_and_that_of_an_answered_one_ends_at_once() {
    let mut host = Host::new(Mode::Enforce, limits(1, 21_000, None));
    let (closed, _) = host.begin();
    host.pass(SECOND / 100);
    host.end(closed, Ending::Cancelled);
    let (next, verdict) = host.begin();
    assert_eq!(verdict, Verdict::Hold, "the SYN of the closed one is on its way");
    assert_eq!(host.ledger().half_open, 0, "which is no attempt any more");
    host.pass(SECOND * 29 / 10);
    assert_eq!(host.recheck(next), Verdict::Hold);
    host.pass(SECOND * 13 / 10);
    assert_eq!(host.recheck(next), Verdict::Go);
    host.end(next, Ending::Other);
    assert_eq!(host.begin().1, Verdict::Go, "refused: its SYN is answered");
}
