//! One scope and its questions.

use super::{Destination, Limits, Scope, calls};
use crate::abi;
use crate::credit::{Offer, Repute};
use crate::first_contact::CreditBucket;
use crate::ledger::{ConnectionCounts, DatagramCounts, Ledger};
use std::time::Duration;

fn bucket_number(bucket: CreditBucket) -> usize {
    let number = match bucket {
        CreditBucket::Port(cell) => cell.number().into(),
        CreditBucket::Named => abi::BUCKET_NAMED,
        CreditBucket::Foreign => abi::BUCKET_FOREIGN,
        CreditBucket::Strangers => abi::BUCKET_ALL_PORTS,
    };
    number as usize
}

/// `port_cell()` of bpf/ports.h.
pub(crate) fn port_cell(account: u64, port: u16) -> u8 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_port_cell(account, port) as u8 }
}

/// `takes_names()` of bpf/ports.h.
pub(crate) fn takes_names(cell: u8) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_takes_names(cell) != 0 }
}

impl From<&crate::Limits> for Limits {
    fn from(limits: &crate::Limits) -> Self {
        Self(limits.into())
    }
}

/// The numbers of a scope as an attempt that asked at `now` (nanoseconds) would find them.
pub(crate) fn ledger(scope: &abi::scope, now: u64) -> Ledger {
    let mut numbers = [0; 22];
    // SAFETY: both are borrowed for the call, and only the numbers are written.
    unsafe { calls::native_ledger(scope, now, numbers.as_mut_ptr()) };
    let [half_open, aged, queued, admitted, released, cancelled, gave_up_while_queued, rest @ ..] = numbers;
    let [established, failed, refused_overflow, blocked, would_have_waited, rest @ ..] = rest;
    let [longest_wait, last_waiter, let_out, stopped, would_have_been_stopped, rest @ ..] = rest;
    let [open, ended, waited_to_open, waited_to_reach, closed] = rest;
    let waiting = u64::from(scope.waiting_to_open) + u64::from(scope.waiting_to_reach);
    Ledger {
        half_open,
        aged,
        queued,
        admitted,
        released,
        cancelled,
        gave_up_while_queued,
        established,
        failed,
        refused_overflow,
        blocked,
        would_have_waited,
        longest_wait: Duration::from_nanos(longest_wait),
        last_waiter: Duration::from_nanos(last_waiter),
        datagrams: DatagramCounts { let_out, stopped, would_have_been_stopped },
        connections: ConnectionCounts { open, ended, waiting, waited_to_open, waited_to_reach, closed },
    }
}

impl Scope {
    /// What became of first contacts.
    pub fn repute(&self, bucket: CreditBucket) -> Repute {
        let of_bucket = &self.trust[bucket_number(bucket)];
        Repute {
            credit: of_bucket.credit / abi::CREDIT,
            first_contacts: self.first_contacts,
            pending: of_bucket.pending,
            suspect_since: self.trust.iter().map(|trust| trust.suspect_ns).filter(|since| *since != 0).min(),
        }
    }

    /// How many attempts hold a slot at `now`.
    pub fn half_open(&self, now: u64) -> u32 {
        // SAFETY: the structure is borrowed for the call, and only read.
        unsafe { calls::native_half_open(self.at(), now) }
    }

    pub fn offer(&self, limits: &Limits, bucket: CreditBucket, now: u64) -> Option<Offer> {
        let mut numbers = [0; 3];
        // SAFETY: both structures are borrowed for the call, and so are the numbers.
        let asked = unsafe {
            calls::native_offer(
                self.at(),
                limits.at(),
                bucket_number(bucket) as u32,
                now,
                numbers.as_mut_ptr(),
            ) != 0
        };
        let [credit, newest, recovers_at] = numbers;
        asked.then_some(Offer {
            credit: credit as u32,
            newest_first: newest != 0,
            recovers_at: (recovers_at != 0).then_some(recovers_at),
        })
    }

    /// Whether the questions that spare the lock say what settling at `now` does.
    pub fn settles_exactly(&self, limits: &Limits, now: u64) -> bool {
        // SAFETY: both structures are borrowed for the call, and only read.
        unsafe { calls::native_settles_exactly(self.at(), limits.at(), now) != 0 }
    }

    /// Whether a first contact over UDP may leave; if so, it takes its turn.
    pub fn lets_datagram_out(&mut self, limits: &Limits, now: u64) -> bool {
        // SAFETY: both structures are borrowed for the call.
        unsafe { calls::native_datagram(self.at_mut(), limits.at(), now) != 0 }
    }

    /// For the host's scope: a walk over all live attempts begins.
    pub fn walk_begins(&mut self) {
        // SAFETY: the structure is borrowed for the call.
        unsafe { calls::native_walk_begins(self.at_mut()) }
    }

    /// The walk with this number has seen all attempts. Returns whether the counters had drifted.
    pub fn walk_ends(&mut self, walk: u32) -> bool {
        // SAFETY: the structure is borrowed for the call.
        unsafe { calls::native_walk_ends(self.at_mut(), walk) != 0 }
    }

    /// For the host's scope: what the walk has seen is in every account.
    pub fn walk_is_over(&mut self) {
        // SAFETY: the structure is borrowed for the call.
        unsafe { calls::native_walk_is_over(self.at_mut()) }
    }
}

impl Destination {
    /// The walk with this number has seen all attempts and connections. Returns whether the counts had drifted.
    pub fn walk_ends(&mut self, walk: u32) -> bool {
        // SAFETY: the structure is borrowed for the call.
        unsafe { calls::native_walk_ends_for_destination(self.at_mut(), walk) != 0 }
    }
}
