//! The tables of the database.

use rusqlite::Connection;

/// The version of the tables. An older database is brought up to it if [`UPGRADES`] can; any other makes room for a new
/// one.
const VERSION: i64 = 3;
/// The size of a page, in bytes.
pub const PAGE: u64 = 4_096;

const TABLES: &str = "
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL);
CREATE TABLE minutes (
    minute INTEGER NOT NULL, account INTEGER NOT NULL, half_open_limit INTEGER, peak_half_open INTEGER NOT NULL,
    peak_queued INTEGER NOT NULL, peak_demand INTEGER NOT NULL, begun INTEGER NOT NULL, released INTEGER NOT NULL,
    established INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL, gave_up INTEGER NOT NULL,
    refused INTEGER NOT NULL, would_have_waited INTEGER NOT NULL, wait_p50_ms INTEGER, wait_p90_ms INTEGER,
    wait_p99_ms INTEGER, suspect INTEGER NOT NULL, would_wait_p50_ms INTEGER, would_wait_p90_ms INTEGER,
    would_wait_p99_ms INTEGER, established_limit INTEGER, connect_limit_per_min INTEGER,
    peak_open INTEGER NOT NULL DEFAULT 0, peak_open_demand INTEGER NOT NULL DEFAULT 0,
    peak_begun INTEGER NOT NULL DEFAULT 0, held_by_connections INTEGER NOT NULL DEFAULT 0,
    held_by_destination INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (minute, account)) WITHOUT ROWID;
CREATE TABLE events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, event TEXT NOT NULL);
CREATE INDEX events_at ON events (at_ms);
CREATE TABLE programs (
    id INTEGER PRIMARY KEY, comm TEXT NOT NULL, exe TEXT NOT NULL, cgroup TEXT NOT NULL, user TEXT NOT NULL,
    runs_in TEXT NOT NULL, UNIQUE (comm, exe, cgroup, user, runs_in));
CREATE TABLE dials (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, account INTEGER NOT NULL, program INTEGER NOT NULL,
    pid INTEGER NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE INDEX dials_to ON dials (address, port);
CREATE INDEX dials_at ON dials (at_ms);
CREATE TABLE gaps (
    at_ms INTEGER NOT NULL, events INTEGER NOT NULL, minutes INTEGER NOT NULL, dials INTEGER NOT NULL);
";

/// What brings a database of a version to the next one. Added columns are the last ones, as in [`TABLES`].
const UPGRADES: [(i64, &str); 1] = [(
    2,
    "ALTER TABLE minutes ADD COLUMN would_wait_p50_ms INTEGER;
    ALTER TABLE minutes ADD COLUMN would_wait_p90_ms INTEGER;
    ALTER TABLE minutes ADD COLUMN would_wait_p99_ms INTEGER;
    ALTER TABLE minutes ADD COLUMN established_limit INTEGER;
    ALTER TABLE minutes ADD COLUMN connect_limit_per_min INTEGER;
    ALTER TABLE minutes ADD COLUMN peak_open INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE minutes ADD COLUMN peak_open_demand INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE minutes ADD COLUMN peak_begun INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE minutes ADD COLUMN held_by_connections INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE minutes ADD COLUMN held_by_destination INTEGER NOT NULL DEFAULT 0;",
)];

/// Prepares a connection that writes; makes the tables in a new database, and upgrades those of an older one.
///
/// A write-ahead log, so that whoever reads does not keep the writer waiting, and a writer that is killed leaves the
/// last whole transaction. It is synced only when it is copied into the database: a power failure may cost the last
/// minutes, and no more.
pub fn prepare(database: &Connection, max_pages: u64) -> rusqlite::Result<()> {
    database.pragma_update(None, "page_size", PAGE)?;
    database.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.pragma_update(None, "temp_store", "MEMORY")?;
    // A mebibyte each: the log's bound, unless somebody reads for long.
    database.pragma_update_and_check(None, "wal_autocheckpoint", 256, |_| Ok(()))?;
    database.pragma_update_and_check(None, "journal_size_limit", 1 << 20, |_| Ok(()))?;
    database.pragma_update_and_check(None, "max_page_count", max_pages, |_| Ok(()))?;
    database.busy_timeout(std::time::Duration::from_secs(5))?;
    if version(database)? == 0 {
        become_version(database, VERSION, TABLES)?;
    }
    for (from, upgrade) in UPGRADES {
        if version(database)? == from {
            become_version(database, from + 1, upgrade)?;
        }
    }
    Ok(())
}

/// All of it, or nothing.
fn become_version(database: &Connection, version: i64, statements: &str) -> rusqlite::Result<()> {
    let change = database.unchecked_transaction()?;
    change.execute_batch(statements)?;
    change.pragma_update(None, "user_version", version)?;
    change.commit()
}

/// Whether the tables are those of this version.
pub fn is_current(database: &Connection) -> rusqlite::Result<bool> {
    Ok(version(database)? == VERSION)
}

fn version(database: &Connection) -> rusqlite::Result<i64> {
    database.pragma_query_value(None, "user_version", |row| row.get(0))
}
