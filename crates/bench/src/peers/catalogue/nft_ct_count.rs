use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "nft-ct-count",
    says: "nft `ct count`: a SYN is dropped while 20 connections that conntrack knows are open or half-open.",
    rules: Some(Rules::of("nft-ct-count.nft", include_str!("../rules/nft-ct-count.nft"))),
    means: Means::Nft { table: "inet peer" },
    limits: &[("over 20", "over 100000")],
};
