//! What an IP packet says of a connection attempt.

use crate::observation::{Address, Flow, Refusal, Seen};
use etherparse::{LaxIpPayloadSlice, LaxIpSlice, ip_number};
use std::net::{Ipv4Addr, Ipv6Addr};

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet {
    /// It tells something of this attempt.
    Tells(Flow, Seen),
    /// TCP or ICMP that tells nothing of attempts.
    Silent,
    Other,
    Fragment,
    /// Too little of it was captured.
    CutShort,
    Damaged(&'static str),
}

/// Reads the beginning of an IP packet.
pub(super) fn read(packet: &[u8]) -> Packet {
    let Ok((ip, stopped)) = LaxIpSlice::from_slice(packet) else {
        let is_short = packet.len() < if packet.first().is_some_and(|byte| byte >> 4 == 6) { 40 } else { 20 };
        return if is_short { Packet::CutShort } else { Packet::Damaged("the IP header contradicts itself") };
    };
    if stopped.is_some() {
        return Packet::CutShort;
    }
    let inner = ip.payload();
    if inner.fragmented {
        return if matches!(inner.ip_number, ip_number::TCP) { Packet::Fragment } else { Packet::Other };
    }
    match inner.ip_number {
        ip_number::TCP => segment(&ip, inner),
        ip_number::ICMP => error_message(inner.payload, is_unreachable_v4),
        ip_number::IPV6_ICMP => error_message(inner.payload, is_unreachable_v6),
        _ => Packet::Other,
    }
}

fn ends(ip: &LaxIpSlice<'_>) -> (Address, Address) {
    match ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            (Ipv4Addr::from(header.source()).into(), Ipv4Addr::from(header.destination()).into())
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.header();
            (Ipv6Addr::from(header.source()).into(), Ipv6Addr::from(header.destination()).into())
        }
    }
}

fn flow(ip: &LaxIpSlice<'_>, ports: &[u8]) -> Flow {
    let (from, to) = ends(ip);
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    Flow { from, to, from_port: port(0), to_port: port(2) }
}

/// Reads no further than the flags: a short snaplen cuts the options off, and they matter to nobody here.
fn segment(ip: &LaxIpSlice<'_>, inner: &LaxIpPayloadSlice<'_>) -> Packet {
    let Some(header) = inner.payload.get(..14) else { return Packet::CutShort };
    let flags = header[13] & (SYN | RST | ACK);
    let flow = || flow(ip, header);
    match flags {
        SYN => {
            let isn = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            Packet::Tells(flow(), Seen::Syn(isn))
        }
        _ if flags == SYN | ACK => Packet::Tells(flow().reversed(), Seen::Answer),
        _ if flags & RST != 0 => Packet::Tells(flow().reversed(), Seen::Refusal(Refusal::Reset)),
        _ => Packet::Silent,
    }
}

/// An error message quotes the packet that it is about, at least to the ports.
fn error_message(message: &[u8], is_unreachable: fn(u8, u8) -> bool) -> Packet {
    let Some((header, quoted)) = message.split_at_checked(8) else { return Packet::CutShort };
    if !is_unreachable(header[0], header[1]) {
        return Packet::Silent;
    }
    // The quoted packet is cut short as a rule.
    let Ok((ip, None)) = LaxIpSlice::from_slice(quoted) else { return Packet::CutShort };
    match (ip.payload().ip_number, ip.payload().payload.get(..4)) {
        (ip_number::TCP, Some(ports)) => Packet::Tells(flow(&ip, ports), Seen::Refusal(Refusal::Unreachable)),
        (ip_number::TCP, None) => Packet::CutShort,
        _ => Packet::Silent,
    }
}

/// Linux ends a `connect()` at each of these, but not at "fragmentation needed", code 4.
fn is_unreachable_v4(kind: u8, code: u8) -> bool {
    kind == 3 && code != 4
}

fn is_unreachable_v6(kind: u8, _: u8) -> bool {
    kind == 1
}
