//! Which waiters to wake, and when, so that each asks just when its turn comes.
//!
//! A waiter that is woken asks a little later, once and for all: if it finds no turn it is back on its own timers. So
//! the oldest are woken first, and no more of them than there are turns: those that are there, and those that will be
//! by the time they ask. No clock and no kernel: it is told what happened, and when.

mod account;
mod answers;

use crate::Limits;
use account::Account;
use answers::Answers;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names a waiter: its socket's cookie.
pub type WaiterId = u64;
/// Names a scope; 0 is the host's.
pub type AccountId = u32;

const HOST: AccountId = 0;
const MS: u64 = 1_000_000;
/// The books are read again after so long while somebody waits: slots may have expired, limits changed.
const STALE: u64 = 100 * MS;
/// A waiter that was woken and has not asked for so long will not.
const NO_EFFECT: u64 = 60 * MS;
/// After so many wakes in a row without effect waking is taken for useless.
const USELESS: u32 = 32;
/// A waiter that asked in vain asks again so much later, by TCP's timer, within a margin.
const ASKS_AGAIN: u64 = 512 * MS;
const ASKS_AGAIN_WITHIN: u64 = 36 * MS;
/// What passes between a wake and its effect at 250 ticks a second, at the least.
const FIRST_LEAD: u64 = 8 * MS;

/// How an attempt that was out has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When its first SYN left.
    pub out_at: u64,
    /// Whether the peer accepted.
    pub established: bool,
    /// Whether it had the host's slot until then.
    pub host_slot: bool,
    /// Whether it had the slot of its own scope until then.
    pub own_slot: bool,
}

/// The books of one scope, as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: u64,
    /// What was in force; `half_open` without a limit lets every waiter go.
    pub limits: Limits,
    /// Slots that were held.
    pub in_use: u32,
    /// When the next turn falls due; only means something with a rate.
    pub next_turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Waiter {
    own: AccountId,
    place: u64,
    woken: Option<u64>,
}

/// Who waits, who was woken, and what is known of the turns to come. All times are nanoseconds of one clock.
#[derive(Debug, Default)]
pub struct Wakes {
    waiters: HashMap<WaiterId, Waiter>,
    /// Those asleep, of each scope, the oldest first.
    asleep: BTreeMap<AccountId, BTreeMap<u64, WaiterId>>,
    /// Those woken that have not asked yet, by when they were.
    woken: BTreeSet<(u64, WaiterId)>,
    /// Those woken in vain, by when they ask again: a slot is left to each then, or the last waiters would be those.
    again: BTreeMap<(u64, WaiterId), AccountId>,
    again_at: HashMap<WaiterId, u64>,
    accounts: BTreeMap<AccountId, Account>,
    answers: Answers,
    begun: u64,
    lead: Option<u64>,
    in_vain: u32,
}

fn charged(own: AccountId) -> impl Iterator<Item = AccountId> {
    [HOST].into_iter().chain((own != HOST).then_some(own))
}

impl Wakes {
    /// It waits, charged to the host's and its `own` scope (0 = none).
    pub fn began(&mut self, waiter: WaiterId, own: AccountId) {
        let place = self.begun;
        self.begun += 1;
        self.forget(waiter);
        self.waiters.insert(waiter, Waiter { own, place, woken: None });
        self.asleep.entry(own).or_default().insert(place, waiter);
    }

    /// It has asked in vain, and asks by itself from now on.
    pub fn asked(&mut self, at: u64, waiter: WaiterId) {
        if let Some(Waiter { own, woken: Some(_), .. }) = self.forget(waiter) {
            self.in_vain = 0;
            self.answers.disappointed(at);
            self.again.insert((at + ASKS_AGAIN, waiter), own);
            self.again_at.insert(waiter, at + ASKS_AGAIN);
        }
    }

    /// It waits no more, without having had its turn.
    pub fn left(&mut self, waiter: WaiterId) {
        self.forget(waiter);
    }

    /// An attempt, a waiter or not, went out.
    pub fn went_out(&mut self, at: u64, attempt: WaiterId, own: AccountId, had_waited: bool) {
        if let Some(woken) = self.forget(attempt).and_then(|waiter| waiter.woken) {
            self.in_vain = 0;
            self.answers.confirmed();
            self.learn_lead(at.saturating_sub(woken));
        }
        for id in charged(own) {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.went_out(at, had_waited);
            }
        }
        self.answers.went_out(at, attempt, own);
    }

    /// An attempt that was out has ended.
    pub fn ended(&mut self, at: u64, attempt: WaiterId, own: AccountId, how: Ended) {
        self.answers.ended(at, attempt, how);
        for id in charged(own) {
            let had_slot = if id == HOST { how.host_slot } else { how.own_slot };
            if let Some(account) = self.accounts.get_mut(&id).filter(|_| had_slot) {
                account.gave_slot_back(at);
            }
        }
    }

    /// The scopes whose books should be read now: somebody waits there.
    #[must_use]
    pub fn unread(&self, now: u64) -> Vec<AccountId> {
        let owns = self.asleep.keys().copied().filter(|own| *own != HOST);
        let host = (!self.asleep.is_empty()).then_some(HOST);
        let stale = |id: &AccountId| {
            self.accounts.get(id).is_none_or(|account| now.saturating_sub(account.read_at()) >= STALE)
        };
        host.into_iter().chain(owns).filter(stale).collect()
    }

    /// The books of a scope were read.
    pub fn read(&mut self, id: AccountId, reading: Reading) {
        self.accounts.insert(id, Account::new(reading));
    }

    /// Whether nobody is left to be woken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.asleep.is_empty()
    }

    /// Whether the last wakes all had no effect: something keeps them from their sockets.
    #[must_use]
    pub fn is_useless(&self) -> bool {
        self.in_vain >= USELESS
    }

    /// Nobody waits any more, whatever was told; what was learned of answers stays.
    pub fn clear(&mut self) {
        self.waiters.clear();
        self.asleep.clear();
        self.woken.clear();
        self.again.clear();
        self.again_at.clear();
    }

    /// The waiters to wake now, `most` of them at most.
    pub fn due(&mut self, now: u64, most: usize) -> Vec<WaiterId> {
        self.expire(now);
        let mut chosen = Vec::new();
        if self.asleep.is_empty() {
            return chosen;
        }
        let asks_at = now + self.lead();
        let each = self.accounts.keys().map(|id| (*id, self.open_turns(*id, now, asks_at)));
        let mut open: BTreeMap<AccountId, u64> = each.collect();
        while chosen.len() < most && open.get(&HOST).is_some_and(|turns| *turns > 0) {
            let oldest = self
                .asleep
                .iter()
                .filter(|(own, _)| open.get(own).is_some_and(|turns| *turns > 0))
                .filter_map(|(own, queue)| queue.first_key_value().map(|(place, id)| (*place, *own, *id)))
                .min();
            let Some((place, own, id)) = oldest else { break };
            for charged in charged(own) {
                if let Some(turns) = open.get_mut(&charged) {
                    *turns -= 1;
                }
            }
            self.out_of_queue(own, place);
            if let Some(waiter) = self.waiters.get_mut(&id) {
                waiter.woken = Some(now);
            }
            self.woken.insert((now, id));
            chosen.push(id);
        }
        chosen
    }

    /// When [`Wakes::due`] may have more than now, if nothing happens until then.
    #[must_use]
    pub fn next(&self, now: u64) -> Option<u64> {
        if self.asleep.is_empty() {
            return None;
        }
        let lead = self.lead();
        let turns =
            self.accounts.values().filter_map(Account::next_turn).map(|turn| turn.saturating_sub(lead));
        let answers =
            self.answers.next_after(now + lead, self.is_careful()).map(|at| at.saturating_sub(lead));
        let woken = self.woken.first().map(|(at, _)| at + NO_EFFECT);
        let again = self.again.first_key_value().map(|((at, _), _)| at + ASKS_AGAIN_WITHIN);
        let unread = self.accounts.values().map(|account| account.read_at() + STALE);
        turns.chain(answers).chain(woken).chain(again).chain(unread).filter(|at| *at > now).min()
    }

    /// How many may be woken for this scope, to ask at `asks_at`.
    fn open_turns(&self, id: AccountId, now: u64, asks_at: u64) -> u64 {
        let Some(account) = self.accounts.get(&id) else { return 0 };
        let undecided = self.woken.iter().filter(|(_, woken)| {
            self.waiters.get(woken).is_some_and(|waiter| id == HOST || waiter.own == id)
        });
        let slots_to_come = self.answers.expected(id, now, asks_at, self.is_careful());
        let soon =
            self.again.range((asks_at.saturating_sub(ASKS_AGAIN_WITHIN), 0)..(asks_at + self.lead(), 0));
        let taken = undecided.count() + soon.filter(|(_, own)| id == HOST || **own == id).count();
        account.open_turns(asks_at, slots_to_come).saturating_sub(taken as u64)
    }

    /// Whether the queue will be empty before one that is woken in vain now asks again: the last would be late by that.
    fn is_careful(&self) -> bool {
        let asleep: usize = self.asleep.values().map(BTreeMap::len).sum();
        let at_a_time = self.accounts.get(&HOST).map_or(0, Account::in_use);
        self.answers.take(asleep as u64, at_a_time.into()) < ASKS_AGAIN + ASKS_AGAIN_WITHIN
    }

    fn lead(&self) -> u64 {
        self.lead.unwrap_or(FIRST_LEAD)
    }

    /// The least that was seen, rising very slowly: a waiter that asks before its turn has asked in vain.
    fn learn_lead(&mut self, took: u64) {
        if (MS..NO_EFFECT).contains(&took) {
            let lead = self.lead();
            self.lead = Some(took.min(lead + took.saturating_sub(lead) / 1024));
        }
    }

    fn expire(&mut self, now: u64) {
        while let Some(&(at, id)) = self.woken.first().filter(|(at, _)| at + NO_EFFECT <= now) {
            self.woken.remove(&(at, id));
            self.waiters.remove(&id);
            self.in_vain = self.in_vain.saturating_add(1);
        }
        while let Some((&(at, id), _)) =
            self.again.first_key_value().filter(|((at, _), _)| at + ASKS_AGAIN_WITHIN <= now)
        {
            self.again.remove(&(at, id));
            self.again_at.remove(&id);
        }
        self.answers.expire(now);
    }

    fn forget(&mut self, id: WaiterId) -> Option<Waiter> {
        if let Some(at) = self.again_at.remove(&id) {
            self.again.remove(&(at, id));
        }
        let waiter = self.waiters.remove(&id)?;
        match waiter.woken {
            Some(at) => drop(self.woken.remove(&(at, id))),
            None => self.out_of_queue(waiter.own, waiter.place),
        }
        Some(waiter)
    }

    fn out_of_queue(&mut self, own: AccountId, place: u64) {
        if let Some(queue) = self.asleep.get_mut(&own) {
            queue.remove(&place);
            if queue.is_empty() {
                self.asleep.remove(&own);
            }
        }
    }
}
