//! Names of accounts, and how long their turns keep.

use crate::abi;

/// Turns that fell due are not lost for this long (nanoseconds): a waiter asks only when its TCP timer runs, up to
/// 512 ms and a timer's lateness after its turn has come, and the rate shall hold all the same.
pub const TURN_TOLERANCE_NS: u64 = abi::TURN_TOLERANCE_NS as u64;

/// Names a scope in [`crate::Accounting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) usize);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}
