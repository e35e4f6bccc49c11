//! What `doctor` says about one thing that it has looked at.

use halfopen_bpf::{Finding, Probe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that `doctor` has looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// How it is.
    pub result: CheckResult,
    /// What was looked at, for people.
    pub what: String,
    /// What was found, or what to do about it, for people; `None` = there is nothing to add.
    pub detail: Option<String>,
}

/// How something is that `doctor` has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It works.
    Good,
    /// The limit holds without it, but less well.
    Degraded,
    /// The limit cannot be enforced: the exit code is 3.
    Missing,
    /// What is sent this way is neither held nor counted.
    Bypass,
    /// Something to know; nothing was tried.
    Note,
}

impl Check {
    pub(super) fn new(result: CheckResult, what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { result, what: what.into(), detail: Some(detail.into()).filter(|detail| !detail.is_empty()) }
    }
}

/// One line for people.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match self.result {
            CheckResult::Good => "good",
            CheckResult::Degraded => "degraded",
            CheckResult::Missing => "MISSING",
            CheckResult::Bypass => "bypass",
            CheckResult::Note => "note",
        };
        write!(f, "{result:<8}  {}", self.what)?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl From<Probe> for Check {
    fn from(Probe { name, finding }: Probe) -> Self {
        match finding {
            Finding::Good(detail) => Self::new(CheckResult::Good, name, detail),
            Finding::Degraded(loss) => Self::new(CheckResult::Degraded, name, loss),
            Finding::Missing(remedy) => Self::new(CheckResult::Missing, name, remedy),
        }
    }
}
