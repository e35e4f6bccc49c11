//! `bpf/reconcile.h`: which attempts count as ones whose sockets have ended unnoticed.

use super::calls;

/// What is known of an attempt's socket. Times are nanoseconds of one clock.
#[derive(Debug, Clone, Copy)]
pub struct Socket {
    /// When the attempt began.
    pub began: u64,
    /// When its socket last gave a sign of life; 0 = not yet.
    pub heard_of: u64,
    /// When the last socket walk began, if it went through the socket's namespace, and whether it met the
    /// socket.
    pub walk: Option<(u64, bool)>,
}

impl Socket {
    /// Whether the socket must have ended by `now`.
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
