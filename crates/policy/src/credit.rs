//! What the first contacts of one account have come to: the credit that is left, and whether it looks like a scanner's.
//!
//! Credit is as in credit-based rate limiting (Schechter, Jung, Berger 2004), the walk as in threshold random walk (Jung
//! et al. 2004), both with numbers of their own: `docs/decisions/0019-credit.md`. The kernel part has the same in
//! `bpf/credit.h`.

use crate::first_contact::{FirstContact, OnSuspect, Order};
use std::collections::VecDeque;

/// One credit, so that it can be earned in parts.
const CREDIT: u32 = 16;
/// What was lately halves so often.
const HALVE_NS: u64 = 2_000_000_000;
const DOUBLINGS_MOST: u8 = 16;
/// Silence takes one step towards being a suspect, an answer so many back.
const ANSWER_STEPS: i32 = 3;
/// From here on an account is a suspect, until it is back at zero; it never goes farther below zero either.
const SUSPECT: i32 = 12;
/// Credit that lies about is open to twice as many waiters each time this is over.
const WIDEN_SHIFT: u32 = 26;
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
    /// Since when it is a suspect, on the caller's clock.
    pub suspect_since: Option<u64>,
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
    walk: i32,
    oldest: u32,
    newest: u32,
    places: u32,
    doublings: u8,
    spent: bool,
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
            && self.suspect_since.is_some_and(|since| now >= since + nanos(time))
        {
            self.suspect_since = None;
            self.walk = 0;
        }
        let periods = now.saturating_sub(halved) / HALVE_NS;
        if periods > 0 {
            let shift = periods.min(31) as u32;
            self.answered >>= shift;
            self.silent >>= shift;
            self.credit -= self.credit.saturating_sub(rest) - (self.credit.saturating_sub(rest) >> shift);
            self.halved = Some(halved + periods * HALVE_NS);
        }
        self.recover(rules, rest, now);
    }

    fn recover(&mut self, rules: &FirstContact, rest: u32, now: u64) {
        if self.credit >= rest {
            self.recover_at = None;
            return;
        }
        let Some(due) = self.recover_at else {
            self.recover_at = Some(now + self.pause(rules));
            return;
        };
        let Some(late) = now.checked_sub(due) else { return };
        if self.spent {
            let longer = self.doublings < DOUBLINGS_MOST && self.pause(rules) < nanos(rules.recover_most);
            self.doublings += u8::from(longer);
        } else {
            self.doublings = self.doublings.saturating_sub(1);
        }
        self.spent = false;
        let pause = self.pause(rules);
        let more = late / pause;
        self.doublings -= more.min(self.doublings.into()) as u8;
        let missing = rest - self.credit;
        let earned = (more + 1).min(u64::from(missing / CREDIT) + 1) as u32 * CREDIT;
        self.gain(earned.min(missing), now);
        self.recover_at = (self.credit < rest).then(|| due + (more + 1) * pause);
    }

    /// Until the next credit comes back.
    fn pause(&self, rules: &FirstContact) -> u64 {
        let most = nanos(rules.recover_most);
        if rules.on_suspect == OnSuspect::Throttle && self.suspect_since.is_some() {
            return most;
        }
        (nanos(rules.recover) << self.doublings).min(most)
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
        self.spent = true;
        self.pending += 1;
        self.first_contacts += 1;
        self.offered = now;
        if self.recover_at.is_none() && self.credit < rules.credit * CREDIT {
            self.recover_at = Some(now + self.pause(rules));
        }
    }

    /// One that went out from `side` is answered; so many others of its neighbourhood were before it.
    pub fn answer(&mut self, rules: &FirstContact, pending: bool, side: Side, neighbours: u32, now: u64) {
        self.pending = self.pending.saturating_sub(pending.into());
        self.answered += 1;
        self.spent = false;
        self.doublings /= 2;
        self.walk = (self.walk - ANSWER_STEPS).max(-SUSPECT);
        let blocks = matches!(rules.on_suspect, OnSuspect::Block(_));
        if self.walk <= 0 && !blocks {
            self.suspect_since = None;
        }
        let throttled = rules.on_suspect == OnSuspect::Throttle && self.suspect_since.is_some();
        let mostly_answered =
            2 * u64::from(self.answered) >= u64::from(self.pending) + u64::from(self.silent);
        let bonus = (rules.reward.saturating_sub(1) * CREDIT) >> neighbours.min(31);
        let bonus = if mostly_answered && !throttled { bonus } else { 0 };
        let most = rules.credit.max(self.answered.saturating_sub(self.pending)) * CREDIT;
        let earned = (rules.reward.min(1) * CREDIT + bonus).min(most.saturating_sub(self.credit));
        self.gain(earned, now);
        self.side = side;
    }

    /// One that went out from `side` is not answered in time, or ended without an answer.
    pub fn silence(&mut self, rules: &FirstContact, side: Side, now: u64) {
        self.pending = self.pending.saturating_sub(1);
        self.silent += 1;
        self.walk = (self.walk + 1).min(SUSPECT);
        if rules.order == Order::Either && side == self.side {
            self.side = side.other();
        }
        if self.walk == SUSPECT {
            self.suspect_since.get_or_insert(now);
        }
    }

    pub fn is_blocked(&self, rules: &FirstContact, now: u64) -> bool {
        match (rules.on_suspect, self.suspect_since) {
            (OnSuspect::Block(time), Some(since)) => now < since + nanos(time),
            _ => false,
        }
    }

    pub fn repute(&self) -> Repute {
        Repute {
            credit: self.credit / CREDIT,
            first_contacts: self.first_contacts,
            suspect_since: self.suspect_since,
        }
    }
}
