//! Reads the records that the kernel part writes into its ring buffer.

use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::fields;
use crate::decode::records::{AccountId, Became, HeldAttempt, RingEvent, Turn};
use halfopen_policy::Party;
use std::time::Duration;

/// One record; `None` if its kind is unknown, or it is too short for its kind.
pub(crate) fn read(bytes: &[u8]) -> Option<RingEvent> {
    match (*bytes.first()?).into() {
        abi::EVENT_HELD => plain::read(bytes).map(|record| RingEvent::Held(held_attempt(&record))),
        abi::EVENT_SUSPECT => plain::read(bytes).map(|record| RingEvent::Suspect(held_attempt(&record))),
        abi::EVENT_BEGAN => plain::read(bytes).map(|record| RingEvent::Began(held_attempt(&record))),
        _ => turn(&plain::read(bytes)?).map(RingEvent::Turn),
    }
}

fn held_attempt(record: &abi::held_record) -> HeldAttempt {
    HeldAttempt {
        at: Duration::from_nanos(record.at_ns),
        scope: ScopeId(record.scope),
        own: ScopeId::own(record.own).map(|scope| AccountId { scope, id: record.account }),
        interface: ScopeId::own(record.interface),
        party: Party { top: record.top, part: record.part },
        contact: fields::contact(record.contact),
        place: fields::place(&record.place),
        program: fields::program(record.pid, record.uid, record.comm, record.cgroup_id),
        destination: fields::socket_addr(record.addr, record.port),
        audited: record.audited != 0,
        waits_for: fields::waits_for(record.waits_for),
    }
}

fn turn(record: &abi::turn_record) -> Option<Turn> {
    let is = |flag| u32::from(record.flags) & flag != 0;
    let became = match record.kind.into() {
        abi::EVENT_ASKED => Became::Asked,
        abi::EVENT_LEFT => Became::Left,
        abi::EVENT_OUT => Became::Out { released: is(abi::TURN_RELEASED) },
        abi::EVENT_ENDED => Became::Ended {
            out_at: Duration::from_nanos(record.out_ns),
            established: is(abi::TURN_ESTABLISHED),
            host_slot: is(abi::TURN_HOST_SLOT),
            own_slot: is(abi::TURN_OWN_SLOT),
        },
        abi::EVENT_CLOSED => Became::Closed,
        _ => return None,
    };
    Some(Turn {
        at: Duration::from_nanos(record.at_ns),
        cookie: record.cookie,
        peer: fields::socket_addr(record.addr, 0).ip(),
        own: ScopeId::own(record.own).map(|scope| AccountId { scope, id: record.account }),
        became,
    })
}
