//! The messages between the daemon and the recorder, in JSON.

use crate::events::Event;
use crate::history::{Dial, Lost, MinuteRow};
use serde::{Deserialize, Serialize};

/// The longest message, in bytes. The kernel's usual buffer takes it.
pub const LONGEST: usize = 128 * 1024;

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// An event, for the history and for the file of events.
    Event(Box<Event>),
    /// Rows of the history.
    Minutes(Vec<MinuteRow>),
    /// Attempts, for the history.
    Dials(Vec<Dial>),
}

/// How the recorder fares. It says so whenever that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Why the history could not be written the last time; `None` = it was.
    pub history: Option<String>,
    /// What the history lacks.
    pub lost: Lost,
    /// The same for the file of events.
    pub file: Option<String>,
    /// How many events that lacks.
    pub file_lost: u64,
}
