//! Whom the daemon wakes.

use super::{Event, Host, LOOK, MS, Number, Place, WAKE};
use halfopen_policy::{Contact, CreditBucket, ScopeId};
use std::collections::VecDeque;

/// Who holds an attempt back, and the credit that it would cost.
type Key = (ScopeId, CreditBucket);

/// Those who wait for one thing and have not been woken, the oldest first.
#[derive(Debug)]
pub(super) struct Asleep {
    key: Key,
    numbers: VecDeque<Number>,
}

impl Host {
    /// One more sleeps. Returns whether it is the only one of its queue.
    pub(super) fn fall_asleep(&mut self, key: Key, number: Number) -> bool {
        let at = self.asleep.binary_search_by_key(&key, |queue| queue.key).unwrap_or_else(|at| {
            self.asleep.insert(at, Asleep { key, numbers: VecDeque::new() });
            at
        });
        self.asleep[at].numbers.push_back(number);
        self.asleep[at].numbers.len() == 1
    }

    /// One that may sleep ends.
    pub(super) fn sleeps_no_more(&mut self, number: Number) {
        for queue in &mut self.asleep {
            if let Ok(at) = queue.numbers.binary_search(&number) {
                queue.numbers.remove(at);
            }
        }
    }

    /// One more is woken, or one less.
    pub(super) fn count_woken(&mut self, own: Option<ScopeId>, bucket: CreditBucket, one: isize) {
        self.woken = self.woken.saturating_add_signed(one);
        for scope in own.into_iter().chain([ScopeId::HOST]) {
            for bucket in Contact::First(bucket).buckets() {
                let waking = self.waking.entry((scope, bucket)).or_default();
                *waking = waking.saturating_add_signed(one);
            }
        }
    }

    /// Wakes as many as there are credits and slots for, from the end whose turn it is.
    pub(super) fn wake(&mut self) {
        if self.asleep.iter().all(|queue| queue.numbers.is_empty()) {
            return;
        }
        let slots = self.limiter.host.half_open.map_or(usize::MAX, |limit| {
            let in_use = self.accounting.half_open(ScopeId::HOST, self.now) as usize;
            (limit as usize).saturating_sub(in_use)
        });
        let mut look = self.limiter.host.half_open.map(|_| self.now + LOOK);
        for at in 0..self.asleep.len() {
            let recovers_at = self.wake_of_queue(at, slots);
            if !self.asleep[at].numbers.is_empty() {
                look = look.into_iter().chain(recovers_at).min();
            }
        }
        if let Some(at) = look.map(|at| at.max(self.now + MS))
            && self.next_look.is_none_or(|next| at < next)
        {
            self.next_look = Some(at);
            self.plan(at, Event::Look);
        }
    }

    /// The same of one queue. Returns when the first credit that it waits for comes back.
    fn wake_of_queue(&mut self, at: usize, slots: usize) -> Option<u64> {
        let (scope, bucket) = self.asleep[at].key;
        let mut recovers_at: Option<u64> = None;
        let mut credit = usize::MAX;
        let mut newest = None;
        for bucket in Contact::First(bucket).buckets() {
            if let Some(offer) = self.accounting.offer(scope, bucket, self.now) {
                let waking = self.waking.get(&(scope, bucket)).copied().unwrap_or(0);
                credit = credit.min((offer.credit as usize).saturating_sub(waking));
                newest = newest.or(Some(offer.newest_first));
                recovers_at = recovers_at.into_iter().chain(offer.recovers_at).min();
            }
        }
        // Each one that is woken counts against the credit, if the scope is one that it is charged to.
        while slots > self.woken && credit > 0 {
            let numbers = &mut self.asleep[at].numbers;
            let chosen = if newest == Some(true) { numbers.pop_back() } else { numbers.pop_front() };
            let Some(number) = chosen else { break };
            let Some(live) = self.live.get_mut(number) else { continue };
            live.place = Place::Woken;
            let (own, bucket) = (live.own, live.bucket);
            self.count_woken(own, bucket, 1);
            credit = credit.saturating_sub(1);
            self.plan(self.now + WAKE, Event::Ask(number));
        }
        recovers_at
    }
}
