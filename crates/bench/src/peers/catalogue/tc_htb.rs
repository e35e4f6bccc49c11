use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "tc-htb",
    says: "tc HTB: SYNs queue for a class of 10 a second (5,920 bit/s of frames of 74 bytes), after a burst of 5.",
    rules: Some(Rules::of("tc-htb.tc", include_str!("../rules/tc-htb.tc"))),
    means: Means::Tc,
    limits: &[("5920bit", "10gbit"), ("burst 370 cburst 370", "burst 60000 cburst 60000")],
};
