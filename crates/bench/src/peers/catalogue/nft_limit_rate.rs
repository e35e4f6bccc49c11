use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "nft-limit-rate",
    says: "nft `limit rate`: SYNs above 10 a second, after a burst of 5, are dropped.",
    rules: Some(Rules::of("nft-limit-rate.nft", include_str!("../rules/nft-limit-rate.nft"))),
    means: Means::Nft { table: "inet peer" },
    limits: &[("10/second burst 5", "100000/second burst 100000")],
};
