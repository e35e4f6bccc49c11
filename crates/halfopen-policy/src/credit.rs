//! The credit of an account, as reports show it. `bpf/credit.h` earns and spends it;
//! `docs/internals/decisions/0019-credit.md` says why.

/// The state of an account's first contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repute {
    /// Whole credits.
    pub credit: u32,
    /// First contacts let out since the account was made.
    pub first_contacts: u64,
    /// First contacts that are out, and neither answered nor silent yet.
    pub pending: u32,
    /// Since when it is a suspect, in nanoseconds of the caller's clock.
    pub suspect_since: Option<u64>,
}

/// What waiters for credit can expect, for the waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whole credits that are available.
    pub credit: u32,
    /// Whether the newest waiter's turn is next, rather than the oldest's.
    pub newest_first: bool,
    /// When the next credit comes back by itself, in nanoseconds of the caller's clock.
    pub recovers_at: Option<u64>,
}
