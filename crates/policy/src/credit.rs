//! What the first contacts of one account have come to: the credit that is left, and whether it looks like a scanner's.
//!
//! Credit is as in credit-based rate limiting (Schechter, Jung, Berger 2004), the steps as in threshold random walk (Jung
//! et al. 2004), both with numbers of their own: `docs/decisions/0019-credit.md`. The kernel part has the same in
//! `bpf/credit.h`.

use crate::first_contact::{FirstContact, OnSuspect, Order};
use std::collections::VecDeque;

/// One credit, so that it can be earned in parts.
const CREDIT: u32 = 16;
/// What was lately halves so often.
const HALVE_NS: u64 = 2_000_000_000;
/// Silence takes one step, an answer so many back: more dead than that for each live address will not do for long.
const ANSWER_STEPS: u32 = 2;
/// From here on an account may be a suspect, until it is back at zero.
const SUSPECT: u32 = 12;
/// The farthest that silence leads.
const STEPS_MOST: u32 = 24;
/// So many steps double the pause after which credit comes back.
const STEPS_TO_DOUBLE: u32 = 2;
/// Time takes one step back whenever this many low bits of the clock (nanoseconds) are over, each nine minutes.
const FORGET_SHIFT: u32 = 39;
/// While no more than so many first contacts for each answered one are not, answers earn more than they cost, and it is
/// no suspect: a dialer of many, half of them dead, hears of a hundred dead ones in one moment.
const UNANSWERED_MOST: u64 = 3;
/// Credit that lies about is open to twice as many waiters each time this is over.
const WIDEN_SHIFT: u32 = 25;
const WIDEN_MOST: u64 = 16;

/// Whose turn a waiter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Side {
    #[default]
    Oldest,
    Newest,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Oldest => Self::Newest,
            Self::Newest => Self::Oldest,
        }
    }
}

/// How an account stands with its first contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repute {
    /// Whole credits.
    pub credit: u32,
    /// First contacts let out since the start.
    pub first_contacts: u64,
    /// First contacts that are out, and neither answered nor silent for long enough.
    pub pending: u32,
    /// Since when it is a suspect, on the caller's clock.
    pub suspect_since: Option<u64>,
}

/// What those who wait for credit have to expect, for whoever wakes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whole credits that are there.
    pub credit: u32,
    /// Whether the newest waiter's turn is next, else the oldest's.
    pub newest_first: bool,
    /// When the next credit comes back by itself, on the caller's clock.
    pub recovers_at: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    credit: u32,
    answered: u32,
    silent: u32,
    pending: u32,
    halved: Option<u64>,
    recover_at: Option<u64>,
    offered: u64,
    suspect_since: Option<u64>,
    /// Steps towards being a suspect.
    steps: u32,
    oldest: u32,
    newest: u32,
    places: u32,
    side: Side,
    first_contacts: u64,
    /// The latest first.
    working_set: VecDeque<u64>,
}

fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Trust {
    pub fn settle(&mut self, rules: &FirstContact, now: u64) {
        let rest = rules.credit * CREDIT;
        let Some(halved) = self.halved else {
            *self = Self { credit: rest, halved: Some(now), side: Side::Newest, ..Self::default() };
            return;
        };
        if let OnSuspect::Block(time) = rules.on_suspect
            && self.suspect_since.is_some_and(|since| now >= since.saturating_add(nanos(time)))
        {
            self.suspect_since = None;
            self.steps = 0;
        }
        self.recover(rules, rest, now);
        let periods = now.saturating_sub(halved) / HALVE_NS;
        if periods > 0 {
            let shift = periods.min(31) as u32;
            self.answered >>= shift;
            self.silent >>= shift;
            self.credit -= self.credit.saturating_sub(rest) - (self.credit.saturating_sub(rest) >> shift);
            let until = halved + periods * HALVE_NS;
            let forgotten = (until >> FORGET_SHIFT) - (halved >> FORGET_SHIFT);
            self.steps -= forgotten.min(self.steps.into()) as u32;
            self.halved = Some(until);
            self.absolve(rules);
        }
    }

    /// Back at zero it is no suspect any more, unless it is blocked for a time.
    fn absolve(&mut self, rules: &FirstContact) {
        if self.steps == 0 && !matches!(rules.on_suspect, OnSuspect::Block(_)) {
            self.suspect_since = None;
        }
    }

    /// For the whole time since it was last asked by the pause as it was then: time forgets afterwards.
    fn recover(&mut self, rules: &FirstContact, rest: u32, now: u64) {
        if self.credit >= rest {
            self.recover_at = None;
            return;
        }
        let Some(due) = self.recover_at else {
            self.recover_at = Some(now.saturating_add(self.pause(rules)));
            return;
        };
        let Some(late) = now.checked_sub(due) else { return };
        let pause = self.pause(rules);
        let more = late / pause;
        let missing = rest - self.credit;
        let earned = (more + 1).min(u64::from(missing / CREDIT) + 1) as u32 * CREDIT;
        self.gain(earned.min(missing), now);
        self.recover_at = (self.credit < rest).then(|| due.saturating_add((more + 1).saturating_mul(pause)));
    }

    /// Until the next credit comes back.
    fn pause(&self, rules: &FirstContact) -> u64 {
        let most = nanos(rules.recover_most);
        if rules.on_suspect == OnSuspect::Throttle && self.suspect_since.is_some() {
            return most;
        }
        (nanos(rules.recover) << (self.steps / STEPS_TO_DOUBLE)).min(most)
    }

    fn gain(&mut self, earned: u32, now: u64) {
        if self.credit < CREDIT {
            self.offered = now;
        }
        self.credit += earned;
    }

    pub fn has_credit(&self) -> bool {
        self.credit >= CREDIT
    }

    /// Whether one that has just come may go out before those who wait.
    pub fn newest_goes(&self, rules: &FirstContact) -> bool {
        rules.order == Order::Either && self.side == Side::Newest
    }

    /// Whether the address, by its hash, is in the working set.
    pub fn works_with(&self, rules: &FirstContact, address: u64) -> bool {
        self.working_set.iter().take(rules.working_set as usize).any(|known| *known == address)
    }

    /// Contacts the address.
    pub fn note_contact(&mut self, rules: &FirstContact, address: u64) {
        if rules.working_set == 0 {
            return;
        }
        self.working_set.truncate(FirstContact::WORKING_SET_MOST as usize);
        self.working_set.retain(|known| *known != address);
        self.working_set.push_front(address);
        self.working_set.truncate(FirstContact::WORKING_SET_MOST as usize);
    }

    /// The place of one that begins to wait.
    pub fn queue(&mut self, alone: bool) -> u32 {
        let place = self.places;
        self.places = place.wrapping_add(1);
        self.newest = place;
        if alone {
            self.oldest = place;
        }
        place
    }

    fn is_within(ahead: u32, window: u32) -> bool {
        ahead.cast_signed() < window.cast_signed()
    }

    /// The side from which a waiter may go out now, if it may: those nearest to the end whose turn it is, as many as
    /// there is credit for; the longer that lies about, the more of all.
    pub fn side_of(&self, place: u32, now: u64) -> Option<Side> {
        if !self.has_credit() {
            return None;
        }
        let wider = (1 << (now.saturating_sub(self.offered) >> WIDEN_SHIFT).min(WIDEN_MOST)) - 1;
        let window = |side| if side == self.side { wider + self.credit / CREDIT } else { wider };
        let from = |side| match side {
            Side::Newest => self.newest.wrapping_sub(place),
            Side::Oldest => place.wrapping_sub(self.oldest),
        };
        let sides = [self.side, self.side.other()];
        sides.into_iter().find(|side| Self::is_within(from(*side), window(*side)))
    }

    /// A waiter goes out from that side.
    pub fn leave_by(&mut self, side: Side, place: u32) {
        match side {
            Side::Newest => self.newest = place.wrapping_sub(1),
            Side::Oldest => self.oldest = place.wrapping_add(1),
        }
    }

    /// A waiter ends.
    pub fn leave(&mut self, place: u32) {
        if place == self.newest {
            self.newest = place.wrapping_sub(1);
        }
        if place == self.oldest {
            self.oldest = place.wrapping_add(1);
        }
    }

    /// A first contact goes out.
    pub fn spend(&mut self, rules: &FirstContact, now: u64) {
        self.credit = self.credit.saturating_sub(CREDIT);
        self.pending += 1;
        self.first_contacts += 1;
        self.offered = now;
        if self.recover_at.is_none() && self.credit < rules.credit * CREDIT {
            self.recover_at = Some(now.saturating_add(self.pause(rules)));
        }
    }

    /// One that was out is answered or silent.
    pub fn pending_no_more(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// Of late, and counting those that have not had the time.
    fn is_answered_enough(&self) -> bool {
        UNANSWERED_MOST * u64::from(self.answered) >= u64::from(self.pending) + u64::from(self.silent)
    }

    /// One that went out from `side` is answered; so many others of its neighbourhood were before it.
    pub fn answer(&mut self, rules: &FirstContact, side: Side, neighbours: u32, now: u64) {
        self.answered += 1;
        self.steps = self.steps.saturating_sub(ANSWER_STEPS);
        self.absolve(rules);
        let throttled = rules.on_suspect == OnSuspect::Throttle && self.suspect_since.is_some();
        let bonus = (rules.reward.saturating_sub(1) * CREDIT) >> neighbours.min(31);
        let bonus = if self.is_answered_enough() && !throttled { bonus } else { 0 };
        let most = rules.credit.max(self.answered.saturating_sub(self.pending)) * CREDIT;
        let earned = (rules.reward.min(1) * CREDIT + bonus).min(most.saturating_sub(self.credit));
        self.gain(earned, now);
        self.side = side;
    }

    /// One that went out from `side` is not answered in time, or ended without an answer.
    pub fn silence(&mut self, rules: &FirstContact, side: Side, now: u64) {
        self.silent += 1;
        self.steps = (self.steps + 1).min(STEPS_MOST);
        if rules.order == Order::Either && side == self.side {
            self.side = side.other();
        }
        if self.steps >= SUSPECT && !self.is_answered_enough() {
            self.suspect_since.get_or_insert(now);
        }
    }

    pub fn is_blocked(&self, rules: &FirstContact, now: u64) -> bool {
        match (rules.on_suspect, self.suspect_since) {
            (OnSuspect::Block(time), Some(since)) => now < since.saturating_add(nanos(time)),
            _ => false,
        }
    }

    pub fn offer(&self, rules: &FirstContact, now: u64) -> Offer {
        let mut then = self.clone();
        then.settle(rules, now);
        Offer {
            credit: then.credit / CREDIT,
            newest_first: then.newest_goes(rules),
            recovers_at: then.recover_at,
        }
    }

    pub fn repute(&self) -> Repute {
        Repute {
            credit: self.credit / CREDIT,
            first_contacts: self.first_contacts,
            pending: self.pending,
            suspect_since: self.suspect_since,
        }
    }
}
