//! The accounting of one scope: what is out, what waits, and what became of the rest.

use crate::{abi, native};
use std::time::Duration;

/// One scope's numbers at one moment. All counts are of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Holding a slot: SYN out, unanswered, for less than `slot_life`.
    pub half_open: u64,
    /// SYN out and unanswered for longer, slot given back.
    pub aged: u64,
    /// Waiting for their first SYN to leave.
    pub queued: u64,
    /// Let out at once, since the start.
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
    /// Refused because the queue was full.
    pub refused_overflow: u64,
    /// Refused because the account is blocked.
    pub blocked: u64,
    /// Let out at once in audit mode where enforcing would have held them.
    pub would_have_waited: u64,
    /// The longest that any ended wait lasted.
    pub longest_wait: Duration,
    /// When an attempt last was waiting, on the kernel's monotonic clock; zero = never.
    pub last_waiter: Duration,
    /// First contacts over UDP, where they are limited.
    pub datagrams: DatagramCounts,
}

/// What became of first contacts over UDP, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramCounts {
    /// Sent.
    pub let_out: u64,
    /// Refused or dropped.
    pub stopped: u64,
    /// Sent in audit mode where enforcing would have stopped them.
    pub would_have_been_stopped: u64,
}

impl Ledger {
    /// Whether anything waits (or, in audit mode, would wait) now.
    #[must_use]
    pub fn saturated(&self) -> bool {
        self.queued > 0
    }
}

impl Ledger {
    /// The numbers of a scope as they would be if somebody asked at `now` (nanoseconds).
    #[must_use]
    pub fn of(scope: &abi::scope, now: u64) -> Self {
        native::ledger(scope, now)
    }
}
