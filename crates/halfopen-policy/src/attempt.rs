//! One outbound connect, and what is said to it.

use crate::first_contact::{CreditBucket, PortCell};
use crate::scope::ScopeId;

/// Names an attempt in [`crate::Accounting`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub(crate) u64);

/// Whether an attempt waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Like any other.
    #[default]
    Bound,
    /// Never held, whatever the accounting says; counted all the same.
    NeverHold,
}

/// What an attempt is told when it asks whether its SYN may leave.
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
    /// Its account is a suspect's, and blocked.
    Blocked,
    /// Its part has cancelled too many attempts that waited.
    Churn,
}

/// How an attempt left `SYN_SENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer accepted.
    Established,
    /// TCP gave up.
    TimedOut,
    /// Refused, unreachable.
    Other,
    /// Closed or killed by its program, unanswered.
    Cancelled,
    /// The peer accepted, but its answer proves nothing: it came from this host, or from a network that a user made.
    Neutral,
}

/// Among whom the host's slots, turns and places are shared: top-level cgroups, and in each its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Party {
    /// The top-level cgroup.
    pub top: u64,
    /// An account of a rule or of `exec` in it, or a user that has none.
    pub part: u64,
}

/// What an attempt is: who makes it, where to, what it is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the kernel part's record")]
pub struct Origin {
    /// Whether it waits for its turn.
    pub standing: Standing,
    /// The scope that a rule charges it to.
    pub own: Option<ScopeId>,
    /// The scope of the interface that it leaves by.
    pub interface: Option<ScopeId>,
    /// Among whom the host's turns go round.
    pub party: Party,
    /// Whether its address has not answered lately.
    pub first: bool,
    /// None, though it would have been one, but for another that met silence there lately.
    pub tried: bool,
    /// Whether a DNS answer has named it lately.
    pub named: bool,
    /// Whether it comes from a network namespace that the first user namespace does not own.
    pub foreign: bool,
    /// A hash of its address, for working sets.
    pub address: u64,
    /// The destination's.
    pub port: u16,
}

impl Origin {
    /// The credit that it would cost, were its address unknown. What [`crate::Accounting`] charge has no account's number.
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
