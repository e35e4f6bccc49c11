//! `halfopen enforce`: enforcing on trial, until somebody confirms it.

use super::ModeStatus;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest trial.
pub const LONGEST: Duration = Duration::from_hours(24);

/// What to do with a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "order", content = "for_ms", deny_unknown_fields)]
pub enum TrialOrder {
    /// Enforce now, for this many milliseconds and at most a day ([`LONGEST`]). During a trial, restart its time.
    Begin(u64),
    /// Keep enforcing.
    Confirm,
    /// Return to the previous mode now.
    Cancel,
}

/// A trial that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialStatus {
    /// When it ends unless somebody confirms it. Setting the clock does not move the end.
    pub reverts_at: UtcTime,
    /// The time until then, in milliseconds.
    pub reverts_in_ms: u64,
    /// The mode after that.
    pub to: ModeStatus,
}

impl std::fmt::Display for TrialStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left = super::status::span(self.reverts_in_ms.div_ceil(1_000));
        write!(f, "reverts to {} in {left} unless confirmed: halfopen enforce --confirm", self.to)
    }
}
