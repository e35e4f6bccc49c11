//! What the dashboard shows of the past. The process that talks to browsers opens no file: another one reads for it.

use crate::control::{Answer, Request};
use crate::daemon::enforcement::HOST;
use crate::history::buckets::Buckets;
use crate::history::{History, MinuteRow};
use crate::history_reader::{HistoryDesk, HistoryReader};
use crate::tuning::Tuning;
use crate::utc_time::UtcTime;
use std::io;
use std::path::Path;

/// How many values a course has at most.
const POINTS: usize = 120;

/// Who reads the history.
#[derive(Debug)]
pub struct Past(HistoryDesk);

/// Why there is nothing to tell, for people.
pub type Nothing = String;

/// Minutes, of which several share a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The first minute, counted from the beginning of 1970.
    pub first: u64,
    /// How many minutes share a place.
    pub each: u64,
    /// The limit at the end; `None` = unlimited.
    pub limit: Option<u32>,
    /// The most that were half-open at once; `None` where no daemon kept the history.
    pub half_open: Vec<Option<u64>>,
    /// The most that waited at once.
    pub waiting: Vec<Option<u64>>,
    /// All of it together. Of the waits, the longest that any minute has.
    pub sums: MinuteRow,
}

impl Past {
    /// Starts the process that reads. Call this before the process is sandboxed.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(state_dir: &Path) -> io::Result<HistoryReader> {
        HistoryReader::start(state_dir)
    }

    /// Asks `reader` from now on. Call this in the runtime.
    ///
    /// # Errors
    /// The runtime's.
    pub fn of(reader: HistoryReader) -> io::Result<Self> {
        reader.desk().map(Self)
    }

    /// How it went with a scope or an account since a time.
    ///
    /// # Errors
    /// [`Nothing`].
    pub async fn course(&self, account: &str, since: UtcTime) -> Result<Course, Nothing> {
        let rows = self.minutes(account, since).await?;
        // The host has a row of each minute in which a daemon kept the history.
        let host = if account == HOST { rows.clone() } else { self.minutes(HOST, since).await? };
        let watched: Vec<u64> = host.iter().map(|row| row.minute).collect();
        let (Some(first), Some(last)) = (watched.first(), watched.last()) else {
            return Err("the history has no whole minute of that time yet".to_owned());
        };
        let buckets = Buckets::of(*first, *last, POINTS);
        let mut sums = MinuteRow::default();
        for row in &rows {
            sums.add(row);
            sums.wait_p99_ms = sums.wait_p99_ms.max(row.wait_p99_ms);
        }
        let rows: Vec<&MinuteRow> = rows.iter().collect();
        Ok(Course {
            first: *first,
            each: buckets.each,
            limit: rows.last().and_then(|row| row.limit),
            half_open: buckets.values(&watched, &rows, |row| row.peak_half_open),
            waiting: buckets.values(&watched, &rows, |row| row.peak_queued),
            sums,
        })
    }

    /// What the minutes of a scope say since a time, and what this `half_open` would have done.
    ///
    /// # Errors
    /// [`Nothing`].
    pub async fn tuning(
        &self,
        scope: &str,
        since: UtcTime,
        half_open: Option<u32>,
    ) -> Result<Tuning, Nothing> {
        let asked = Request::Tuning { scope: Some(scope.to_owned()), since: Some(since), half_open };
        match self.ask(asked).await? {
            Answer::Tuning(tuning) => Ok(*tuning),
            _ => Err(unreadable()),
        }
    }

    async fn minutes(&self, account: &str, since: UtcTime) -> Result<Vec<MinuteRow>, Nothing> {
        let asked = Request::History { since: Some(since), account: Some(account.to_owned()), limit: None };
        match self.ask(asked).await? {
            Answer::History(history) => {
                let History { minutes, .. } = *history;
                Ok(minutes)
            }
            _ => Err(unreadable()),
        }
    }

    async fn ask(&self, asked: Request) -> Result<Answer, Nothing> {
        let told = self.0.ask(asked).await.map_err(|e| e.to_string())?;
        match told.answer().map_err(|_| unreadable())? {
            Answer::Refused { message, .. } => Err(message),
            answer => Ok(answer),
        }
    }
}

fn unreadable() -> Nothing {
    "the history's answer cannot be read".to_owned()
}
