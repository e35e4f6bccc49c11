//! What can be wrong with a configuration. Whatever it is, nothing has been changed.

use super::name::{NoSuchName, RuleName};
use super::place::Place;
use super::value::WrongValue;
use std::io;
use std::path::PathBuf;

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or directory cannot be read.
    #[error("{place}: cannot read it: {reason}")]
    Unreadable {
        /// Which; the place is the first that could not be read.
        place: Place,
        /// Why.
        reason: io::Error,
    },
    /// Something in a file.
    #[error("{place}: {wrong}")]
    InFile {
        /// Where.
        place: Place,
        /// What.
        wrong: Wrong,
    },
    /// Something that was given by `--set` or `halfopen set`.
    #[error("{given}: {wrong}")]
    Given {
        /// As it was given.
        given: String,
        /// What.
        wrong: Wrong,
    },
    /// A file cannot be written.
    #[error("cannot save to {}: {reason}", path.display())]
    Save {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

impl ConfigError {
    /// Whether the command line is what is wrong (exit code 2), and not a file.
    #[must_use]
    pub fn wrong_use(&self) -> bool {
        matches!(self, Self::Given { .. })
    }
}

/// What is wrong at a place.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// No TOML.
    #[error("not valid TOML: {0}")]
    Toml(String),
    /// A key that nothing has.
    #[error("unknown key {key:?}: {hint}")]
    UnknownKey {
        /// As it was given, with its table.
        key: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// A name that nothing has.
    #[error(transparent)]
    Name(#[from] NoSuchName),
    /// A value that the key does not take.
    #[error(transparent)]
    Value(Box<WrongValue>),
    /// Another thing where rules belong.
    #[error("write {0} on a line of its own before each rule, and its keys below")]
    NoList(&'static str),
    /// A rule without a name.
    #[error("a rule has a name: add name = \"...\" below this [[{0}]]")]
    NoName(&'static str),
    /// Two rules of one name in one file.
    #[error(
        "{table} {name:?} stands further up in this file already: join the two, or give one another name"
    )]
    Twice {
        /// Scopes or interfaces.
        table: &'static str,
        /// The name.
        name: String,
    },
    /// A scope for nobody that changes nothing either.
    #[error(
        "scope {0:?} has no match: say whom it is for, as match = {{ user = \"www-data\" }}; without match it may only \
         change limits of a scope of that name in a file read before this one, or in the preset"
    )]
    NoMatch(String),
    /// An interface that limits nothing.
    #[error("interface {0:?} limits nothing: give it a limit, as half_open = 50, or take it out")]
    NoLimit(String),
    /// Something that a rule cannot be.
    #[error("{rule}: {wrong}")]
    Rule {
        /// Which.
        rule: RuleName,
        /// What.
        wrong: &'static str,
    },
    /// A limit for a rule that is not there.
    #[error("there is no {rule} to change: {known}")]
    NoSuchRule {
        /// As it was given.
        rule: RuleName,
        /// Those there are.
        known: String,
    },
    /// More rules than the kernel part has room for.
    #[error("{rule} is one too many: at most {most} rules in [[{}]], those of the preset among them", rule.table())]
    TooMany {
        /// The first that has no room.
        rule: RuleName,
        /// The room.
        most: usize,
    },
    /// More patterns than the kernel part has room for.
    #[error(
        "{rule} is one too many: at most {most} rules in [[scope]], those of the preset among them, and each pattern of a list \
         counts as one"
    )]
    TooManyPatterns {
        /// The first that has no room.
        rule: RuleName,
        /// The room.
        most: usize,
    },
    /// A `[[deny]]` that refuses nothing and changes nothing either.
    #[error(
        "deny {0:?} has no to: say which destinations it refuses, as to = [\"10.0.0.0/8\"]; without it, it may only change a \
         rule of that name in a file read before this one"
    )]
    NoDestination(String),
    /// More prefixes than the kernel part has room for.
    #[error("{rule}: the rules of [[deny]] have more than {most} prefixes by then: join some to larger ones")]
    TooManyPrefixes {
        /// The first that has no room.
        rule: RuleName,
        /// The room, of all rules together.
        most: usize,
    },
    /// A scope and an interface of one name.
    #[error(
        "there is a [[scope]] of the name {0:?} too, and status and events could not tell them apart: rename it"
    )]
    Shared(String),
    /// A rule by name that a program could loosen its limits with.
    #[error(
        "{rule} asks for comm, which a program chooses for itself, and its {key} is laxer than that of {than}, which comes \
         after it and may be for the same programs: make it as strict, put it after {than}, or ask for exe, user or cgroup"
    )]
    LaxComm {
        /// The rule that asks for comm.
        rule: RuleName,
        /// What is laxer.
        key: &'static str,
        /// The rule that a program could leave.
        than: RuleName,
    },
    /// Accounts for names.
    #[error(
        "{0} asks for comm, which a program chooses for itself: with per, each change of its name could bring a fresh \
         account; leave per out"
    )]
    CommPer(RuleName),
    /// Scans that are answered as often as peers.
    #[error(
        "{0}: answers_of_a_scan is not below answers_of_peers, and nothing would tell a scan from a program that looks for \
         peers; write a lower one, or \"off\""
    )]
    NoTest(String),
    /// A limit on UDP in an `[[interface]]`.
    #[error(
        "{0}: first contacts over UDP are counted by who sends, not by interface; limit them in [host] or a [[scope]]"
    )]
    UdpByInterface(String),
    /// A value where a table belongs.
    #[error("host is a table: write [host] on a line of its own, and its keys below")]
    HostIsATable,
    /// No `KEY=VALUE`.
    #[error("expected KEY=VALUE, as host.half_open=20")]
    NoValue,
    /// A scope's limit where only the configuration's keys can be given.
    #[error("a scope of `halfopen exec` exists only while its program runs: set it without --save")]
    ScopeIsPassing,
}

impl From<WrongValue> for Wrong {
    fn from(wrong: WrongValue) -> Self {
        Self::Value(Box::new(wrong))
    }
}
