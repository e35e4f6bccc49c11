//! Reads the database, while a daemon writes it or after that.

use super::records::{Dial, DialProgram, Gone, MinuteRow};
use super::store::Lost;
use super::{DATABASE, HistoryError, schema};
use crate::events::Event;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use rusqlite::{Connection, OpenFlags, Row, ToSql, params};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database, open for reading.
#[derive(Debug)]
pub struct Reader {
    database: Connection,
    path: PathBuf,
}

/// Why there is no history to read.
#[derive(Debug, thiserror::Error)]
pub enum NoHistory {
    /// No daemon has written one.
    #[error("there is no history in {}: `halfopen run` writes it, unless history.keep_days is \"off\"", .0.display())]
    Absent(PathBuf),
    /// It is root's.
    #[error("reading the history {} needs root", .0.display())]
    NotPermitted(PathBuf),
    /// Another version of this program has written it.
    #[error("another version of halfopen has written the history {}: restart the daemon with this one", .0.display())]
    OtherVersion(PathBuf),
    /// SQLite refuses.
    #[error(transparent)]
    Database(#[from] HistoryError),
}

const MINUTES: &str =
    "SELECT minute, name, scope, half_open_limit, peak_half_open, peak_queued, peak_demand, begun,
    released, established, failed, cancelled, gave_up, refused, would_have_waited, wait_p50_ms, wait_p90_ms,
    wait_p99_ms, suspect, would_wait_p50_ms, would_wait_p90_ms, would_wait_p99_ms, established_limit,
    connect_limit_per_min, peak_open, peak_open_demand, peak_begun, held_by_connections, held_by_destination
    FROM minutes JOIN accounts ON accounts.id = minutes.account WHERE minute >= ?1";
const OF_ACCOUNT: &str = "(?2 IS NULL OR name = ?2 OR substr(name, -length(?2) - 2) = '[' || ?2 || ']')";
/// How many rows of a scope are read: those of a week of 40 accounts that are never idle.
const OF_SCOPE: u32 = 400_000;
const DIALS: &str =
    "SELECT at_ms, name, comm, exe, cgroup, user, pid, address, port, gone, runs_in FROM dials
    JOIN accounts ON accounts.id = dials.account JOIN programs ON programs.id = dials.program";

impl Reader {
    /// Opens the database in `directory`.
    ///
    /// # Errors
    /// [`NoHistory`].
    pub fn open(directory: &StateDir) -> Result<Self, NoHistory> {
        let path = directory.path().join(DATABASE);
        match path.symlink_metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(NoHistory::Absent(path)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(NoHistory::NotPermitted(path));
            }
            _ => {}
        }
        let database = open(&path)?;
        Ok(Self { database, path })
    }

    /// The rows since a time, the oldest first: of the scope or account of this name, of that of a cgroup, or of all.
    ///
    /// # Errors
    /// SQLite's.
    pub fn minutes(&self, since: UtcTime, account: Option<&str>) -> Result<Vec<MinuteRow>, HistoryError> {
        let query = format!("{MINUTES} AND {OF_ACCOUNT} ORDER BY minute, name");
        self.all(&query, params![since.as_ms() / 60_000, account], minute)
    }

    /// The latest rows since a time, so many at most, the oldest first: of the scope or account of this name, or of all.
    ///
    /// # Errors
    /// SQLite's.
    pub fn latest_minutes(
        &self,
        since: UtcTime,
        account: Option<&str>,
        most: u32,
    ) -> Result<Vec<MinuteRow>, HistoryError> {
        let query = format!("{MINUTES} AND {OF_ACCOUNT} ORDER BY minute DESC, name DESC LIMIT ?3");
        let mut rows = self.all(&query, params![since.as_ms() / 60_000, account, most], minute)?;
        rows.reverse();
        Ok(rows)
    }

    /// The latest rows of a scope and its accounts since a time, the oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn minutes_of_scope(&self, since: UtcTime, scope: &str) -> Result<Vec<MinuteRow>, HistoryError> {
        let query = format!("{MINUTES} AND scope = ?2 ORDER BY minute DESC, name DESC LIMIT {OF_SCOPE}");
        let mut rows = self.all(&query, params![since.as_ms() / 60_000, scope], minute)?;
        rows.reverse();
        Ok(rows)
    }

    /// The minutes since a time in which anybody was a suspect.
    ///
    /// # Errors
    /// SQLite's.
    pub fn suspect_minutes(&self, since: UtcTime) -> Result<BTreeSet<u64>, HistoryError> {
        let query = "SELECT DISTINCT minute FROM minutes WHERE minute >= ?1 AND suspect";
        Ok(self.all(query, params![since.as_ms() / 60_000], |row| count(row, 0))?.into_iter().collect())
    }

    /// The events since a time, the oldest first. One that this version cannot read is left out.
    ///
    /// # Errors
    /// SQLite's.
    pub fn events(&self, since: UtcTime) -> Result<Vec<Event>, HistoryError> {
        let query = "SELECT event FROM events WHERE at_ms >= ?1 ORDER BY at_ms, id";
        let texts = self.all(query, params![since.as_ms()], |row| row.get::<_, String>(0))?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// What could not be written since a time.
    ///
    /// # Errors
    /// SQLite's.
    pub fn lost(&self, since: UtcTime) -> Result<Lost, HistoryError> {
        let sums = "SELECT CAST(total(events) AS INTEGER), CAST(total(minutes) AS INTEGER), CAST(total(dials) AS INTEGER) FROM gaps WHERE at_ms >= ?1";
        let lost = self.database.query_row(sums, params![since.as_ms()], |row| {
            Ok(Lost { events: count(row, 0)?, minutes: count(row, 1)?, dials: count(row, 2)? })
        });
        lost.map_err(HistoryError::when("read", &self.path))
    }

    /// The attempts to an address on this port (or on any), the oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn dials_to(&self, address: IpAddr, port: Option<u16>) -> Result<Vec<Dial>, HistoryError> {
        let which = "WHERE address = ?1 AND (?2 IS NULL OR port = ?2) ORDER BY at_ms LIMIT 1000";
        self.dials(which, params![address.to_string(), port])
    }

    /// The attempts between two times, the oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn dials_between(&self, from: UtcTime, to: UtcTime) -> Result<Vec<Dial>, HistoryError> {
        let which = "WHERE at_ms BETWEEN ?1 AND ?2 ORDER BY at_ms LIMIT 100000";
        self.dials(which, params![from.as_ms(), to.as_ms()])
    }

    fn dials(&self, which: &str, values: &[&dyn ToSql]) -> Result<Vec<Dial>, HistoryError> {
        Ok(self.all(&format!("{DIALS} {which}"), values, dial)?.into_iter().flatten().collect())
    }

    fn all<T>(
        &self,
        query: &str,
        values: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, HistoryError> {
        let rows = || {
            let mut query = self.database.prepare(query)?;
            query.query_map(values, read)?.collect::<rusqlite::Result<_>>()
        };
        rows().map_err(HistoryError::when("read", &self.path))
    }
}

/// SQLite's integers are signed.
fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(at)?.max(0).cast_unsigned())
}

fn minute(row: &Row<'_>) -> rusqlite::Result<MinuteRow> {
    let count = |at| count(row, at);
    let maybe = |at: usize| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(|count| count.max(0).cast_unsigned()))
    };
    Ok(MinuteRow {
        minute: count(0)?,
        account: row.get(1)?,
        scope: row.get(2)?,
        limit: row.get(3)?,
        peak_half_open: count(4)?,
        peak_queued: count(5)?,
        peak_demand: count(6)?,
        begun: count(7)?,
        released: count(8)?,
        established: count(9)?,
        failed: count(10)?,
        cancelled: count(11)?,
        gave_up: count(12)?,
        refused: count(13)?,
        would_have_waited: count(14)?,
        wait_p50_ms: maybe(15)?,
        wait_p90_ms: maybe(16)?,
        wait_p99_ms: maybe(17)?,
        suspect: row.get(18)?,
        would_wait_p50_ms: maybe(19)?,
        would_wait_p90_ms: maybe(20)?,
        would_wait_p99_ms: maybe(21)?,
        established_limit: row.get(22)?,
        connect_limit_per_min: maybe(23)?,
        peak_open: count(24)?,
        peak_open_demand: count(25)?,
        peak_begun: count(26)?,
        held_by_connections: count(27)?,
        held_by_destination: count(28)?,
    })
}

/// `None` for an entry that this version cannot read.
fn dial(row: &Row<'_>) -> rusqlite::Result<Option<Dial>> {
    let (address, gone): (String, i64) = (row.get(7)?, row.get(9)?);
    let gone = usize::try_from(gone).ok().and_then(|gone| Gone::ALL.get(gone));
    let (Ok(address), Some(gone)) = (address.parse::<IpAddr>(), gone) else { return Ok(None) };
    Ok(Some(Dial {
        time: UtcTime::of_ms(row.get(0)?),
        account: row.get(1)?,
        program: DialProgram {
            comm: row.get(2)?,
            exe: row.get(3)?,
            cgroup: row.get(4)?,
            user: row.get(5)?,
            runs_in: serde_json::from_str(&row.get::<_, String>(10)?).unwrap_or_default(),
        },
        pid: row.get(6)?,
        destination: SocketAddr::new(address, row.get(8)?),
        gone: *gone,
    }))
}

fn open(path: &Path) -> Result<Connection, NoHistory> {
    let failed = HistoryError::when("open", path);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let database = Connection::open_with_flags(path, flags).map_err(&failed)?;
    database.busy_timeout(Duration::from_secs(5)).map_err(&failed)?;
    if schema::is_current(&database).map_err(&failed)? {
        Ok(database)
    } else {
        Err(NoHistory::OtherVersion(path.to_owned()))
    }
}
