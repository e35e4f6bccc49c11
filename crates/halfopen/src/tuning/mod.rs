//! What another `half_open` would have done, from the history's minutes. Pure.
//!
//! An attempt finds no slot only while as many are taken as the limit has. In a minute in which never more were wanted at
//! once ([`MinuteRow::peak_demand`]) it would therefore have delayed nobody; in any other, all attempts at the most. So each
//! number of delayed attempts here is an upper bound.

pub mod connections;
pub mod steps;

use crate::daemon::enforcement::HOST;
use crate::history::MinuteRow;
use connections::{ConnectionLimit, ConnectionTuning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// How far back one looks if nothing else is said.
pub const USUAL: Duration = Duration::from_hours(7 * 24);

/// The shares of answered attempts that may have been delayed, in thousandths.
const TARGETS: [u64; 3] = [10, 1, 0];
/// With fewer answered attempts there is no advice.
pub const ENOUGH_ANSWERED: u64 = 1_000;
/// With fewer minutes there is no advice: a day has its hours.
pub const ENOUGH_MINUTES: u64 = 24 * 60;

/// A limit, and what it would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitTried {
    /// At most this share of the answered attempts would have been delayed, in thousandths.
    pub delayed_per_mille: u64,
    /// The lowest `half_open` of which that can be said, or the one that was to be tried.
    pub half_open: u64,
    /// How many answered attempts it would have delayed at the most.
    pub delayed_at_most: u64,
    /// How many attempts that were not answered it could have held.
    pub unanswered_held_at_most: u64,
    /// In how many rows of minutes more was wanted at once.
    pub minutes_over: u64,
}

/// What the minutes of a scope say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tuning {
    /// The scope.
    pub scope: String,
    /// Its `half_open` in the last minute; null = unlimited.
    pub half_open_now: Option<u32>,
    /// In how many minutes there is a row of it or of its accounts.
    pub minutes: u64,
    /// How many accounts these rows are of. `half_open` holds for each of them.
    pub accounts: u64,
    /// Answered attempts.
    pub answered: u64,
    /// Attempts that began.
    pub begun: u64,
    /// Attempts that gave up while they waited: nobody knows how many would have been answered.
    pub gave_up: u64,
    /// Rows of suspects, which are left out: no limit is raised for them.
    pub suspect_rows: u64,
    /// Limits, the strictest first.
    pub limits: Vec<LimitTried>,
    /// The limit that was to be tried; null if none was.
    #[serde(default)]
    pub tried: Option<LimitTried>,
    /// Attempts that audit mode let out at once and enforcing would have held.
    #[serde(default)]
    pub would_have_waited: u64,
    /// How long these would have waited, in milliseconds, in the worst minute: half of them at most this long; null where
    /// nothing was learned. At most an eighth too high.
    #[serde(default)]
    pub would_wait_p50_ms: Option<u64>,
    /// The same for 99 of 100.
    #[serde(default)]
    pub would_wait_p99_ms: Option<u64>,
    /// Limits on connections that are set, and the one that was asked for.
    #[serde(default)]
    pub connections: Vec<ConnectionTuning>,
    /// The `half_open` to set; null where the minutes say too little, or where it is as it should be.
    pub recommended: Option<u64>,
}

/// The rows of a scope and of its accounts. `suspects` are the minutes in which anybody was a suspect: what a suspect
/// wants, the host wants too.
#[must_use]
pub fn rows_of(scope: &str, mut rows: Vec<MinuteRow>, suspects: &BTreeSet<u64>) -> Vec<MinuteRow> {
    rows.retain(|row| row.scope == scope);
    if scope == HOST {
        for row in &mut rows {
            row.suspect |= suspects.contains(&row.minute);
        }
    }
    rows
}

/// What `rows` say: all those of a scope and of its accounts. Also tries `half_open`, and looks at the limit that is
/// `asked` for.
#[must_use]
pub fn tuned(
    scope: &str,
    rows: &[MinuteRow],
    half_open: Option<u32>,
    asked: Option<ConnectionLimit>,
) -> Tuning {
    let (suspects, used): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.suspect);
    // Sums of many accounts are no demand of any one of them.
    let used: Vec<&MinuteRow> =
        used.into_iter().filter(|row| !row.account.starts_with("other accounts of ")).collect();
    let sum = |of: fn(&MinuteRow) -> u64| used.iter().map(|row| of(row)).sum::<u64>();
    let count =
        |of: fn(&MinuteRow) -> String| used.iter().map(|row| of(row)).collect::<HashSet<_>>().len() as u64;
    let answered = sum(|row| row.established);
    let limits: Vec<LimitTried> = TARGETS.iter().map(|share| limit(&used, answered, *share)).collect();
    let half_open_now = rows.last().and_then(|row| row.limit);
    let minutes = count(|row| row.minute.to_string());
    let is_enough = answered >= ENOUGH_ANSWERED && minutes >= ENOUGH_MINUTES;
    let advised = limits.get(1).map(|limit| limit.half_open);
    let recommended = advised.filter(|advised| is_enough && half_open_now.map(u64::from) != Some(*advised));
    Tuning {
        scope: scope.to_owned(),
        half_open_now,
        minutes,
        accounts: count(|row| row.account.clone()),
        answered,
        begun: sum(|row| row.begun),
        gave_up: sum(|row| row.gave_up),
        would_have_waited: sum(|row| row.would_have_waited),
        would_wait_p50_ms: used.iter().filter_map(|row| row.would_wait_p50_ms).max(),
        would_wait_p99_ms: used.iter().filter_map(|row| row.would_wait_p99_ms).max(),
        connections: ConnectionLimit::ALL
            .into_iter()
            .filter_map(|limit| connections::tuned(limit, &used, asked == Some(limit), is_enough))
            .collect(),
        suspect_rows: suspects.len() as u64,
        tried: half_open.map(|half_open| tried(&used, answered, half_open.into())),
        limits,
        recommended,
    }
}

fn limit(rows: &[&MinuteRow], answered: u64, share: u64) -> LimitTried {
    let mut demands: Vec<u64> = rows.iter().map(|row| row.peak_demand).collect();
    demands.extend([1]);
    demands.sort_unstable();
    demands.dedup();
    let delayed = |half_open| over(rows, half_open).map(|row| row.established).sum::<u64>();
    let at = demands.partition_point(|demand| *demand == 0 || delayed(*demand) * 1_000 > answered * share);
    let half_open = demands.get(at).or(demands.last()).copied().unwrap_or(1);
    LimitTried { delayed_per_mille: share, ..tried(rows, answered, half_open) }
}

fn per_mille(delayed: u64, answered: u64) -> u64 {
    (delayed * 1_000).div_ceil(answered.max(1))
}

fn over<'a>(rows: &'a [&MinuteRow], half_open: u64) -> impl Iterator<Item = &'a MinuteRow> {
    rows.iter().copied().filter(move |row| row.peak_demand > half_open)
}

fn tried(rows: &[&MinuteRow], answered: u64, half_open: u64) -> LimitTried {
    let delayed = over(rows, half_open).map(|row| row.established).sum::<u64>();
    LimitTried {
        delayed_per_mille: per_mille(delayed, answered),
        half_open,
        delayed_at_most: delayed,
        unanswered_held_at_most: over(rows, half_open)
            .map(|row| row.begun.saturating_sub(row.established))
            .sum(),
        minutes_over: over(rows, half_open).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: u64, peak_demand: u64, established: u64, begun: u64) -> MinuteRow {
        MinuteRow {
            minute,
            account: "a".into(),
            scope: "a".into(),
            limit: Some(10),
            peak_demand,
            established,
            begun,
            ..MinuteRow::default()
        }
    }

    fn days() -> Vec<MinuteRow> {
        let mut rows: Vec<_> = (0..2_000).map(|minute| row(minute, 5, 10, 10)).collect();
        rows.push(row(2_000, 20, 15, 40));
        rows.push(row(2_001, 30, 100, 100));
        rows.push(row(2_002, 400, 5, 5_000));
        rows
    }

    #[test]
    fn each_limit_is_the_lowest_of_which_its_share_can_be_said() {
        let tuning = tuned("a", &days(), Some(20), None);
        let found: Vec<_> =
            tuning.limits.iter().map(|limit| (limit.half_open, limit.delayed_at_most)).collect();
        // Of 20,120 answered attempts, 201 are one percent and 20 are one in a thousand.
        assert_eq!(found, [(5, 120), (30, 5), (400, 0)]);
        assert_eq!(tuning.limits[0].unanswered_held_at_most, 25 + 4_995);
        assert_eq!(tuning.recommended, Some(30));
        let tried = tuning.tried.unwrap();
        assert_eq!((tried.half_open, tried.delayed_at_most, tried.delayed_per_mille), (20, 105, 6));
    }

    #[test]
    fn little_is_known_of_an_hour_and_nothing_is_loosened_for_suspects() {
        let tuning = tuned("a", &days()[..60], None, None);
        assert_eq!((tuning.recommended, tuning.limits[2].half_open), (None, 5));
        let mut rows = days();
        rows.iter_mut().filter(|row| row.peak_demand > 5).for_each(|row| row.suspect = true);
        let tuning = tuned("a", &rows, None, None);
        assert_eq!((tuning.suspect_rows, tuning.recommended), (3, Some(5)));
    }

    #[test]
    fn no_rows_are_no_advice() {
        let tuning = tuned("a", &[], None, None);
        assert_eq!((tuning.recommended, tuning.limits[2].half_open), (None, 1));
    }
}
