//! What can be wrong with a configuration. Nothing has been changed when one of these errors is returned.

use super::key::{Key, Table};
use super::name::{NoSuchName, RuleName};
use super::place::Place;
use super::written::WrongValue;
use std::io;
use std::path::PathBuf;

/// Why a configuration is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or directory cannot be read.
    #[error("{place}: cannot read it: {reason}")]
    Unreadable {
        /// The file, and the first position that could not be read.
        place: Place,
        /// Why.
        reason: io::Error,
    },
    /// A file contains a mistake.
    #[error("{place}: {wrong}")]
    InFile {
        /// Where.
        place: Place,
        /// What.
        wrong: Wrong,
    },
    /// `--set` or `halfopen set` was given something wrong.
    #[error("{given}: {wrong}")]
    Given {
        /// What the user wrote.
        given: String,
        /// What.
        wrong: Wrong,
    },
    /// A file cannot be written.
    #[error("cannot save to {}: {reason}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

impl ConfigError {
    /// Whether the mistake is on the command line (exit code 2) and not in a file.
    #[must_use]
    pub fn wrong_use(&self) -> bool {
        matches!(self, Self::Given { .. })
    }
}

/// What is wrong at a place.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The text is not TOML.
    #[error("not valid TOML: {0}")]
    Toml(String),
    /// No such key exists.
    #[error("unknown key {key:?}: {hint}")]
    UnknownKey {
        /// The key with its table, as the user wrote it.
        key: String,
        /// The nearest key, or all of them.
        hint: String,
    },
    /// No such name exists.
    #[error(transparent)]
    Name(#[from] NoSuchName),
    /// The key does not take this value.
    #[error(transparent)]
    Value(Box<WrongValue>),
    /// Something else where a list of rules belongs.
    #[error("write {0} on a line of its own before each rule, and the keys of the rule below it")]
    NoList(&'static str),
    /// A rule without a name.
    #[error("this rule has no name: add name = \"...\" below this [[{0}]]")]
    NoName(&'static str),
    /// Two rules of one file share a table and a name.
    #[error("{0} {1:?} is already defined further up in this file: merge the two, or rename one of them")]
    Twice(&'static str, String),
    /// A scope that applies to nobody and changes no other scope.
    #[error(
        "scope {0:?} has no match: say whom it applies to, such as match = {{ user = \"www-data\" }}; without match \
         it can only change the limits of a scope with that name in the preset or in a file read before this one"
    )]
    NoMatch(String),
    /// An interface that limits nothing.
    #[error("interface {0:?} limits nothing: give it a limit, such as half_open = 50, or remove it")]
    NoLimit(String),
    /// Accounts for cgroups that the rule does not name.
    #[error(
        "{0}: per = \"cgroup\" gives an account to each cgroup that match.cgroup names: give it, such as match = \
         {{ cgroup = \"/system.slice/*\" }}"
    )]
    NoDepth(RuleName),
    /// A value for a rule that does not exist, and the rules that do.
    #[error("there is no {0} to change: {1}")]
    NoSuchRule(RuleName, String),
    /// More rules than the kernel part has room for: the first without room, and the room.
    #[error(
        "{0} is one too many: {table} takes at most {1} rules, including those of the preset",
        table = .0.table().written()
    )]
    TooMany(RuleName, usize),
    /// More patterns than the kernel part has room for: the first rule without room, and the room.
    #[error(
        "{0} is one too many: [[scope]] takes at most {1} rules, including those of the preset, and each pattern of a \
         list counts as one rule"
    )]
    TooManyPatterns(RuleName, usize),
    /// A `[[deny]]` that refuses nothing and changes no other rule.
    #[error(
        "deny {0:?} has no to: say which destinations it refuses, such as to = [\"10.0.0.0/8\"]; without to it can \
         only change a rule with that name in a file read before this one"
    )]
    NoDestination(String),
    /// More prefixes than the kernel part has room for: the first rule without room, and the room for all rules.
    #[error("{0}: with it, the rules of [[deny]] have more than {1} prefixes: merge some into larger ones")]
    TooManyPrefixes(RuleName, usize),
    /// A scope and an interface share a name.
    #[error(
        "a [[scope]] is named {0:?} too, so status and events could not tell the two apart: rename one of them"
    )]
    Shared(String),
    /// A rule by `comm` that a program could use to loosen its limits.
    #[error(
        "{rule} matches by comm, which a program chooses for itself, and its {key} is laxer than that of {than}, \
         which comes after it and may match the same programs: make it as strict, put it after {than}, or match by \
         exe, user or cgroup"
    )]
    LaxComm {
        /// The rule that matches by `comm`.
        rule: RuleName,
        /// The laxer key.
        key: &'static str,
        /// The rule that a program could escape.
        than: RuleName,
    },
    /// A rule by `comm` with accounts.
    #[error(
        "{0} matches by comm, which a program chooses for itself: with per, a program could get a fresh account by \
         changing its name; remove per"
    )]
    CommPer(RuleName),
    /// Scans would be expected to get as many answers as programs that look for peers.
    #[error(
        "{0}: answers_of_a_scan is not below answers_of_peers, so nothing would tell a scan from a program that looks \
         for peers: set a lower value, or \"off\""
    )]
    NoTest(String),
    /// A dashboard without TLS where it needs it: the file that is missing.
    #[error(
        "{table}.{missing} is missing: beyond loopback the dashboard speaks TLS only, so give dashboard.certificate and \
         dashboard.key, or listen on 127.0.0.1 and reach it through `ssh -L`",
        table = .0.table.name(), missing = .0.name
    )]
    NoTls(&'static Key),
    /// A limit on UDP in an `[[interface]]`.
    #[error(
        "{0}: first contacts over UDP are counted by sender, not by interface: limit them in [host] or in a [[scope]]"
    )]
    UdpByInterface(String),
    /// A value where a table belongs.
    #[error("{name} is a table: write [{name}] on a line of its own, and its keys below it", name = .0.name())]
    IsATable(Table),
    /// Not of the form `KEY=VALUE`.
    #[error("expected KEY=VALUE, such as host.half_open=20")]
    NoValue,
    /// `--save` for the limit of a scope of `exec`.
    #[error("a scope of `halfopen exec` exists only while its program runs: set it without --save")]
    ScopeIsPassing,
}

impl From<WrongValue> for Wrong {
    fn from(wrong: WrongValue) -> Self {
        Self::Value(Box::new(wrong))
    }
}
