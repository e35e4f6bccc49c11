//! Counts of attempts that were refused or gave up, as of the last look.

use halfopen_bpf::ScopeId;
use halfopen_policy::Ledger;
use std::collections::HashMap;

/// A program, without its process ID.
pub(super) type ProgramKey = (u64, u32, String);

/// Attempts that were refused or gave up in a scope, including its accounts. For programs, refusals include those by a
/// block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Failed {
    pub refused: u64,
    pub gave_up: u64,
    pub blocked: u64,
}

/// The counts as of the last look.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub scopes: HashMap<ScopeId, Failed>,
    pub programs: HashMap<ProgramKey, u64>,
}

impl Counted {
    /// What is new in a scope whose counts have reached `failed`. Remembers `failed` for the next look.
    pub fn new_in(&mut self, scope: ScopeId, failed: Failed) -> Failed {
        let before = self.scopes.insert(scope, failed).unwrap_or_default();
        // The accounting began anew, or accounts were collected.
        let is_anew = failed.refused < before.refused || failed.gave_up < before.gave_up;
        if is_anew { failed } else { failed.less(before) }
    }
}

impl Failed {
    pub fn of(ledger: &Ledger) -> Self {
        let (refused, gave_up) = (ledger.refused_overflow, ledger.gave_up_while_queued);
        Self { refused, gave_up, blocked: ledger.blocked }
    }

    pub fn and(self, other: Self) -> Self {
        self.each_with(other, |one, other| one + other)
    }

    pub fn at_most(self, other: Self) -> Self {
        self.each_with(other, u64::min)
    }

    pub fn less(self, other: Self) -> Self {
        self.each_with(other, u64::saturating_sub)
    }

    fn each_with(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            refused: of(self.refused, other.refused),
            gave_up: of(self.gave_up, other.gave_up),
            blocked: of(self.blocked, other.blocked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_new_once() {
        let mut counted = Counted::default();
        let failed = |refused, gave_up| Failed { refused, gave_up, blocked: 0 };
        assert_eq!(counted.new_in(ScopeId::HOST, failed(3, 1)), failed(3, 1));
        assert_eq!(counted.new_in(ScopeId::HOST, failed(3, 1)), failed(0, 0));
        assert_eq!(counted.new_in(ScopeId::HOST, failed(5, 1)), failed(2, 0));
        assert_eq!(counted.new_in(ScopeId::HOST, failed(1, 0)), failed(1, 0), "accounting begun anew");
    }
}
