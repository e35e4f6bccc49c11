//! `halfopen enforce`: enforcing for a while, to be confirmed.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest trial.
pub const LONGEST: Duration = Duration::from_hours(24);

/// What is to become of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOrder {
    /// Enforce now and for so many milliseconds, [`LONGEST`] at most; one that runs is given this time anew.
    Begin(u64),
    /// Enforcing stays.
    Confirm,
    /// The mode before holds again, now.
    Cancel,
}

/// A trial that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStatus {
    /// When it ends unless it is confirmed: RFC 3339, UTC. A clock that is set meanwhile does not move the end.
    pub reverts_at: String,
    /// In so many milliseconds.
    pub reverts_in_ms: u64,
    /// The mode that holds then.
    pub to: String,
}

impl std::fmt::Display for TrialStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left = super::status::span(self.reverts_in_ms.div_ceil(1_000));
        write!(f, "reverts to {} in {left} unless confirmed: halfopen enforce --confirm", self.to)
    }
}
