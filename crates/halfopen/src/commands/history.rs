//! `history`: what each minute was like.

use super::columns::fitted;
use super::plot::{COLUMNS, ends, plot};
use crate::control::status::seconds;
use crate::daemon::enforcement::HOST;
use crate::events::text::plain;
use crate::history::buckets::Buckets;
use crate::history::{History, Lost, MinuteRow, Reader, USUAL};
use crate::output;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many accounts are listed.
const LISTED: usize = 10;

pub fn history(since: Option<UtcTime>, account: Option<&str>, json: bool) -> Result<()> {
    let since = since.unwrap_or_else(|| UtcTime::now().before(USUAL));
    let reader = Reader::open(&StateDir::of_this_host())?;
    let minutes = reader.minutes(since, account)?;
    let lost = reader.lost(since)?;
    if json {
        let history = History { since, minutes, lost_events: lost.events, lost_minutes: lost.minutes };
        return output::line(&serde_json::to_string(&history)?);
    }
    let host = if account.is_some() { reader.minutes(since, Some(HOST))? } else { Vec::new() };
    output::line(&fitted(&shown(&minutes, account, &host, lost).join("\n")))
}

/// `host` has the minutes in which a daemon ran; empty if `minutes` have them.
fn shown(minutes: &[MinuteRow], account: Option<&str>, host: &[MinuteRow], lost: Lost) -> Vec<String> {
    let mut lines = Vec::new();
    let of_whom = account.unwrap_or(HOST);
    let is_meant = |row: &&MinuteRow| account.is_some() || row.account == HOST;
    let rows: Vec<&MinuteRow> = minutes.iter().filter(is_meant).collect();
    let watched = if host.is_empty() { minutes } else { host };
    let watched = watched.iter().filter(|row| row.account == HOST);
    let watched: Vec<u64> = watched.map(|row| row.minute).collect();
    let (Some(first), Some(end)) = (watched.first(), watched.last()) else {
        return vec!["the history has nothing from that time: no daemon kept it".to_owned()];
    };
    let buckets = Buckets::of(*first, *end, COLUMNS);
    let limit = rows.last().map(|row| row.limit.map_or("unlimited".to_owned(), |limit| limit.to_string()));
    let limit = limit.map(|limit| format!(" (limit {limit})")).unwrap_or_default();
    for (what, of) in [
        (
            format!("half-open at once{limit}"),
            (|row: &MinuteRow| row.peak_half_open) as fn(&MinuteRow) -> u64,
        ),
        ("waiting at once".to_owned(), |row: &MinuteRow| row.peak_queued),
    ] {
        lines.push(format!("{}: most {what}, each column {} min", plain(of_whom), buckets.each));
        let values = buckets.values(&watched, &rows, of);
        lines.extend(plot(&values));
        lines.push(ends(&clock(*first), &clock(*end + 1), values.len()));
    }
    if let Some(limit) = rows.iter().rev().find_map(|row| row.established_limit) {
        lines.push(format!("{}: most connections open at once (limit {limit})", plain(of_whom)));
        let values = buckets.values(&watched, &rows, |row| row.peak_open);
        lines.extend(plot(&values));
        lines.push(ends(&clock(*first), &clock(*end + 1), values.len()));
    }
    lines.push(sums(of_whom, &rows));
    if account.is_none() {
        lines.extend(accounts(minutes));
    }
    if watched.len() as u64 != end - first + 1 {
        lines.push("Where the axis is open, no daemon kept the history.".to_owned());
    }
    if !lost.is_none() {
        lines.push(format!(
            "Missing: {} events and {} rows, which could not be written (was the disk full?).",
            lost.events, lost.minutes
        ));
    }
    lines
}

/// The beginning of a minute, such as `11-28 06:31`.
fn clock(minute: u64) -> String {
    let text = UtcTime::EPOCH.after(Duration::from_secs(minute * 60)).to_string();
    text.get(5..16).unwrap_or_default().replace('T', " ")
}

fn sums(of_whom: &str, rows: &[&MinuteRow]) -> String {
    let sum = |of: fn(&MinuteRow) -> u64| rows.iter().map(|row| of(row)).sum::<u64>();
    let longest =
        |of: fn(&MinuteRow) -> Option<u64>| rows.iter().filter_map(|row| of(row)).max().map(seconds);
    let waits = longest(|row| row.wait_p99_ms).map(|time| format!(", 99 of 100 waits within {time}"));
    let would_wait = longest(|row| row.would_wait_p99_ms);
    let would_wait = would_wait.map(|time| format!(", 99 of 100 would have waited at most {time}"));
    let at_once =
        rows.iter().filter(|row| row.connect_limit_per_min.is_some()).map(|row| row.peak_begun).max();
    let at_once = at_once.map(|most| format!(", at most {most} begun from one look to the next"));
    let more: String = [waits, would_wait, at_once].into_iter().flatten().collect();
    let counts = [
        (sum(|row| row.established), "answered"),
        (sum(|row| row.failed), "failed"),
        (sum(|row| row.released), "let out after a wait"),
        (sum(|row| row.gave_up), "gave up waiting"),
        (sum(|row| row.cancelled), "cancelled while waiting"),
        (sum(|row| row.refused), "refused"),
        (sum(|row| row.would_have_waited), "would have waited"),
        (sum(|row| row.held_by_connections), "held by connect_rate or established"),
        (sum(|row| row.held_by_destination), "held by per_destination"),
    ];
    let counts =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    format!("{}: {} attempts{}{more}", plain(of_whom), sum(|row| row.begun), counts.collect::<String>())
}

/// The accounts, those with the most waiting first.
fn accounts(minutes: &[MinuteRow]) -> Vec<String> {
    let mut of_account: BTreeMap<&str, Vec<&MinuteRow>> = BTreeMap::new();
    for row in minutes.iter().filter(|row| row.account != HOST) {
        of_account.entry(&row.account).or_default().push(row);
    }
    let mut all: Vec<_> = of_account.into_iter().collect();
    let rank = |rows: &[&MinuteRow]| {
        let suspect = rows.iter().any(|row| row.suspect);
        let queued = rows.iter().map(|row| row.peak_queued).max();
        (suspect, queued, rows.iter().map(|row| row.begun).sum::<u64>())
    };
    all.sort_by_key(|(_, rows)| std::cmp::Reverse(rank(rows)));
    let mut lines: Vec<String> = all
        .iter()
        .take(LISTED)
        .map(|(name, rows)| {
            let suspect = if rows.iter().any(|row| row.suspect) { ", suspect" } else { "" };
            let queued = rows.iter().map(|row| row.peak_queued).max().unwrap_or_default();
            format!("{}, most waiting at once {queued}{suspect}", sums(name, rows))
        })
        .collect();
    if all.len() > LISTED {
        lines.push(format!(
            "and {} more accounts (--account NAME shows one, --json has all)",
            all.len() - LISTED
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: u64, account: &str, peak_queued: u64) -> MinuteRow {
        MinuteRow {
            minute,
            account: account.into(),
            peak_queued,
            begun: peak_queued,
            limit: Some(10),
            ..MinuteRow::default()
        }
    }

    #[test]
    fn a_day_fits_and_the_worst_account_is_first() {
        let mut minutes: Vec<_> = (0..1_440).map(|minute| row(minute, HOST, minute % 7)).collect();
        minutes.push(row(100, "adaptive[/a]", 3));
        minutes.push(row(101, "adaptive[/b]", 5));
        let lines = fitted(&shown(&minutes, None, &[], Lost::default()).join("\n"));
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        let at = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
        assert!(at("adaptive[/b]") < at("adaptive[/a]"));
        let days = lines.iter().filter(|line| line.ends_with("01-02 00:00") && line.contains("01-01 00:00"));
        assert_eq!(days.count(), 2, "{lines:#?}");
    }

    #[test]
    fn minutes_without_a_daemon_and_losses_are_told() {
        let minutes = [row(10, HOST, 1), row(13, HOST, 0)];
        let lost = Lost { events: 2, ..Lost::default() };
        let text = shown(&minutes, None, &[], lost).join("\n");
        assert!(text.contains(" +-  -\n"), "{text}");
        assert!(text.contains("axis is open") && text.contains("Missing: 2 events"), "{text}");
    }
}
