//! `bpf/at_once.h`: accounting that several threads use at once, as the kernel's CPUs do.

use super::calls::{self, native_accounting};
use super::charged::{ending_number, verdict};
use super::{Attempt, Limits, Scope};
use crate::abi;
use crate::attempt::{Ending, Origin, Verdict};
use std::cell::UnsafeCell;
use std::ptr;

/// The accounts of the host and of one scope, to which all attempts are charged.
#[derive(Debug)]
pub struct Shared {
    host: *mut abi::scope,
    own: *mut abi::scope,
    limits: [Limits; 2],
    lock: UnsafeCell<u32>,
    /// Owns the memory behind the pointers.
    _scopes: Box<[Scope; 2]>,
}

// SAFETY: the header's functions change what is shared by atomic operations, or with the lock held.
unsafe impl Sync for Shared {}
// SAFETY: the memory is the value's own.
unsafe impl Send for Shared {}

/// An attempt that several threads may end.
#[derive(Debug)]
pub struct SharedAttempt {
    at: *mut abi::attempt,
    /// Owns the memory behind `at`.
    _attempt: Box<Attempt>,
}

// SAFETY: one thread begins it; of those that end it the header's functions let one change it.
unsafe impl Sync for SharedAttempt {}
// SAFETY: the memory is the value's own.
unsafe impl Send for SharedAttempt {}

impl SharedAttempt {
    fn new(origin: &Origin) -> Self {
        let mut attempt = Box::new(Attempt::new(origin));
        Self { at: attempt.at_mut(), _attempt: attempt }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedEnd {
    /// It ended without the lock.
    pub at_once: bool,
    /// Whether the thread that ended it sees an attempt wait, which it must then have woken.
    pub sees_waiter: bool,
    /// Another CPU was deciding, and its attempt may wait for the slot.
    pub amid_decision: bool,
}

impl Shared {
    /// Empty accounts of a host and a scope with these limits.
    #[must_use]
    pub fn new(host: &crate::Limits, own: &crate::Limits) -> Self {
        let mut scopes: Box<[Scope; 2]> = Box::default();
        Self {
            host: scopes[0].at_mut(),
            own: scopes[1].at_mut(),
            limits: [host.into(), own.into()],
            lock: UnsafeCell::new(0),
            _scopes: scopes,
        }
    }

    fn accounting(&self) -> native_accounting {
        let none = ptr::null_mut();
        native_accounting {
            scope: [self.host, self.own, none],
            limits: [self.limits[0].at(), self.limits[1].at(), ptr::null()],
            top: ptr::null_mut(),
            part: ptr::null_mut(),
            destination: ptr::null_mut(),
        }
    }

    /// `connect()` at `now` (nanoseconds), in enforce mode. Returns the attempt if it goes out; an attempt
    /// that would have to wait is ended at once.
    pub fn begin(&self, origin: &Origin, now: u64) -> Option<SharedAttempt> {
        let (attempt, goes) = self.begin_or_wait(origin, now);
        if goes {
            return Some(attempt);
        }
        self.end(&attempt, Ending::Cancelled, now);
        None
    }

    /// The same for an attempt that waits if it has to. Returns whether it goes out.
    pub fn begin_or_wait(&self, origin: &Origin, now: u64) -> (SharedAttempt, bool) {
        let (accounting, attempt) = (self.accounting(), SharedAttempt::new(origin));
        // SAFETY: the accounting that is pointed to is `self`'s, which lasts.
        let said = unsafe {
            calls::native_begin_shared(
                &raw const accounting,
                attempt.at,
                self.lock.get(),
                abi::MODE_ENFORCE,
                now,
            )
        };
        (attempt, verdict(said) == Verdict::Go)
    }

    /// An attempt leaves the accounting.
    pub fn end(&self, attempt: &SharedAttempt, ending: Ending, now: u64) -> SharedEnd {
        let accounting = self.accounting();
        // SAFETY: as in begin_or_wait().
        let said = unsafe {
            calls::native_end_shared(
                &raw const accounting,
                attempt.at,
                self.lock.get(),
                ending_number(ending),
                now,
            )
        };
        SharedEnd { at_once: said & 1 != 0, sees_waiter: said & 2 != 0, amid_decision: said & 4 != 0 }
    }

    /// Makes this many of this thread's next exchanges find that another thread came first and added one to
    /// the word.
    pub fn others_come_first(times: u32) {
        // SAFETY: sets a number of the thread's own.
        unsafe { calls::native_others_come_first(times) }
    }

    /// Another CPU decides while `work` is done.
    pub fn amid_decision<T>(&self, work: impl FnOnce() -> T) -> T {
        let accounting = self.accounting();
        // SAFETY: as in begin_or_wait().
        unsafe { calls::native_set_closed(&raw const accounting, 1) };
        let done = work();
        // SAFETY: as above.
        unsafe { calls::native_set_closed(&raw const accounting, 0) };
        done
    }

    /// How many attempts of the host were out when `work` last exchanged a word.
    pub fn out_at_exchange(&self, work: impl FnOnce()) -> u32 {
        // SAFETY: as in begin_or_wait(); only read.
        let at_exchange = || unsafe { calls::native_out_at_exchange(self.host) };
        at_exchange();
        work();
        at_exchange()
    }

    /// Makes the accounting wrong: adds this many to the slots of the host that are taken.
    pub fn drift_slots(&self, by: i64) {
        // SAFETY: as in begin_or_wait().
        unsafe { calls::native_drift_slots(self.host, by) }
    }

    /// How many attempts are out, of the host's and of the scope's account. Exact while no thread is at work.
    #[must_use]
    pub fn out(&self) -> [u32; 2] {
        // SAFETY: as in begin_or_wait(); only read.
        [self.host, self.own].map(|scope| unsafe { (&raw const (*scope).out).read_volatile() })
    }

    /// How many slots are taken, of the host's and of the scope's account. Exact while no thread is at work.
    #[must_use]
    pub fn slots(&self) -> [u64; 2] {
        // SAFETY: as in begin_or_wait(); only read.
        [self.host, self.own].map(|scope| unsafe { (&raw const (*scope).slots).read_volatile() })
    }
}
