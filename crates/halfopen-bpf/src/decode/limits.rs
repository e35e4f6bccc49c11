//! The limits behind the kernel's form of them.

use crate::abi::CREDIT;
use crate::abi::skeleton::types;
use halfopen_policy::{
    Excess, FirstContact, FirstDatagrams, Limits, OnSuspect, Order, Overflow, Rate, Share,
};
use std::time::Duration;

fn first_contact_of(first: &types::first_contact) -> Option<FirstContact> {
    (first.credit != 0).then(|| FirstContact {
        credit: first.credit / CREDIT,
        answers_of_a_scan: Share::new(first.of_a_scan),
        answers_of_peers: Share::new(first.of_peers).unwrap_or(FirstContact::adaptive().answers_of_peers),
        rate: Rate::of_interval(Duration::from_nanos(first.recover_ns)),
        working_set: first.working_set.into(),
        order: if first.order == 0 { Order::Oldest } else { Order::Either },
        on_suspect: match (first.throttle, first.block_ns) {
            (0, 0) => OnSuspect::Notify,
            (0, time) => OnSuspect::Block(Duration::from_nanos(time)),
            _ => OnSuspect::Throttle,
        },
    })
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
        first_contact: first_contact_of(&limits.first),
        datagrams: Rate::new(1, Duration::from_nanos(limits.datagram_interval_ns)).map(|rate| {
            FirstDatagrams {
                rate,
                excess: if limits.datagram_dropped == 0 { Excess::Refuse } else { Excess::Drop },
            }
        }),
    }
}
