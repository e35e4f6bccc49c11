//! The history: a SQLite database of events, of a row for each minute and account, and of where programs connected to
//! whose attempts waited. The [recorder](crate::recorder) writes it; commands read it, with or without a daemon.

pub mod buckets;
pub mod reader;
pub mod records;
mod schema;
pub mod store;
mod trim;

pub use reader::{NoHistory, Reader};
pub use records::{Dial, DialProgram, Gone, History, MinuteRow};
pub use store::{Lost, Store};
pub use trim::Bounds;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name in the state directory.
pub const DATABASE: &str = "history.db";

/// How far back one looks if nothing else is said.
pub const USUAL: Duration = Duration::from_hours(24);

/// The database cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the history {}: {source}", path.display())]
pub struct HistoryError {
    /// What was tried.
    doing: &'static str,
    path: PathBuf,
    source: rusqlite::Error,
}

impl HistoryError {
    fn when(doing: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self { doing, path: path.to_owned(), source }
    }

    /// Whether the file is no database, or a damaged one.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let code = self.source.sqlite_error_code();
        matches!(code, Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt))
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}
