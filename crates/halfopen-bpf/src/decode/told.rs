//! Reading what the kernel part writes into its ring buffer.

use crate::abi::plain::{HeldRecord, TurnRecord};
use crate::abi::{ScopeId, plain};
use crate::decode::fields;
use crate::decode::records::{AccountId, Became, HeldAttempt, Told, Turn};
use halfopen_policy::Party;
use std::time::Duration;

/// `enum told` of bpf/abi.h.
const HELD: u8 = 0;
const ASKED: u8 = 1;
const LEFT: u8 = 2;
const OUT: u8 = 3;
const ENDED: u8 = 4;
const SUSPECT: u8 = 5;

/// `enum turn_flag`.
const ESTABLISHED: u8 = 1;
const RELEASED: u8 = 2;
const HOST_SLOT: u8 = 4;
const OWN_SLOT: u8 = 8;

/// One record; `None` for one of an unknown kind, or too short for its kind.
pub(crate) fn read(bytes: &[u8]) -> Option<Told> {
    match *bytes.first()? {
        HELD => plain::read(bytes).map(|record| Told::Held(held_attempt(&record))),
        SUSPECT => plain::read(bytes).map(|record| Told::Suspect(held_attempt(&record))),
        _ => turn(&plain::read(bytes)?).map(Told::Turn),
    }
}

fn held_attempt(record: &HeldRecord) -> HeldAttempt {
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
    }
}

fn turn(record: &TurnRecord) -> Option<Turn> {
    let is = |flag| record.flags & flag != 0;
    let became = match record.kind {
        ASKED => Became::Asked,
        LEFT => Became::Left,
        OUT => Became::Out { released: is(RELEASED) },
        ENDED => Became::Ended {
            out_at: Duration::from_nanos(record.out_ns),
            established: is(ESTABLISHED),
            host_slot: is(HOST_SLOT),
            own_slot: is(OWN_SLOT),
        },
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
