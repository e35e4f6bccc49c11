//! The table of the keys of `[history]`.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, put};
use super::value::Typed;

/// What is kept of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// For how many days; `None` = nothing is kept.
    pub keep_days: Option<u32>,
    /// How large the database becomes at most, in MiB.
    pub max_mib: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { keep_days: Some(30), max_mib: 64 }
    }
}

fields! {
    /// All of them, in the order of the sample file.
    pub static HISTORY: History, in Table::History;

    /// For how many days /var/lib/halfopen/history.db keeps events, a row for each minute and account, and where held
    /// programs connected to. `halfopen history`, `tune` and `explain` read it. off: there is no history.
    keep_days: Form::number(1, 3_650).or("off").such_as("30") => Place {
        get: |history| history.keep_days.value(),
        set: |history, value| put(&mut history.keep_days, value),
    }, "when the daemon starts";

    /// How large that database becomes at most, in MiB. The oldest entries make room for new ones. A log beside it
    /// takes some 2 MiB more.
    max_mib: Form::number(1, 65_536).such_as("64") => Place {
        get: |history| history.max_mib.value(),
        set: |history, value| put(&mut history.max_mib, value),
    }, "when the daemon starts";
}
