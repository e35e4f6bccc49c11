//! What `check` says of a configuration besides the values that result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A warning, or a note on a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remark {
    /// What it is about.
    pub kind: RemarkKind,
    /// The rule or key, such as `scope.torrent` or `host.block_for`.
    pub name: String,
    /// Where that is said: a file with line and column, or `preset`.
    pub origin: String,
    /// What is the case and what to do about it, for people.
    pub message: String,
}

/// What a warning or a note is about. The first three are notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// The limits that a rule inherits from another.
    Inherits,
    /// In what a rule lets its programs out more than another would have.
    Loosens,
    /// Whose accounts a rule without `per` has.
    Accounts,
    /// All programs in several cgroups share one account and its credit, which they would not without the rule.
    SharedCredit,
    /// This host has no such user, so the rule matches nobody.
    NoUser,
    /// There is no such program file, so the rule matches nobody.
    NoExecutable,
    /// There is no such cgroup now, so the rule matches nobody now.
    NoCgroup,
    /// There is no such interface now, so nothing counts in its scope now.
    NoInterface,
    /// A path that can never match, as it is written.
    MisspeltPath,
    /// A rule never counts, because an earlier one matches all its programs.
    Shadowed,
    /// A key has no effect beside the others.
    NoEffect,
    /// First contacts of the whole host share one account.
    OneAccount,
    /// Loopback is not exempt.
    LoopbackCounts,
    /// Other hosts can read the metrics.
    MetricsBeyondLoopback,
}

impl Remark {
    pub(super) fn new(
        kind: RemarkKind,
        name: impl fmt::Display,
        origin: impl fmt::Display,
        message: String,
    ) -> Self {
        Self { kind, name: name.to_string(), origin: origin.to_string(), message }
    }

    /// Whether it is a warning: the configuration probably does not do what was meant.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        !matches!(self.kind, RemarkKind::Inherits | RemarkKind::Loosens | RemarkKind::Accounts)
    }
}

/// One line for people.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.name, self.message)
    }
}
