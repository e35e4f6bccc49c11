//! The namespace that answers: the rules that make its addresses dead, refusing, unreachable or slow.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use crate::hosts::{Host, HostKind, PORT};
use crate::tag::Tag;
use crate::{LabError, Namespace, Prefix, Skip};

/// The client's own IPv4 address.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The world's own IPv4 address, always live on any port something listens on.
pub const WORLD_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The client's own IPv6 address.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// The world's own IPv6 address, always live on any port something listens on.
pub const WORLD_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// The interface between client and world, of this name on both sides.
pub(crate) const LINK: &str = "lab0";

/// How many packets the world has kept from a listener, by the kind of host they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Dropped for dead hosts.
    pub dead: u64,
    /// Reset for refusing hosts.
    pub refusing: u64,
    /// Answered by ICMP for unreachable hosts.
    pub unreachable: u64,
    /// First SYNs lost on the way to slow hosts.
    pub slow: u64,
    /// Dropped for addresses of the prefixes that no draw has named.
    pub undrawn: u64,
}

/// Joins the two namespaces by a veth pair.
pub(crate) fn link_by_veth(client: &Namespace, world: &Namespace) -> Result<(), LabError> {
    client.ip(&format!("link add {LINK} type veth peer name {LINK} netns {}\n", world.name()))
}

/// Gives both ends of the link their addresses, and the world its prefixes.
pub(crate) fn address(client: &Namespace, world: &Namespace, slow_drops: u8) -> Result<(), LabError> {
    // A TUN device's ring has this length. Debian's 6.12.117 and 7.3.4 refuse twice as much.
    let end = |v4: Ipv4Addr, v6: Ipv6Addr| {
        format!(
            "link set lo up\naddr add {v4}/24 dev {LINK}\naddr add {v6}/64 dev {LINK} nodad\n\
             link set {LINK} txqueuelen 16384\nlink set {LINK} up\n"
        )
    };
    let (v4, v6) = (Prefix::WORLD_V4, Prefix::WORLD_V6);
    raise_limits(world, &WORLD_SYSCTLS)?;
    raise_limits(client, &CLIENT_SYSCTLS)?;
    world.ip(&format!(
        "{}route add local {v4} dev lo\nroute add local {v6} dev lo\n",
        end(WORLD_V4, WORLD_V6)
    ))?;
    world.nft(&rules(slow_drops))?;
    client.ip(&format!(
        "{}route add {v4} via {WORLD_V4} dev {LINK}\nroute add {v6} via {WORLD_V6} dev {LINK}\n",
        end(CLIENT_V4, CLIENT_V6)
    ))
}

// ICMP errors are limited to one a second for each destination, which would make most unreachable hosts dead.
const WORLD_SYSCTLS: [(&str, &str); 8] = [
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv4/icmp_msgs_per_sec", "1000000"),
    ("ipv4/icmp_msgs_burst", "1000000"),
    ("ipv4/tcp_max_syn_backlog", "65536"),
    ("core/somaxconn", "65536"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/tcp_invalid_ratelimit", "0"),
];
const CLIENT_SYSCTLS: [(&str, &str); 2] =
    [("ipv4/ip_local_port_range", "10000 65535"), ("ipv4/conf/all/rp_filter", "0")];

fn raise_limits(namespace: &Namespace, sysctls: &[(&str, &str)]) -> Result<(), LabError> {
    namespace.run(|| {
        for (name, value) in sysctls {
            // Some belong to the host as a whole before 6.14, and are absent or read-only here then.
            if let Err(error) = std::fs::write(format!("/proc/sys/net/{name}"), value) {
                tracing::debug!(name, %error, "sysctl left as it is");
            }
        }
    })
}

fn rules(slow_drops: u8) -> String {
    let mut rules = String::from("table inet lab {\n");
    for counter in ["dead", "refusing", "unreachable", "slow", "undrawn"] {
        let _ = writeln!(rules, "counter {counter} {{ }}");
    }
    for (family, kind, prefix) in
        [("ip", "ipv4_addr", Prefix::WORLD_V4), ("ip6", "ipv6_addr", Prefix::WORLD_V6)]
    {
        let (connection, slow) =
            (format!("{family} saddr . tcp sport . {family} daddr . tcp dport"), format!("slow_{family}"));
        let _ = writeln!(rules, "map {family}_hosts {{ type {kind} : verdict; }}");
        for lost in 0..slow_drops {
            let _ = writeln!(
                rules,
                "set {slow}_{lost} {{ type {kind} . inet_service . {kind} . inet_service; size 262144; \
                 flags dynamic, timeout; timeout 2m; }}"
            );
        }
        let _ = writeln!(rules, "chain {slow} {{ tcp flags & (syn | ack) != syn accept");
        for lost in 0..slow_drops {
            let set = format!("@{slow}_{lost}");
            let _ =
                writeln!(rules, "{connection} != {set} add {set} {{ {connection} }} counter name slow drop");
        }
        let _ = writeln!(
            rules,
            "}}\nchain {family}_prefix {{ {family} daddr vmap @{family}_hosts\ncounter name undrawn drop; }}\n\
             chain {family}_input {{ type filter hook input priority 0; {family} daddr {prefix} goto {family}_prefix; }}"
        );
    }
    rules.push_str(
        "chain dead { counter name dead drop; }\n\
         chain refusing { counter name refusing; meta l4proto tcp reject with tcp reset; drop; }\n\
         chain unreachable { counter name unreachable;\n\
         meta nfproto ipv4 reject with icmp type host-unreachable;\n\
         meta nfproto ipv6 reject with icmpv6 type addr-unreachable; }\n}\n",
    );
    rules
}

/// Hands what is for another port to the listener on [`PORT`], as if that listened there too: the connection keeps its
/// address and port at both ends.
pub(crate) fn listen_on_every_port(world: &Namespace) -> Result<(), LabError> {
    let mut rules = String::from(
        "table inet lab_ports {\nchain prerouting { type filter hook prerouting priority mangle; policy accept;\n",
    );
    for (family, prefix) in [("ip", Prefix::WORLD_V4), ("ip6", Prefix::WORLD_V6)] {
        let _ =
            writeln!(rules, "{family} daddr {prefix} tcp dport != {PORT} tproxy {family} to :{PORT} accept");
    }
    rules.push_str("}\n}\n");
    world.nft(&rules).map(drop)
}

/// Makes drawn hosts answer as their kind does.
pub(crate) fn install(world: &Namespace, hosts: &[Host]) -> Result<(), LabError> {
    let mut script = String::new();
    for (family, v4) in [("ip", true), ("ip6", false)] {
        let mut hosts = hosts.iter().filter(|host| host.address.is_ipv4() == v4).peekable();
        if hosts.peek().is_none() {
            continue;
        }
        let _ = write!(script, "add element inet lab {family}_hosts {{ ");
        for host in hosts {
            let _ = write!(script, "{} : {}, ", host.address, verdict(host));
        }
        script.push_str("}\n");
    }
    world.nft(&script).map(drop)
}

/// Makes already drawn hosts answer as `kind` does from now on.
pub(crate) fn replace(world: &Namespace, addresses: &[IpAddr], kind: HostKind) -> Result<(), LabError> {
    let mut script = String::new();
    for address in addresses {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        let _ = writeln!(script, "delete element inet lab {family}_hosts {{ {address} }}");
        let verdict = verdict(&Host { address: *address, kind });
        let _ = writeln!(script, "add element inet lab {family}_hosts {{ {address} : {verdict} }}");
    }
    world.nft(&script).map(drop)
}

fn verdict(host: &Host) -> &'static str {
    match (host.kind, host.address) {
        (HostKind::Live, _) => "accept",
        (HostKind::Dead, _) => "goto dead",
        (HostKind::Refusing, _) => "goto refusing",
        (HostKind::Unreachable, _) => "goto unreachable",
        (HostKind::Slow, IpAddr::V4(_)) => "goto slow_ip",
        (HostKind::Slow, IpAddr::V6(_)) => "goto slow_ip6",
    }
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    counter: Option<Counter>,
}

#[derive(Deserialize)]
struct Counter {
    name: String,
    packets: u64,
}

/// Reads the counters of the rules.
pub(crate) fn dropped(world: &Namespace) -> Result<Dropped, LabError> {
    let text =
        crate::tool::run(world.command("nft").args(["-j", "list", "counters", "table", "inet", "lab"]), "")?;
    let listing: Listing = serde_json::from_str(&text).map_err(|error| LabError::Unreadable {
        from: "nft".to_owned(),
        reason: error.to_string(),
        text: text.clone(),
    })?;
    let mut dropped = Dropped::default();
    for counter in listing.nftables.into_iter().filter_map(|listed| listed.counter) {
        let total = match counter.name.as_str() {
            "dead" => &mut dropped.dead,
            "refusing" => &mut dropped.refusing,
            "unreachable" => &mut dropped.unreachable,
            "slow" => &mut dropped.slow,
            _ => &mut dropped.undrawn,
        };
        *total = counter.packets;
    }
    Ok(dropped)
}

/// Tries for real what every lab needs of the kernel.
pub(crate) fn try_out() -> Result<(), Skip> {
    let tag = Tag::fresh();
    let no_veth = |error: LabError| Skip::NoVeth(error.to_string());
    let world = Namespace::create(tag, "try-w").map_err(no_veth)?;
    let client = Namespace::create(tag, "try-c").map_err(no_veth)?;
    link_by_veth(&client, &world).map_err(no_veth)?;
    world.nft(&rules(1)).map(drop).map_err(|error| Skip::NoNftables(error.to_string()))
}
