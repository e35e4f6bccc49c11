//! The open TCP sockets of a network namespace and their cgroups, from the kernel (`sock_diag(7)`).

use super::netlink;
use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use rustix::net::AddressFamily;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

/// So many sockets of a namespace are read at most.
const SOCKETS: usize = 262_144;
/// The kernel answers at once; this is for a kernel that does not.
const PATIENCE: Duration = Duration::from_secs(2);

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
/// `INET_DIAG_CGROUP_ID`, since Linux 5.8.
const CGROUP_ID: u16 = 21;
/// All but `TIME_WAIT`, `CLOSE`, `LISTEN` and the requests of a listener: none of those has a cgroup and a remote end.
const STATES: u32 = !(1 << 6 | 1 << 7 | 1 << 10 | 1 << 12);
/// The bytes of an `inet_diag_req_v2`.
const REQUEST: usize = 56;
/// The bytes of an `inet_diag_msg`.
const MESSAGE: usize = 72;

/// A TCP socket with a remote end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSocket {
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The id of the cgroup that made it.
    pub cgroup: u64,
}

/// The open sockets of this thread's network namespace. What the kernel does not tell is left out.
#[must_use]
pub fn open_sockets() -> Vec<OpenSocket> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let of_family = SockDiag::Request { family };
        // What has come before an error counts.
        let _ = netlink::dump(NETLINK_SOCK_DIAG, of_family, Some(PATIENCE), |message| {
            if found.len() == SOCKETS {
                return ControlFlow::Break(());
            }
            if let SockDiag::Answer(Some(socket)) = message {
                found.push(socket);
            }
            ControlFlow::Continue(())
        });
    }
    found
}

/// A message of `sock_diag(7)`.
enum SockDiag {
    /// For all TCP sockets of a family.
    Request { family: AddressFamily },
    /// A socket, if it has a cgroup.
    Answer(Option<OpenSocket>),
}

impl NetlinkSerializable for SockDiag {
    fn message_type(&self) -> u16 {
        SOCK_DIAG_BY_FAMILY
    }

    fn buffer_len(&self) -> usize {
        REQUEST
    }

    /// The end of `inet_diag_req_v2`, which would name one socket, stays zero.
    fn serialize(&self, buffer: &mut [u8]) {
        let Self::Request { family } = self else { return };
        let [low, _] = family.as_raw().to_le_bytes();
        buffer[..4].copy_from_slice(&[low, IPPROTO_TCP, 0, 0]);
        buffer[4..8].copy_from_slice(&STATES.to_ne_bytes());
    }
}

impl NetlinkDeserializable for SockDiag {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self::Answer((header.message_type == SOCK_DIAG_BY_FAMILY).then(|| socket(payload)).flatten()))
    }
}

/// The socket of an `inet_diag_msg` and its attributes; `None` without a cgroup.
fn socket(message: &[u8]) -> Option<OpenSocket> {
    let is_v4 = i32::from(*message.first()?) == i32::from(AddressFamily::INET.as_raw());
    let end = |port: usize, address: usize| -> Option<SocketAddr> {
        let bytes: [u8; 16] = message.get(address..address + 16)?.try_into().ok()?;
        let [a, b, c, d, ..] = bytes;
        let address: IpAddr =
            if is_v4 { Ipv4Addr::new(a, b, c, d).into() } else { Ipv6Addr::from(bytes).into() };
        let port = message.get(port..port + 2)?.try_into().ok()?;
        Some(SocketAddr::new(address, u16::from_be_bytes(port)))
    };
    let (local, remote) = (end(4, 8)?, end(6, 24)?);
    let mut attributes = NlasIterator::new(message.get(MESSAGE..)?).map_while(Result::ok);
    let cgroup = attributes.find(|attribute| attribute.kind() == CGROUP_ID)?;
    Some(OpenSocket { local, remote, cgroup: u64::from_ne_bytes(cgroup.value().get(..8)?.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn both_ends_of_one_s_own_connection_are_found() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(loopback).unwrap();
            let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            let found = open_sockets();
            for end in [&dialled, &accepted] {
                let (local, remote) = (end.local_addr().unwrap(), end.peer_addr().unwrap());
                let socket =
                    found.iter().find(|socket| (socket.local, socket.remote) == (local, remote)).unwrap();
                assert_ne!(socket.cgroup, 0);
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_no_socket() {
        let mut message = vec![0; MESSAGE];
        message[0] = 2;
        message.extend([12, 0, 21, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(socket(&message).unwrap().cgroup, 7);
        for length in 0..message.len() {
            assert_eq!(socket(&message[..length]), None, "{length}");
        }
        message[MESSAGE] = 0;
        assert_eq!(socket(&message), None, "an attribute without a length");
    }
}
