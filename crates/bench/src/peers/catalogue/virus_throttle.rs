use crate::peers::peer::{Means, Peer};

pub const PEER: Peer = Peer {
    id: "virus-throttle",
    says: "halfopen, preset `virus-throttle`: past a working set of 5 hosts, one first contact a second.",
    rules: None,
    means: Means::Halfopen("virus-throttle"),
    limits: &[],
};
