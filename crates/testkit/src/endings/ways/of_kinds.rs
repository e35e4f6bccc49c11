//! Connections of other kinds than a plain one of IPv4, closed by the client first.

use std::fs;
use std::net::TcpStream;

use super::{CLOSED_FIRST, OPEN};
use crate::endings::far::{Accepted, Far};
use crate::endings::orders::{How, Order};
use crate::endings::stage::{Open, Stage};
use crate::endings::{Kept, Seen, Way};
use crate::{CLIENT_V4, LabError, Namespace, TcpState};

/// The sysctl's bits: ask without a cookie, and give without one.
const WITHOUT_COOKIE: (&str, &str) = ("5", "1539");

pub const FAST_OPEN: Way = Way {
    name: "fast open",
    walk: |stage| {
        let (client, world) = WITHOUT_COOKIE;
        stage.lab.client().sysctl("net.ipv4.tcp_fastopen", client)?;
        stage.lab.world().sysctl("net.ipv4.tcp_fastopen", world)?;
        // What listened before does not take data in a SYN.
        stage.far = Far::listen(stage.lab.world(), stage.nat.fresh_port())?;
        let before = with_data_in_the_syn(stage.lab.world())?;
        let open = stage.open(stage.to(), How::FastOpen)?;
        if with_data_in_the_syn(stage.lab.world())? == before {
            return Err(LabError::NotOfItsKind("fast open"));
        }
        closed(stage, open)
    },
};

pub const MULTIPATH: Way = Way {
    name: "MPTCP",
    walk: |stage| {
        let mut open = stage.open(stage.to(), How::MultiPath)?;
        if !open.far.is_multipath() {
            return Err(LabError::NotOfItsKind("MPTCP"));
        }
        open.holder.follow(Order::Close)?;
        open.far.read_all()?;
        // The end of its data is said within the connection, whose segments go on until both have said so.
        stage.now("the client has closed", OPEN)?;
        drop(open.far);
        stage.now("the far end has closed too", CLOSED_FIRST)
    },
};

pub const IPV6: Way = Way {
    name: "IPv6",
    walk: |stage| {
        let open = stage.open(stage.to_v6(), How::Plain)?;
        closed(stage, open)
    },
};

pub const MAPPED: Way = Way {
    name: "mapped IPv4 address",
    walk: |stage| {
        let open = stage.open(stage.to(), How::Mapped)?;
        closed(stage, open)
    },
};

/// How many connections a namespace has accepted by fast open.
fn with_data_in_the_syn(world: &Namespace) -> Result<u64, LabError> {
    const COUNTS: &str = "/proc/thread-self/net/netstat";
    let text = world.run(|| fs::read_to_string(COUNTS))?.map_err(LabError::io(format!("read {COUNTS}")))?;
    // A line of names, then one of values.
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let count = lines.next().zip(lines.next()).and_then(|(names, values)| {
        names.zip(values).find(|(name, _)| *name == "TCPFastOpenPassive")?.1.parse().ok()
    });
    count.ok_or_else(|| LabError::Unreadable {
        from: COUNTS.to_owned(),
        reason: "no TCPFastOpenPassive".to_owned(),
        text,
    })
}

fn closed(stage: &mut Stage, mut open: Open) -> Result<(), LabError> {
    open.holder.follow(Order::Close)?;
    stage.closed("the client has closed", open)
}

/// The far end has dialled: a limit on what the client dials does not count it, nor does the NAT box have it towards the world.
pub const ACCEPTED: Way = Way {
    name: "accepted",
    walk: |stage| {
        let mut holder = stage.holder()?;
        let local = holder.follow(Order::Listen)?.local.map_or(0, |local| local.port());
        let dial = || TcpStream::connect((CLIENT_V4, local));
        let stream = stage.lab.world().run(dial)?.map_err(LabError::io("dial the client from the world"))?;
        let port = stream.local_addr().map_or(0, |from| from.port());
        holder.follow(Order::Accept)?;
        let client = stage.lab.client();
        let accepted = |state| Seen { client: Some(Kept::Accepted(state)), nat: None };
        stage.now_in(Some(client), port, "the client has accepted it", accepted(TcpState::Established))?;
        holder.follow(Order::Close)?;
        let mut far = Accepted(stream);
        far.read_all()?;
        stage.now_in(Some(client), port, "the client has closed", accepted(TcpState::FinWait2))?;
        drop(far);
        stage.now_in(Some(client), port, "the far end has closed too", accepted(TcpState::TimeWait))
    },
};
