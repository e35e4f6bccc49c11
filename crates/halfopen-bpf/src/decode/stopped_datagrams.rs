//! Reads the last first contact over UDP that each account has stopped.

use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::accounts::key;
use crate::decode::fields;
use crate::decode::records::{AccountId, Program};
use crate::error::{KernelError, bpf};
use libbpf_rs::{ErrorKind, MapCore, MapFlags};
use std::net::SocketAddr;
use std::time::Duration;

/// The last first contact over UDP of an account that was refused or dropped, or would have been in audit
/// mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedDatagram {
    /// The account that had no turn for it. The id is 0 for the host's account and that of a scope itself.
    pub account: AccountId,
    /// When, on the kernel's monotonic clock.
    pub at: Duration,
    /// The program; `None` if it is unknown, because the packet was the kernel's own or did not leave in its
    /// sender's context.
    pub program: Option<Program>,
    /// The id of the cgroup in which its socket was created; see [`crate::path_of_id`].
    pub cgroup_id: u64,
    /// The destination. IPv4 addresses of IPv6 sockets are shown as IPv4.
    pub destination: SocketAddr,
    /// Whether it was only counted (audit mode).
    pub audited: bool,
}

/// All of them, in one batch as the accounts are.
pub(crate) fn read(stops: &impl MapCore) -> Result<Vec<StoppedDatagram>, KernelError> {
    let entries = stops.lookup_batch(abi::ACCOUNTS + abi::SCOPES, MapFlags::LOCK, MapFlags::ANY);
    let entries =
        entries.map_err(|error| bpf("reading whose first contacts over UDP were stopped", error))?;
    let mut read: Vec<StoppedDatagram> =
        entries.filter_map(|(key, value)| stopped(&plain::read(&key)?, &plain::read(&value)?)).collect();
    read.sort_by_key(|stopped| stopped.account);
    read.dedup_by_key(|stopped| stopped.account);
    Ok(read)
}

/// `None` if the entry was made but nothing is in it yet.
fn stopped(key: &abi::account_key, stop: &abi::datagram_stop) -> Option<StoppedDatagram> {
    (stop.last_ns != 0).then(|| StoppedDatagram {
        account: AccountId { scope: ScopeId(key.scope), id: key.id },
        at: Duration::from_nanos(stop.last_ns),
        program: (stop.pid != 0).then(|| fields::program(stop.pid, stop.uid, stop.comm, stop.cgroup_id)),
        cgroup_id: stop.cgroup_id,
        destination: fields::socket_addr(stop.addr, stop.port),
        audited: stop.audited != 0,
    })
}

/// Forgets the entry of a scope whose number is given to another one.
pub(crate) fn forget(stops: &impl MapCore, scope: ScopeId) -> Result<(), KernelError> {
    match stops.delete(plain::bytes(&key(scope, 0))) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(bpf("forgetting whose first contacts over UDP a scope stopped", error))
        }
        _ => Ok(()),
    }
}
