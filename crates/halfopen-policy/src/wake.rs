//! Which waiters to wake, and when, so that each asks just when its turn comes.
//!
//! A waiter that is woken asks a little later, once only: if it finds no turn, it is back on its own timers.
//! So the waker wakes the waiters whose turn it is in the round (`bpf/parties.h`), and no more of them than
//! there are turns: those that are due now, and those that will be due by the time they ask. Where wakeups
//! are lost, it sends only an occasional one as a canary. No clock and no kernel: the caller tells it what
//! happened, and when.

mod account;
mod answers;
mod effect;
mod reading;
mod round;

pub use effect::Lost;
pub use reading::{CreditReading, Credits, Ended, Reading};

use crate::{Contact, CreditBucket, Party};
use account::Account;
use answers::Answers;
use effect::{Effects, Outcome, Target};
use round::Rounds;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Identifies a waiter: its socket's cookie.
pub type WaiterId = u64;
/// Identifies a scope, or an account of a rule's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct AccountId {
    /// The scope's number; 0 is the host's.
    pub scope: u32,
    /// The account's id in the scope; 0 = the scope has one for all.
    pub id: u64,
}

impl AccountId {
    /// The host's account.
    pub const HOST: Self = Self { scope: 0, id: 0 };
}

const HOST: AccountId = AccountId::HOST;

/// What waiters have in common that are woken in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Lane {
    /// The kind of their addresses: within a party, first contacts come after the others.
    pub contact: Contact,
    /// The account that they are charged to besides the host's; the host's if there is none.
    pub own: AccountId,
    /// Their party: the host's turns go round among parties.
    pub party: Party,
    /// The network namespace that they are woken in, by inode number.
    pub netns: u32,
}

impl Lane {
    fn target(&self) -> Target {
        Target { party: self.party, netns: self.netns }
    }
}

const MS: u64 = 1_000_000;
/// The accounting is read again after this long while attempts wait: slots may have expired, or limits
/// changed.
const STALE: u64 = 100 * MS;
/// A waiter that was woken and has not asked for this long will not.
const NO_EFFECT: u64 = 60 * MS;
/// A waiter that asked in vain asks again this much later, by TCP's timer, within a margin.
const ASKS_AGAIN: u64 = 512 * MS;
const ASKS_AGAIN_WITHIN: u64 = 36 * MS;
/// The least time between a wakeup and its effect, at 250 ticks a second.
const FIRST_LEAD: u64 = 8 * MS;

#[derive(Debug, Clone, Copy)]
struct Waiter {
    lane: Lane,
    place: u64,
    woken: Option<Woken>,
}

#[derive(Debug, Clone, Copy)]
struct Woken {
    at: u64,
    /// The wakeup was a canary: whether it would have an effect was unknown.
    is_trial: bool,
}

/// The attempts that wait, those that were woken, and what is known of the turns to come. All times are
/// nanoseconds of one clock.
#[derive(Debug, Default)]
pub struct Wakes {
    waiters: HashMap<WaiterId, Waiter>,
    /// Waiters that are asleep, the oldest first.
    asleep: BTreeMap<Lane, BTreeMap<u64, WaiterId>>,
    rounds: Rounds,
    /// Waiters that were woken and have not asked yet, by when they were woken.
    woken: BTreeSet<(u64, WaiterId)>,
    /// Waiters that were woken in vain, by when they ask again: a slot is left to each of them then, or they
    /// would be the last to go out.
    again: BTreeMap<(u64, WaiterId), AccountId>,
    again_at: HashMap<WaiterId, u64>,
    accounts: BTreeMap<AccountId, Account>,
    answers: Answers,
    begun: u64,
    lead: Option<u64>,
    effects: Effects,
}

fn charged(own: AccountId) -> impl Iterator<Item = AccountId> {
    [HOST].into_iter().chain((own != HOST).then_some(own))
}

impl Wakes {
    /// An attempt began to wait.
    pub fn began(&mut self, waiter: WaiterId, lane: Lane) {
        let place = self.begun;
        self.begun += 1;
        self.forget(waiter);
        let lane = Lane { netns: self.effects.joins(lane.target()).netns, ..lane };
        self.waiters.insert(waiter, Waiter { lane, place, woken: None });
        self.asleep.entry(lane).or_default().insert(place, waiter);
        self.rounds.joins(lane.party);
    }

    /// A waiter has asked in vain at `at`, and asks by itself from now on.
    pub fn asked(&mut self, at: u64, waiter: WaiterId) {
        if let Some(Waiter { lane, woken: Some(woken), .. }) = self.forget(waiter) {
            let own = lane.own;
            self.effects.told(at, lane.target(), woken, Outcome::Effect);
            self.answers.disappointed(at);
            self.again.insert((at + ASKS_AGAIN, waiter), own);
            self.again_at.insert(waiter, at + ASKS_AGAIN);
        }
    }

    /// The address of a waiter has become known: it waits among those with known addresses, in its old place.
    pub fn known(&mut self, waiter: WaiterId) {
        let Some(found) = self.waiters.get(&waiter).copied().filter(|found| found.woken.is_none()) else {
            return;
        };
        let lane = Lane { contact: Contact::Known, ..found.lane };
        self.out_of_queue(found.lane, found.place);
        self.waiters.insert(waiter, Waiter { lane, ..found });
        self.asleep.entry(lane).or_default().insert(found.place, waiter);
    }

    /// A waiter has left the queue at `at` without having had its turn.
    pub fn left(&mut self, at: u64, waiter: WaiterId) {
        self.decided(at, waiter, Outcome::Unknown);
    }

    /// A waiter was to be woken at `at`, and no packet could be sent to it.
    pub fn not_sent(&mut self, at: u64, waiter: WaiterId) {
        self.decided(at, waiter, Outcome::NotSent);
    }

    fn decided(&mut self, at: u64, waiter: WaiterId, outcome: Outcome) {
        if let Some(Waiter { lane, woken: Some(woken), .. }) = self.forget(waiter) {
            self.effects.told(at, lane.target(), woken, outcome);
        }
    }

    /// An attempt, a waiter or not, went out at `at`.
    pub fn went_out(&mut self, at: u64, attempt: WaiterId, own: AccountId, had_waited: bool) {
        let waiter = self.forget(attempt);
        let contact = waiter.map_or(Contact::Known, |waiter| waiter.lane.contact);
        if let Some(Waiter { lane, woken: Some(woken), .. }) = waiter {
            self.effects.told(at, lane.target(), woken, Outcome::Effect);
            self.answers.confirmed();
            self.learn_lead(at.saturating_sub(woken.at));
        }
        for id in charged(own) {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.went_out(at, had_waited, contact);
            }
        }
        self.answers.went_out(at, attempt, own);
    }

    /// An attempt that was out has ended at `at`.
    pub fn ended(&mut self, at: u64, attempt: WaiterId, own: AccountId, how: Ended) {
        self.answers.ended(at, attempt, how);
        for id in charged(own) {
            let had_slot = if id == HOST { how.host_slot } else { how.own_slot };
            if let Some(account) = self.accounts.get_mut(&id) {
                account.ended(at, had_slot, how.established);
            }
        }
    }

    /// A connection of this account that a limit counts has ended at `at`.
    pub fn closed(&mut self, at: u64, own: AccountId) {
        for id in charged(own) {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.closed(at);
            }
        }
    }

    /// The accounts that should be read now, because attempts wait there.
    #[must_use]
    pub fn unread(&self, now: u64) -> Vec<AccountId> {
        let woken =
            || self.asleep.keys().filter(|lane| self.effects.rests_until(now, lane.target()).is_none());
        let owns = woken().map(|lane| lane.own);
        let host = woken().next().map(|_| HOST);
        let stale = |id: &AccountId| self.accounts.get(id).is_none_or(|account| account.is_stale(now, STALE));
        let charged: BTreeSet<AccountId> = host.into_iter().chain(owns).filter(stale).collect();
        charged.into_iter().collect()
    }

    /// The accounting of this account was read.
    pub fn read(&mut self, id: AccountId, reading: Reading) {
        self.accounts.insert(id, Account::new(&reading));
    }

    /// Whether no waiter is left to be woken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.asleep.is_empty()
    }

    /// Until when no waiter is woken because all their wakeups are lost; `None` if some may be woken.
    #[must_use]
    pub fn rest_until(&self, now: u64) -> Option<u64> {
        let all: Option<Vec<u64>> =
            self.asleep.keys().map(|lane| self.effects.rests_until(now, lane.target())).collect();
        all?.into_iter().min().filter(|_| self.woken.is_empty())
    }

    /// Whether a waiter that began to wait there would not be woken, because wakeups are lost there.
    #[must_use]
    pub fn would_rest(&self, now: u64, lane: &Lane) -> bool {
        self.effects.would_rest(now, lane.target())
    }

    /// Where the last wakeups were sent and lost.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.effects.lost(true)
    }

    /// Where the last wakeups could not be sent.
    #[must_use]
    pub fn unsendable(&self) -> Lost {
        self.effects.lost(false)
    }

    /// Forgets all waiters, whatever was told of them; what was learned of answers and lost wakeups stays.
    pub fn clear(&mut self) {
        self.waiters.clear();
        self.asleep.clear();
        self.rounds = Rounds::default();
        self.woken.clear();
        self.again.clear();
        self.again_at.clear();
        self.effects.nobody_waits();
    }

    /// The waiters to wake now, at most `most`.
    pub fn due(&mut self, now: u64, most: usize) -> Vec<WaiterId> {
        self.expire(now);
        let mut chosen = Vec::new();
        if self.asleep.is_empty() {
            return chosen;
        }
        // Other accounts are read again once an attempt waits there: accounts come and go by the thousand.
        let charged_now: BTreeSet<AccountId> =
            self.asleep.keys().flat_map(|lane| charged(lane.own)).collect();
        self.accounts.retain(|id, _| charged_now.contains(id));
        let asks_at = now + self.lead();
        let each = self.accounts.keys().map(|id| (*id, self.open_turns(*id, now, asks_at)));
        let mut open: BTreeMap<AccountId, u64> = each.collect();
        let mut credit: BTreeMap<(AccountId, CreditBucket), u64> = BTreeMap::new();
        for lane in self.asleep.keys() {
            for (id, bucket) in
                charged(lane.own).flat_map(|id| lane.contact.buckets().map(move |of| (id, of)))
            {
                if let Some(account) = self.accounts.get(&id) {
                    let left = || self.open_credit(id, bucket, account, asks_at);
                    credit.entry((id, bucket)).or_insert_with(left);
                }
            }
        }
        let has_turn = |open: &BTreeMap<AccountId, u64>, lane: &Lane| {
            charged(lane.own).all(|id| open.get(&id).is_some_and(|turns| *turns > 0))
        };
        let has_credit = |credit: &BTreeMap<_, u64>, lane: &Lane| {
            let has = |key| credit.get(&key).is_some_and(|left| *left > 0);
            charged(lane.own).all(|id| lane.contact.buckets().all(|bucket| has((id, bucket))))
        };
        while chosen.len() < most && open.get(&HOST).is_some_and(|turns| *turns > 0) {
            let next = self
                .asleep
                .iter()
                .filter(|(lane, _)| self.effects.may_be_woken(now, lane.target()))
                .filter(|(lane, _)| has_turn(&open, lane) && has_credit(&credit, lane))
                .filter_map(|(lane, queue)| {
                    let (place, id) = self.next_of(lane, queue)?;
                    Some((self.rounds.order_of(lane.party), lane.contact.rank(), place, *lane, id))
                })
                .min();
            let Some((_, _, place, lane, id)) = next else { break };
            for charged in charged(lane.own) {
                if let Some(turns) = open.get_mut(&charged) {
                    *turns -= 1;
                }
                for bucket in lane.contact.buckets() {
                    if let Some(left) = credit.get_mut(&(charged, bucket)) {
                        *left -= 1;
                    }
                }
            }
            self.rounds.takes(lane.party);
            self.out_of_queue(lane, place);
            if let Some(waiter) = self.waiters.get_mut(&id) {
                let is_trial = self.effects.wakes(now, lane.target());
                waiter.woken = Some(Woken { at: now, is_trial });
            }
            self.woken.insert((now, id));
            chosen.push(id);
        }
        chosen
    }

    /// When [`Wakes::due`] may have more waiters than now, if nothing happens until then.
    #[must_use]
    pub fn next(&self, now: u64) -> Option<u64> {
        if self.asleep.is_empty() {
            return None;
        }
        let lead = self.lead();
        let turns =
            self.accounts.values().flat_map(Account::next_turns).map(|turn| turn.saturating_sub(lead));
        let answers =
            self.answers.next_after(now + lead, self.is_careful()).map(|at| at.saturating_sub(lead));
        let woken = self.woken.first().map(|(at, _)| at + NO_EFFECT);
        let again = self.again.first_key_value().map(|((at, _), _)| at + ASKS_AGAIN_WITHIN);
        let unread = self.accounts.values().map(|account| account.read_at() + STALE);
        turns.chain(answers).chain(woken).chain(again).chain(unread).filter(|at| *at > now).min()
    }

    /// How many waiters may be woken for this account, to ask at `asks_at`.
    fn open_turns(&self, id: AccountId, now: u64, asks_at: u64) -> u64 {
        let Some(account) = self.accounts.get(&id) else { return 0 };
        let undecided = self.woken.iter().filter(|(_, woken)| {
            self.waiters.get(woken).is_some_and(|waiter| id == HOST || waiter.lane.own == id)
        });
        let slots_to_come = self.answers.expected(id, now, asks_at, self.is_careful());
        let soon =
            self.again.range((asks_at.saturating_sub(ASKS_AGAIN_WITHIN), 0)..(asks_at + self.lead(), 0));
        let taken = undecided.count() + soon.filter(|(_, own)| id == HOST || **own == id).count();
        account.open_turns(asks_at, slots_to_come).saturating_sub(taken as u64)
    }

    /// How many first contacts may be woken for one credit bucket of this account, to ask at `asks_at`.
    fn open_credit(&self, id: AccountId, bucket: CreditBucket, account: &Account, asks_at: u64) -> u64 {
        let undecided = self.woken.iter().filter_map(|(_, woken)| self.waiters.get(woken));
        let takes = |waiter: &&Waiter| {
            waiter.lane.contact.buckets().any(|of| of == bucket) && (id == HOST || waiter.lane.own == id)
        };
        account.open_credit(bucket, asks_at).saturating_sub(undecided.filter(takes).count() as u64)
    }

    /// The waiter of this lane whose turn it is.
    fn next_of(&self, lane: &Lane, queue: &BTreeMap<u64, WaiterId>) -> Option<(u64, WaiterId)> {
        let newest = match lane.contact {
            Contact::Known => false,
            Contact::First(bucket) => {
                let newest = |id| self.accounts.get(&id).and_then(|account| account.takes_newest(bucket));
                newest(lane.own).or_else(|| newest(HOST)) == Some(true)
            }
        };
        let (place, id) = if newest { queue.last_key_value()? } else { queue.first_key_value()? };
        Some((*place, *id))
    }

    /// Whether the queue will be empty before a waiter that is woken in vain now asks again: the last one
    /// would be that late.
    fn is_careful(&self) -> bool {
        let asleep: usize = self.asleep.values().map(BTreeMap::len).sum();
        let at_a_time = self.accounts.get(&HOST).map_or(0, Account::in_use);
        self.answers.take(asleep as u64, at_a_time.into()) < ASKS_AGAIN + ASKS_AGAIN_WITHIN
    }

    fn lead(&self) -> u64 {
        self.lead.unwrap_or(FIRST_LEAD)
    }

    /// The least lead that was seen, rising very slowly: a waiter that asks before its turn has asked in
    /// vain.
    fn learn_lead(&mut self, took: u64) {
        if (MS..NO_EFFECT).contains(&took) {
            let lead = self.lead();
            self.lead = Some(took.min(lead + took.saturating_sub(lead) / 1024));
        }
    }

    /// Notes what had not happened by `now`.
    pub fn expire(&mut self, now: u64) {
        while let Some(&(at, id)) = self.woken.first().filter(|(at, _)| at + NO_EFFECT <= now) {
            self.woken.remove(&(at, id));
            self.decided(now, id, Outcome::None);
        }
        while let Some((&(at, id), _)) =
            self.again.first_key_value().filter(|((at, _), _)| at + ASKS_AGAIN_WITHIN <= now)
        {
            self.again.remove(&(at, id));
            self.again_at.remove(&id);
        }
        self.answers.expire(now);
        self.effects.expire(now);
    }

    fn forget(&mut self, id: WaiterId) -> Option<Waiter> {
        if let Some(at) = self.again_at.remove(&id) {
            self.again.remove(&(at, id));
        }
        let waiter = self.waiters.remove(&id)?;
        self.rounds.leaves(waiter.lane.party);
        self.effects.leaves(waiter.lane.target());
        match waiter.woken {
            Some(woken) => drop(self.woken.remove(&(woken.at, id))),
            None => self.out_of_queue(waiter.lane, waiter.place),
        }
        Some(waiter)
    }

    fn out_of_queue(&mut self, lane: Lane, place: u64) {
        if let Some(queue) = self.asleep.get_mut(&lane) {
            queue.remove(&place);
            if queue.is_empty() {
                self.asleep.remove(&lane);
            }
        }
    }
}
