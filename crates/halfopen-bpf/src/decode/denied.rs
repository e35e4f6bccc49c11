//! Reads what the rules of `[[deny]]` have denied.

use crate::abi;
use crate::decode::fields;
use crate::decode::records::Program;
use std::net::SocketAddr;
use std::time::Duration;

/// What a rule of `[[deny]]` has denied since it has been known by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyCount {
    /// The rule's name.
    pub name: String,
    /// `connect()` and `sendto()` calls that it has refused.
    pub denied: u64,
    /// Those that it would have refused, in audit mode.
    pub would_have_denied: u64,
    /// The last of either kind.
    pub last: Option<Denied>,
}

/// An attempt or datagram that matched a rule of `[[deny]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// When, on the kernel's monotonic clock.
    pub at: Duration,
    /// The program.
    pub program: Program,
    /// The destination. IPv4 addresses of IPv6 sockets are shown as IPv4.
    pub destination: SocketAddr,
    /// Whether it was UDP; otherwise TCP.
    pub udp: bool,
    /// Whether it was only counted (audit mode).
    pub audited: bool,
}

pub(crate) fn count(name: &str, count: &abi::deny_count) -> DenyCount {
    let last = Denied {
        at: Duration::from_nanos(count.last_ns),
        program: fields::program(count.pid, count.uid, count.comm, count.cgroup_id),
        destination: fields::socket_addr(count.addr, count.port),
        udp: u32::from(count.protocol) == abi::DENY_UDP,
        audited: count.audited != 0,
    };
    DenyCount {
        name: name.to_owned(),
        denied: count.denied,
        would_have_denied: count.would_have_denied,
        last: (count.last_ns != 0).then_some(last),
    }
}
