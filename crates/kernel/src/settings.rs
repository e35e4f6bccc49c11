//! What the program wants enforced, and its form in the kernel's maps.

use crate::skeleton::types;
use halfopen_policy::{Limits, Mode, Overflow, Rate, RawTcp, slots};
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// Who is never held, only counted: whoever meets every condition that is given. At least one is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Essential {
    /// In this cgroup or below: its path from the root of the version 2 hierarchy, `/` first.
    pub cgroup: Option<String>,
    /// Run by this user, as the first user namespace numbers it.
    pub user: Option<u32>,
    /// Run from this file: known by inode and device, whatever its name is where it runs.
    pub exe: Option<PathBuf>,
}

/// What holds for the whole host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Hold, count or let alone.
    pub mode: Mode,
    /// Enforce until then, on the kernel's monotonic clock, whatever `mode` says: it holds again from then on, with or
    /// without a daemon.
    pub enforce_until: Option<Duration>,
    /// TCP through raw sockets.
    pub raw_tcp: RawTcp,
    /// Whether waiters may be woken by packets ([`crate::Poker`]).
    pub poke: bool,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// Who is never held.
    pub essential: Vec<Essential>,
    /// The host scope's limits.
    pub host: Limits,
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The kernel's form of one scope's limits.
pub(crate) fn limits(limits: &Limits) -> types::limits {
    types::limits {
        half_open: limits.half_open.unwrap_or(u32::MAX),
        queue: limits.queue,
        slot_life_ns: nanos(limits.slot_life),
        interval_ns: limits.drain.map_or(0, Rate::interval_ns),
        max_wait_ns: limits.max_wait.map_or(0, nanos),
        slot_shift: slots::grid_shift(limits.slot_life),
        strict: limits.strict.into(),
        overflow_waits: (limits.overflow == Overflow::Wait).into(),
        ..types::limits::default()
    }
}

/// The limits behind the kernel's form of them.
pub(crate) fn limits_of(limits: &types::limits) -> Limits {
    Limits {
        half_open: (limits.half_open != u32::MAX).then_some(limits.half_open),
        slot_life: Duration::from_nanos(limits.slot_life_ns),
        drain: Rate::new(1, Duration::from_nanos(limits.interval_ns)),
        strict: limits.strict != 0,
        queue: limits.queue,
        overflow: if limits.overflow_waits != 0 { Overflow::Wait } else { Overflow::Refuse },
        max_wait: (limits.max_wait_ns != 0).then(|| Duration::from_nanos(limits.max_wait_ns)),
    }
}

/// Limits that hold nothing back, for a scope that has ended but is still charged.
pub(crate) fn no_limits(slot_life: Duration) -> types::limits {
    types::limits {
        half_open: u32::MAX,
        queue: u32::MAX,
        slot_life_ns: nanos(slot_life),
        slot_shift: slots::grid_shift(slot_life),
        overflow_waits: 1,
        ..types::limits::default()
    }
}

pub(crate) fn mode(mode: Mode) -> u32 {
    match mode {
        Mode::Enforce => 0,
        Mode::Audit => 1,
        Mode::Off => 2,
    }
}

pub(crate) fn raw_tcp(raw_tcp: RawTcp) -> u32 {
    match raw_tcp {
        RawTcp::Refuse => 0,
        RawTcp::Count => 1,
        RawTcp::Allow => 2,
    }
}

/// A key of the `exempt` trie: the length of the mapped prefix, and its address.
pub(crate) fn prefix_key(net: IpNet) -> [u8; 20] {
    let (bits, addr) = match net {
        IpNet::V4(net) => (96 + u32::from(net.prefix_len()), net.network().to_ipv6_mapped()),
        IpNet::V6(net) => (u32::from(net.prefix_len()), net.network()),
    };
    let mut key = [0; 20];
    key[..4].copy_from_slice(&bits.to_ne_bytes());
    key[4..].copy_from_slice(&addr.octets());
    key
}
