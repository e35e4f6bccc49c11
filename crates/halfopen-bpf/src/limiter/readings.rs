//! What the limiter reports: ledgers, counts, live attempts, faults, and events.

use super::{Limiter, Turns};
use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::accounts;
use crate::decode::connections::{self, Connection};
use crate::decode::denied::DenyCount;
use crate::decode::durations::{self, Durations};
use crate::decode::faults::{self, FaultCount};
use crate::decode::names::{Named, NamesCounts};
use crate::decode::records::{AccountId, Attempt, ProgramCount, RingEvent, Shortcoming};
use crate::decode::stopped_datagrams::StoppedDatagram;
use crate::decode::{names, program_counts, stopped_datagrams};
use crate::encode::rule_keys::{clear, put};
use crate::error::{KernelError, bpf};
use crate::limiter::walk::NAMESPACES;
use crate::sys::clock::monotonic;
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::wake::{CreditReading, Credits};
use halfopen_policy::{Ledger, Limits};
use libbpf_rs::{MapCore, MapFlags};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

fn credit(trust: &abi::trust) -> CreditReading {
    CreditReading {
        credits: trust.credit / abi::CREDIT,
        recovers_at: (trust.recover_ns != 0).then_some(trust.recover_ns),
        newest: trust.side != 0,
    }
}

/// Keeps only this walk: the table has room for [`NAMESPACES`] namespaces.
fn note_walked(walked: &impl MapCore, through: &[u32], number: u32) -> Result<(), KernelError> {
    clear(walked, |_: u32| true)?;
    for namespace in through.iter().take(NAMESPACES) {
        put(walked, namespace, &number)?;
    }
    Ok(())
}

impl Limiter {
    /// How many connections can be counted at once.
    pub const CONNECTIONS: u32 = abi::CONNECTIONS;

    /// What waiting did to each program since the limit began, for up to 4096 programs, the most recent ones.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn programs(&self) -> Result<Vec<ProgramCount>, KernelError> {
        program_counts::read(&self.skel.maps.programs)
    }

    /// What the rules of `[[deny]]` have denied, in their order.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn denied(&self) -> Result<Vec<DenyCount>, KernelError> {
        self.deny_names.counts(&self.skel.maps, &self.settings.deny)
    }

    /// The last first contact over UDP that each account has stopped, or would have in audit mode; empty if
    /// no scope limits them.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn stopped_datagrams(&self) -> Result<Vec<StoppedDatagram>, KernelError> {
        if self.state.policy().datagrams == 0 {
            return Ok(Vec::new());
        }
        stopped_datagrams::read(&self.skel.maps.datagram_stops)
    }

    /// A scope's ledger now.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn ledger(&self, scope: ScopeId) -> Result<Ledger, KernelError> {
        let accounting = self.accounting(scope)?;
        Ok(Ledger::of(&accounting, nanos(monotonic())))
    }

    pub(super) fn accounting(&self, scope: ScopeId) -> Result<abi::scope, KernelError> {
        let bytes = self.skel.maps.scopes.lookup(&scope.0.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading a scope's accounting", error))?.unwrap_or_default();
        plain::read::<abi::scope>(&bytes)
            .ok_or_else(|| KernelError::Lacks("a scope's accounting is of an unknown layout".to_owned()))
    }

    /// The slots and turns of an account, for the waker; `None` if the account is gone.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn turns(&self, account: AccountId) -> Result<Option<Turns>, KernelError> {
        let at = monotonic();
        let accounting = match account.id {
            0 => Some(self.accounting(account.scope)?),
            id => {
                let key = accounts::key(account.scope, id);
                let bytes = self.skel.maps.accounts.lookup(plain::bytes(&key), MapFlags::ANY);
                let bytes = bytes.map_err(|error| bpf("reading an account's accounting", error))?;
                bytes.and_then(|bytes| plain::read::<abi::scope>(&bytes))
            }
        };
        Ok(accounting.map(|accounting| {
            let [ports @ .., named, foreign, strangers] = accounting.trust.each_ref().map(credit);
            let ledger = Ledger::of(&accounting, nanos(at));
            Turns {
                at,
                in_use: ledger.half_open,
                open: ledger.connections.open + ledger.connections.ended,
                next_connection: Duration::from_nanos(accounting.connections.next_ns),
                next_turn: Duration::from_nanos(accounting.next_turn_ns),
                credits: Credits { named, strangers, ports, foreign },
            }
        }))
    }

    /// The limits in force for a scope. A number without a scope has limits that hold nothing back; `None` if
    /// it is out of range.
    #[must_use]
    pub fn limits(&self, scope: ScopeId) -> Option<Limits> {
        self.state.limits(scope.0 as usize).as_ref().map(Limits::from)
    }

    /// Counts all live attempts anew and corrects the accounting if it has drifted (counted as
    /// [`crate::Fault::Reconciled`]): a socket may end unnoticed if another program clears the limiter's callbacks.
    /// `walk` must read the iterator behind the descriptor in each of these network namespaces, given by
    /// inode number, and return those in which it could ([`crate::walk_namespaces`] does so, with root's
    /// rights). In other namespaces, an attempt is ended once its socket has given no sign of life for five
    /// minutes.
    ///
    /// # Errors
    /// If the walk fails.
    pub fn reconcile(
        &self,
        walk: impl FnOnce(BorrowedFd<'_>, &[u32]) -> Vec<u32>,
    ) -> Result<(), KernelError> {
        let namespaces = self.walks.namespaces()?;
        if !namespaces.is_empty() {
            let number = self.state.socket_walk_begins(nanos(monotonic()));
            let through = walk(self.walks.sockets(), &namespaces);
            note_walked(&self.skel.maps.walked, &through, number)?;
        }
        self.walks.reconcile()
    }

    /// The live attempts in every namespace. While many begin and end, some may be missing.
    ///
    /// # Errors
    /// If the walk fails.
    pub fn attempts(&self) -> Result<Vec<Attempt>, KernelError> {
        self.walks.attempts(monotonic())
    }

    /// The connections that some scope counts, of at most [`Limiter::CONNECTIONS`]. While many begin and end, some may be
    /// missing or listed twice.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>, KernelError> {
        connections::read(&self.skel.maps.connections, self.state.connections_held())
    }

    /// Whether some scope limits connections, in all or to each destination.
    #[must_use]
    pub fn limits_connections(&self) -> bool {
        self.state.policy().connections != 0
    }

    /// How many connections are counted now, attempts that may become one included.
    #[must_use]
    pub fn connections_counted(&self) -> u32 {
        self.state.connections_held()
    }

    /// The faults since the accounting began that happened at least once.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn faults(&self) -> Result<Vec<FaultCount>, KernelError> {
        faults::read(&self.skel.maps.faults)
    }

    /// How long attempts have waited, and their peers have taken to answer.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn durations(&self) -> Result<Durations, KernelError> {
        durations::read(&self.skel.maps.durations)
    }

    /// What became of DNS answers since the limit began.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn names_counts(&self) -> Result<NamesCounts, KernelError> {
        names::read_counts(&self.skel.maps.names_counts)
    }

    /// The clients that DNS answers told this address.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn who_was_told(&self, address: IpAddr) -> Result<Vec<Named>, KernelError> {
        names::read_named(&self.skel.maps.named, address, monotonic())
    }

    /// What this kernel lacks without which the limit holds, but less well; as found when the limiter was
    /// loaded.
    #[must_use]
    pub fn shortcomings(&self) -> Vec<Shortcoming> {
        let settable = self.skel.maps.rodata_data.is_some_and(|found| found.rto_max_settable != 0);
        if settable { Vec::new() } else { vec![Shortcoming::RtoMaxNotSettable] }
    }

    /// Passes the events since the last call to `each`. [`Limiter`] as a file descriptor becomes readable
    /// when there are some.
    ///
    /// # Errors
    /// If the ring buffer cannot be read.
    pub fn take_ring_events(&mut self, each: &mut dyn FnMut(RingEvent)) -> Result<(), KernelError> {
        self.ring.consume().map_err(|error| bpf("reading the ring buffer of events", error))?;
        self.told.try_iter().for_each(each);
        Ok(())
    }
}
