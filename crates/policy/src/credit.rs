//! What can be told of an account's credit. How it is earned and spent: `bpf/credit.h`, and
//! `docs/internals/decisions/0019-credit.md` for why.

/// How an account stands with its first contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repute {
    /// Whole credits.
    pub credit: u32,
    /// First contacts let out since the start.
    pub first_contacts: u64,
    /// First contacts that are out, and neither answered nor silent for long enough.
    pub pending: u32,
    /// Since when it is a suspect, on the caller's clock.
    pub suspect_since: Option<u64>,
}

/// What those who wait for credit have to expect, for whoever wakes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whole credits that are there.
    pub credit: u32,
    /// Whether the newest waiter's turn is next, else the oldest's.
    pub newest_first: bool,
    /// When the next credit comes back by itself, on the caller's clock.
    pub recovers_at: Option<u64>,
}
