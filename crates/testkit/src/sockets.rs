//! The kernel's list of TCP sockets.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{LabError, Namespace};

/// Those of the calling thread's network namespace. `/proc/net` would be those of the whole process.
const LISTS: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
/// The `timer_active` of a socket that is only remembered.
const REMEMBERED: &str = "03";

/// A TCP socket, as the kernel lists it. A mapped IPv4 address is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    /// Its state.
    pub state: TcpState,
    /// Whether it is but what the kernel remembers of one that has ended: `TIME_WAIT`, or `FIN_WAIT2` of a socket that
    /// nobody holds any more.
    pub remembered: bool,
}

/// The states of TCP (RFC 9293, section 3.3.2), in the kernel's order.
#[allow(missing_docs, reason = "their names are those of the standard")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpState {
    Established = 1,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynReceived,
}

impl TcpState {
    const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynReceived,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }
}

impl Namespace {
    /// The TCP sockets in it.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn tcp_sockets(&self) -> Result<Vec<TcpSocket>, LabError> {
        self.run(listed)?.map_err(LabError::io(format!("list the sockets of {}", self.name())))
    }
}

fn listed() -> io::Result<Vec<TcpSocket>> {
    let mut sockets = Vec::new();
    for list in LISTS {
        sockets.extend(fs::read_to_string(list)?.lines().filter_map(parse));
    }
    Ok(sockets)
}

/// `None` if it is the head of the list.
fn parse(line: &str) -> Option<TcpSocket> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    let state = TcpState::of(u8::from_str_radix(words.next()?, 16).ok()?)?;
    let remembered = words.nth(1)?.starts_with(REMEMBERED);
    Some(TcpSocket { local, remote, state, remembered })
}

/// The kernel writes each 32 bits of an address as the number that they are on this machine.
fn end(word: &str) -> Option<SocketAddr> {
    let (address, port) = word.split_once(':')?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let address = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    const WAITS: &str =
        "   3: 0100007F:1F90 0200007F:0050 06 00000000:00000000 03:000016D5 00000000     0        0 0 3 0";
    const MAPPED: &str = "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:0050 05 \
                          00000000:00000000 00:00000000 00000000     0        0 31 1";

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_kernel() {
        let expected = TcpSocket {
            local: "127.0.0.1:8080".parse().unwrap(),
            remote: "127.0.0.2:80".parse().unwrap(),
            state: TcpState::TimeWait,
            remembered: true,
        };
        assert_eq!(parse(WAITS), Some(expected));
        assert_eq!(
            parse(MAPPED),
            Some(TcpSocket { state: TcpState::FinWait2, remembered: false, ..expected })
        );
        assert_eq!(parse(HEAD), None);
    }
}
