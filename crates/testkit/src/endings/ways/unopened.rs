//! Connections that never open.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{gone, seen};
use crate::TcpState;
use crate::endings::orders::{How, Order};
use crate::endings::{Kept, Seen, Way};
use crate::nat::EntryState;

/// An address of the world that draws are unlikely to name: what is sent there is dropped.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 254));

pub const REFUSED: Way = Way {
    name: "refused",
    walk: |stage| {
        // A port that nobody has listened on.
        let port = stage.nat.fresh_port();
        let to = SocketAddr::new(stage.to().ip(), port);
        let mut holder = stage.holder()?;
        holder.fail(Order::Connect { to, how: How::Plain })?;
        // A NAT box forgets at once what it has only seen the SYN of.
        let nothing = Seen { client: None, nat: None };
        stage.now_in(Some(stage.lab.client()), port, "the far end has refused it", nothing)
    },
};

/// The NAT box hears nothing of the end.
pub const SILENT: Way = Way {
    name: "unanswered",
    walk: |stage| {
        let to = SocketAddr::new(NOBODY, stage.far.port());
        let mut holder = stage.holder()?;
        let order = Order::Connect { to, how: How::Impatient };
        holder.tell(order)?;
        stage.now("a SYN has left", seen(Kept::Dialled(TcpState::SynSent), EntryState::SynSent))?;
        holder.fail_told(&order)?;
        stage.now("the client has given up", gone(EntryState::SynSent))
    },
};
