//! `bpf/reconcile.h`: which attempts are taken for ones whose sockets have ended unnoticed.

use super::calls;

/// What is known of an attempt's socket. Times are in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Socket {
    /// When the attempt began.
    pub began: u64,
    /// When its socket was heard of last; 0 = not yet.
    pub heard_of: u64,
    /// When the last walk over sockets began, if it has gone through this one's namespace, and whether it met this one.
    pub walk: Option<(u64, bool)>,
}

impl Socket {
    /// Whether it must have ended.
    #[must_use]
    pub fn is_gone(self, now: u64) -> bool {
        let Self { began, heard_of, walk } = self;
        let (walk_began, met) = walk.unwrap_or_default();
        // SAFETY: takes and returns integers, any are allowed.
        unsafe {
            calls::native_is_gone(began, heard_of, met.into(), walk.is_some().into(), walk_began, now) != 0
        }
    }
}
