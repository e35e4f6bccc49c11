//! Reads the connections that a limit counts.

use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::fields;
use crate::decode::records::AccountId;
use crate::error::{KernelError, bpf};
use libbpf_rs::{MapCore, MapFlags};
use std::net::SocketAddr;

/// How many connections may begin between their count and the reading.
const NEWER: u32 = 4_096;

/// A connection that a limit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// The scope of its interface.
    pub interface: Option<ScopeId>,
    /// The destination. IPv4 destinations of IPv6 sockets are shown as IPv4.
    pub destination: SocketAddr,
}

impl Connection {
    /// Whether it is charged to this account. The host's account has all.
    #[must_use]
    pub fn is_of(&self, account: AccountId) -> bool {
        account == AccountId::of_scope(ScopeId::HOST)
            || self.own == Some(account)
            || self.interface.map(AccountId::of_scope) == Some(account)
    }
}

/// Those whose handshake is over. In one batch, as the accounts are: the library takes a batch that is not full for the
/// last one. `held`: how many entries the map has.
pub(crate) fn read(connections: &impl MapCore, held: u32) -> Result<Vec<Connection>, KernelError> {
    if held == 0 {
        return Ok(Vec::new());
    }
    let most = held.saturating_add(NEWER).min(abi::CONNECTIONS);
    let entries = connections.lookup_batch(most, MapFlags::ANY, MapFlags::ANY);
    let entries = entries.map_err(|error| bpf("reading the connections", error))?;
    Ok(entries.filter_map(|(_, value)| connection(&plain::read(&value)?)).collect())
}

/// `None` if it is an attempt yet.
fn connection(record: &abi::connection) -> Option<Connection> {
    (record.opened_ns != 0).then(|| Connection {
        own: ScopeId::own(record.scope).map(|scope| AccountId { scope, id: record.account }),
        interface: ScopeId::own(record.interface),
        destination: fields::socket_addr(record.addr, record.port),
    })
}
