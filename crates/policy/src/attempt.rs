//! One outbound connect, and what is said to it.

use crate::scope::ScopeId;

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

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The scope it is charged to beside the host's.
    pub own: Option<ScopeId>,
    pub standing: Standing,
    pub began: u64,
    pub stage: Stage,
    /// The scope that said no last.
    pub held_back_by: Option<ScopeId>,
}

impl Attempt {
    /// The scopes it is charged to, in the order in which they are asked.
    pub fn charged(&self) -> impl Iterator<Item = ScopeId> + use<> {
        charged(self.own)
    }
}

/// The own scope is asked before the host's: who waits for its own account shall not look like a waiter of all.
pub(crate) fn charged(own: Option<ScopeId>) -> impl Iterator<Item = ScopeId> {
    own.into_iter().chain([ScopeId::HOST])
}
