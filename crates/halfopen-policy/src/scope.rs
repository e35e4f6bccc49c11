//! Identifiers of scopes, and how long turns stay valid.

use crate::abi;

/// How long a turn that fell due stays valid, in nanoseconds. A waiter asks only when its TCP timer runs, up
/// to 512 ms and the timer's lateness after its turn has come; the rate must hold all the same.
pub const TURN_TOLERANCE_NS: u64 = abi::TURN_TOLERANCE_NS as u64;

/// Identifies a scope in [`crate::Accounting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) usize);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}
