//! Structures of `bpf/abi.h` as bytes, for who reads them from the kernel or writes them there.

use crate::native::{self, Native};
use crate::{Ledger, Limits};

/// Sizes in bytes, as C lays the structures out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// `struct scope`
    pub scope: usize,
    /// `struct limits`
    pub limits: usize,
    /// `struct party`
    pub party: usize,
    /// `struct attempt`
    pub attempt: usize,
    /// `struct held_record`
    pub held_record: usize,
    /// `struct turn_record`
    pub turn_record: usize,
    /// `struct attempt_record`
    pub attempt_record: usize,
}

/// How large they are.
#[must_use]
pub fn sizes() -> Sizes {
    let native::Sizes { scope, limits, party, attempt, held_record, turn_record, attempt_record, .. } =
        native::sizes();
    Sizes { scope, limits, party, attempt, held_record, turn_record, attempt_record }
}

/// The `struct limits` that says the same.
#[must_use]
pub fn limits(limits: &Limits) -> Vec<u8> {
    native::Limits::from(limits).to_bytes()
}

/// The numbers of a `struct scope` as they would be if somebody asked at `now`; `None` where these are not as many bytes
/// as one has.
#[must_use]
pub fn ledger(scope: &[u8], now: u64) -> Option<Ledger> {
    Some(Native::from_bytes(scope)?.ledger(now))
}
