use crate::peers::peer::{Means, Peer};

pub const PEER: Peer = Peer {
    id: "adaptive",
    says: "halfopen, preset `adaptive`, its default.",
    rules: None,
    means: Means::Halfopen("adaptive"),
    limits: &[],
};
