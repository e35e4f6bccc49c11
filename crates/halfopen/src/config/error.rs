//! What can be wrong with a configuration. Whatever it is, nothing has been changed.

use super::key::NoSuchName;
use super::place::Place;
use super::setting::WrongValue;
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
    /// A table of a later version.
    #[error("this version limits the host as a whole: {0} comes with a later one; take it out")]
    LaterVersion(&'static str),
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
