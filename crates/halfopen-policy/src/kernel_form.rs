//! Converts limits to the kernel part's form and back.

use crate::abi;
use crate::{ConnectRate, Connections, PerDestination};
use crate::{Excess, FirstContact, FirstDatagrams, Limits, Mode, OnSuspect, Order, Overflow, Rate, Share};
use std::time::Duration;

/// A time in nanoseconds, the kernel part's unit; `u64::MAX` if it does not fit.
#[must_use]
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The shift that turns `slot_life` into ticks of the wheel on which slots expire (`bpf/slots.h`): `slot_life >> shift`,
/// in nanoseconds, lies in 32..64.
#[must_use]
pub fn grid_shift(slot_life: Duration) -> u32 {
    nanos(slot_life).max(32).ilog2() - 5
}

/// `enum mode`.
#[must_use]
pub fn mode(mode: Mode) -> abi::mode {
    match mode {
        Mode::Enforce => abi::MODE_ENFORCE,
        Mode::Audit => abi::MODE_AUDIT,
        Mode::Off => abi::MODE_OFF,
    }
}

impl From<&Limits> for abi::limits {
    fn from(limits: &Limits) -> Self {
        Self {
            half_open: limits.half_open.unwrap_or(abi::UNLIMITED),
            queue: limits.queue,
            slot_life_ns: nanos(limits.slot_life),
            interval_ns: limits.drain.map_or(0, Rate::interval_ns),
            max_wait_ns: limits.max_wait.map_or(0, nanos),
            slot_shift: grid_shift(limits.slot_life),
            strict: limits.strict.into(),
            overflow_waits: (limits.overflow == Overflow::Wait).into(),
            first: limits.first_contact.as_ref().map_or_else(Default::default, first_contact),
            datagram_interval_ns: limits.datagrams.map_or(0, |datagrams| datagrams.rate.interval_ns()),
            datagram_dropped: limits
                .datagrams
                .is_some_and(|datagrams| datagrams.excess == Excess::Drop)
                .into(),
            connect_interval_ns: interval_of(limits.connections.rate),
            connect_burst_ns: burst_of(limits.connections.rate),
            time_wait_ns: limits.connections.time_wait.map_or(0, nanos),
            established: limits.connections.established.unwrap_or(abi::UNLIMITED),
            per_destination: limits.connections.per_destination.limits().into(),
            destination: destination(&limits.connections.per_destination),
            ..Self::default()
        }
    }
}

impl abi::limits {
    /// Whether connections are limited, in all or to each destination.
    #[must_use]
    pub fn limits_connections(&self) -> bool {
        self.connect_interval_ns != 0 || self.established != abi::UNLIMITED || self.per_destination != 0
    }
}

fn interval_of(rate: Option<ConnectRate>) -> u64 {
    rate.map_or(0, |of| of.rate.interval_ns())
}

fn burst_of(rate: Option<ConnectRate>) -> u64 {
    rate.map_or(0, ConnectRate::burst_ns)
}

fn destination(limits: &PerDestination) -> abi::destination_limits {
    abi::destination_limits {
        half_open: limits.half_open.unwrap_or(abi::UNLIMITED),
        established: limits.established.unwrap_or(abi::UNLIMITED),
        connect_interval_ns: interval_of(limits.rate),
        connect_burst_ns: burst_of(limits.rate),
    }
}

fn connect_rate_of(interval_ns: u64, burst_ns: u64) -> Option<ConnectRate> {
    let rate = Rate::new(1, Duration::from_nanos(interval_ns))?;
    Some(ConnectRate { rate, burst: Some(u32::try_from(burst_ns / interval_ns + 1).unwrap_or(u32::MAX)) })
}

fn connections_of(limits: &abi::limits) -> Connections {
    let limit = |number| (number != abi::UNLIMITED).then_some(number);
    let of = &limits.destination;
    Connections {
        rate: connect_rate_of(limits.connect_interval_ns, limits.connect_burst_ns),
        established: limit(limits.established),
        time_wait: (limits.time_wait_ns != 0).then(|| Duration::from_nanos(limits.time_wait_ns)),
        per_destination: PerDestination {
            half_open: limit(of.half_open),
            rate: connect_rate_of(of.connect_interval_ns, of.connect_burst_ns),
            established: limit(of.established),
        },
    }
}

impl From<&FirstContact> for abi::first_contact {
    fn from(first: &FirstContact) -> Self {
        first_contact(first)
    }
}

fn first_contact(first: &FirstContact) -> abi::first_contact {
    abi::first_contact {
        credit: first.credit.min(FirstContact::MOST) * abi::CREDIT,
        worth: first.worth_in_parts(),
        of_a_scan: first.answers_of_a_scan.map_or(0, Share::in_a_thousand),
        of_peers: first.answers_of_peers.in_a_thousand(),
        working_set: first.working_set.min(FirstContact::WORKING_SET_MOST) as u8,
        order: if first.order == Order::Either { abi::ORDER_EITHER } else { abi::ORDER_OLDEST } as u8,
        throttle: (first.on_suspect == OnSuspect::Throttle).into(),
        recover_ns: first.rate.interval_ns(),
        block_ns: match first.on_suspect {
            OnSuspect::Block(time) => nanos(time),
            OnSuspect::Notify | OnSuspect::Throttle => 0,
        },
        ..abi::first_contact::default()
    }
}

fn first_contact_of(first: &abi::first_contact) -> Option<FirstContact> {
    (first.credit != 0).then(|| FirstContact {
        credit: first.credit / abi::CREDIT,
        answers_of_a_scan: Share::new(first.of_a_scan),
        answers_of_peers: Share::new(first.of_peers).unwrap_or(FirstContact::adaptive().answers_of_peers),
        rate: Rate::of_interval(Duration::from_nanos(first.recover_ns)),
        working_set: first.working_set.into(),
        order: if u32::from(first.order) == abi::ORDER_OLDEST { Order::Oldest } else { Order::Either },
        on_suspect: match (first.throttle, first.block_ns) {
            (0, 0) => OnSuspect::Notify,
            (0, time) => OnSuspect::Block(Duration::from_nanos(time)),
            _ => OnSuspect::Throttle,
        },
    })
}

impl From<&abi::limits> for Limits {
    fn from(limits: &abi::limits) -> Self {
        Self {
            half_open: (limits.half_open != abi::UNLIMITED).then_some(limits.half_open),
            slot_life: Duration::from_nanos(limits.slot_life_ns),
            drain: Rate::new(1, Duration::from_nanos(limits.interval_ns)),
            strict: limits.strict != 0,
            queue: limits.queue,
            overflow: if limits.overflow_waits != 0 { Overflow::Wait } else { Overflow::Refuse },
            max_wait: (limits.max_wait_ns != 0).then(|| Duration::from_nanos(limits.max_wait_ns)),
            first_contact: first_contact_of(&limits.first),
            datagrams: Rate::new(1, Duration::from_nanos(limits.datagram_interval_ns)).map(|rate| {
                FirstDatagrams {
                    rate,
                    excess: if limits.datagram_dropped == 0 { Excess::Refuse } else { Excess::Drop },
                }
            }),
            connections: connections_of(limits),
        }
    }
}

/// Limits that hold nothing back, for a scope that has ended but still has attempts charged to it.
#[must_use]
pub fn no_limits(slot_life: Duration) -> abi::limits {
    abi::limits {
        half_open: abi::UNLIMITED,
        queue: u32::MAX,
        slot_life_ns: nanos(slot_life),
        slot_shift: grid_shift(slot_life),
        overflow_waits: 1,
        established: abi::UNLIMITED,
        destination: destination(&PerDestination::default()),
        ..abi::limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_between_a_64th_and_a_32nd_of_the_life() {
        for millis in [100, 999, 1_000, 1_024, 21_000, 3_600_000] {
            let life = Duration::from_millis(millis);
            let ticks = life.as_nanos() as u64 >> grid_shift(life);
            assert!((32..64).contains(&ticks), "{millis} ms: {ticks} ticks");
        }
    }
}
