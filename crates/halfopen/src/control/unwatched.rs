//! A limit that goes on while no daemon answers, as JSON and people are told of it.

use super::status::span;
use halfopen_policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// A daemon that runs and does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SilentDaemon {
    /// Its process id; `None` if it is unknown.
    pub pid: Option<u32>,
    /// For how many seconds it was waited for.
    pub for_s: u64,
}

impl fmt::Display for SilentDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        write!(f, "The daemon{pid} has not answered for {} s", self.for_s)
    }
}

/// A pinned limit that no daemon watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnwatchedStatus {
    /// The directory where it is pinned.
    pub pins: String,
    /// The version of the daemon that pinned it.
    pub version: String,
    /// For how many seconds no daemon has watched it.
    pub for_s: u64,
    /// The daemon, if one runs but does not answer; `None` if none runs.
    #[serde(default)]
    pub silent: Option<SilentDaemon>,
    /// What that means, for people.
    pub explanation: String,
}

impl UnwatchedStatus {
    /// What `pins` hold in this mode, for this long without a daemon.
    #[must_use]
    pub fn new(
        pins: &Path,
        version: String,
        unwatched: Duration,
        mode: Mode,
        silent: Option<SilentDaemon>,
    ) -> Self {
        let pins = pins.display().to_string();
        let none = silent.map_or_else(|| "No daemon answers".to_owned(), |daemon| daemon.to_string());
        let explanation = match mode {
            Mode::Enforce => format!("{none}, but the limit pinned in {pins} holds."),
            Mode::Audit => format!("{none}. What is pinned in {pins} only counts: mode is audit."),
            Mode::Off => format!("{none}. What is pinned in {pins} does nothing: mode is off."),
        };
        Self { pins, version, for_s: unwatched.as_secs(), silent, explanation }
    }
}

/// What it means, and what to do.
impl fmt::Display for UnwatchedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.silent.is_some() {
            let last = span(self.for_s);
            return write!(
                f,
                "{}\nIt hangs, or the host is very busy: it last looked {last} ago. `systemctl restart halfopen` ends it \
                 and starts another.",
                self.explanation
            );
        }
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
