//! Names of accounts, and how long their turns keep.

/// Turns that fell due are not lost for this long (nanoseconds): a waiter asks only when its TCP timer runs, up to
/// 512 ms and a timer's lateness after its turn has come, and the rate shall hold all the same.
pub const TURN_TOLERANCE_NS: u64 = 640_000_000;

/// Names a scope in [`crate::Books`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) usize);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use crate::books::SYN_GAP_NS;
    use crate::native;

    #[test]
    fn the_times_are_the_header_s() {
        let constants = native::constants();
        assert_eq!(constants.turn_tolerance_ns, super::TURN_TOLERANCE_NS);
        assert_eq!(constants.syn_gap_ns, SYN_GAP_NS);
    }
}
