//! The interfaces through which a host's containers reach the network: the host's ends of pairs of devices, and bridges
//! that have only such ends. The kernel is asked, because `/sys` may show another network namespace.

use super::netlink;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::io;
use std::ops::ControlFlow;

/// The most gates that are watched: `GATES` of bpf/abi.h.
const MOST: usize = crate::abi::GATES as usize;
const MOST_LISTED: usize = crate::abi::INTERFACES_LISTED as usize;

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
    /// The interface that it belongs to: a bridge, or another kind.
    bridge: Option<u32>,
}

#[derive(PartialEq)]
enum Kind {
    /// An end of a pair whose other end is in another network namespace.
    EndOfPair,
    Bridge,
    Other,
}

/// The interfaces of a network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// The gates.
    pub gates: Vec<Gate>,
    /// The numbers of the others.
    pub others: Vec<u32>,
}

/// The interfaces of this network namespace.
///
/// # Errors
/// If the kernel does not list them, or if there are more than can be watched.
pub fn gates() -> io::Result<Interfaces> {
    let all = interfaces()?;
    let gates = gates_among(&all);
    if gates.len() > MOST || all.len() > MOST_LISTED {
        return Err(io::Error::other(format!(
            "there are {} interfaces, {} of them of containers: more than the {MOST_LISTED} and {MOST} that can be watched",
            all.len(),
            gates.len()
        )));
    }
    let is_gate = |index: u32| gates.iter().any(|gate| gate.index == index);
    let others = all.iter().map(|interface| interface.index).filter(|index| !is_gate(*index)).collect();
    Ok(Interfaces { gates, others })
}

fn gates_among(all: &[Interface]) -> Vec<Gate> {
    let is_bridge = |index: u32| all.iter().any(|other| other.index == index && other.kind == Kind::Bridge);
    let is_gate = |interface: &&Interface| match interface.kind {
        // The packets of a port reach the network through its bridge.
        Kind::EndOfPair => !interface.bridge.is_some_and(is_bridge),
        // One without ports stays a gate: a container that starts again gets no fresh credit.
        Kind::Bridge => {
            let mut ports = all.iter().filter(|port| port.bridge == Some(interface.index));
            ports.all(|port| port.kind == Kind::EndOfPair)
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
    gates
}

fn interfaces() -> io::Result<Vec<Interface>> {
    let mut found = Vec::new();
    let links = RouteNetlinkMessage::GetLink(LinkMessage::default());
    netlink::dump(NETLINK_ROUTE, links, None, |message| {
        if let RouteNetlinkMessage::NewLink(link) = message {
            found.push(read(link));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
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
        assert_eq!(found, [(2, false), (3, true), (8, true)]);
    }

    #[test]
    fn the_kernel_lists_its_interfaces() {
        let found = interfaces().unwrap();
        assert!(found.iter().any(|interface| interface.name == "lo" && interface.kind == Kind::Other));
    }
}
