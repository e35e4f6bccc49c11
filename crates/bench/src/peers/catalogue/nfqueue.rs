use std::borrow::Cow;

use crate::peers::peer::{Means, Peer, Rules};

pub const PEER: Peer = Peer {
    id: "nfqueue",
    says: "NFQUEUE with a program in user space: SYNs queue, first in, first out, for 10 a second, after a burst of 5.",
    rules: Some(Rules::of("nfqueue.iptables", include_str!("../rules/nfqueue.iptables"))),
    means: Means::Queue(Cow::Borrowed("fifo --per-second 10 --burst 5 --queue 10000")),
    limits: &[("--per-second 10 --burst 5", "--per-second 1000000 --burst 1000000")],
};
