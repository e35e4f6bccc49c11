use crate::peers::peer::{Means, Peer};

pub const PEER: Peer = Peer {
    id: "xp-sp2",
    says: "halfopen, preset `xp-sp2`: 10 half-open, 10 a second.",
    rules: None,
    means: Means::Halfopen("xp-sp2"),
    limits: &[],
};
