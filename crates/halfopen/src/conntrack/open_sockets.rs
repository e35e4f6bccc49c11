//! The open TCP sockets of a network namespace and their cgroups, from the kernel (`sock_diag(7)`).

use super::connection::Connection;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with, sockopt,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// So many sockets of a namespace are read at most.
const SOCKETS: usize = 262_144;
/// The kernel answers at once; this is for a kernel that does not.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the kernel puts in one answer (32 KiB).
const ANSWER: usize = 65_536;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const IPPROTO_TCP: u8 = 6;
/// `INET_DIAG_CGROUP_ID`, since Linux 5.8.
const CGROUP_ID: u16 = 21;
/// All but `TIME_WAIT`, `CLOSE`, `LISTEN` and the requests of a listener: none of those has a cgroup and a remote end.
const STATES: u32 = !(1 << 6 | 1 << 7 | 1 << 10 | 1 << 12);
const HEADER: usize = 16;
const MESSAGE: usize = 72;

/// A TCP socket with a remote end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSocket {
    pub connection: Connection,
    /// The id of the cgroup that made it.
    pub cgroup: u64,
}

/// The open sockets of this thread's network namespace. What the kernel does not tell is left out.
pub fn open_sockets() -> Vec<OpenSocket> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let _: Option<()> = ask(family, &mut found);
    }
    found
}

/// Adds the sockets of `family` to `found`; `None` if the kernel's answers end early.
fn ask(family: AddressFamily, found: &mut Vec<OpenSocket>) -> Option<()> {
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let kernel = socket_with(AddressFamily::NETLINK, kind, flags, Some(netlink::SOCK_DIAG)).ok()?;
    sockopt::set_socket_timeout(&kernel, sockopt::Timeout::Recv, Some(PATIENCE)).ok()?;
    send(&kernel, &request(u8::try_from(family.as_raw()).ok()?), SendFlags::empty()).ok()?;
    let mut answer = vec![0; ANSWER];
    loop {
        let (_, length) = recv(&kernel, answer.as_mut_slice(), RecvFlags::empty()).ok()?;
        let mut rest = answer.get(..length).filter(|rest| !rest.is_empty())?;
        while !rest.is_empty() {
            let size = number(rest, 0, u32::from_ne_bytes)? as usize;
            if number(rest, 4, u16::from_ne_bytes)? != SOCK_DIAG_BY_FAMILY || found.len() == SOCKETS {
                return Some(());
            }
            found.extend(socket(rest.get(HEADER..size)?));
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// `nlmsghdr` and `inet_diag_req_v2`.
fn request(family: u8) -> Vec<u8> {
    const SIZE: u32 = 72;
    let mut request = SIZE.to_ne_bytes().to_vec();
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend(STATES.to_ne_bytes());
    request.resize(SIZE as usize, 0);
    request
}

/// The socket of an `inet_diag_msg` and its attributes; `None` without a cgroup.
fn socket(message: &[u8]) -> Option<OpenSocket> {
    let is_v4 = i32::from(*message.first()?) == i32::from(AddressFamily::INET.as_raw());
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = message.get(at..at + 16)?.try_into().ok()?;
        let [a, b, c, d, ..] = bytes;
        Some(if is_v4 { Ipv4Addr::new(a, b, c, d).into() } else { Ipv6Addr::from(bytes).into() })
    };
    let local = (address(8)?, number(message, 4, u16::from_be_bytes)?);
    let remote = (address(24)?, number(message, 6, u16::from_be_bytes)?);
    let cgroup = attribute(message.get(MESSAGE..)?, CGROUP_ID)?;
    Some(OpenSocket {
        connection: Connection::new(local, remote),
        cgroup: number(cgroup, 0, u64::from_ne_bytes)?,
    })
}

/// The value of the attribute `wanted`.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let size = usize::from(number(attributes, 0, u16::from_ne_bytes)?);
        let value = attributes.get(4..size)?;
        if number(attributes, 2, u16::from_ne_bytes)? == wanted {
            return Some(value);
        }
        attributes = attributes.get(size.next_multiple_of(4)..)?;
    }
}

fn number<T, const N: usize>(bytes: &[u8], at: usize, read: impl Fn([u8; N]) -> T) -> Option<T> {
    Some(read(bytes.get(at..at + N)?.try_into().ok()?))
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
                let wanted = Connection::new((local.ip(), local.port()), (remote.ip(), remote.port()));
                let socket = found.iter().find(|socket| socket.connection == wanted).unwrap();
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
