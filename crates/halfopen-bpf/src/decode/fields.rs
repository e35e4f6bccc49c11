//! Fields of the kernel part's records, by meaning.

use crate::abi;
use crate::decode::records::{Place, Program, WaitsFor};
use crate::sys::text::escaped;
use halfopen_policy::{Contact, CreditBucket, PortCell};
use std::ffi::c_char;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A socket address; IPv4 addresses come mapped.
pub(crate) fn socket_addr(addr: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(addr)).to_canonical(), port)
}

/// Where a socket is.
pub(crate) fn place(record: &abi::place) -> Place {
    Place {
        cookie: record.cookie,
        netns: record.netns,
        device: record.device,
        local: socket_addr(record.addr, record.port),
    }
}

/// `enum contact`.
pub(crate) fn contact(number: u8) -> Contact {
    match number.into() {
        abi::CONTACT_KNOWN => Contact::Known,
        abi::CONTACT_NAMED => Contact::First(CreditBucket::Named),
        abi::CONTACT_FOREIGN => Contact::First(CreditBucket::Foreign),
        _ => {
            let cell = PortCell::numbered(number - abi::CONTACT_STRANGER as u8);
            Contact::First(cell.map_or(CreditBucket::Strangers, CreditBucket::Port))
        }
    }
}

/// `enum waits_for`.
pub(crate) fn waits_for(number: u8) -> WaitsFor {
    match number.into() {
        abi::WAITS_TO_OPEN => WaitsFor::Connection,
        abi::WAITS_TO_REACH => WaitsFor::Destination,
        _ => WaitsFor::Slot,
    }
}

/// The program; its name ends at the first zero, and is [`escaped`].
pub(crate) fn program(pid: u32, uid: u32, comm: [c_char; 16], cgroup_id: u64) -> Program {
    Program { pid, uid, comm: escaped(&abi::before_zero(&comm)), cgroup_id }
}
