//! Settings as the numbers and structures of bpf/abi.h.

use crate::abi::CREDIT;
use crate::abi::skeleton::types;
use crate::settings::{NameTrust, Settings};
use halfopen_policy::{
    Excess, FirstContact, Limits, Mode, OnSuspect, Order, Overflow, Rate, RawTcp, Share, slots,
};
use ipnet::IpNet;
use std::time::Duration;

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
        first: limits.first_contact.as_ref().map_or_else(Default::default, first_contact),
        datagram_interval_ns: limits.datagrams.map_or(0, |datagrams| datagrams.rate.interval_ns()),
        datagram_dropped: limits.datagrams.is_some_and(|datagrams| datagrams.excess == Excess::Drop).into(),
        ..types::limits::default()
    }
}

fn first_contact(first: &FirstContact) -> types::first_contact {
    types::first_contact {
        credit: first.credit.min(FirstContact::MOST) * CREDIT,
        worth: first.worth_in_parts(),
        of_a_scan: first.answers_of_a_scan.map_or(0, Share::in_a_thousand),
        of_peers: first.answers_of_peers.in_a_thousand(),
        working_set: first.working_set.min(FirstContact::WORKING_SET_MOST) as u8,
        order: (first.order == Order::Either).into(),
        throttle: (first.on_suspect == OnSuspect::Throttle).into(),
        recover_ns: first.rate.interval_ns(),
        block_ns: match first.on_suspect {
            OnSuspect::Block(time) => nanos(time),
            OnSuspect::Notify | OnSuspect::Throttle => 0,
        },
        ..types::first_contact::default()
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

/// `enum names` of bpf/abi.h.
pub(crate) fn names(settings: &Settings) -> u32 {
    match settings.names {
        _ if !settings.reads_names() => 0,
        NameTrust::Off => 0,
        NameTrust::Client => 1,
        NameTrust::Host => 2,
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
