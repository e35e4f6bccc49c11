//! `bpf/beside.h`: who has a record where that of its socket's place is taken.

use super::calls;

/// How many records are held.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// As many as there can be.
    pub most: u32,
    /// By whomever.
    pub by_all: u32,
    /// By the top-level cgroup of whoever asks for one more ...
    pub by_top: u32,
    /// ... and by its part of that.
    pub by_part: u32,
}

impl Held {
    /// Whether whoever asks may have one more.
    #[must_use]
    pub fn has_one_more(self) -> bool {
        let Self { most, by_all, by_top, by_part } = self;
        // SAFETY: takes and returns integers, any are allowed.
        unsafe { calls::native_may_have_beside(most, by_all, by_top, by_part) != 0 }
    }

    /// Whether it is noted whose the next one is.
    #[must_use]
    pub fn is_counted(self) -> bool {
        // SAFETY: takes and returns integers, any are allowed.
        unsafe { calls::native_beside_is_counted(self.by_all, self.most) != 0 }
    }
}
