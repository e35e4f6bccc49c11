//! Where wakeups have an effect: a namespace may drop them, or a filter at the socket. Each party is judged
//! separately in each of its namespaces, so that a party whose wakeups are lost costs no other party its own.

use super::{NO_EFFECT, Woken};
use crate::Party;
use std::collections::{BTreeMap, BTreeSet};

const S: u64 = 1_000_000_000;
/// How many namespaces are told apart, in all and for one party; the party's other namespaces are judged
/// together.
const TOLD_APART: usize = 1_024;
const OF_ONE_PARTY: usize = 64;
/// The number that stands for those other namespaces.
const OTHERS: u32 = 0;
/// Doubt grows by one with each wakeup in vain and falls by one with each that had an effect. From `DOUBTED`
/// on, where every party begins, each wakeup is a canary. At `USELESS` there are no wakeups for a while.
const DOUBTED: u8 = 4;
const USELESS: u8 = 8;
/// How long wakeups rest then, in nanoseconds; the rest doubles each time, up to the longest.
const REST: u64 = 10 * S;
const LONGEST_REST: u64 = 320 * S;
/// How long a namespace without waiters is remembered.
const REMEMBERED: u64 = 300 * S;
/// How many canaries in vain a top-level cgroup may make at once; it gets another one each `CANARY_EVERY`. Only
/// one is under way at a time.
const CANARIES: u64 = 16;
const CANARY_EVERY: u64 = S;

/// A party in one network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub party: Party,
    pub netns: u32,
}

/// The outcome of a wakeup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The waiter asked.
    Effect,
    /// The waiter did not ask.
    None,
    /// The packet could not be sent.
    NotSent,
    /// The waiter is gone: the outcome is unknown.
    Unknown,
}

/// Where the last wakeups were lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lost {
    /// The number of parties whose wakeups were lost.
    pub parties: usize,
    /// Their network namespaces, by inode number.
    pub namespaces: BTreeSet<u32>,
    /// Whether they were also lost in namespaces that are not told apart.
    pub and_others: bool,
}

#[derive(Debug)]
struct Record {
    waiters: usize,
    doubt: u8,
    /// Wakeups before this time count with the last one in vain: on a busy machine, wakeups are late all at
    /// once.
    counted_until: u64,
    sent: bool,
    rest: u64,
    rests_until: u64,
    /// When its last outcome was, or its rest ends.
    used: u64,
}

#[derive(Debug, Default)]
struct Canaries {
    under_way: usize,
    /// When the canaries in vain are paid for.
    paid_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Effects {
    parties: BTreeMap<Party, BTreeMap<u32, Record>>,
    told_apart: usize,
    canaries: BTreeMap<u64, Canaries>,
    swept: u64,
}

impl Record {
    fn new() -> Self {
        Self { waiters: 0, doubt: DOUBTED, counted_until: 0, sent: true, rest: 0, rests_until: 0, used: 0 }
    }

    fn rests(&self, now: u64) -> bool {
        self.doubt == USELESS && now < self.rests_until
    }

    fn in_vain(&mut self, now: u64) {
        self.doubt = (self.doubt + 1).min(USELESS);
        if self.doubt == USELESS && !self.rests(now) {
            self.rest = (2 * self.rest).clamp(REST, LONGEST_REST);
            self.rests_until = now + self.rest;
        }
        self.used = now.max(self.rests_until);
    }
}

impl Canaries {
    fn may_begin(&self, now: u64) -> bool {
        self.under_way == 0 && self.paid_at <= now + (CANARIES - 1) * CANARY_EVERY
    }
}

impl Effects {
    /// A waiter begins to wait. Returns the target with which it is judged.
    pub fn joins(&mut self, Target { party, netns }: Target) -> Target {
        let of_party = self.parties.entry(party).or_default();
        let is_new = !of_party.contains_key(&netns);
        let has_room = self.told_apart < TOLD_APART && of_party.len() < OF_ONE_PARTY;
        let netns = if is_new && !has_room { OTHERS } else { netns };
        self.told_apart += usize::from(is_new && netns != OTHERS);
        of_party.entry(netns).or_insert_with(Record::new).waiters += 1;
        Target { party, netns }
    }

    /// A waiter waits no more, or has been woken in vain.
    pub fn leaves(&mut self, target: Target) {
        if let Some(record) = self.record(target) {
            record.waiters = record.waiters.saturating_sub(1);
        }
    }

    pub fn nobody_waits(&mut self) {
        self.parties.values_mut().flat_map(BTreeMap::values_mut).for_each(|record| record.waiters = 0);
        self.canaries.values_mut().for_each(|canaries| canaries.under_way = 0);
    }

    fn record(&mut self, target: Target) -> Option<&mut Record> {
        self.parties.get_mut(&target.party)?.get_mut(&target.netns)
    }

    fn known(&self, target: Target) -> Option<&Record> {
        self.parties.get(&target.party)?.get(&target.netns)
    }

    /// Until when this target is not woken; `None` if it is, or may be tried.
    pub fn rests_until(&self, now: u64, target: Target) -> Option<u64> {
        self.known(target).filter(|record| record.rests(now)).map(|record| record.rests_until)
    }

    /// Whether a waiter that has not joined would rest; it may have to be judged with others.
    pub fn would_rest(&self, now: u64, target: Target) -> bool {
        let others = Target { netns: OTHERS, ..target };
        let record = self.known(target).or_else(|| self.known(others));
        record.is_some_and(|record| record.rests(now))
    }

    fn is_doubted(&self, target: Target) -> bool {
        self.known(target).is_none_or(|record| record.doubt >= DOUBTED)
    }

    pub fn may_be_woken(&self, now: u64, target: Target) -> bool {
        if self.rests_until(now, target).is_some() {
            return false;
        }
        let may_be_tried =
            || self.canaries.get(&target.party.top).is_none_or(|canaries| canaries.may_begin(now));
        !self.is_doubted(target) || may_be_tried()
    }

    /// One of the target's waiters is woken. Returns whether that is a canary.
    pub fn wakes(&mut self, now: u64, target: Target) -> bool {
        let is_trial = self.is_doubted(target);
        if is_trial {
            let canaries = self.canaries.entry(target.party.top).or_default();
            canaries.under_way += 1;
            canaries.paid_at = canaries.paid_at.max(now) + CANARY_EVERY;
        }
        is_trial
    }

    /// The outcome of a wakeup, as it is known at `now`.
    pub fn told(&mut self, now: u64, target: Target, woken: Woken, outcome: Outcome) {
        if woken.is_trial
            && let Some(canaries) = self.canaries.get_mut(&target.party.top)
        {
            canaries.under_way = canaries.under_way.saturating_sub(1);
            if outcome == Outcome::Effect {
                canaries.paid_at = canaries.paid_at.saturating_sub(CANARY_EVERY);
            }
        }
        let Some(record) = self.record(target) else { return };
        record.used = record.used.max(now);
        match outcome {
            Outcome::Effect => {
                record.doubt = record.doubt.saturating_sub(1);
                if record.doubt < DOUBTED {
                    record.rest = 0;
                }
            }
            Outcome::None if woken.at >= record.counted_until => {
                record.counted_until = woken.at + NO_EFFECT;
                record.sent = true;
                record.in_vain(now);
            }
            Outcome::NotSent => {
                record.sent = false;
                record.in_vain(now);
            }
            Outcome::None | Outcome::Unknown => {}
        }
    }

    /// Where the last wakeups were `sent` in vain, or could not be sent.
    pub fn lost(&self, sent: bool) -> Lost {
        let mut lost = Lost::default();
        for of_party in self.parties.values() {
            let useless =
                of_party.iter().filter(|(_, record)| record.doubt == USELESS && record.sent == sent);
            let namespaces: BTreeSet<u32> = useless.map(|(netns, _)| *netns).collect();
            lost.parties += usize::from(!namespaces.is_empty());
            lost.namespaces.extend(namespaces);
        }
        lost.and_others = lost.namespaces.remove(&OTHERS);
        lost
    }

    /// Forgets, at most once a second, what has not been used for a long time.
    pub fn expire(&mut self, now: u64) {
        if now < self.swept + S {
            return;
        }
        self.swept = now;
        self.parties.retain(|_, of_party| {
            of_party.retain(|_, record| record.waiters > 0 || now < record.used + REMEMBERED);
            !of_party.is_empty()
        });
        let netns = self.parties.values().flat_map(BTreeMap::keys);
        self.told_apart = netns.filter(|netns| **netns != OTHERS).count();
        self.canaries.retain(|_, canaries| canaries.under_way > 0 || canaries.paid_at > now);
    }
}
