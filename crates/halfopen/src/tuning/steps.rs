//! Raising a limit step by step: what the next step is, and what a watch over the last one says. Pure.

use crate::control::ScopeStatus;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer attempts that ended say nothing.
const ENOUGH_ENDED: u64 = 20;

/// What the attempts of a scope and of its accounts have come to, by name. Counts since the daemon began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    counts: BTreeMap<String, Counts>,
    suspects: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    waits_now: u64,
    /// Those whose wait has ended, and in audit mode those that would have waited.
    waited: u64,
    established: u64,
    failed: u64,
}

/// What has come to be between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Watched {
    /// Attempts that had to wait, or in audit mode would have had to.
    pub waited: u64,
    /// Attempts that were answered.
    pub established: u64,
    /// Attempts that were refused or met silence.
    pub failed: u64,
    /// Accounts that have become suspects.
    pub suspects: u64,
}

/// What to do after a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Nothing has waited: the limit is high enough.
    Enough,
    /// What is recommended is reached.
    Reached,
    /// Attempts have waited still, so another step follows.
    Raise,
    /// An account has become a suspect, so the last step is undone.
    BackForSuspect,
    /// Most of what was let out failed, so the last step is undone.
    BackForFailures,
}

impl Seen {
    /// Of the entries of `status` whose attempts count, and those among which nobody may become a suspect.
    pub fn of<'a>(
        counted: impl IntoIterator<Item = &'a ScopeStatus>,
        trusted: impl IntoIterator<Item = &'a ScopeStatus>,
    ) -> Self {
        let counts = |of: &ScopeStatus| Counts {
            waits_now: of.queued,
            waited: of.released + of.cancelled + of.gave_up_while_queued + of.would_have_waited,
            established: of.established,
            failed: of.failed,
        };
        let suspects = trusted.into_iter().filter(|of| of.trust.suspect_since.is_some());
        Self {
            counts: counted.into_iter().map(|of| (of.name.clone(), counts(of))).collect(),
            suspects: suspects.map(|of| of.name.clone()).collect(),
        }
    }

    /// The names of suspects.
    pub fn suspects(&self) -> impl Iterator<Item = &str> {
        self.suspects.iter().map(String::as_str)
    }

    /// What has come to be since `before`. An account that was not listed before has no counts to compare.
    #[must_use]
    pub fn since(&self, before: &Self) -> Watched {
        let suspects = self.suspects.difference(&before.suspects).count() as u64;
        let mut watched = Watched { suspects, ..Watched::default() };
        for (name, now) in &self.counts {
            let Some(was) = before.counts.get(name) else { continue };
            watched.waited += now.waits_now + now.waited.saturating_sub(was.waited);
            watched.established += now.established.saturating_sub(was.established);
            watched.failed += now.failed.saturating_sub(was.failed);
        }
        watched
    }
}

/// The step after `half_open` on the way to `goal`: a quarter more.
#[must_use]
pub fn raised(half_open: u32, goal: u32) -> u32 {
    goal.min(half_open.saturating_add((half_open / 4).max(1)))
}

/// What to do after a watch over `half_open` on the way to `goal`.
#[must_use]
pub fn next(half_open: u32, goal: u32, watched: Watched) -> Next {
    let ended = watched.established + watched.failed;
    if watched.suspects > 0 {
        Next::BackForSuspect
    } else if ended >= ENOUGH_ENDED && watched.failed > watched.established {
        Next::BackForFailures
    } else if watched.waited == 0 {
        Next::Enough
    } else if half_open >= goal {
        Next::Reached
    } else {
        Next::Raise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_policy::{Ledger, Limits};

    #[test]
    fn steps_are_a_quarter_and_end_at_the_goal() {
        let steps: Vec<u32> =
            std::iter::successors(Some(2), |now| (*now < 20).then(|| raised(*now, 20))).collect();
        assert_eq!(steps, [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 20]);
        assert_eq!(raised(u32::MAX, u32::MAX), u32::MAX);
    }

    #[test]
    fn it_goes_on_while_attempts_wait_and_back_where_it_lets_a_scan_out() {
        let watched =
            |waited, established, failed, suspects| Watched { waited, established, failed, suspects };
        assert_eq!(next(8, 20, watched(0, 100, 0, 0)), Next::Enough);
        assert_eq!(next(8, 20, watched(1, 100, 0, 0)), Next::Raise);
        assert_eq!(next(20, 20, watched(1, 100, 0, 0)), Next::Reached);
        assert_eq!(next(8, 20, watched(0, 100, 0, 1)), Next::BackForSuspect);
        assert_eq!(next(8, 20, watched(5, 9, 11, 0)), Next::BackForFailures);
        assert_eq!(next(8, 20, watched(5, 9, 10, 0)), Next::Raise);
    }

    #[test]
    fn an_account_that_comes_to_be_listed_brings_no_earlier_counts() {
        let entry = |name: &str, released, suspect: bool| {
            let mut entry = ScopeStatus::new(
                name,
                crate::control::ScopeKind::Account,
                &Limits::xp_sp2(),
                &Ledger::default(),
            );
            entry.released = released;
            entry.trust.suspect_since = suspect.then_some(crate::utc_time::UtcTime::EPOCH);
            entry
        };
        let seen = |entries: &[ScopeStatus]| Seen::of(entries, entries);
        let before = seen(&[entry("a", 5, true)]);
        let after = seen(&[entry("a", 7, true), entry("b", 1_000, false), entry("c", 1_000, true)]);
        let expected = Watched { waited: 2, suspects: 1, ..Watched::default() };
        assert_eq!(after.since(&before), expected);
        assert_eq!(after.suspects().collect::<Vec<_>>(), ["a", "c"]);
    }
}
