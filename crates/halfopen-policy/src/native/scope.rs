//! One account, and what it allows.

use super::{Limits, Native, Scope, calls};
use crate::credit::{Offer, Repute};
use crate::first_contact::{FirstContact, OnSuspect, Order, Purse, Share};
use crate::ledger::{DatagramCounts, Ledger};
use crate::limits::{Overflow, Rate};
use crate::{Excess, slots};
use std::time::Duration;

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// `enum purse` of bpf/abi.h.
fn purse_number(purse: Purse) -> u32 {
    match purse {
        Purse::Port(cell) => cell.number().into(),
        Purse::Named => 16,
        Purse::Foreign => 17,
        Purse::Strangers => 18,
    }
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
        let mut native = Native::zeroed();
        let l = native.at_mut();
        let half_open = limits.half_open.unwrap_or(u32::MAX);
        let overflow_waits = limits.overflow == Overflow::Wait;
        let interval = limits.drain.map_or(0, Rate::interval_ns);
        let max_wait = limits.max_wait.map_or(0, nanos);
        // SAFETY: the memory is of the structure's size, and nothing else uses it during the calls.
        unsafe {
            calls::native_limit_slots(
                l,
                half_open,
                nanos(limits.slot_life),
                slots::grid_shift(limits.slot_life),
                limits.strict.into(),
            );
            calls::native_limit_queue(l, limits.queue, overflow_waits.into(), interval, max_wait);
        }
        if let Some(first) = &limits.first_contact {
            native.ask_credit(first);
        }
        if let Some(datagrams) = &limits.datagrams {
            let dropped = datagrams.excess == Excess::Drop;
            // SAFETY: as above.
            unsafe {
                calls::native_limit_datagrams(native.at_mut(), datagrams.rate.interval_ns(), dropped.into());
            }
        }
        native
    }
}

impl Limits {
    fn ask_credit(&mut self, first: &FirstContact) {
        let most = |number: u32| number.min(FirstContact::MOST);
        let block_ns = match first.on_suspect {
            OnSuspect::Block(time) => nanos(time),
            OnSuspect::Notify | OnSuspect::Throttle => 0,
        };
        // SAFETY: the memory is of the structure's size, and borrowed for the calls.
        unsafe {
            calls::native_limit_credit(
                self.at_mut(),
                most(first.credit),
                first.worth_in_parts(),
                first.answers_of_a_scan.map_or(0, Share::in_a_thousand),
                first.answers_of_peers.in_a_thousand(),
                first.rate.interval_ns(),
            );
            calls::native_limit_contacts(
                self.at_mut(),
                first.working_set.min(FirstContact::WORKING_SET_MOST),
                (first.order == Order::Either).into(),
                (first.on_suspect == OnSuspect::Throttle).into(),
                block_ns,
            );
        }
    }
}

impl Scope {
    pub fn waiting_here(&self) -> usize {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_waiting_here(self.at()) as usize }
    }

    pub fn ledger(&self, now: u64) -> Ledger {
        let mut numbers = [0; 17];
        // SAFETY: the memory is of the structure's size and borrowed for the call, and so are the numbers.
        unsafe { calls::native_ledger(self.at(), now, &raw mut numbers) };
        let [half_open, aged, queued, admitted, released, cancelled, gave_up_while_queued, rest @ ..] =
            numbers;
        let [established, failed, refused_overflow, blocked, would_have_waited, rest @ ..] = rest;
        let [longest_wait, last_waiter, let_out, stopped, would_have_been_stopped] = rest;
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
        }
    }

    pub fn repute(&self, purse: Purse) -> Repute {
        let mut numbers = [0; 4];
        // SAFETY: the memory is of the structure's size and borrowed for the call, and so are the numbers.
        unsafe { calls::native_repute(self.at(), purse_number(purse), &raw mut numbers) };
        let [credit, first_contacts, pending, suspect_since] = numbers;
        Repute {
            credit: credit as u32,
            first_contacts,
            pending: pending as u32,
            suspect_since: (suspect_since != 0).then_some(suspect_since),
        }
    }

    pub fn offer(&self, limits: &Limits, purse: Purse, now: u64) -> Option<Offer> {
        let mut numbers = [0; 3];
        // SAFETY: the memory of both is of the structures' sizes and borrowed for the call, and so are the numbers.
        let asked = unsafe {
            calls::native_offer(self.at(), limits.at(), purse_number(purse), now, &raw mut numbers) != 0
        };
        let [credit, newest, recovers_at] = numbers;
        asked.then_some(Offer {
            credit: credit as u32,
            newest_first: newest != 0,
            recovers_at: (recovers_at != 0).then_some(recovers_at),
        })
    }

    /// Whether a first contact over UDP may leave; it takes its turn then.
    pub fn lets_datagram_out(&mut self, limits: &Limits, now: u64) -> bool {
        // SAFETY: the memory of both is of the structures' sizes, and borrowed for the call.
        unsafe { calls::native_datagram(self.at_mut(), limits.at(), now) != 0 }
    }

    /// Of the host's: a walk over all live attempts begins.
    pub fn walk_begins(&mut self) {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_walk_begins(self.at_mut()) }
    }

    /// Of the host's: the number of the walk that began last.
    pub fn walk(&self) -> u32 {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_walk(self.at()) }
    }

    /// The walk of that number has seen all. Returns whether the books were wrong.
    pub fn walk_ends(&mut self, walk: u32) -> bool {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_walk_ends(self.at_mut(), walk) != 0 }
    }

    /// Of the host's: what the walk has seen is in all books.
    pub fn walk_is_over(&mut self) {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_walk_is_over(self.at_mut()) }
    }

    /// Makes the books wrong.
    #[cfg(test)]
    pub fn drift(&mut self, queued: i32, waiting_here: i32, out: i32) {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_drift(self.at_mut(), queued, waiting_here, out) }
    }
}
