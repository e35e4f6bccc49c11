//! The table of the keys of `[events]`.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, put};
use super::value::Typed;
use std::path::PathBuf;

/// The file of events for log shippers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsFile {
    /// Where it is; `None` = there is none.
    pub file: Option<PathBuf>,
    /// How large it becomes before another one begins, in MiB.
    pub max_mib: u32,
    /// How many older files are kept beside it.
    pub keep_files: u32,
}

impl Default for EventsFile {
    fn default() -> Self {
        Self { file: None, max_mib: 16, keep_files: 4 }
    }
}

fields! {
    /// All of them, in the order of the sample file.
    pub static EVENTS: EventsFile, in Table::Events;

    /// A file to which each event is added as a line of JSON, for log shippers. Its directory must exist, and nobody
    /// but root may write it.
    file: Form::PATH.or("off") => Place {
        get: |events| events.file.value(),
        set: |events, value| put(&mut events.file, value),
    }, "when the daemon starts";

    /// How large the file becomes at most, in MiB. It is then renamed to FILE.1 and another one begins; what was FILE.1
    /// becomes FILE.2, and so on.
    max_mib: Form::number(1, 65_536).such_as("16") => Place {
        get: |events| events.max_mib.value(),
        set: |events, value| put(&mut events.max_mib, value),
    }, "when the daemon starts";

    /// How many of the renamed files are kept.
    keep_files: Form::number(1, 1_000).such_as("4") => Place {
        get: |events| events.keep_files.value(),
        set: |events, value| put(&mut events.keep_files, value),
    }, "when the daemon starts";
}
