//! Wakes a waiter before its timer runs.
//!
//! A socket in `SYN_SENT` refuses a RST that acknowledges nothing it has sent, but while its SYN has not been
//! repeated, the segment sets its timer to two ticks (`tcp_rcv_synsent_state_process()`): then the waiter
//! asks. The segment is sent as if from the peer, to the socket's own address, through a raw socket in its
//! namespace. Packets to a local address go through `lo`, with the route that the sender looked up: neither
//! rp_filter nor the martian checks see them.
//!
//! The segment must not leave the host if the address is gone by now: bind() refuses an address that is not
//! local, and a hop limit of 1 prevents forwarding.

use crate::decode::records::{Attempt, AttemptState, Place};
use crate::sys::netns::IpFamily;
use rustix::net::{SendFlags, bind, sendto};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The most raw sockets kept at a time.
const KEPT: usize = 64;
/// A raw socket that was not used for this long is closed.
const IDLE: Duration = Duration::from_secs(10);

const TCP: u8 = 6;
const TCP_LENGTH: usize = 20;
const IPV4_LENGTH: usize = 20;
const IPV6_LENGTH: usize = 40;
const HOPS: u8 = 1;
const RST_ACK: u8 = 0x14;

/// A waiter, as far as needed to wake it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// Its process, at which its namespace is looked for first.
    pub pid: u32,
    /// Its socket.
    pub place: Place,
    /// The address that it connects to.
    pub peer: SocketAddr,
}

/// Selects the raw socket for a waiter: network namespace, whether IPv6, interface. Binding to a link-local
/// address also binds to its interface.
type Key = (u32, bool, u32);

struct Kept {
    key: Key,
    socket: OwnedFd,
    used: Duration,
}

/// Makes a raw socket ([`crate::raw_socket`]) for the process with this id, in the namespace with this inode
/// number.
pub type Open<'a> = dyn FnMut(u32, u32, IpFamily) -> io::Result<OwnedFd> + 'a;

/// Wakes waiters in any network namespace.
#[derive(Default)]
pub struct WakeupSender {
    /// The last one used is the last.
    kept: Vec<Kept>,
}

impl Waiter {
    /// The attempt, if it waits and its first timer has not run yet; otherwise `None`.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Option<Self> {
        let can_be_woken = attempt.state == AttemptState::Queued && attempt.rechecks == 0;
        can_be_woken.then_some(Self {
            pid: attempt.program.pid,
            place: attempt.place,
            peer: attempt.destination,
        })
    }
}

impl WakeupSender {
    /// Makes `waiter` ask for its turn in two to three ticks, if its first timer has not run yet; otherwise
    /// nothing happens. `now` is of any clock that does not run backwards; `open` makes the raw socket if
    /// none is kept.
    ///
    /// # Errors
    /// If its namespace cannot be entered, its address is gone, or the send is refused.
    pub fn wake(&mut self, now: Duration, waiter: &Waiter, open: &mut Open<'_>) -> io::Result<()> {
        let local = waiter.place.local.ip();
        let scope = if is_link_local(local) { waiter.place.device } else { 0 };
        let key = (waiter.place.netns, local.is_ipv6(), scope);
        let kept = if let Some(at) = self.kept.iter().position(|kept| kept.key == key) {
            self.kept.remove(at)
        } else {
            let family = if local.is_ipv6() { IpFamily::V6 } else { IpFamily::V4 };
            Kept { key, socket: open(waiter.pid, waiter.place.netns, family)?, used: now }
        };
        let to = match local {
            IpAddr::V4(_) => SocketAddr::new(local, 0),
            IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, scope)),
        };
        bind(&kept.socket, &to)?;
        sendto(&kept.socket, &segment(waiter)?, SendFlags::DONTWAIT, &to)?;
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push(Kept { used: now, ..kept });
        Ok(())
    }

    /// Closes the raw sockets that have not been used for ten seconds.
    pub fn tidy(&mut self, now: Duration) {
        self.kept.retain(|kept| kept.used + IDLE > now);
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Builds the whole packet. The kernel fills in an IPv4 header's checksum and length itself (raw(7)).
fn segment(waiter: &Waiter) -> io::Result<Vec<u8>> {
    let (peer, local) = (waiter.peer, waiter.place.local);
    let mut tcp = [0; TCP_LENGTH];
    tcp[..2].copy_from_slice(&peer.port().to_be_bytes());
    tcp[2..4].copy_from_slice(&local.port().to_be_bytes());
    tcp[12] = (TCP_LENGTH as u8 / 4) << 4;
    tcp[13] = RST_ACK;
    let mut packet = Vec::with_capacity(IPV6_LENGTH + TCP_LENGTH);
    let checksum = match (peer.ip(), local.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0, 0, (IPV4_LENGTH + TCP_LENGTH) as u8, 0, 0, 0, 0, HOPS, TCP, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            checksum(&from.octets(), &to.octets(), &tcp)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0, 0, TCP_LENGTH as u8, TCP, HOPS]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            checksum(&from.octets(), &to.octets(), &tcp)
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(tcp);
    Ok(packet)
}

/// The checksum of a segment of even length with its pseudo-header (RFC 9293, 3.1).
fn checksum(from: &[u8], to: &[u8], tcp: &[u8]) -> u16 {
    let words = [from, to, tcp].into_iter().flat_map(|part| part.chunks_exact(2));
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let mut sum = sum + u32::from(TCP) + tcp.len() as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(local: &str, peer: &str) -> Waiter {
        let place = Place { cookie: 1, netns: 1, device: 0, local: local.parse().unwrap() };
        Waiter { pid: 1, place, peer: peer.parse().unwrap() }
    }

    #[test]
    fn segments_have_the_checksums_that_tcp_wants() {
        // Summed with its checksum, a segment gives all ones, whose complement is 0.
        let v4 = segment(&waiter("10.77.0.1:40000", "10.77.0.2:8643")).unwrap();
        assert_eq!((v4.len(), v4[8], checksum(&v4[12..16], &v4[16..20], &v4[20..])), (40, 1, 0));
        let v6 = segment(&waiter("[2001:db8::1]:40000", "[2001:db8::2]:80")).unwrap();
        assert_eq!((v6.len(), v6[7], checksum(&v6[8..24], &v6[24..40], &v6[40..])), (60, 1, 0));
        assert!(segment(&waiter("10.77.0.1:40000", "[2001:db8::2]:80")).is_err());
    }

    #[test]
    fn a_socket_that_cannot_be_had_is_told_and_asked_for_again() {
        let mut asked = Vec::new();
        let mut open = |pid, netns, family| {
            asked.push((pid, netns, family));
            Err(io::ErrorKind::PermissionDenied.into())
        };
        let mut sender = WakeupSender::default();
        for _ in 0..2 {
            let refused = sender.wake(Duration::ZERO, &waiter("127.0.0.1:1", "127.0.0.1:2"), &mut open);
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(asked, [(1, 1, IpFamily::V4); 2]);
    }
}
