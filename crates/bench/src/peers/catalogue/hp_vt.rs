use std::borrow::Cow;

use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "hp-vt",
    says: "NFQUEUE with a virus throttle by hp-vt's published numbers: past a working set of 5 hosts, one new host a second; 200 SYNs are held, more are dropped.",
    rules: Some(Rules::of("nfqueue.iptables", include_str!("../rules/nfqueue.iptables"))),
    means: Means::Queue(Cow::Borrowed("virus-throttle --working-set 5 --delay-ms 1000 --queue 200")),
    limits: &[],
};
