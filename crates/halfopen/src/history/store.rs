//! Writes the database.

use super::records::{Dial, DialProgram, Gone, MinuteRow};
use super::trim::{self, Bounds};
use super::{DATABASE, HistoryError, schema};
use crate::events::Event;
use crate::runtime_dir::{StateDir, Writes};
use crate::utc_time::UtcTime;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used, or another daemon writes there.
    #[error("cannot open the history: {0}")]
    Directory(#[from] io::Error),
    /// SQLite refuses.
    #[error(transparent)]
    Database(#[from] HistoryError),
}

/// What could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Events.
    pub events: u64,
    /// Rows of minutes.
    pub minutes: u64,
    /// Attempts.
    pub dials: u64,
}

impl Lost {
    /// Whether nothing was lost.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// The sum.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            minutes: self.minutes + other.minutes,
            dials: self.dials + other.dials,
        }
    }
}

/// The database, open for writing.
#[derive(Debug)]
pub struct Store {
    database: Connection,
    path: PathBuf,
    bounds: Bounds,
    /// Keeps other writers away. Not the database itself: to close a second descriptor of that would end SQLite's locks.
    _lock: File,
}

/// The numbers that names have in the database.
#[derive(Debug, Default)]
struct Numbers {
    accounts: HashMap<String, i64>,
    programs: HashMap<DialProgram, i64>,
}

impl Store {
    /// Opens the database in `directory`, or makes it. A damaged one, or one of another version, is moved aside.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &StateDir, bounds: Bounds) -> Result<Self, OpenError> {
        let lock = directory.file("history.lock", Writes::Anywhere)?;
        let path = directory.path().join(DATABASE);
        let database = match open(&path, bounds) {
            Ok(Some(database)) => database,
            Ok(None) => anew(&path, bounds, "it is of another version")?,
            Err(e) if e.is_damage() => anew(&path, bounds, &e.to_string())?,
            Err(e) => return Err(e.into()),
        };
        Ok(Self { database, path, bounds, _lock: lock })
    }

    /// Writes all of `events`, `minutes` and `dials`, or nothing. Notes that `lost` could not be written before.
    ///
    /// # Errors
    /// SQLite's, such as a full disk.
    pub fn write(
        &mut self,
        events: &[Event],
        minutes: &[MinuteRow],
        dials: &[Dial],
        lost: Lost,
    ) -> Result<(), HistoryError> {
        write(&mut self.database, events, minutes, dials, lost)
            .map_err(HistoryError::when("write", &self.path))
    }

    /// Deletes what is too old at `now`, and the oldest entries while the database is nearly as large as it may be.
    ///
    /// # Errors
    /// SQLite's.
    pub fn trim(&mut self, now: UtcTime) -> Result<(), HistoryError> {
        let failed = HistoryError::when("shorten", &self.path);
        trim::trim(&mut self.database, self.bounds, now).map_err(failed)
    }
}

fn write(
    database: &mut Connection,
    events: &[Event],
    minutes: &[MinuteRow],
    dials: &[Dial],
    lost: Lost,
) -> rusqlite::Result<()> {
    let batch = database.transaction()?;
    let mut numbers = Numbers::default();
    for event in events {
        // An event is made of texts and numbers, so this cannot fail.
        let json = serde_json::to_string(event).unwrap_or_default();
        let mut insert = batch.prepare_cached("INSERT INTO events (at_ms, event) VALUES (?1, ?2)")?;
        insert.execute(params![event.time.as_ms(), json])?;
    }
    for row in minutes {
        write_minute(&batch, row, numbers.account(&batch, &row.account, &row.scope)?)?;
    }
    for dial in dials {
        let account = numbers.account(&batch, &dial.account, "")?;
        write_dial(&batch, dial, account, numbers.program(&batch, &dial.program)?)?;
    }
    if !lost.is_none() {
        batch.execute(
            "INSERT INTO gaps VALUES (?1, ?2, ?3, ?4)",
            params![UtcTime::now().as_ms(), number(lost.events), number(lost.minutes), number(lost.dials)],
        )?;
    }
    batch.commit()
}

/// `None` if the tables are those of another version.
fn open(path: &Path, bounds: Bounds) -> Result<Option<Connection>, HistoryError> {
    let failed = HistoryError::when("open", path);
    let database = Connection::open(path).map_err(&failed)?;
    let max_pages = u64::from(bounds.max_mib) * (1 << 20) / schema::PAGE;
    schema::prepare(&database, max_pages).map_err(&failed)?;
    Ok(schema::is_current(&database).map_err(&failed)?.then_some(database))
}

/// Moves the database at `path` aside and makes a new one.
fn anew(path: &Path, bounds: Bounds, why: &str) -> Result<Connection, OpenError> {
    let aside = path.with_extension("db.old");
    tracing::warn!("the history begins anew; what was there is now {}: {why}", aside.display());
    for end in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(end);
        match fs::remove_file(log) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    fs::rename(path, aside)?;
    let made = open(path, bounds)?;
    made.ok_or_else(|| io::Error::other("a new database has the tables of another version").into())
}

/// SQLite's integers are signed.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Numbers {
    fn account(&mut self, batch: &Transaction<'_>, name: &str, scope: &str) -> rusqlite::Result<i64> {
        if let Some(known) = self.accounts.get(name) {
            return Ok(*known);
        }
        let mut insert = batch.prepare_cached(
            "INSERT INTO accounts (name, scope) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET scope = iif(?2 = '', scope, ?2) RETURNING id",
        )?;
        let id = insert.query_row(params![name, scope], |row| row.get(0))?;
        self.accounts.insert(name.to_owned(), id);
        Ok(id)
    }

    fn program(&mut self, batch: &Transaction<'_>, program: &DialProgram) -> rusqlite::Result<i64> {
        if let Some(known) = self.programs.get(program) {
            return Ok(*known);
        }
        let DialProgram { comm, exe, cgroup, user, runs_in } = program;
        let runs_in = serde_json::to_string(runs_in).unwrap_or_default();
        let mut insert = batch.prepare_cached(
            "INSERT INTO programs (comm, exe, cgroup, user, runs_in) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET comm = comm RETURNING id",
        )?;
        let id = insert.query_row(params![comm, exe, cgroup, user, runs_in], |row| row.get(0))?;
        self.programs.insert(program.clone(), id);
        Ok(id)
    }
}

/// A daemon that ends and one that starts may share a minute: their rows are added up.
fn write_minute(batch: &Transaction<'_>, row: &MinuteRow, account: i64) -> rusqlite::Result<()> {
    let mut insert = batch.prepare_cached(
        "INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)
         ON CONFLICT DO UPDATE SET half_open_limit = excluded.half_open_limit,
             peak_half_open = max(peak_half_open, excluded.peak_half_open),
             peak_queued = max(peak_queued, excluded.peak_queued),
             peak_demand = max(peak_demand, excluded.peak_demand),
             begun = begun + excluded.begun, released = released + excluded.released,
             established = established + excluded.established, failed = failed + excluded.failed,
             cancelled = cancelled + excluded.cancelled, gave_up = gave_up + excluded.gave_up,
             refused = refused + excluded.refused,
             would_have_waited = would_have_waited + excluded.would_have_waited,
             wait_p50_ms = coalesce(excluded.wait_p50_ms, wait_p50_ms),
             wait_p90_ms = coalesce(excluded.wait_p90_ms, wait_p90_ms),
             wait_p99_ms = coalesce(excluded.wait_p99_ms, wait_p99_ms),
             suspect = excluded.suspect,
             would_wait_p50_ms = coalesce(excluded.would_wait_p50_ms, would_wait_p50_ms),
             would_wait_p90_ms = coalesce(excluded.would_wait_p90_ms, would_wait_p90_ms),
             would_wait_p99_ms = coalesce(excluded.would_wait_p99_ms, would_wait_p99_ms),
             established_limit = excluded.established_limit,
             connect_limit_per_min = excluded.connect_limit_per_min,
             peak_open = max(peak_open, excluded.peak_open),
             peak_open_demand = max(peak_open_demand, excluded.peak_open_demand),
             peak_begun = max(peak_begun, excluded.peak_begun),
             held_by_connections = held_by_connections + excluded.held_by_connections,
             held_by_destination = held_by_destination + excluded.held_by_destination",
    )?;
    insert.execute(params![
        number(row.minute),
        account,
        row.limit,
        number(row.peak_half_open),
        number(row.peak_queued),
        number(row.peak_demand),
        number(row.begun),
        number(row.released),
        number(row.established),
        number(row.failed),
        number(row.cancelled),
        number(row.gave_up),
        number(row.refused),
        number(row.would_have_waited),
        row.wait_p50_ms.map(number),
        row.wait_p90_ms.map(number),
        row.wait_p99_ms.map(number),
        row.suspect,
        row.would_wait_p50_ms.map(number),
        row.would_wait_p90_ms.map(number),
        row.would_wait_p99_ms.map(number),
        row.established_limit,
        row.connect_limit_per_min.map(number),
        number(row.peak_open),
        number(row.peak_open_demand),
        number(row.peak_begun),
        number(row.held_by_connections),
        number(row.held_by_destination),
    ])?;
    Ok(())
}

fn write_dial(batch: &Transaction<'_>, dial: &Dial, account: i64, program: i64) -> rusqlite::Result<()> {
    let mut insert = batch.prepare_cached(
        "INSERT INTO dials (at_ms, account, program, pid, address, port, gone) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let gone = Gone::ALL.iter().position(|gone| *gone == dial.gone).unwrap_or_default() as u64;
    let (address, port) = (dial.destination.ip().to_string(), dial.destination.port());
    insert.execute(params![dial.time.as_ms(), account, program, dial.pid, address, port, number(gone)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::tests::scanned;
    use crate::history::{NoHistory, Reader};
    use crate::runs_in::RunsIn;
    use std::net::Ipv4Addr;

    const BOUNDS: Bounds = Bounds { keep_days: 7, max_mib: 1 };

    fn place() -> (tempfile::TempDir, StateDir) {
        let place = tempfile::tempdir().unwrap();
        let directory = StateDir::at(place.path().join("state"));
        (place, directory)
    }

    fn dial(number: u32) -> Dial {
        Dial {
            time: UtcTime::now(),
            account: "adaptive[/a]".into(),
            program: DialProgram {
                comm: "scan".into(),
                exe: "/usr/bin/scan".into(),
                cgroup: "/a".into(),
                user: "root".into(),
                runs_in: RunsIn::of_path("/lxc.payload.web"),
            },
            pid: number,
            destination: (Ipv4Addr::from_bits(0xc612_0000 + number), 22).into(),
            gone: Gone::AfterWait,
        }
    }

    fn row(minute: u64, account: &str) -> MinuteRow {
        let (account, scope) = (account.to_owned(), "adaptive".to_owned());
        MinuteRow { minute, account, scope, begun: 3, ..MinuteRow::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let (_place, directory) = place();
        let mut store = Store::open(&directory, BOUNDS).unwrap();
        let lost = Lost { events: 1, minutes: 2, dials: 3 };
        store.write(&[scanned()], &[row(7, "host"), row(7, "adaptive[/a]")], &[dial(1)], lost).unwrap();
        // A second daemon in the same minute.
        store.write(&[], &[row(7, "host")], &[], Lost::default()).unwrap();
        let reader = Reader::open(&directory).unwrap();
        assert_eq!(reader.events(UtcTime::EPOCH).unwrap(), [scanned()]);
        assert_eq!(reader.minutes(UtcTime::EPOCH, None).unwrap().len(), 2);
        let host = reader.minutes(UtcTime::EPOCH, Some("host")).unwrap();
        assert_eq!(host, [MinuteRow { begun: 6, ..row(7, "host") }]);
        assert_eq!(reader.minutes(UtcTime::EPOCH, Some("/a")).unwrap(), [row(7, "adaptive[/a]")]);
        assert!(reader.minutes(UtcTime::now(), None).unwrap().is_empty());
        assert_eq!(reader.lost(UtcTime::EPOCH).unwrap(), lost);
        let to = dial(1).destination;
        let [found] = &reader.dials_to(to.ip(), Some(22)).unwrap()[..] else { panic!("one was written") };
        assert_eq!((&found.program, found.destination, found.gone), (&dial(1).program, to, Gone::AfterWait));
        assert!(reader.dials_to(to.ip(), Some(80)).unwrap().is_empty());
    }

    #[test]
    fn it_stays_within_its_bounds_and_keeps_the_latest() {
        let (_place, directory) = place();
        let mut store = Store::open(&directory, BOUNDS).unwrap();
        let now = UtcTime::now().as_ms().cast_unsigned() / 60_000;
        let long = "a".repeat(200);
        let dials: Vec<_> = (0..100).map(dial).collect();
        for minute in now - 400..now {
            let mut rows: Vec<_> = (0..100).map(|account| row(minute, &format!("{long}{account}"))).collect();
            rows.push(row(now - 8 * 24 * 60, "host"));
            store.write(&[scanned()], &rows, &dials, Lost::default()).unwrap();
            store.trim(UtcTime::now()).unwrap();
        }
        let size = |name: &str| fs::metadata(directory.path().join(name)).unwrap().len();
        assert!(size(DATABASE) <= 1 << 20, "{}", size(DATABASE));
        assert!(size("history.db-wal") <= 3 << 20, "{}", size("history.db-wal"));
        let reader = Reader::open(&directory).unwrap();
        let minutes = reader.minutes(UtcTime::EPOCH, None).unwrap();
        assert_eq!(minutes.last().unwrap().minute, now - 1);
        assert!(minutes.len() > 1_000, "{}", minutes.len());
        assert!(minutes.iter().all(|row| row.minute > now - 7 * 24 * 60), "what is too old is gone");
        let dials = reader.dials_between(UtcTime::EPOCH, UtcTime::now()).unwrap().len();
        assert!((500..=2_500).contains(&dials), "{dials}");
    }

    #[test]
    fn a_damaged_database_and_one_of_another_version_are_moved_aside() {
        let (_place, directory) = place();
        let path = directory.path().join(DATABASE);
        drop(Store::open(&directory, BOUNDS).unwrap());
        fs::write(&path, "no database".repeat(1_000)).unwrap();
        let mut store = Store::open(&directory, BOUNDS).unwrap();
        store.write(&[scanned()], &[], &[], Lost::default()).unwrap();
        assert!(fs::read(directory.path().join("history.db.old")).unwrap().starts_with(b"no database"));
        let other = Connection::open(&path).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        drop((store, other));
        assert!(matches!(Reader::open(&directory), Err(NoHistory::OtherVersion(_))));
        drop(Store::open(&directory, BOUNDS).unwrap());
        assert!(Reader::open(&directory).unwrap().events(UtcTime::EPOCH).unwrap().is_empty());
    }

    /// The minutes as version 2 had them.
    const MINUTES_2: &str = "DROP TABLE minutes;
        CREATE TABLE minutes (
            minute INTEGER NOT NULL, account INTEGER NOT NULL, half_open_limit INTEGER, peak_half_open INTEGER NOT NULL,
            peak_queued INTEGER NOT NULL, peak_demand INTEGER NOT NULL, begun INTEGER NOT NULL, released INTEGER NOT NULL,
            established INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL, gave_up INTEGER NOT NULL,
            refused INTEGER NOT NULL, would_have_waited INTEGER NOT NULL, wait_p50_ms INTEGER, wait_p90_ms INTEGER,
            wait_p99_ms INTEGER, suspect INTEGER NOT NULL, PRIMARY KEY (minute, account)) WITHOUT ROWID;
        INSERT INTO minutes VALUES (7, 1, 10, 9, 8, 17, 3, 1, 2, 0, 0, 0, 0, 0, 5, 6, 7, 1);
        PRAGMA user_version = 2;";

    #[test]
    fn an_older_database_is_upgraded_with_all_that_it_has() {
        let (_place, directory) = place();
        let mut store = Store::open(&directory, BOUNDS).unwrap();
        store.write(&[scanned()], &[row(7, "host")], &[dial(1)], Lost::default()).unwrap();
        drop(store);
        Connection::open(directory.path().join(DATABASE)).unwrap().execute_batch(MINUTES_2).unwrap();
        assert!(matches!(Reader::open(&directory), Err(NoHistory::OtherVersion(_))));
        let mut store = Store::open(&directory, BOUNDS).unwrap();
        let new = MinuteRow { peak_open: 4, would_wait_p99_ms: Some(30), ..row(8, "host") };
        store.write(&[], std::slice::from_ref(&new), &[], Lost::default()).unwrap();
        let reader = Reader::open(&directory).unwrap();
        let [old, kept] = &reader.minutes(UtcTime::EPOCH, Some("host")).unwrap()[..] else {
            panic!("two rows")
        };
        assert_eq!((old.limit, old.peak_demand, old.wait_p99_ms, old.suspect), (Some(10), 17, Some(7), true));
        assert_eq!((old.peak_open, old.would_wait_p99_ms, old.established_limit), (0, None, None));
        assert_eq!(*kept, new);
        assert_eq!(reader.events(UtcTime::EPOCH).unwrap().len(), 1);
        assert_eq!(reader.dials_between(UtcTime::EPOCH, UtcTime::now()).unwrap().len(), 1);
        assert!(!directory.path().join("history.db.old").exists());
    }

    #[test]
    fn one_daemon_writes_it() {
        let (_place, directory) = place();
        let _first = Store::open(&directory, BOUNDS).unwrap();
        let refused = Store::open(&directory, BOUNDS).unwrap_err().to_string();
        assert!(refused.contains("another daemon"), "{refused}");
    }
}
