//! Segments that belong to no stack: somebody on the way, or a program with a raw socket, makes them up.

use std::io;
use std::net::SocketAddrV4;

use socket2::{Domain, Protocol, Socket, Type};

use crate::{LabError, Namespace};

/// The protocol of a raw socket whose packets bring their own header.
const RAW: i32 = 255;
const TCP: u8 = 6;
const HOPS: u8 = 64;

/// What the segment claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    Reset = 0x04,
    /// With the ACK that each segment of an open connection has.
    FinAck = 0x11,
}

/// Sends a segment from the namespace, by its own routes. Its sequence number is 0, which fits a connection by an accident of
/// one in tens of thousands.
pub(super) fn forge(
    namespace: &Namespace,
    from: SocketAddrV4,
    to: SocketAddrV4,
    flags: Flags,
) -> Result<(), LabError> {
    let send = || -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
        // The port of a raw socket's address is no port, and 0.
        socket.send_to(&packet(from, to, flags), &SocketAddrV4::new(*to.ip(), 0).into()).map(drop)
    };
    namespace.run(send)?.map_err(LabError::io(format!("send a forged segment from {from} to {to}")))
}

/// RFC 791 and RFC 9293. The kernel fills in the length and the checksum of the IP header.
fn packet(from: SocketAddrV4, to: SocketAddrV4, flags: Flags) -> Vec<u8> {
    let (source, destination) = (from.ip().octets(), to.ip().octets());
    let mut segment = Vec::new();
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    // Sequence and acknowledgement numbers; five words of header; the window; checksum and urgent pointer.
    segment.extend([0; 8]);
    segment.extend([5 << 4, flags as u8, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo =
        [&source[..], &destination, &[0, TCP], &(segment.len() as u16).to_be_bytes(), &segment].concat();
    segment[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, HOPS, TCP, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend(segment);
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from)).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
