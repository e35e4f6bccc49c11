//! Attempts that limits on connections hold back: their events, and their part of what waits.

use crate::control::ConnectionsStatus;
use crate::daemon::accounts::{Charged, held_back_by};
use crate::daemon::enforcement::Enforcement;
use crate::events::connections::DESTINATIONS;
use crate::events::{AtDestination, ConnectionsReport, DestinationCount, DueConnections};
use halfopen_bpf::{AccountId, Attempt, AttemptState, Connection, KernelError, ScopeId, WaitsFor, monotonic};
use halfopen_policy::{Contact, Ledger};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The attempts that wait in a scope, without those that limits on connections hold back.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotWaiters {
    /// How many wait, as far as the ledgers tell.
    pub now: u64,
    /// When one last waited, on the kernel's monotonic clock; zero = unknown.
    pub last: Duration,
}

impl SlotWaiters {
    /// Those of the scope with this ledger, without as many that wait `below` it. `at_host` is what
    /// [`Enforcement::waiting_to_connect`] says.
    pub(super) fn of(ledger: &Ledger, below: u64, at_host: Option<u64>) -> Self {
        let here = ledger.queued.saturating_sub(below + ledger.connections.waiting);
        match at_host {
            None => Self { now: here, last: ledger.last_waiter },
            // Some of those that the host holds back are charged here too. The attempts themselves open episodes.
            Some(at_host) => Self {
                now: if at_host == 0 { here } else { 0 },
                last: if here > 0 { monotonic() } else { Duration::ZERO },
            },
        }
    }
}

/// What an account has to each destination: attempts that are out, and connections.
type ByDestination = HashMap<SocketAddr, AtDestination>;

impl Enforcement {
    /// How many attempts wait for the host's limits on connections; `None` if no scope limits them.
    pub(super) fn waiting_to_connect(&self) -> Result<Option<u64>, KernelError> {
        let waiting = || self.limiter.ledger(ScopeId::HOST).map(|host| host.connections.waiting);
        self.limiter.limits_connections().then(waiting).transpose()
    }

    /// Notes which of `attempts` have waited longest for a limit on connections.
    pub(super) fn note_long_waits(&mut self, attempts: &[Attempt], now: Duration) {
        let mut oldest: HashMap<AccountId, Duration> = HashMap::new();
        let waits =
            |attempt: &&Attempt| attempt.state == AttemptState::Queued && attempt.waits_for != WaitsFor::Slot;
        for attempt in attempts.iter().filter(waits) {
            let since = now.saturating_sub(attempt.age);
            let oldest = oldest.entry(held_back_by(attempt)).or_insert(since);
            *oldest = since.min(*oldest);
        }
        self.announcer.held_connections.oldest_waits(now, &oldest);
    }

    /// Looks up the names of accounts that hold attempts back, and writes the events that are due.
    pub(super) fn announce_connections(&mut self) -> Result<(), KernelError> {
        let unnamed = self.announcer.held_connections.unnamed();
        if !unnamed.is_empty() {
            let charged = self.charged(unnamed.iter().copied())?;
            let name = |account| Some(charged.get(&account)?.status.name.clone());
            self.announcer.held_connections.name(&unnamed, name);
        }
        let due = self.announcer.held_connections.due(monotonic());
        if due.is_empty() {
            return Ok(());
        }
        let charged = self.charged(due.iter().map(|due| due.account))?;
        let (attempts, connections) = (self.limiter.attempts()?, self.limiter.connections()?);
        for due in due {
            // The account may be gone, but not its scope, unless its rule is gone too.
            let of_scope = || charged.get(&AccountId::of_scope(due.account.scope));
            let Some(holds_back) = charged.get(&due.account).or_else(of_scope) else { continue };
            let there = by_destination(due.account, &attempts, &connections);
            let Some(mut report) = report(due, holds_back, &there) else { continue };
            for tally in &mut report.programs {
                let program = &tally.program;
                let identity = tally.identity.get_or_insert_with(|| self.means.identify(program));
                self.means.name_again(identity, program.cgroup_id);
            }
            let (half_open, queued) = (holds_back.limits.half_open, holds_back.status.queued);
            self.announcer.announce_connections(report, half_open, queued);
        }
        Ok(())
    }
}

fn by_destination(account: AccountId, attempts: &[Attempt], connections: &[Connection]) -> ByDestination {
    let mut there = ByDestination::new();
    let is_of = |attempt: &&Attempt| {
        account == AccountId::of_scope(ScopeId::HOST)
            || attempt.own == Some(account)
            || attempt.interface.map(AccountId::of_scope) == Some(account)
    };
    let out = |attempt: &&Attempt| attempt.state != AttemptState::Queued;
    for attempt in attempts.iter().filter(out).filter(is_of) {
        there.entry(attempt.destination).or_default().out += 1;
    }
    for connection in connections.iter().filter(|connection| connection.is_of(account)) {
        there.entry(connection.destination).or_default().open += 1;
    }
    there
}

/// `None` if no limit on connections is left.
fn report(due: DueConnections, holds_back: &Charged, there: &ByDestination) -> Option<ConnectionsReport> {
    let limits = &holds_back.limits.connections;
    let most = due.destinations.first().and_then(|(to, _)| there.get(to)).copied().unwrap_or_default();
    // First contacts wait for credit, not for this.
    let reason = holds_back.holds_back(due.waits_for, Contact::Known, most);
    let limit = reason.connection_limit(limits)?;
    let are_counted = limits.established.is_some() || limits.per_destination.established.is_some();
    let open = |there: &AtDestination| there.out + there.open;
    let counted = holds_back.status.connections.as_ref().map(ConnectionsStatus::counted);
    let in_all = match limits.established {
        Some(_) => counted,
        None => are_counted.then(|| there.values().map(open).sum()),
    };
    Some(ConnectionsReport {
        account: due.name,
        reason,
        limit,
        waited: due.waited,
        open: in_all,
        programs: due.programs,
        destinations: destinations(&due.destinations, are_counted.then_some(there)),
        audited: due.audited,
    })
}

/// Those with the most connections, or, if nothing counts these, with the most waiters.
fn destinations(waited: &[(SocketAddr, u64)], there: Option<&ByDestination>) -> Vec<DestinationCount> {
    let mut all: HashMap<SocketAddr, (u64, u64)> = HashMap::new();
    for (to, there) in there.into_iter().flatten() {
        all.entry(*to).or_default().0 = there.out + there.open;
    }
    for (to, count) in waited {
        all.entry(*to).or_default().1 = *count;
    }
    let mut all: Vec<(SocketAddr, (u64, u64))> = all.into_iter().collect();
    all.sort_by_key(|(to, counts)| (Reverse(*counts), *to));
    let count = |(to, (open, waited)): (SocketAddr, (u64, u64))| DestinationCount {
        destination: to.to_string(),
        open: there.map(|_| open),
        waited,
    };
    all.into_iter().take(DESTINATIONS).map(count).collect()
}
