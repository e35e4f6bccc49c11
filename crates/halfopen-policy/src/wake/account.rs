//! What is known of one account's slots and turns: its last reading, and what has happened since.

use super::{CreditReading, Credits, Reading};
use crate::scope::TURN_TOLERANCE_NS;
use crate::{Contact, CreditBucket, Rate};
use std::collections::BTreeMap;

/// Turns that are closer together than this, in nanoseconds, are left to waiters that ask by themselves: so
/// many of them do that none has to be woken.
const FASTEST: u64 = 10_000_000;

#[derive(Debug)]
pub(super) struct Account {
    read: Reading,
    in_use: u32,
    next_turn: u64,
    open: u32,
    next_connection: u64,
    /// Credit that was spent since the reading.
    spent: BTreeMap<CreditBucket, u32>,
    /// Its credit may have changed since the reading.
    credit_changed: bool,
}

impl Account {
    pub fn new(read: &Reading) -> Self {
        Self {
            read: *read,
            in_use: read.in_use,
            next_turn: read.next_turn,
            open: read.open,
            next_connection: read.next_connection,
            spent: BTreeMap::new(),
            credit_changed: false,
        }
    }

    pub fn read_at(&self) -> u64 {
        self.read.at
    }

    /// Whether the account should be read again.
    pub fn is_stale(&self, now: u64, after: u64) -> bool {
        self.credit_changed || now.saturating_sub(self.read.at) >= after
    }

    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    fn interval(&self) -> Option<u64> {
        self.read.limits.drain.map(Rate::interval_ns)
    }

    /// How far connections may be ahead of an even flow, and the time between two of them.
    fn connections(&self) -> Option<(u64, u64)> {
        self.read.limits.connections.rate.map(|of| (of.burst_ns(), of.rate.interval_ns()))
    }

    pub fn went_out(&mut self, at: u64, had_waited: bool, contact: Contact) {
        // The reading includes what came before it.
        if at <= self.read.at {
            return;
        }
        for bucket in contact.buckets() {
            *self.spent.entry(bucket).or_default() += 1;
        }
        self.in_use = self.in_use.saturating_add(1);
        self.open = self.open.saturating_add(1);
        if let Some((_, interval)) = self.connections() {
            self.next_connection = self.next_connection.max(at) + interval;
        }
        if let Some(interval) = self.interval().filter(|_| had_waited) {
            self.next_turn = self.next_turn.max(at.saturating_sub(TURN_TOLERANCE_NS)) + interval;
        }
    }

    /// A connection that counted has ended.
    pub fn closed(&mut self, at: u64) {
        if at > self.read.at && self.read.limits.connections.time_wait.is_none() {
            self.open = self.open.saturating_sub(1);
        }
    }

    /// An attempt has ended; if it was `established`, its connection goes on.
    pub fn ended(&mut self, at: u64, had_slot: bool, established: bool) {
        if !established {
            self.closed(at);
        }
        if at > self.read.at {
            self.in_use = self.in_use.saturating_sub(had_slot.into());
            self.credit_changed |= self.read.credit.is_some();
        }
    }

    /// When the next turn falls due, if there is a rate, and when credit comes back.
    pub fn next_turns(&self) -> impl Iterator<Item = u64> + use<> {
        let credits = self.read.credit.iter().flat_map(Credits::all);
        let recovers: Vec<u64> = credits.filter_map(|credit| credit.recovers_at).collect();
        let connection = self.connections().map(|(burst, _)| self.next_connection.saturating_sub(burst));
        self.interval().map(|_| self.next_turn).into_iter().chain(connection).chain(recovers)
    }

    fn credit(&self, bucket: CreditBucket) -> Option<&CreditReading> {
        self.read.credit.as_ref().map(|credits| credits.of(bucket))
    }

    /// Whether the newest waiter comes first; `None` if a first contact costs no credit there.
    pub fn takes_newest(&self, bucket: CreditBucket) -> Option<bool> {
        self.credit(bucket).map(|credit| credit.newest)
    }

    /// How many first contacts will have credit at `at`.
    pub fn open_credit(&self, bucket: CreditBucket, at: u64) -> u64 {
        let Some(credit) = self.credit(bucket) else { return u64::MAX };
        let left = credit.credits.saturating_sub(self.spent.get(&bucket).copied().unwrap_or(0));
        u64::from(left) + u64::from(credit.recovers_at.is_some_and(|recovers| recovers <= at))
    }

    /// How many waiters may go out at `at`, if `to_come` of the slots in use are free then.
    pub fn open_turns(&self, at: u64, to_come: u64) -> u64 {
        let limits = &self.read.limits;
        let connections = self.open_connections(at);
        let Some(half_open) = limits.half_open else { return connections };
        let slots = if limits.strict {
            u64::from(half_open.saturating_sub(self.in_use)) + to_come.min(self.in_use.min(half_open).into())
        } else {
            u64::MAX
        };
        let turns = match self.interval() {
            None => u64::MAX,
            Some(interval) if interval < FASTEST => 0,
            Some(interval) => {
                let due = self.next_turn.max(at.saturating_sub(TURN_TOLERANCE_NS));
                at.checked_sub(due).map_or(0, |late| late / interval + 1)
            }
        };
        slots.min(turns).min(connections)
    }

    /// How many connections may begin at `at`.
    fn open_connections(&self, at: u64) -> u64 {
        let limits = &self.read.limits.connections;
        let room = limits.established.map_or(u64::MAX, |most| most.saturating_sub(self.open).into());
        let due = self.connections().map_or(u64::MAX, |(burst, interval)| {
            let ahead = (at + burst).checked_sub(self.next_connection.max(at));
            ahead.filter(|_| interval >= FASTEST).map_or(0, |ahead| ahead / interval + 1)
        });
        room.min(due)
    }
}
