//! What limits the connections of a tenant, not its attempts alone: how many are open, or how many are new.

use super::none;
use crate::peers::peer::{Means, Peer, Rules};

/// How many connections of a tenant the rules let be open.
pub const OPEN: usize = 100;
/// How many new ones of it a minute they let through.
pub const NEW_A_MINUTE: u32 = 1_000;

/// What a limiter of connections limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Nothing.
    Nothing,
    /// How many are open: [`OPEN`].
    Open,
    /// How many are new in a time: [`NEW_A_MINUTE`].
    New,
}

/// Limiters of connections, in the order in which results are shown.
pub const CONNECTION_PEERS: [(Peer, Limits); 8] = [
    (none::PEER, Limits::Nothing),
    (NFT_LIMIT_RATE, Limits::New),
    (HALFOPEN_RATE, Limits::New),
    (NFT_CT_COUNT, Limits::Open),
    (IPTABLES_CONNLIMIT, Limits::Open),
    (CALICO_IPTABLES, Limits::Open),
    (CALICO_NFT, Limits::Open),
    (HALFOPEN_ESTABLISHED, Limits::Open),
];

const fn peer(id: &'static str, says: &'static str, rules: Rules, means: Means) -> Peer {
    Peer { id, says, rules: Some(rules), means, limits: &[] }
}

const NFT_LIMIT_RATE: Peer = peer(
    "nft-limit-rate-cgroup",
    "nft `limit rate` for a cgroup: SYNs above 1,000 a minute, after a burst of 20, are dropped.",
    Rules::of("nft-limit-rate-cgroup.nft", include_str!("../rules/nft-limit-rate-cgroup.nft")),
    Means::Nft { table: "inet peer" },
);

const HALFOPEN_RATE: Peer = peer(
    "halfopen-rate",
    "halfopen, `connect_rate`: the same rate and burst; what is beyond it waits.",
    Rules::of("halfopen-rate.toml", include_str!("../rules/halfopen-rate.toml")),
    Means::HalfopenWith,
);

const NFT_CT_COUNT: Peer = peer(
    "nft-ct-count-cgroup",
    "nft `ct count` for a cgroup: a SYN is dropped while 100 connections are open as far as conntrack knows.",
    Rules::of("nft-ct-count-cgroup.nft", include_str!("../rules/nft-ct-count-cgroup.nft")),
    Means::Nft { table: "inet peer" },
);

const IPTABLES_CONNLIMIT: Peer = peer(
    "iptables-connlimit",
    "iptables `connlimit` by the source address: the same count, and a SYN beyond it is refused. It cannot tell cgroups \
     apart.",
    Rules::of("iptables-connlimit.iptables", include_str!("../rules/iptables-connlimit.iptables")),
    Means::Iptables,
);

const CALICO_IPTABLES: Peer = peer(
    "calico-iptables",
    "Calico's `egressMaxConnections` on its iptables data plane: the rules that Felix writes for a pod, at the first \
     router behind the client, which stands for the pod.",
    Rules::of("calico-connlimit.iptables", include_str!("../rules/calico-connlimit.iptables")),
    Means::IptablesOfRouter,
);

const CALICO_NFT: Peer = peer(
    "calico-nft",
    "The same on its nftables data plane.",
    Rules::of("calico-ct-count.nft", include_str!("../rules/calico-ct-count.nft")),
    Means::NftOfRouter { table: "inet peer" },
);

const HALFOPEN_ESTABLISHED: Peer = peer(
    "halfopen-established",
    "halfopen, `established`: 100 connections of the cgroup; the next one waits.",
    Rules::of("halfopen-established.toml", include_str!("../rules/halfopen-established.toml")),
    Means::HalfopenWith,
);
