//! What a recording tells of connection attempts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address as a number; IPv4 in its mapped form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(u128);

impl Address {
    /// The address as an IPv6 address; IPv4 in its mapped form.
    #[must_use]
    pub fn as_v6(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0)
    }

    /// The address in its own family.
    #[must_use]
    pub fn as_ip(self) -> IpAddr {
        self.as_v6().to_canonical()
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self(0xffff_0000_0000 | u128::from(address.to_bits()))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.to_bits())
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ip().fmt(f)
    }
}

/// Who dials whom: the ends of an attempt, whichever way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The host that dials.
    pub from: Address,
    /// The host that is dialled.
    pub to: Address,
    /// The port that dials.
    pub from_port: u16,
    /// The port that is dialled.
    pub to_port: u16,
}

impl Flow {
    /// The flow of the packets that come back.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, from_port: self.to_port, to_port: self.from_port }
    }
}

/// How an attempt was turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// By a RST.
    Reset,
    /// By ICMP: unreachable or prohibited.
    Unreachable,
}

/// What was seen of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A SYN with this initial sequence number. A re-sent one has the same.
    Syn(u32),
    /// The same, the first one of an attempt of this program.
    SynOf(u32, ProgramNumber),
    /// A SYN-ACK.
    Answer,
    /// It was turned down.
    Refusal(Refusal),
    /// Its program, or TCP, gave up.
    GivenUp,
}

/// A program of a recording that knows programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramNumber(pub u32);

/// The latest time that a recording may have, in nanoseconds since the epoch: in the year 2262. What is later is damage,
/// and timers set from it would run over.
pub const LATEST: u64 = i64::MAX as u64;

/// Something that was seen of an attempt, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// When it was seen, in nanoseconds since the epoch, up to [`LATEST`].
    pub at: u64,
    /// Whose it is.
    pub flow: Flow,
    /// What was seen.
    pub seen: Seen,
}
