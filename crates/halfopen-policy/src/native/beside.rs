//! `bpf/beside.h`: which parties may have a record in `records_beside`.

use super::calls;

/// How many records are held.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The most records there can be.
    pub most: u32,
    /// By all parties.
    pub by_all: u32,
    /// By the top-level cgroup that asks for one more.
    pub by_top: u32,
    /// By its part that asks.
    pub by_part: u32,
}

impl Held {
    /// Whether the party may have one more.
    #[must_use]
    pub fn has_one_more(self) -> bool {
        let Self { most, by_all, by_top, by_part } = self;
        // SAFETY: takes and returns integers, any are allowed.
        unsafe { calls::native_may_have_beside(most, by_all, by_top, by_part) != 0 }
    }

    /// Whether the next record is counted in its parties.
    #[must_use]
    pub fn is_counted(self) -> bool {
        // SAFETY: takes and returns integers, any are allowed.
        unsafe { calls::native_beside_is_counted(self.by_all, self.most) != 0 }
    }
}
