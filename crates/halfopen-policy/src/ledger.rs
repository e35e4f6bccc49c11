//! The ledger of one scope: what is out, what waits, and what became of the rest.

use crate::{abi, native};
use std::time::Duration;

/// One scope's numbers at one moment. All counts are of attempts, except in `datagrams`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Hold a slot: their SYN is out and unanswered, for less than `slot_life`.
    pub half_open: u64,
    /// Aged: their SYN is out and unanswered for longer; the slot is free again.
    pub aged: u64,
    /// Wait for their first SYN to leave.
    pub queued: u64,
    /// Let out at once. This and all further counts are since the accounting began.
    pub admitted: u64,
    /// Let out after a wait.
    pub released: u64,
    /// Ended by their program while they waited.
    pub cancelled: u64,
    /// Timed out while they waited.
    pub gave_up_while_queued: u64,
    /// Answered.
    pub established: u64,
    /// Refused, unreachable, timed out or closed after their SYN had left.
    pub failed: u64,
    /// Refused because the queue was full, or because their part cancels too many attempts.
    pub refused_overflow: u64,
    /// Refused because the account is blocked.
    pub blocked: u64,
    /// In audit mode: let out at once where enforcing would have held them.
    pub would_have_waited: u64,
    /// The longest wait that has ended.
    pub longest_wait: Duration,
    /// When an attempt last waited, on the kernel's monotonic clock; zero = never.
    pub last_waiter: Duration,
    /// First contacts over UDP, if they are limited.
    pub datagrams: DatagramCounts,
    /// Connections, if they are limited.
    pub connections: ConnectionCounts,
}

/// The connections that a limit counts, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionCounts {
    /// Open now, half-open ones included; only counted where `established` is limited.
    pub open: u64,
    /// Ended, but still counted, for `time_wait`.
    pub ended: u64,
    /// Attempts that wait now at this scope, for a connection or for their destination.
    pub waiting: u64,
    /// Attempts that had to wait (in audit mode: would have had to) for the rate or the number of connections, since the
    /// accounting began.
    pub waited_to_open: u64,
    /// The same for the limits of one destination.
    pub waited_to_reach: u64,
    /// Counted connections that have ended since the accounting began.
    pub closed: u64,
}

/// What became of first contacts over UDP since the accounting began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramCounts {
    /// Sent.
    pub let_out: u64,
    /// Refused or dropped.
    pub stopped: u64,
    /// In audit mode: sent where enforcing would have stopped them.
    pub would_have_been_stopped: u64,
}

impl Ledger {
    /// Whether any attempt waits now.
    #[must_use]
    pub fn saturated(&self) -> bool {
        self.queued > 0
    }
}

impl Ledger {
    /// The numbers of a scope as an attempt that asked at `now` (nanoseconds of the scope's clock) would find
    /// them.
    #[must_use]
    pub fn of(scope: &abi::scope, now: u64) -> Self {
        native::ledger(scope, now)
    }
}
