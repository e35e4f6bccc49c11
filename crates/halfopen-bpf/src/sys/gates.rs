//! The interfaces through which a host's containers reach the network: the host's ends of pairs of devices, and bridges
//! that have only such ends. The kernel is asked, because `/sys` may show another network namespace.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// The most gates that are watched: `GATES` of bpf/abi.h.
const MOST: usize = crate::abi::GATES as usize;

/// An interface through which containers reach the network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is a bridge, which several containers share.
    pub shared: bool,
}

/// What is to be known of an interface.
struct Interface {
    index: u32,
    name: String,
    kind: Kind,
    /// The bridge whose port it is.
    bridge: Option<u32>,
}

#[derive(PartialEq)]
enum Kind {
    /// An end of a pair whose other end is in another network namespace.
    EndOfPair,
    Bridge,
    Other,
}

/// The gates of this network namespace; the first 512 by number.
///
/// # Errors
/// If the kernel does not list its interfaces.
pub fn gates() -> io::Result<Vec<Gate>> {
    Ok(gates_among(&interfaces()?))
}

fn gates_among(all: &[Interface]) -> Vec<Gate> {
    let is_gate = |interface: &&Interface| match interface.kind {
        // The packets of a port reach the network through its bridge.
        Kind::EndOfPair => interface.bridge.is_none(),
        Kind::Bridge => {
            let mut ports = all.iter().filter(|port| port.bridge == Some(interface.index)).peekable();
            ports.peek().is_some() && ports.all(|port| port.kind == Kind::EndOfPair)
        }
        Kind::Other => false,
    };
    let gates = all.iter().filter(is_gate);
    let mut gates: Vec<Gate> = gates
        .map(|interface| Gate {
            index: interface.index,
            name: interface.name.clone(),
            shared: interface.kind == Kind::Bridge,
        })
        .collect();
    gates.sort_unstable();
    gates.truncate(MOST);
    gates
}

fn interfaces() -> io::Result<Vec<Interface>> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let list = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let mut request = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(list));
    request.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => found.push(read(link)),
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            rest = rest.get(message.header.length.next_multiple_of(4) as usize..).unwrap_or_default();
        }
    }
}

fn read(link: LinkMessage) -> Interface {
    let mut found =
        Interface { index: link.header.index, name: String::new(), kind: Kind::Other, bridge: None };
    let (mut is_pair, mut is_elsewhere) = (false, false);
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name = name,
            LinkAttribute::Controller(bridge) => found.bridge = Some(bridge),
            LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(InfoKind::Veth | InfoKind::Netkit) => is_pair = true,
                        LinkInfo::Kind(InfoKind::Bridge) => found.kind = Kind::Bridge,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if is_pair && is_elsewhere {
        found.kind = Kind::EndOfPair;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, kind: Kind, bridge: Option<u32>) -> Interface {
        Interface { index, name: format!("i{index}"), kind, bridge }
    }

    #[test]
    fn a_bridge_with_a_port_to_the_outside_is_no_gate() {
        let all = [
            interface(1, Kind::Other, None),
            interface(2, Kind::EndOfPair, None),
            interface(3, Kind::Bridge, None),
            interface(4, Kind::EndOfPair, Some(3)),
            interface(5, Kind::Bridge, None),
            interface(6, Kind::EndOfPair, Some(5)),
            interface(7, Kind::Other, Some(5)),
            interface(8, Kind::Bridge, None),
        ];
        let found: Vec<_> = gates_among(&all).into_iter().map(|gate| (gate.index, gate.shared)).collect();
        assert_eq!(found, [(2, false), (3, true)]);
    }

    #[test]
    fn the_kernel_lists_its_interfaces() {
        let found = interfaces().unwrap();
        assert!(found.iter().any(|interface| interface.name == "lo" && interface.kind == Kind::Other));
    }
}
