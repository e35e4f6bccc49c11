//! Whose turn it is on a host: what its daemon does for those that wait. It wakes each just when its turn comes; a real
//! one is some milliseconds late.

use super::{Event, MS, Trial};
use crate::attempts::{Attempts, Place, Ticket};
use crate::host::{QueueKey, contact_of};
use crate::known::Contact;
use crate::known::Novelty;
use crate::sources::SourceId;
use halfopen_policy::{ScopeId, Verdict};
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::ops::Bound;

/// The daemon reads the accounting as often while somebody waits for a slot or a turn.
const LOOK: u64 = 100 * MS;

impl Trial {
    pub(super) fn look_if_asleep(&mut self, now: u64, source: SourceId) {
        if self.hosts.get(source).is_some_and(|host| host.asleep > 0) {
            self.look(now, source);
        }
    }

    /// Wakes all whose turn it is, as the daemon does, and plans the next look.
    pub(super) fn look(&mut self, now: u64, source: SourceId) {
        let mut next = None;
        let mut at = None;
        while let Some(key) = self.next_queue(source, at) {
            at = Some(key);
            let again = self.look_at_queue(now, source, key);
            next = next.into_iter().chain(again).min();
        }
        let Some(host) = self.hosts.get_mut(source) else { return };
        if host.asleep == 0 {
            host.nobody_waits();
        } else {
            let next = next.unwrap_or(now + LOOK).max(now + MS);
            if host.look_at.is_none_or(|planned| next < planned || planned <= now) {
                host.look_at = Some(next);
                self.timeline.plan(next, Event::Look(source));
            }
        }
    }

    fn next_queue(&self, source: SourceId, after: Option<QueueKey>) -> Option<QueueKey> {
        let host = self.hosts.get(source)?;
        match after {
            None => host.waiting.keys().next().copied(),
            Some(after) => {
                let later = (Bound::Excluded(after), Bound::Unbounded);
                host.waiting.range(later).next().map(|(key, _)| *key)
            }
        }
    }

    /// Wakes those of one queue whose turn it is. Returns when it may be another's.
    fn look_at_queue(&mut self, now: u64, source: SourceId, key: QueueKey) -> Option<u64> {
        loop {
            let host = self.hosts.get_mut(source)?;
            let queue = host.waiting.get_mut(&key)?;
            drop_those_gone(queue, &self.attempts);
            if queue.is_empty() {
                host.waiting.remove(&key);
                return None;
            }
            let mut newest = false;
            let mut recovers = None;
            for bucket in contact_of(key).buckets() {
                for scope in host.own.into_iter().chain([ScopeId::HOST]) {
                    if let Some(offer) = host.accounting.offer(scope, bucket, now) {
                        newest |= offer.newest_first;
                        if offer.credit == 0 {
                            recovers = recovers.max(Some(offer.recovers_at.unwrap_or(now + LOOK)));
                        }
                    }
                }
            }
            if recovers.is_some() {
                return recovers;
            }
            let queue = host.waiting.get_mut(&key)?;
            let ticket = if newest { queue.pop_back() } else { queue.pop_front() }?;
            if !self.ask(now, ticket) {
                let host = self.hosts.get_mut(source)?;
                let queue = host.waiting.entry(key).or_default();
                if newest {
                    queue.push_back(ticket);
                } else {
                    queue.push_front(ticket);
                }
                return Some(now + LOOK);
            }
        }
    }

    /// A waiter asks. Returns whether it goes out.
    fn ask(&mut self, now: u64, ticket: Ticket) -> bool {
        let Some(attempt) = self.attempts.get(ticket) else { return true };
        let (contact, source, Some(id)) = (attempt.contact, attempt.source, attempt.id) else { return true };
        let Some(host) = self.hosts.get_mut(source) else { return true };
        if attempt.novelty == Novelty::First
            && let Some(known) = &mut self.known
        {
            let novelty = match known.novelty(contact, now) {
                Novelty::First if known.is_let_out(contact, now) => Novelty::LetOut,
                novelty => novelty,
            };
            if novelty != Novelty::First {
                host.accounting.knows(now, id);
                attempt.novelty = novelty;
            }
        }
        let goes = host.accounting.recheck(now, id) == Verdict::Go;
        if goes {
            self.go_out(now, ticket);
            self.ask_others(now, source, contact);
        }
        goes
    }

    /// Those that wait for the same address are no first contacts any more.
    fn ask_others(&mut self, now: u64, source: SourceId, contact: Contact) {
        let address = self.hash.hash_one(contact.to);
        let others = self.hosts.get_mut(source).and_then(|host| host.by_address.remove(&address));
        for ticket in others.into_iter().flatten() {
            if self.attempts.get(ticket).is_some_and(|other| other.place == Place::Waits) {
                self.ask(now, ticket);
            }
        }
    }
}

/// Those that gave up or went out by another way stay in the queue until they come to an end of it.
fn drop_those_gone(queue: &mut VecDeque<Ticket>, attempts: &Attempts) {
    while queue.front().is_some_and(|ticket| !attempts.waits(*ticket)) {
        queue.pop_front();
    }
    while queue.back().is_some_and(|ticket| !attempts.waits(*ticket)) {
        queue.pop_back();
    }
}
