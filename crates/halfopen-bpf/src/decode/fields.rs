//! Fields of the kernel part's records, as what they mean.

use crate::abi::plain::PlaceRecord;
use crate::decode::records::{Place, Program};
use crate::sys::text::escaped;
use halfopen_policy::{Contact, PortCell, Purse};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The destination; IPv4 comes mapped.
pub(crate) fn socket_addr(addr: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(addr)).to_canonical(), port)
}

/// Where a socket is.
pub(crate) fn place(record: &PlaceRecord) -> Place {
    Place {
        cookie: record.cookie,
        netns: record.netns,
        device: record.device,
        local: socket_addr(record.addr, record.port),
    }
}

/// `enum contact`.
pub(crate) fn contact(number: u8) -> Contact {
    match number {
        0 => Contact::Known,
        1 => Contact::First(Purse::Named),
        2 => Contact::First(Purse::Foreign),
        _ => Contact::First(PortCell::numbered(number - 3).map_or(Purse::Strangers, Purse::Port)),
    }
}

/// The program; its name ends at the first zero, and is [escaped](crate::sys::text::escaped).
pub(crate) fn program(pid: u32, uid: u32, comm: [u8; 16], cgroup_id: u64) -> Program {
    let end = comm.iter().position(|&byte| byte == 0).unwrap_or(comm.len());
    Program { pid, uid, comm: escaped(&comm[..end]), cgroup_id }
}
