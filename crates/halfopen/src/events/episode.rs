//! Saturation episodes: from the first attempt that waits until none has waited for a while. An episode is reported
//! once it matters to an operator: an attempt has waited for `event_after`, was refused, or gave up. Pure: the caller
//! passes the time, on the kernel's monotonic clock.

use super::Identity;
use super::reason::{NewAddresses, Reason};
use super::tallies::{Tallies, Tally, Waiter};
use crate::rate_limit::{MINUTE, RateLimit};
use halfopen_bpf::Program;
use std::collections::BTreeMap;
use std::time::Duration;

/// If even short waits are reported, the time from the first waiter to the event, so that the event can name the
/// programs.
pub const ANNOUNCED_AFTER: Duration = Duration::from_secs(1);
/// An episode is over once nothing has waited for this long.
pub const CLEARED_AFTER: Duration = Duration::from_secs(10);
/// In a minute, a scope has at most one pair of events, and all scopes together have this many.
pub(super) const PAIRS_PER_MINUTE: usize = 10;
/// The shortest pause between two look-ups of the waiters.
const LOOKED_UP_EVERY: Duration = Duration::from_millis(250);
/// How many programs a report lists.
const LISTED: usize = 16;

/// Which of its two events an episode is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Attempts wait.
    Reached,
    /// No attempt has waited for [`CLEARED_AFTER`], or the scope has ended.
    Cleared,
}

/// What an event reports about an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether it begins or ends.
    pub state: State,
    /// The scope.
    pub scope: String,
    /// The programs with the most attempts that waited, most first.
    pub programs: Vec<Tally>,
    /// The number of all programs. If there were more than could be tracked, a lower bound.
    pub programs_in_all: usize,
    /// How many attempts began to wait.
    pub attempts: u64,
    /// Why most of those wait that wait now, if that was looked up.
    pub reason: Option<Reason>,
    /// What the last new addresses came to that the first program's account dialled.
    pub new_addresses: Option<NewAddresses>,
    /// Earlier episodes that had no event of their own and are counted in here.
    pub earlier: u32,
    /// Whether the attempts were only counted.
    pub audited: bool,
    /// Whether the episode is over because its scope has ended.
    pub scope_ended: bool,
}

#[derive(Debug)]
struct Episode {
    began: Duration,
    last_waiter: Duration,
    /// When the oldest waiter began to wait, as far as is known; `None` = nobody may be waiting any more.
    oldest: Option<Duration>,
    /// From when on it may be reported; `None` = no attempt has waited for long, was refused or gave up.
    due: Option<Duration>,
    announced: bool,
    tallies: Tallies,
}

#[derive(Debug, Default)]
struct Scope {
    current: Option<Episode>,
    /// Episodes that were due for a report but ended unannounced.
    carried: Tallies,
}

/// The episodes of all scopes.
#[derive(Debug)]
pub struct Episodes {
    scopes: BTreeMap<String, Scope>,
    /// The pairs of events, by scope.
    limit: RateLimit<String>,
    event_after: Duration,
    /// The time of the last look-up of the waiters.
    looked_up: Duration,
}

impl Default for Episodes {
    fn default() -> Self {
        let limit = RateLimit::every(MINUTE).and_in_all(PAIRS_PER_MINUTE);
        Self { scopes: BTreeMap::new(), limit, event_after: Duration::ZERO, looked_up: Duration::ZERO }
    }
}

impl Episodes {
    /// Notes a waiter. Calls `identify` once for each program of an episode; it may put the answer off until the
    /// report.
    pub fn waits(&mut self, waiter: &Waiter<'_>, identify: impl FnOnce(&Program) -> Option<Identity>) {
        let at_once = waiter.audited || self.event_after.is_zero();
        let episode = self.episode(waiter.scope, waiter.at);
        episode.oldest.get_or_insert(waiter.at);
        if at_once {
            episode.is_due(waiter.at + ANNOUNCED_AFTER);
        }
        episode.tallies.waits(waiter, identify);
    }

    /// Sets the wait from which on an episode is reported, also for open episodes that are not reported yet.
    pub fn set_event_after(&mut self, event_after: Duration) {
        self.event_after = event_after;
    }

    /// Whether an attempt may have waited for `event_after` by now. The caller must then look up the waiters and call
    /// [`Episodes::oldest_waits`].
    #[must_use]
    pub fn asks_who_waits(&self, now: Duration) -> bool {
        self.next_look_up().is_some_and(|at| at <= now)
    }

    /// Notes when the oldest waiter of each scope began to wait.
    pub fn oldest_waits(&mut self, now: Duration, oldest: &BTreeMap<String, Duration>) {
        self.looked_up = now;
        for (name, scope) in &mut self.scopes {
            let Some(episode) = &mut scope.current else { continue };
            episode.oldest = oldest.get(name).copied();
            if episode.oldest.is_some_and(|since| since + self.event_after <= now) {
                episode.is_due(now);
            }
        }
    }

    /// Notes how many attempts of these programs were refused in a scope. Opens an episode if there is none.
    pub fn refused(
        &mut self,
        now: Duration,
        scope: &str,
        programs: &[(Program, u64)],
        identify: impl FnMut(&Program) -> Option<Identity>,
    ) {
        let episode = self.episode(scope, now);
        episode.is_due(now);
        episode.tallies.refused(programs, identify);
    }

    /// Notes that a waiter gave up in a scope. Has no effect if no episode is open.
    pub fn gave_up(&mut self, now: Duration, scope: &str) {
        if let Some(episode) = self.scopes.get_mut(scope).and_then(|scope| scope.current.as_mut()) {
            episode.is_due(now);
        }
    }

    /// Whether a scope has an open episode.
    #[must_use]
    pub fn is_open(&self, scope: &str) -> bool {
        self.scopes.get(scope).is_some_and(|scope| scope.current.is_some())
    }

    /// Whether attempts of this program, in whatever process, have waited in the open episode of a scope.
    #[must_use]
    pub fn has_waited(&self, scope: &str, program: &Program) -> bool {
        let open = self.scopes.get(scope).and_then(|scope| scope.current.as_ref());
        let like = |known: &Program| {
            (known.cgroup_id, known.uid, &known.comm) == (program.cgroup_id, program.uid, &program.comm)
        };
        open.is_some_and(|episode| episode.tallies.programs.keys().any(like))
    }

    fn episode(&mut self, scope: &str, at: Duration) -> &mut Episode {
        self.scopes.entry(scope.to_owned()).or_default().at(at)
    }

    /// Notes the identities and accounts of the programs in a report.
    pub fn know(&mut self, report: &Report) {
        let scope = self.scopes.get_mut(&report.scope);
        let Some(episode) = scope.and_then(|scope| scope.current.as_mut()) else { return };
        for told in &report.programs {
            if let Some(tally) = episode.tallies.programs.get_mut(&told.program) {
                tally.identity.clone_from(&told.identity);
                tally.account.clone_from(&told.account);
            }
        }
    }

    /// Notes an event that an earlier daemon announced at that time. Call this in the order of the events.
    pub fn resume(&mut self, name: &str, state: State, at: Duration) {
        let scope = self.scopes.entry(name.to_owned()).or_default();
        match state {
            State::Reached => {
                scope.at(at).announced = true;
                self.limit.passed(at, name.to_owned());
            }
            State::Cleared => scope.current = None,
        }
    }

    /// Notes the ledger of a scope: how many attempts wait in it now, and when one last waited. The latter only keeps
    /// an episode open, because the host's ledger also counts attempts that wait only for a narrower scope. Returns the
    /// event that is due.
    pub fn look(&mut self, now: Duration, name: &str, queued: u64, last_waiter: Duration) -> Option<Report> {
        let scope = self.scopes.entry(name.to_owned()).or_default();
        if queued > 0 {
            let episode = scope.at(now);
            episode.oldest.get_or_insert(now);
            if self.event_after.is_zero() {
                episode.is_due(episode.began + ANNOUNCED_AFTER);
            }
        }
        let episode = scope.current.as_mut()?;
        episode.last_waiter = episode.last_waiter.max(last_waiter);
        if !episode.announced && episode.due.is_some_and(|due| due <= now) && self.limit.allows(now, name) {
            episode.announced = true;
            self.limit.passed(now, name.to_owned());
            episode.tallies.take_in(std::mem::take(&mut scope.carried));
            return Some(episode.report(State::Reached, name));
        }
        if episode.last_waiter + CLEARED_AFTER <= now { scope.end(name) } else { None }
    }

    /// Ends a scope. Returns the event that its open episode still owes.
    pub fn remove(&mut self, name: &str) -> Option<Report> {
        let report = self.scopes.remove(name)?.end(name)?;
        Some(Report { scope_ended: true, ..report })
    }

    /// The latest time for the next look, so that events and long waits are noticed in time; `None` = nothing is due.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let announced = self.scopes.iter().filter_map(|(name, scope)| {
            let due = scope.current.as_ref().filter(|episode| !episode.announced)?.due?;
            Some(self.limit.next(name).max(due))
        });
        announced.chain(self.next_look_up()).min()
    }

    /// When an attempt may have waited for `event_after` in an episode that is not due for a report yet.
    fn next_look_up(&self) -> Option<Duration> {
        let open = self.scopes.values().filter_map(|scope| scope.current.as_ref());
        let oldest = open.filter(|episode| episode.due.is_none() && !episode.announced);
        let oldest = oldest.filter_map(|episode| episode.oldest).min()?;
        Some((oldest + self.event_after).max(self.looked_up + LOOKED_UP_EVERY))
    }
}

impl Scope {
    /// The episode that a waiter at that time belongs to: the open one, or a new one.
    fn at(&mut self, time: Duration) -> &mut Episode {
        let episode = self.current.get_or_insert_with(|| Episode {
            began: time,
            last_waiter: time,
            oldest: None,
            due: None,
            announced: false,
            tallies: Tallies::default(),
        });
        episode.last_waiter = episode.last_waiter.max(time);
        episode
    }

    fn end(&mut self, name: &str) -> Option<Report> {
        let mut episode = self.current.take()?;
        if episode.announced {
            return Some(episode.report(State::Cleared, name));
        }
        if episode.due.is_some() {
            episode.tallies.earlier += 1;
            self.carried.take_in(episode.tallies);
        }
        None
    }
}

impl Episode {
    /// Makes the episode due for a report from then on, or from an earlier time noted before.
    fn is_due(&mut self, from: Duration) {
        self.due = Some(self.due.map_or(from, |due| due.min(from)));
    }

    fn report(&self, state: State, scope: &str) -> Report {
        let tallies = &self.tallies;
        let mut programs: Vec<&Tally> = tallies.programs.values().collect();
        programs.sort_by_key(|tally| {
            (std::cmp::Reverse(tally.attempts), std::cmp::Reverse(tally.refused), tally.program.pid)
        });
        Report {
            state,
            scope: scope.to_owned(),
            programs_in_all: programs.len() + usize::from(tallies.untracked),
            programs: programs.into_iter().take(LISTED).cloned().collect(),
            attempts: tallies.attempts,
            reason: None,
            new_addresses: None,
            earlier: tallies.earlier,
            audited: tallies.audited,
            scope_ended: false,
        }
    }
}

#[cfg(test)]
mod tests;
