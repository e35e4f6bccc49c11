//! The rows of the list: the host, its scopes and accounts, with how fast they begin attempts.

use crate::control::{ScopeKind, ScopeStatus, Status};
use crate::events::text::plain;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Instant;

/// What the list is sorted by, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// Attempts that wait.
    #[default]
    Waiting,
    /// Attempts that are half-open.
    HalfOpen,
    /// Suspects first.
    Suspects,
    /// Attempts begun a second.
    Rate,
    /// The name, the first of the alphabet first.
    Name,
}

impl SortBy {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Self::Waiting => Self::HalfOpen,
            Self::HalfOpen => Self::Suspects,
            Self::Suspects => Self::Rate,
            Self::Rate => Self::Name,
            Self::Name => Self::Waiting,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::HalfOpen => "half-open",
            Self::Suspects => "suspects",
            Self::Rate => "rate",
            Self::Name => "name",
        }
    }
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its numbers.
    pub status: ScopeStatus,
    /// Attempts begun in ten seconds, as fast as since the last look; `None` at the first.
    pub in_ten_seconds: Option<u64>,
}

impl Row {
    /// As the list shows it: what runs there in the operator's words, or else the account's name.
    pub fn label(&self) -> String {
        match self.status.runs_in.named() {
            Some(named) => plain(&named),
            None => plain(&self.status.name),
        }
    }

    /// What is to be known at a glance; empty if nothing is.
    pub fn state(&self) -> &'static str {
        let trust = &self.status.trust;
        match (trust.blocked_until.is_some(), trust.suspect_since.is_some()) {
            (true, _) => "blocked",
            (false, true) => "suspect",
            (false, false) => "",
        }
    }
}

/// How many attempts each had begun, and when that was.
#[derive(Debug, Default)]
pub struct Rates(Option<(Instant, HashMap<String, u64>)>);

impl Rates {
    /// The rows of `status`, and their rates since the last look.
    pub fn rows(&mut self, now: Instant, status: &Status) -> Vec<Row> {
        let before = self.0.take();
        let all: Vec<ScopeStatus> = std::iter::once(&status.host).chain(&status.scopes).cloned().collect();
        let begun: HashMap<String, u64> = all.iter().map(|of| (of.name.clone(), begun(of))).collect();
        let rate = |of: &ScopeStatus| {
            let (then, counts) = before.as_ref()?;
            let since = now.saturating_duration_since(*then).as_millis() as u64;
            // Counts begin anew when a limit does.
            let new = begun.get(&of.name)?.checked_sub(*counts.get(&of.name)?)?;
            (new * 10_000).checked_div(since)
        };
        let rows = all.iter().map(|of| Row { in_ten_seconds: rate(of), status: of.clone() }).collect();
        self.0 = Some((now, begun));
        rows
    }
}

fn begun(of: &ScopeStatus) -> u64 {
    of.admitted
        + of.released
        + of.queued
        + of.cancelled
        + of.gave_up_while_queued
        + of.refused_overflow
        + of.refused_blocked
}

/// Those whose name, container or pod contains `filter`, in this order. The host comes first.
pub fn chosen<'a>(rows: &'a [Row], filter: &str, sort: SortBy) -> Vec<&'a Row> {
    let filter = filter.to_lowercase();
    let fits = |text: &str| text.to_lowercase().contains(&filter);
    let is_chosen = |row: &&Row| {
        let is_used = !row.status.is_unused() || row.status.kind == ScopeKind::Host;
        is_used && (fits(&row.status.name) || fits(&row.label()))
    };
    let mut chosen: Vec<&Row> = rows.iter().filter(is_chosen).collect();
    let is_suspect = |row: &Row| !row.state().is_empty();
    chosen.sort_by_key(|row| {
        let (waiting, half_open) = (row.status.queued, row.status.half_open);
        let most = match sort {
            SortBy::Waiting => [waiting, half_open, 0],
            SortBy::HalfOpen => [half_open, waiting, 0],
            SortBy::Suspects => [is_suspect(row).into(), waiting, half_open],
            SortBy::Rate => [row.in_ten_seconds.unwrap_or_default(), waiting, half_open],
            SortBy::Name => [0; 3],
        };
        (row.status.kind != ScopeKind::Host, Reverse(most), row.label())
    });
    chosen
}
