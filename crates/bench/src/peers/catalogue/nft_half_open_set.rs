use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "nft-half-open-set",
    says: "nft dynamic set of half-open connections: a SYN adds one for 21 s, an answer deletes it; while there are 20, others are dropped.",
    rules: Some(Rules::of("nft-half-open-set.nft", include_str!("../rules/nft-half-open-set.nft"))),
    means: Means::Nft { table: "ip peer" },
    limits: &[("size 20", "size 100000")],
};
