//! The two ends of a TCP connection.

use std::net::{IpAddr, SocketAddr};

/// A TCP connection as one of its ends has it. An IPv4 address that is mapped into IPv6 is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Connection {
    pub fn new(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        let canonical = |(address, port): (IpAddr, u16)| SocketAddr::new(address.to_canonical(), port);
        Self { local: canonical(local), remote: canonical(remote) }
    }
}
