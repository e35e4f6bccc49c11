use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "iptables-hashlimit",
    says: "iptables `hashlimit`: the same by the source address, with its own default burst of 5.",
    rules: Some(Rules::of(
        "iptables-hashlimit.iptables",
        include_str!("../rules/iptables-hashlimit.iptables"),
    )),
    means: Means::Iptables,
    limits: &[(
        "--hashlimit-above 10/second --hashlimit-burst 5",
        "--hashlimit-above 100000/second --hashlimit-burst 10000",
    )],
};
