//! Recordings made for tests: packets of attempts, in every form that is read.

#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part")]

pub mod logs;
pub mod own;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader};
use halfopen_replay::input::{Counts, Input};
use halfopen_replay::{Observation, Options, Policy, Replay, Replayed};
use std::io::{Cursor, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;
/// When recordings begin.
pub const ZERO: u64 = 1_700_000_000 * SECOND;

pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// A packet of IP, and when it was captured.
#[derive(Debug, Clone)]
pub struct Captured {
    pub at: u64,
    pub packet: Vec<u8>,
}

fn ip(from: IpAddr, to: IpAddr, number: IpNumber, inner: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = inner.len() as u16;
            Ipv4Header::new(length, 64, number, from.octets(), to.octets())
                .unwrap()
                .write(&mut packet)
                .unwrap();
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                payload_length: inner.len() as u16,
                next_header: number,
                hop_limit: 64,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            header.write(&mut packet).unwrap();
        }
        _ => panic!("one family"),
    }
    packet.extend_from_slice(inner);
    packet
}

/// Who dials whom.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub from: IpAddr,
    pub from_port: u16,
    pub to: IpAddr,
    pub to_port: u16,
}

impl Ends {
    pub fn new(from: &str, from_port: u16, to: &str, to_port: u16) -> Self {
        Self { from: from.parse().unwrap(), from_port, to: to.parse().unwrap(), to_port }
    }

    fn back(self) -> Self {
        Self { from: self.to, from_port: self.to_port, to: self.from, to_port: self.from_port }
    }

    /// A segment with options, as the SYNs of all systems have them.
    fn segment(self, number: u32, flags: u8) -> Vec<u8> {
        let mut header = TcpHeader::new(self.from_port, self.to_port, number, 65_535);
        header.syn = flags & SYN != 0;
        header.rst = flags & RST != 0;
        header.ack = flags & ACK != 0;
        header.set_options_raw(&[2, 4, 5, 180, 4, 2, 1, 1]).unwrap();
        let mut segment = Vec::new();
        header.write(&mut segment).unwrap();
        ip(self.from, self.to, IpNumber::TCP, &segment)
    }

    pub fn syn(self, at: u64) -> Captured {
        Captured { at, packet: self.segment(7, SYN) }
    }

    /// A SYN of another attempt.
    pub fn syn_with(self, at: u64, isn: u32) -> Captured {
        Captured { at, packet: self.segment(isn, SYN) }
    }

    pub fn answer(self, at: u64) -> Captured {
        Captured { at, packet: self.back().segment(9, SYN | ACK) }
    }

    pub fn reset(self, at: u64) -> Captured {
        Captured { at, packet: self.back().segment(0, RST | ACK) }
    }

    /// Data, which tells nothing of attempts.
    pub fn data(self, at: u64) -> Captured {
        Captured { at, packet: self.segment(8, ACK) }
    }

    /// A router's error message, which quotes no more than it must.
    pub fn unreachable(self, at: u64, code: u8) -> Captured {
        let quoted = self.segment(7, SYN);
        let header = if self.from.is_ipv4() { 20 } else { 40 };
        let (kind, number, router) = if self.from.is_ipv4() {
            (3, IpNumber::ICMP, "192.0.2.254".parse().unwrap())
        } else {
            (1, IpNumber::IPV6_ICMP, "2001:db8::fe".parse().unwrap())
        };
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&quoted[..header + 8]);
        Captured { at, packet: ip(router, self.from, number, &message) }
    }
}

/// A link layer: its number in files, and what it puts before a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    Vlan,
    StackedVlans,
    Cooked,
    Cooked2,
    Raw,
    Null,
    NullOfAnotherOrder,
}

impl Link {
    pub const ALL: [Self; 8] = [
        Self::Ethernet,
        Self::Vlan,
        Self::StackedVlans,
        Self::Cooked,
        Self::Cooked2,
        Self::Raw,
        Self::Null,
        Self::NullOfAnotherOrder,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan | Self::StackedVlans => 1,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Raw => 101,
            Self::Null | Self::NullOfAnotherOrder => 0,
        }
    }

    pub fn frame(self, packet: &[u8]) -> Vec<u8> {
        let is_v4 = packet[0] >> 4 == 4;
        let kind: [u8; 2] = if is_v4 { [8, 0] } else { [0x86, 0xdd] };
        let mut frame = match self {
            Self::Ethernet | Self::Vlan | Self::StackedVlans => vec![2; 12],
            Self::Cooked => vec![0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0],
            Self::Cooked2 => [kind.as_slice(), &[0; 18]].concat(),
            Self::Raw => Vec::new(),
            Self::Null => if is_v4 { [2, 0, 0, 0] } else { [30, 0, 0, 0] }.to_vec(),
            Self::NullOfAnotherOrder => if is_v4 { [0, 0, 0, 2] } else { [0, 0, 0, 24] }.to_vec(),
        };
        match self {
            Self::Vlan => frame.extend([0x81, 0, 0, 5]),
            Self::StackedVlans => frame.extend([0x88, 0xa8, 0, 6, 0x81, 0, 0, 5]),
            _ => {}
        }
        if matches!(self, Self::Ethernet | Self::Vlan | Self::StackedVlans | Self::Cooked) {
            frame.extend(kind);
        }
        frame.extend_from_slice(packet);
        frame
    }
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Pcap { nanoseconds: bool, big_endian: bool },
    Pcapng { big_endian: bool },
}

impl Form {
    pub const ALL: [Self; 6] = [
        Self::Pcap { nanoseconds: false, big_endian: false },
        Self::Pcap { nanoseconds: false, big_endian: true },
        Self::Pcap { nanoseconds: true, big_endian: false },
        Self::Pcap { nanoseconds: true, big_endian: true },
        Self::Pcapng { big_endian: false },
        Self::Pcapng { big_endian: true },
    ];

    fn number(self, number: u32) -> [u8; 4] {
        let (Self::Pcap { big_endian, .. } | Self::Pcapng { big_endian }) = self;
        if big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn pair(self, first: u16, second: u16) -> Vec<u8> {
        let (Self::Pcap { big_endian, .. } | Self::Pcapng { big_endian }) = self;
        let bytes = |number: u16| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        [bytes(first), bytes(second)].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = self.number((12 + body.len() + padding.len()) as u32);
        [&self.number(kind), &length, body, &padding, &length].concat()
    }

    /// What comes before the packets.
    pub fn beginning(self, link: Link) -> Vec<u8> {
        match self {
            Self::Pcap { nanoseconds, .. } => [
                self.number(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec(),
                self.pair(2, 4),
                self.number(0).to_vec(),
                self.number(0).to_vec(),
                self.number(262_144).to_vec(),
                self.number(link.number()).to_vec(),
            ]
            .concat(),
            Self::Pcapng { .. } => {
                let section = [self.number(0x1a2b_3c4d).to_vec(), self.pair(1, 0), vec![0xff; 8]].concat();
                // Its clock ticks in nanoseconds: option 9, one byte.
                let resolution = [self.pair(9, 1), vec![9, 0, 0, 0], self.pair(0, 0)].concat();
                let described =
                    [self.pair(link.number() as u16, 0), self.number(262_144).to_vec(), resolution].concat();
                [self.block(0x0a0d_0d0a, &section), self.block(1, &described)].concat()
            }
        }
    }

    /// A packet of which at most `snaplen` bytes were captured.
    pub fn packet(self, link: Link, captured: &Captured, snaplen: usize) -> Vec<u8> {
        let frame = link.frame(&captured.packet);
        let kept = &frame[..frame.len().min(snaplen)];
        let lengths = [self.number(kept.len() as u32), self.number(frame.len() as u32)].concat();
        match self {
            Self::Pcap { nanoseconds, .. } => {
                let second = self.number((captured.at / SECOND) as u32);
                let unit = if nanoseconds { 1 } else { 1_000 };
                let tick = self.number((captured.at % SECOND / unit) as u32);
                [&second, &tick, lengths.as_slice(), kept].concat()
            }
            Self::Pcapng { .. } => {
                let [high, low] =
                    [captured.at >> 32, captured.at & 0xffff_ffff].map(|half| self.number(half as u32));
                self.block(6, &[&self.number(0), &high, &low, lengths.as_slice(), kept].concat())
            }
        }
    }

    pub fn file(self, link: Link, all: &[Captured]) -> Vec<u8> {
        self.file_with(link, all, usize::MAX)
    }

    pub fn file_with(self, link: Link, all: &[Captured], snaplen: usize) -> Vec<u8> {
        let packets = all.iter().flat_map(|captured| self.packet(link, captured, snaplen));
        self.beginning(link).into_iter().chain(packets).collect()
    }
}

pub const PLAIN: Form = Form::Pcap { nanoseconds: true, big_endian: false };

/// A file of packets in order.
pub fn capture(mut all: Vec<Captured>) -> Vec<u8> {
    all.sort_by_key(|captured| captured.at);
    PLAIN.file(Link::Ethernet, &all)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn input(bytes: Vec<u8>) -> Input {
    Input::of(Box::new(Cursor::new(bytes)), Path::new("test")).unwrap()
}

/// All that a recording tells, and what was counted.
pub fn read(bytes: Vec<u8>) -> (Vec<Observation>, Counts) {
    let mut input = input(bytes);
    let mut all = Vec::new();
    while let Some(observation) = input.observation().unwrap() {
        all.push(observation);
    }
    (all, input.counts().clone())
}

pub fn policy(name: &str) -> Policy {
    use halfopen_policy::{FirstContact, Limits};
    let free = Limits { half_open: None, slot_life: Duration::from_secs(1), drain: None, ..Limits::xp_sp2() };
    let credit = |first_contact| Limits { first_contact: Some(first_contact), ..free };
    let (host, own) = match name {
        "adaptive" => (Some(Limits { half_open: Some(256), ..free }), Some(credit(FirstContact::adaptive()))),
        "virus-throttle" => (Some(credit(FirstContact::virus_throttle())), None),
        "xp-sp2" => (Some(Limits::xp_sp2()), None),
        "off" => (None, None),
        _ => panic!("no policy {name}"),
    };
    Policy {
        name: name.to_owned(),
        host,
        own,
        accounts: None,
        exempt: Vec::new(),
        known_for: Duration::from_hours(1),
    }
}

/// What becomes of a recording under these policies.
pub fn replay(names: &[&str], bytes: Vec<u8>) -> Replayed {
    let mut replay = Replay::new(names.iter().map(|name| policy(name)).collect(), Options::default());
    replay.read(input(bytes)).unwrap();
    replay.finish()
}
