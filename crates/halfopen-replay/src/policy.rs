//! A policy that is tried on a recording.

use crate::observation::Address;
use crate::trace::Program;
use halfopen_policy::{Connections, Limits};
use ipnet::IpNet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The name and the limits of the account that a program is charged to; `None`: only the host's limits hold for it.
type AccountOf = dyn Fn(&Program) -> Option<(String, Limits)> + Send + Sync;

/// Which account each program is charged to.
#[derive(Clone)]
pub struct Accounts(Arc<AccountOf>);

impl Accounts {
    /// The accounts that `of` names.
    pub fn new(of: impl Fn(&Program) -> Option<(String, Limits)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

/// What is in force on each recorded host.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name in reports.
    pub name: String,
    /// The limits of the host; `None`: nothing is limited.
    pub host: Option<Limits>,
    /// The limits of an account to which all attempts of a host are charged besides.
    pub own: Option<Limits>,
    /// The accounts of programs, for recordings that know them; `None`: they have none.
    pub accounts: Option<Accounts>,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// For how long an address that has answered is known.
    pub known_for: Duration,
}

impl Policy {
    /// The same without limits on open connections: when these end is not looked at.
    pub(crate) fn without_open_connections(mut self) -> Self {
        self.host = self.host.map(without_open_connections);
        self.own = self.own.map(without_open_connections);
        self
    }

    pub(crate) fn account_of(&self, program: &Program) -> Option<(String, Limits)> {
        let (name, limits) = self.accounts.as_ref()?.0(program)?;
        Some((name, without_open_connections(limits)))
    }

    pub(crate) fn exempts(&self, to: Address) -> bool {
        !self.exempt.is_empty() && {
            let to = to.as_ip();
            self.exempt.iter().any(|net| net.contains(&to))
        }
    }

    /// Whether first contacts cost credit.
    pub(crate) fn goes_by_first_contacts(&self) -> bool {
        [self.host, self.own].into_iter().flatten().any(|limits| limits.first_contact.is_some())
    }

    /// How long an attempt may wait, if nobody answers: as long as `connect()` of a Linux program with the system's own
    /// settings, or `max_wait`.
    pub(crate) fn patience(&self) -> Duration {
        let linux = halfopen_policy::timers::silent_patience_ms(6, 4, 120_000);
        let linux = Duration::from_millis(linux.into());
        let most = [self.host, self.own].into_iter().flatten().filter_map(|limits| limits.max_wait).min();
        most.unwrap_or(linux)
    }
}

fn without_open_connections(limits: Limits) -> Limits {
    let connections = Connections { rate: limits.connections.rate, ..Connections::default() };
    Limits { connections, ..limits }
}
