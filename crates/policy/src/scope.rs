//! One account: who holds its slots, who waits for it, and when its next turn comes.

use crate::attempt::{AttemptId, Ending};
use crate::held_slots::HeldSlots;
use crate::{Ledger, Limits};
use std::collections::BTreeSet;
use std::time::Duration;

/// Turns that fell due are not lost for this long (nanoseconds): a waiter asks only when its TCP timer runs, up to
/// 512 ms and a timer's lateness after its turn has come, and the rate shall hold all the same.
pub const TURN_TOLERANCE_NS: u64 = 640_000_000;

/// In this part of `slot_life` an attempt repeats its SYN although others wait: three SYNs of the original's 21 s.
pub const RESEND_FREELY_PART: u32 = 7;

/// Names a scope in [`crate::Books`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) usize);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}

#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub limits: Limits,
    slots: HeldSlots,
    next_turn: u64,
    queued: BTreeSet<AttemptId>,
    waiting_here: BTreeSet<AttemptId>,
    out: BTreeSet<AttemptId>,
    /// What was counted since the start; its `half_open`, `aged` and `queued` stay zero.
    totals: Ledger,
}

impl Scope {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            slots: HeldSlots::new(limits.slot_life),
            next_turn: 0,
            queued: BTreeSet::new(),
            waiting_here: BTreeSet::new(),
            out: BTreeSet::new(),
            totals: Ledger::default(),
        }
    }

    /// Brings slots and turns up to `now`. The next turn is never more than one interval away: a rate that was raised
    /// is in force at once, and turns taken while nothing was enforced leave no debt.
    pub fn settle(&mut self, now: u64) {
        self.slots.settle(now, self.limits.slot_life);
        if let Some(rate) = self.limits.drain {
            self.next_turn = self.next_turn.min(now.saturating_add(rate.interval_ns()));
        }
    }

    fn has_free_slot(&self) -> bool {
        self.limits.half_open.is_none_or(|limit| self.slots.count() < limit as usize)
    }

    fn turn_is_due(&self, now: u64) -> bool {
        self.limits.drain.is_none() || now >= self.next_turn
    }

    fn lets_all_go(&self) -> bool {
        self.limits.half_open.is_none()
    }

    /// A newcomer goes out at once only past an empty queue: else a steady stream of them would starve the waiters.
    pub fn admits(&self) -> bool {
        self.lets_all_go() || self.waiting_here.is_empty() && self.has_free_slot()
    }

    /// A waiter goes out when a turn is due, whosever that turn was: each one's timer is late, so a rate holds only if
    /// whoever asks first takes it. Not `strict` is the fixed rate of the original's documentation, whatever the slots.
    pub fn releases(&self, now: u64) -> bool {
        self.lets_all_go() || self.turn_is_due(now) && (!self.limits.strict || self.has_free_slot())
    }

    /// A further SYN keeps the slot it has, for `slot_life` more; past the first part of it only while nobody waits,
    /// or the dead would hold every slot for good. Without a slot it needs a slot and a turn like any waiter, and
    /// comes after all of them.
    pub fn lets_resend(&self, attempt: AttemptId, in_slot_for: u64, now: u64) -> bool {
        let nobody_waits = self.lets_all_go() || self.waiting_here.is_empty();
        if self.slots.holds(attempt) {
            let freely = (self.limits.slot_life / RESEND_FREELY_PART).as_nanos();
            nobody_waits || u128::from(in_slot_for) <= freely
        } else {
            nobody_waits && self.releases(now)
        }
    }

    /// Turns are counted from when the last one fell due, not from when it was taken.
    fn take_turn(&mut self, now: u64) {
        if let Some(rate) = self.limits.drain {
            let due = self.next_turn.max(now.saturating_sub(TURN_TOLERANCE_NS));
            self.next_turn = due.saturating_add(rate.interval_ns());
        }
    }

    pub fn enqueue(&mut self, attempt: AttemptId, now: u64) {
        self.queued.insert(attempt);
        self.note_waiter(now);
    }

    /// An idle scope saves up no turns: they count from when its first waiter comes.
    pub fn wait_here(&mut self, attempt: AttemptId, now: u64) {
        if self.waiting_here.is_empty() {
            self.next_turn = self.next_turn.max(now);
        }
        self.waiting_here.insert(attempt);
    }

    pub fn wait_elsewhere(&mut self, attempt: AttemptId) {
        self.waiting_here.remove(&attempt);
    }

    pub fn note_waiter(&mut self, now: u64) {
        self.totals.last_waiter = Duration::from_nanos(now);
    }

    pub fn count_audited(&mut self, now: u64) {
        self.totals.would_have_waited += 1;
        self.note_waiter(now);
    }

    pub fn count_refused(&mut self) {
        self.totals.refused_overflow += 1;
    }

    pub fn admit(&mut self, attempt: AttemptId, now: u64) {
        self.totals.admitted += 1;
        self.go_out(attempt, now);
    }

    pub fn release(&mut self, attempt: AttemptId, began: u64, now: u64) {
        self.leave_queue(attempt, began, now);
        self.take_turn(now);
        self.totals.released += 1;
        self.go_out(attempt, now);
    }

    fn go_out(&mut self, attempt: AttemptId, now: u64) {
        self.out.insert(attempt);
        self.slots.take(attempt, now, self.limits.slot_life);
    }

    fn leave_queue(&mut self, attempt: AttemptId, began: u64, now: u64) {
        self.wait_elsewhere(attempt);
        self.queued.remove(&attempt);
        self.note_waiter(now);
        let waited = Duration::from_nanos(now.saturating_sub(began));
        self.totals.longest_wait = self.totals.longest_wait.max(waited);
    }

    /// Its SYN leaves once more. Returns whether it had lost its slot.
    pub fn resend(&mut self, attempt: AttemptId, now: u64) -> bool {
        let aged = !self.slots.holds(attempt);
        if aged {
            self.take_turn(now);
        }
        self.slots.take(attempt, now, self.limits.slot_life);
        aged
    }

    pub fn end_queued(&mut self, attempt: AttemptId, began: u64, ending: Ending, now: u64) {
        self.leave_queue(attempt, began, now);
        match ending {
            Ending::TimedOut => self.totals.gave_up_while_queued += 1,
            Ending::Established | Ending::Other => self.totals.cancelled += 1,
        }
    }

    pub fn end_out(&mut self, attempt: AttemptId, ending: Ending) {
        self.out.remove(&attempt);
        self.slots.give_back(attempt);
        match ending {
            Ending::Established => self.totals.established += 1,
            Ending::TimedOut | Ending::Other => self.totals.failed += 1,
        }
    }

    pub fn waiting_here(&self) -> usize {
        self.waiting_here.len()
    }

    pub fn queued(&self) -> usize {
        self.queued.len()
    }

    pub fn ledger(&self, now: u64) -> Ledger {
        let half_open = self.slots.count_at(now) as u64;
        Ledger {
            half_open,
            aged: self.out.len() as u64 - half_open,
            queued: self.queued.len() as u64,
            ..self.totals
        }
    }
}
