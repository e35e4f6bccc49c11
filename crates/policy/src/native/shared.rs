//! `bpf/at_once.h`: books that several threads use at once, as the kernel's processors do.

use super::calls::{self, NativeCharge};
use super::charged::{ending_number, mode_number, verdict};
use super::{Attempt, Limits, Native, Scope, of};
use crate::attempt::{Ending, Origin, Verdict};
use crate::limits::Mode;
use std::cell::UnsafeCell;
use std::ptr;

/// The host's books, and those of one account, in which all attempts are.
#[derive(Debug)]
pub struct Shared {
    host: *mut of::Scope,
    own: *mut of::Scope,
    limits: [Limits; 2],
    lock: UnsafeCell<u32>,
    /// Whose memory the pointers are to.
    _scopes: [Scope; 2],
}

// SAFETY: the header's functions change what is shared by atomic operations, or with the lock held.
unsafe impl Sync for Shared {}
// SAFETY: the memory is the value's own.
unsafe impl Send for Shared {}

/// An attempt of one thread's.
#[derive(Debug)]
pub struct SharedAttempt(Attempt);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedEnd {
    /// Without the lock.
    pub at_once: bool,
    /// Somebody waits, as far as whoever ended it can tell: he is told to be woken.
    pub sees_waiter: bool,
}

impl Shared {
    /// Empty books of a host and an account with these limits.
    #[must_use]
    pub fn new(host: &crate::Limits, own: &crate::Limits) -> Self {
        let mut scopes: [Scope; 2] = [Native::zeroed(), Native::zeroed()];
        Self {
            host: scopes[0].at_mut(),
            own: scopes[1].at_mut(),
            limits: [host.into(), own.into()],
            lock: UnsafeCell::new(0),
            _scopes: scopes,
        }
    }

    fn charge(&self) -> NativeCharge {
        let none = ptr::null_mut();
        NativeCharge {
            scope: [self.host, self.own, none],
            limits: [self.limits[0].at(), self.limits[1].at(), ptr::null()],
            top: ptr::null_mut(),
            part: ptr::null_mut(),
        }
    }

    /// `connect()` at `now` (nanoseconds), in enforce mode. Returns the attempt if it goes out; one that would have to
    /// wait is given up at once.
    pub fn begin(&self, origin: &Origin, now: u64) -> Option<SharedAttempt> {
        let (mut attempt, goes) = self.begin_or_wait(origin, now);
        if goes {
            return Some(attempt);
        }
        self.end(&mut attempt, Ending::Cancelled, now);
        None
    }

    /// The same of one that waits where it has to. Returns whether it goes out.
    pub fn begin_or_wait(&self, origin: &Origin, now: u64) -> (SharedAttempt, bool) {
        let (charge, mut attempt) = (self.charge(), Attempt::new(origin));
        // SAFETY: all that is pointed to is of the structures' sizes; the books are `self`'s, which lasts.
        let said = unsafe {
            calls::native_begin_shared(
                &raw const charge,
                attempt.at_mut(),
                self.lock.get(),
                mode_number(Mode::Enforce),
                now,
            )
        };
        (SharedAttempt(attempt), verdict(said) == Verdict::Go)
    }

    /// An attempt leaves the books.
    pub fn end(&self, attempt: &mut SharedAttempt, ending: Ending, now: u64) -> SharedEnd {
        let charge = self.charge();
        // SAFETY: as in begin_or_wait().
        let said = unsafe {
            calls::native_end_shared(
                &raw const charge,
                attempt.0.at_mut(),
                self.lock.get(),
                ending_number(ending),
                now,
            )
        };
        SharedEnd { at_once: said & 1 != 0, sees_waiter: said & 2 != 0 }
    }

    /// So many of this thread's next exchanges find that another one has come first, and added one to the word.
    pub fn others_come_first(times: u32) {
        // SAFETY: sets a number of the thread's own.
        unsafe { calls::native_others_come_first(times) }
    }

    /// How many slots are taken, the host's and the account's. Exact while no thread is at work.
    #[must_use]
    pub fn slots(&self) -> [u64; 2] {
        // SAFETY: as in begin_or_wait(); only read.
        [self.host, self.own].map(|scope| unsafe { calls::native_slots(scope) })
    }
}
