//! What each account has to its destinations.

use super::enforcement::Enforcement;
use crate::events::AtDestination;
use halfopen_bpf::{AccountId, Attempt, AttemptState, Connection, KernelError, WaitsFor};
use std::collections::HashMap;
use std::net::SocketAddr;

/// The attempts that are out and the connections that a limit counts, by account and destination.
#[derive(Debug, Default)]
pub(crate) struct Destinations(HashMap<(AccountId, SocketAddr), AtDestination>);

impl Destinations {
    fn of(attempts: &[Attempt], connections: &[Connection]) -> Self {
        let mut all = Self::default();
        for attempt in attempts.iter().filter(|attempt| attempt.state != AttemptState::Queued) {
            all.note(attempt.own, attempt.destination, |there| &mut there.out);
        }
        for connection in connections {
            all.note(connection.own, connection.destination, |there| &mut there.open);
        }
        all
    }

    fn note(
        &mut self,
        own: Option<AccountId>,
        destination: SocketAddr,
        count: impl FnOnce(&mut AtDestination) -> &mut u64,
    ) {
        if let Some(own) = own {
            *count(self.0.entry((own, destination)).or_default()) += 1;
        }
    }

    /// What an account has to a destination.
    pub fn at(&self, account: Option<AccountId>, destination: SocketAddr) -> AtDestination {
        account.and_then(|account| self.0.get(&(account, destination))).copied().unwrap_or_default()
    }
}

impl Enforcement {
    /// What accounts have to their destinations, if one of these attempts waits for its own.
    pub(in crate::daemon) fn destinations(&self, live: &[Attempt]) -> Result<Destinations, KernelError> {
        if live.iter().all(|attempt| attempt.waits_for != WaitsFor::Destination) {
            return Ok(Destinations::default());
        }
        Ok(Destinations::of(live, &self.limiter.connections()?))
    }
}
