//! The mode of the limit, or of a rule, as JSON has it.

use halfopen_policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the limit, or a rule of `[[deny]]`, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeStatus {
    /// It holds attempts, or refuses them.
    Enforce,
    /// It only counts what it would hold or refuse.
    Audit,
    /// It does nothing.
    Off,
}

impl From<Mode> for ModeStatus {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Enforce,
            Mode::Audit => Self::Audit,
            Mode::Off => Self::Off,
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for ModeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Off => "off",
        })
    }
}
