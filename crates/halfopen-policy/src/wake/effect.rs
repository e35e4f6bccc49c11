//! Where wakes have an effect: a namespace may drop them, or a filter at the socket. Each party is judged by itself in each
//! of its namespaces, so that one whose wakes are lost costs nobody else his.

use super::{NO_EFFECT, Woken};
use crate::Party;
use std::collections::{BTreeMap, BTreeSet};

const S: u64 = 1_000_000_000;
/// Namespaces that are told apart, in all and of one party; its others are judged together.
const TOLD_APART: usize = 1_024;
const OF_ONE_PARTY: usize = 64;
/// The namespace that stands for those others.
const OTHERS: u32 = 0;
/// Doubt grows by one with each wake in vain and falls by one with each that had an effect. From `DOUBTED` on, where
/// everybody begins, each wake is a trial; at `USELESS` there is none for a while.
const DOUBTED: u8 = 4;
const USELESS: u8 = 8;
/// After which it is tried again, and each time twice as long, up to the longest.
const REST: u64 = 10 * S;
const LONGEST_REST: u64 = 320 * S;
/// One that nobody waits in is remembered for so long.
const REMEMBERED: u64 = 300 * S;
/// One top-level cgroup makes so many trials in vain at once, and another each second; one of them at a time.
const TRIALS: u64 = 16;
const TRIAL_EVERY: u64 = S;

/// A party in one network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub party: Party,
    pub netns: u32,
}

/// What became of a wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The waiter asked.
    Effect,
    /// It did not.
    None,
    /// The packet could not be sent.
    NotSent,
    /// The waiter is gone: nothing is known.
    Unknown,
}

/// Where the last wakes were lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lost {
    /// How many parties' they were.
    pub parties: usize,
    /// In which network namespaces, by inode number.
    pub namespaces: BTreeSet<u32>,
    /// In others too, which are not told apart.
    pub and_others: bool,
}

#[derive(Debug)]
struct Record {
    waiters: usize,
    doubt: u8,
    /// Those woken before count with the last one in vain: what is late on a busy machine is so at one stretch.
    counted_until: u64,
    sent: bool,
    rest: u64,
    rests_until: u64,
    /// Its last outcome, or the end of its rest.
    used: u64,
}

#[derive(Debug, Default)]
struct Trials {
    under_way: usize,
    /// Those that were in vain are paid for by then.
    paid_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Effects {
    parties: BTreeMap<Party, BTreeMap<u32, Record>>,
    told_apart: usize,
    trials: BTreeMap<u64, Trials>,
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

impl Trials {
    fn may_begin(&self, now: u64) -> bool {
        self.under_way == 0 && self.paid_at <= now + (TRIALS - 1) * TRIAL_EVERY
    }
}

impl Effects {
    /// One begins to wait. Returns what it is judged with.
    pub fn joins(&mut self, Target { party, netns }: Target) -> Target {
        let of_party = self.parties.entry(party).or_default();
        let is_new = !of_party.contains_key(&netns);
        let has_room = self.told_apart < TOLD_APART && of_party.len() < OF_ONE_PARTY;
        let netns = if is_new && !has_room { OTHERS } else { netns };
        self.told_apart += usize::from(is_new && netns != OTHERS);
        of_party.entry(netns).or_insert_with(Record::new).waiters += 1;
        Target { party, netns }
    }

    /// One waits no more, or has been woken in vain.
    pub fn leaves(&mut self, target: Target) {
        if let Some(record) = self.record(target) {
            record.waiters = record.waiters.saturating_sub(1);
        }
    }

    pub fn nobody_waits(&mut self) {
        self.parties.values_mut().flat_map(BTreeMap::values_mut).for_each(|record| record.waiters = 0);
        self.trials.values_mut().for_each(|trials| trials.under_way = 0);
    }

    fn record(&mut self, target: Target) -> Option<&mut Record> {
        self.parties.get_mut(&target.party)?.get_mut(&target.netns)
    }

    fn known(&self, target: Target) -> Option<&Record> {
        self.parties.get(&target.party)?.get(&target.netns)
    }

    /// Until when it is not woken; `None` where it is, or may be tried.
    pub fn rests_until(&self, now: u64, target: Target) -> Option<u64> {
        self.known(target).filter(|record| record.rests(now)).map(|record| record.rests_until)
    }

    /// The same of one that has not joined: it may have to be judged with others.
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
        let may_be_tried = || self.trials.get(&target.party.top).is_none_or(|trials| trials.may_begin(now));
        !self.is_doubted(target) || may_be_tried()
    }

    /// One of its waiters is woken. Returns whether that is a trial.
    pub fn wakes(&mut self, now: u64, target: Target) -> bool {
        let is_trial = self.is_doubted(target);
        if is_trial {
            let trials = self.trials.entry(target.party.top).or_default();
            trials.under_way += 1;
            trials.paid_at = trials.paid_at.max(now) + TRIAL_EVERY;
        }
        is_trial
    }

    /// What became of a wake, as it is known at `now`.
    pub fn told(&mut self, now: u64, target: Target, woken: Woken, outcome: Outcome) {
        if woken.is_trial
            && let Some(trials) = self.trials.get_mut(&target.party.top)
        {
            trials.under_way = trials.under_way.saturating_sub(1);
            if outcome == Outcome::Effect {
                trials.paid_at = trials.paid_at.saturating_sub(TRIAL_EVERY);
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

    /// Where the last wakes were `sent` in vain, or could not be.
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

    /// Forgets, once a second at most, what has not been used for long.
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
        self.trials.retain(|_, trials| trials.under_way > 0 || trials.paid_at > now);
    }
}
