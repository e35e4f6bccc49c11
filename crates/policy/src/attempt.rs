//! One outbound connect, and what is said to it.

use crate::credit::Side;
use crate::first_contact::{Contact, Purse};
use crate::parties::Party;
use crate::scope::ScopeId;
use std::collections::BTreeMap;

/// Names an attempt in [`crate::Books`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub(crate) u64);

/// Whether an attempt waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Like any other.
    #[default]
    Bound,
    /// Never held, whatever the books say; counted all the same.
    Essential,
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
    /// The SYN does not leave: the last one left less than [`crate::books::SYN_GAP_NS`] ago.
    TooEarly,
}

/// Why `connect()` fails at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A queue that it would have to join is full.
    QueueFull,
    /// Its account is a suspect's, and blocked.
    Blocked,
}

/// How an attempt left `SYN_SENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer accepted.
    Established,
    /// TCP gave up.
    TimedOut,
    /// Refused, unreachable, closed, killed.
    Other,
}

/// Where an attempt stands. Times are nanoseconds of the caller's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its first SYN is held.
    Queued,
    /// Its SYN is out, unanswered.
    Out { in_slot_since: u64, last_syn: u64 },
}

/// What an attempt is: who makes it, where to, what it is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Whether a DNS answer has named it lately.
    pub named: bool,
    /// A hash of its address, for working sets.
    pub address: u64,
}

impl Origin {
    /// The credit that it would cost.
    pub(crate) fn purse(&self) -> Purse {
        if self.named { Purse::Named } else { Purse::Strangers }
    }

    pub(crate) fn contact(&self) -> Contact {
        if self.first { Contact::First(self.purse()) } else { Contact::Known }
    }

    /// The scopes it is charged to, in the order in which they are asked: who waits for its own account shall not look
    /// like a waiter of all.
    pub(crate) fn charged(&self) -> impl Iterator<Item = ScopeId> + use<> {
        self.own.into_iter().chain(self.interface).chain([ScopeId::HOST])
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub origin: Origin,
    pub began: u64,
    pub stage: Stage,
    /// The scope that said no last.
    pub held_back_by: Option<ScopeId>,
    /// Its place among those who wait for credit, in each scope that asks for it.
    pub places: BTreeMap<ScopeId, u32>,
    /// Out, and neither answered nor silent for long enough.
    pub pending: bool,
    /// Whose turn it took.
    pub side: Side,
}
