//! One account: who holds its slots, who waits for it, and when its next turn comes.

use crate::attempt::{AttemptId, Ending};
use crate::credit::{Offer, Repute, Side, Trust};
use crate::first_contact::{Contact, Purse};
use crate::held_slots::HeldSlots;
use crate::parties::{Parties, Party};
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
    /// Those of them that are no first contacts, and the named ones of those that are.
    waiting_known: BTreeSet<AttemptId>,
    waiting_named: BTreeSet<AttemptId>,
    out: BTreeSet<AttemptId>,
    strangers: Trust,
    named: Trust,
    /// Among whom the turns go round; the host's alone.
    parties: Parties,
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
            waiting_known: BTreeSet::new(),
            waiting_named: BTreeSet::new(),
            out: BTreeSet::new(),
            strangers: Trust::default(),
            named: Trust::default(),
            parties: Parties::default(),
            totals: Ledger::default(),
        }
    }

    fn trust(&self, purse: Purse) -> &Trust {
        match purse {
            Purse::Named => &self.named,
            Purse::Strangers => &self.strangers,
        }
    }

    fn trust_mut(&mut self, purse: Purse) -> &mut Trust {
        match purse {
            Purse::Named => &mut self.named,
            Purse::Strangers => &mut self.strangers,
        }
    }

    /// Brings slots, turns and one purse up to `now`. The next turn is never more than one interval away: a rate that was raised
    /// is in force at once, and turns taken while nothing was enforced leave no debt.
    pub fn settle(&mut self, purse: Purse, now: u64) {
        self.slots.settle(now, self.limits.slot_life);
        if let Some(rate) = self.limits.drain {
            self.next_turn = self.next_turn.min(now.saturating_add(rate.interval_ns()));
        }
        if let Some(rules) = self.limits.first_contact {
            self.trust_mut(purse).settle(&rules.of(purse), now);
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

    /// Whether a contact is a first one here, where several scopes may say: the first that asks for credit. `first`: its
    /// address has not answered lately.
    pub fn tells_first(&self, first: bool, purse: Purse, address: u64) -> Option<bool> {
        let rules = self.limits.first_contact.as_ref()?;
        Some(if rules.working_set > 0 { !self.trust(purse).works_with(rules, address) } else { first })
    }

    /// Those of its own kind that wait here.
    fn waiting_alike(&self, purse: Purse) -> usize {
        match purse {
            Purse::Named => self.waiting_named.len(),
            Purse::Strangers => self.waiting_here.len() - self.waiting_known.len() - self.waiting_named.len(),
        }
    }

    /// Whether some of better rank wait here for the same slots and turns: known ones, and for strangers those named
    /// ones that have the credit.
    fn yields(&self, contact: Contact) -> bool {
        let named_wait_for_slots = !self.waiting_named.is_empty()
            && (self.limits.first_contact.is_none() || self.named.has_credit());
        match contact {
            Contact::Known => false,
            Contact::First(Purse::Named) => !self.waiting_known.is_empty(),
            Contact::First(Purse::Strangers) => !self.waiting_known.is_empty() || named_wait_for_slots,
        }
    }

    /// A newcomer goes out at once only past an empty queue: else a steady stream of them would starve the waiters. Those
    /// who wait for credit are passed by known contacts, and by the newest where it is its turn.
    pub fn admits(&self, contact: Contact) -> bool {
        let has_slot = self.lets_all_go() || self.has_free_slot();
        let Contact::First(purse) = contact else {
            return self.lets_all_go() || self.waiting_known.is_empty() && has_slot;
        };
        let nobody_alike = self.waiting_alike(purse) == 0;
        let Some(rules) = &self.limits.first_contact else {
            return self.lets_all_go() || nobody_alike && !self.yields(contact) && has_slot;
        };
        let trust = self.trust(purse);
        let passes = !self.yields(contact) && (nobody_alike || trust.newest_goes(rules));
        passes && trust.has_credit() && has_slot
    }

    fn has_turn(&self, now: u64) -> bool {
        self.lets_all_go() || self.turn_is_due(now) && (!self.limits.strict || self.has_free_slot())
    }

    /// A waiter goes out when a turn is due, whosever that turn was: each one's timer is late, so a rate holds only if
    /// whoever asks first takes it. Not `strict` is the fixed rate of the original's documentation, whatever the slots.
    /// A first contact needs credit too, yields to known ones, and to others of its kind that are nearer to their turn.
    pub fn releases(&mut self, contact: Contact, place: u32, party: Option<Party>, now: u64) -> bool {
        if !self.has_turn(now) {
            self.parties.withdraw();
            return false;
        }
        if self.yields(contact) {
            return false;
        }
        if let Contact::First(purse) = contact
            && self.limits.first_contact.is_some()
            && self.trust(purse).side_of(place, now).is_none()
        {
            return false;
        }
        self.lets_all_go() || self.parties.may_take(party, now)
    }

    /// A further SYN keeps the slot it has, for `slot_life` more; past the first part of it only while nobody waits,
    /// or the dead would hold every slot for good. Without a slot it needs a slot and a turn like any waiter, and
    /// comes after all of them. Who waits for credit does not wait for a slot.
    pub fn lets_resend(&self, attempt: AttemptId, in_slot_for: u64, now: u64) -> bool {
        let waiters =
            if self.limits.first_contact.is_some() { &self.waiting_known } else { &self.waiting_here };
        let nobody_waits = self.lets_all_go() || waiters.is_empty();
        if self.slots.holds(attempt) {
            let freely = (self.limits.slot_life / RESEND_FREELY_PART).as_nanos();
            nobody_waits || u128::from(in_slot_for) <= freely
        } else {
            nobody_waits && self.has_turn(now)
        }
    }

    /// Turns are counted from when the last one fell due, not from when it was taken.
    fn take_turn(&mut self, now: u64) {
        if let Some(rate) = self.limits.drain {
            let due = self.next_turn.max(now.saturating_sub(TURN_TOLERANCE_NS));
            self.next_turn = due.saturating_add(rate.interval_ns());
        }
    }

    /// Returns its place among those who wait for credit, where they do.
    pub fn enqueue(&mut self, attempt: AttemptId, contact: Contact, now: u64) -> Option<u32> {
        self.queued.insert(attempt);
        self.note_waiter(now);
        self.limits.first_contact?;
        let Contact::First(purse) = contact else { return None };
        let alone = self.waiting_alike(purse) == 0;
        Some(self.trust_mut(purse).queue(alone))
    }

    /// An idle scope saves up no turns: they count from when its first waiter comes.
    pub fn wait_here(&mut self, attempt: AttemptId, contact: Contact, party: Option<Party>, now: u64) {
        if self.waiting_here.is_empty() {
            self.next_turn = self.next_turn.max(now);
        }
        self.waiting_here.insert(attempt);
        match contact {
            Contact::Known => drop(self.waiting_known.insert(attempt)),
            Contact::First(Purse::Named) => drop(self.waiting_named.insert(attempt)),
            Contact::First(Purse::Strangers) => {}
        }
        if let Some(party) = party {
            self.parties.join(party);
        }
    }

    /// A waiter's address has become known.
    pub fn knows(&mut self, attempt: AttemptId, purse: Purse, place: u32) {
        self.leave(purse, place);
        if self.waiting_here.contains(&attempt) {
            self.waiting_named.remove(&attempt);
            self.waiting_known.insert(attempt);
        }
    }

    pub fn wait_elsewhere(&mut self, attempt: AttemptId, party: Option<Party>) {
        if self.waiting_here.remove(&attempt) {
            self.waiting_known.remove(&attempt);
            self.waiting_named.remove(&attempt);
            if let Some(party) = party {
                self.parties.leave(party);
            }
        }
    }

    pub fn take_party_turn(&mut self, party: Party) {
        self.parties.take(party);
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

    pub fn count_blocked(&mut self) {
        self.totals.blocked += 1;
    }

    pub fn is_blocked(&self, now: u64) -> bool {
        let blocked = |rules: &_| Purse::ALL.into_iter().any(|of| self.trust(of).is_blocked(rules, now));
        self.limits.first_contact.as_ref().is_some_and(blocked)
    }

    /// Whose turn a first contact takes that goes out now after a wait.
    pub fn leave_by(&mut self, purse: Purse, place: u32, now: u64) -> Option<Side> {
        self.limits.first_contact?;
        let trust = self.trust_mut(purse);
        let side = trust.side_of(place, now).unwrap_or_default();
        trust.leave_by(side, place);
        Some(side)
    }

    pub fn leave(&mut self, purse: Purse, place: u32) {
        if self.limits.first_contact.is_some() {
            self.trust_mut(purse).leave(place);
        }
    }

    /// It goes out: a first contact spends credit, and its address is met.
    pub fn contact(&mut self, first: bool, purse: Purse, address: u64, now: u64) {
        if let Some(rules) = self.limits.first_contact {
            let trust = self.trust_mut(purse);
            if first {
                trust.spend(&rules.of(purse), now);
            }
            trust.note_contact(&rules, address);
        }
    }

    pub fn pending_no_more(&mut self, purse: Purse) {
        self.trust_mut(purse).pending_no_more();
    }

    pub fn answer(&mut self, purse: Purse, side: Side, neighbours: u32, now: u64) {
        if let Some(rules) = self.limits.first_contact {
            self.trust_mut(purse).answer(&rules.of(purse), side, neighbours, now);
        }
    }

    pub fn silence(&mut self, purse: Purse, side: Side, now: u64) {
        self.pending_no_more(purse);
        if let Some(rules) = self.limits.first_contact {
            self.trust_mut(purse).silence(&rules, side, now);
        }
    }

    pub fn offer(&self, purse: Purse, now: u64) -> Option<Offer> {
        self.limits.first_contact.map(|rules| self.trust(purse).offer(&rules.of(purse), now))
    }

    pub fn repute(&self, purse: Purse) -> Repute {
        self.trust(purse).repute()
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
