//! A limit that goes on while no daemon answers, as JSON and people are told of it.

use super::status::span;
use halfopen_policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// A pinned limit that no daemon watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnwatchedStatus {
    /// The directory where it is pinned.
    pub pins: String,
    /// The version of the daemon that pinned it.
    pub version: String,
    /// For how many seconds no daemon has watched it.
    pub for_s: u64,
    /// What that means, for people.
    pub explanation: String,
}

impl UnwatchedStatus {
    /// What `pins` hold in this mode, for this long without a daemon.
    #[must_use]
    pub fn new(pins: &Path, version: String, unwatched: Duration, mode: Mode) -> Self {
        let pins = pins.display().to_string();
        let explanation = match mode {
            Mode::Enforce => format!("No daemon answers, but the limit pinned in {pins} holds."),
            Mode::Audit => format!("No daemon answers. What is pinned in {pins} only counts: mode is audit."),
            Mode::Off => format!("No daemon answers. What is pinned in {pins} does nothing: mode is off."),
        };
        Self { pins, version, for_s: unwatched.as_secs(), explanation }
    }
}

/// What it means, and what to do.
impl fmt::Display for UnwatchedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nThe daemon of halfopen {} was last there {} ago. Start one to take the limit over (`systemctl start \
             halfopen`, or `halfopen run`), or end the limit with `halfopen off`.",
            self.explanation,
            self.version,
            span(self.for_s)
        )
    }
}
