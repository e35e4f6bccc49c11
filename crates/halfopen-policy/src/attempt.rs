//! One outbound `connect()`, and the answers that it gets.

use crate::first_contact::{CreditBucket, PortCell};
use crate::scope::ScopeId;

/// Identifies an attempt in [`crate::Accounting`]; never used twice. The later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId {
    pub(crate) number: u64,
    /// Where it is kept.
    pub(crate) place: u32,
}

/// Whether the limit applies to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// The limit applies.
    #[default]
    Bound,
    /// Never held, whatever the state of the accounting; still counted.
    NeverHold,
}

/// The answer to an attempt that asks whether its SYN may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The SYN leaves now.
    Go,
    /// The SYN leaves now; enforcing would have held it.
    GoAudited,
    /// The SYN does not leave; ask again at the next timer.
    Hold,
    /// The SYN does not leave: the last one left less than [`crate::accounting::SYN_GAP_NS`] ago.
    TooEarly,
}

/// Why `connect()` fails at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A queue that it would have to join is full.
    QueueFull,
    /// One of its accounts is a suspect, and blocked.
    Blocked,
    /// Its part has cancelled too many waiting attempts.
    Churn,
}

/// How an attempt left `SYN_SENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer accepted.
    Established,
    /// TCP gave up.
    TimedOut,
    /// Refused or unreachable.
    Other,
    /// Its program closed it, or it was killed, unanswered.
    Cancelled,
    /// The peer accepted, but this proves nothing: the answer came from this host, or from a network that a
    /// user made.
    Neutral,
}

/// A party to the host's slots, turns and places, which are shared among top-level cgroups, and in each of
/// them among its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Party {
    /// The id of the top-level cgroup.
    pub top: u64,
    /// Its part: an account of a rule or of `exec`, or a user whose attempts have no such account.
    pub part: u64,
}

/// Describes an attempt: its party, its destination, and what it is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the kernel part's record")]
pub struct Origin {
    /// Whether the limit applies to it.
    pub standing: Standing,
    /// The scope that a rule charges it to.
    pub own: Option<ScopeId>,
    /// The scope of the interface that it leaves by.
    pub interface: Option<ScopeId>,
    /// Its party in the round of the host's turns.
    pub party: Party,
    /// Whether its address has not answered lately.
    pub first: bool,
    /// Whether it is not a first contact only because an earlier one to its address was silent lately.
    pub tried: bool,
    /// Whether a DNS answer has named its address lately.
    pub named: bool,
    /// Whether it comes from a network namespace that the initial user namespace does not own.
    pub foreign: bool,
    /// A hash of its address, for working sets.
    pub address: u64,
    /// The destination port.
    pub port: u16,
}

impl Origin {
    /// The credit bucket that it would spend from if its address were unknown. Cells of ports are those of
    /// account number 0, because the accounts of [`crate::Accounting`] have no number.
    #[must_use]
    pub fn bucket(&self) -> CreditBucket {
        let cell = PortCell::of(0, self.port);
        match (self.foreign, self.named) {
            (true, _) => CreditBucket::Foreign,
            (_, true) if cell.takes_names() => CreditBucket::Named,
            _ => CreditBucket::Port(cell),
        }
    }
}
