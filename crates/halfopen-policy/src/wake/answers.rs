//! When the attempts that are out will be answered, predicted from the last answers. The peers of one moment
//! are often much alike: those of a crawler, of a browser's page, of a client that comes back.

use super::{AccountId, Ended, HOST, WaiterId};
use std::collections::{BTreeMap, HashMap};

const MS: u64 = 1_000_000;
/// The number of answers from which on answers can be predicted.
const ENOUGH: u32 = 4;
/// The share of the last attempts that must have been answered in time, in 1024ths.
const MOST_ANSWER: u32 = 768;
/// The weight of one answer among the last ones: one in this many.
const WEIGHT: u32 = 8;
/// The weight of one wakeup among the last ones, and how often the last of them may have been in vain without
/// effect, in 65536ths: a single one in vain must be at least 45 wakeups ago.
const WAKE_WEIGHT: u32 = 64;
const HARDLY_EVER: u32 = 512;

#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Attempts that are unanswered and not overdue, by when they went out.
    out: BTreeMap<(u64, WaiterId), AccountId>,
    out_at: HashMap<WaiterId, u64>,
    count: u32,
    mean: u64,
    deviation: u64,
    /// The share of attempts answered in time, in 1024ths.
    answered: u32,
    /// The share of waiters woken in vain, in 65536ths.
    in_vain: u32,
}

impl Answers {
    pub fn went_out(&mut self, at: u64, attempt: WaiterId, own: AccountId) {
        self.out.insert((at, attempt), own);
        self.out_at.insert(attempt, at);
    }

    pub fn ended(&mut self, at: u64, attempt: WaiterId, how: Ended) {
        let known = self.out_at.remove(&attempt).is_some_and(|at| self.out.remove(&(at, attempt)).is_some());
        if how.established {
            self.learn(at.saturating_sub(how.out_at));
        } else if known {
            self.count_miss();
        }
    }

    fn learn(&mut self, took: u64) {
        if self.count == 0 {
            (self.mean, self.deviation) = (took, took / 4);
        } else {
            let error = took.abs_diff(self.mean);
            self.mean = self.mean - self.mean / u64::from(WEIGHT) + took / u64::from(WEIGHT);
            self.deviation = self.deviation - self.deviation / 4 + error / 4;
        }
        self.count = self.count.saturating_add(1);
        self.answered += (1024 - self.answered) / WEIGHT;
    }

    fn count_miss(&mut self) {
        self.answered -= self.answered / WEIGHT;
    }

    fn can_tell(&self) -> bool {
        self.count >= ENOUGH && self.answered >= MOST_ANSWER && self.deviation <= self.mean / 4 + 2 * MS
    }

    /// The time from going out to an answer, with a usual margin.
    fn usual(&self) -> u64 {
        self.mean + 2 * self.deviation
    }

    /// The same, with a margin that is hardly ever exceeded.
    fn unusual(&self) -> u64 {
        self.mean + 4 * self.deviation + 4 * MS
    }

    /// How long `attempts` take if `at_a_time` of them are out at once.
    pub fn take(&self, attempts: u64, at_a_time: u64) -> u64 {
        attempts * self.mean / at_a_time.max(1)
    }

    /// How long after it went out an attempt counts as not answered in time.
    fn overdue(&self) -> u64 {
        if self.count == 0 { 1_000 * MS } else { 2 * self.usual() + 20 * MS }
    }

    pub fn expire(&mut self, now: u64) {
        let overdue = self.overdue();
        while let Some((&(at, attempt), _)) =
            self.out.first_key_value().filter(|((at, _), _)| at + overdue <= now)
        {
            self.out.remove(&(at, attempt));
            self.out_at.remove(&attempt);
            self.count_miss();
        }
    }

    /// A waiter that was woken found its slot.
    pub fn confirmed(&mut self) {
        self.in_vain -= self.in_vain / WAKE_WEIGHT;
    }

    /// A waiter found no slot at `at`: the answer that it was woken for is not expected any more.
    pub fn disappointed(&mut self, at: u64) {
        self.in_vain += (65_536 - self.in_vain) / WAKE_WEIGHT;
        if let Some((&(out_at, attempt), _)) =
            self.out.first_key_value().filter(|((out_at, _), _)| out_at + self.usual() <= at)
        {
            self.out.remove(&(out_at, attempt));
            self.out_at.remove(&attempt);
            self.count_miss();
        }
    }

    /// How many of this account's slots that are taken now will be free at `by`; if `carefully`, only those
    /// that almost certainly will.
    pub fn expected(&self, id: AccountId, now: u64, by: u64, carefully: bool) -> u64 {
        let until_answered = if carefully { self.unusual() } else { self.usual() };
        let sure = self.can_tell() && !(carefully && self.in_vain > HARDLY_EVER);
        let Some(latest) = by.checked_sub(until_answered).filter(|_| sure) else { return 0 };
        let in_time = self.out.range(..=(latest, WaiterId::MAX));
        let of_scope =
            in_time.filter(|((at, _), own)| at + self.overdue() > now && (id == HOST || **own == id));
        of_scope.count() as u64
    }

    /// When the next answer after `at` is expected.
    pub fn next_after(&self, at: u64, carefully: bool) -> Option<u64> {
        let until_answered = if carefully { self.unusual() } else { self.usual() };
        let after = at.saturating_sub(until_answered);
        let next = self.out.range((after, WaiterId::MAX)..).next().filter(|_| self.can_tell());
        next.map(|((out_at, _), _)| out_at + until_answered)
    }
}
