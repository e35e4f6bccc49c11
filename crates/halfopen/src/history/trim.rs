//! Keeps the database within its bounds.

use super::schema::PAGE;
use crate::utc_time::UtcTime;
use rusqlite::{Connection, params};
use std::time::Duration;

/// How many attempts are kept for each MiB of the database: they take up to half of it, so that a scan cannot push out
/// the rest.
const DIALS_PER_MIB: u64 = 2_500;
/// How full the database becomes, in percent, before the oldest entries make room.
const FULL: u64 = 85;
/// Which part of a table makes room at once.
const PART: i64 = 10;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For how many days.
    pub keep_days: u32,
    /// How large the database becomes at most, in MiB.
    pub max_mib: u32,
}

pub fn trim(database: &mut Connection, bounds: Bounds, now: UtcTime) -> rusqlite::Result<()> {
    let oldest = now.before(Duration::from_hours(24) * bounds.keep_days).as_ms();
    let batch = database.transaction()?;
    batch.execute("DELETE FROM minutes WHERE minute < ?1", params![oldest / 60_000])?;
    batch.execute("DELETE FROM events WHERE at_ms < ?1", params![oldest])?;
    batch.execute("DELETE FROM dials WHERE at_ms < ?1", params![oldest])?;
    batch.execute("DELETE FROM gaps WHERE at_ms < ?1", params![oldest])?;
    let most = i64::try_from(u64::from(bounds.max_mib) * DIALS_PER_MIB).unwrap_or(i64::MAX);
    batch.execute("DELETE FROM dials WHERE id <= (SELECT max(id) FROM dials) - ?1", params![most])?;
    batch.commit()?;
    if is_full(database, bounds)? {
        make_room(database)?;
    }
    database.execute_batch("PRAGMA incremental_vacuum")
}

fn is_full(database: &Connection, bounds: Bounds) -> rusqlite::Result<bool> {
    let pages = |name| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (pages("page_count")? - pages("freelist_count")?).max(0).cast_unsigned();
    Ok(used * PAGE * 100 > u64::from(bounds.max_mib) * (1 << 20) * FULL)
}

/// Deletes the oldest tenth of each table, and the names that nothing refers to.
fn make_room(database: &mut Connection) -> rusqlite::Result<()> {
    let batch = database.transaction()?;
    for (table, key) in [("minutes", "minute"), ("events", "id"), ("dials", "id")] {
        let oldest = format!(
            "DELETE FROM {table} WHERE {key} <= (SELECT min({key}) + (max({key}) - min({key})) / {PART} FROM {table})"
        );
        batch.execute(&oldest, [])?;
    }
    batch.execute(
        "DELETE FROM accounts WHERE id NOT IN (SELECT account FROM minutes UNION SELECT account FROM dials)",
        [],
    )?;
    batch.execute("DELETE FROM programs WHERE id NOT IN (SELECT program FROM dials)", [])?;
    batch.commit()
}
