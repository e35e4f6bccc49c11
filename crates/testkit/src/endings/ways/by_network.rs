//! The network ends it, or comes back.

use super::{CLOSED_FIRST, OPEN, gone, seen};
use crate::TcpState;
use crate::endings::orders::{How, Order};
use crate::endings::{Kept, Seen, Way};
use crate::nat::EntryState;

/// The NAT box hears nothing of the end.
pub const USER_TIMEOUT: Way = Way {
    name: "TCP_USER_TIMEOUT towards a vanished peer",
    walk: |stage| {
        let mut open = stage.open(stage.to(), How::Impatient)?;
        stage.nat.cut(stage.far.port())?;
        open.holder.follow(Order::Send)?;
        stage.now("the peer has vanished", OPEN)?;
        open.holder.fail(Order::Read)?;
        stage.now("the client has given up", gone(EntryState::Established))
    },
};

pub const LINK_DOWN_AND_UP: Way = Way {
    name: "close while the link is down",
    walk: |stage| {
        let guest = stage.nat.guest()?;
        let (namespace, port) = (guest.namespace(), stage.far.port());
        let mut open = stage.open_from(namespace, stage.to(), How::Plain)?;
        stage.now_in(Some(namespace), port, "it was opened", OPEN)?;
        guest.link(false)?;
        open.holder.follow(Order::Close)?;
        let unheard = seen(Kept::Dialled(TcpState::FinWait1), EntryState::Established);
        stage.now_in(Some(namespace), port, "the client has closed with the link down", unheard)?;
        guest.link(true)?;
        open.far.read_all()?;
        let orphan = Some(Kept::Remembered(TcpState::FinWait2));
        // The NAT box takes the second FIN of the client, which was not answered in time, for the far end's.
        stage.until(Some(namespace), port, "the FIN to be answered", |seen| seen.client == orphan)?;
        drop(open.far);
        stage.now_in(Some(namespace), port, "the link is up again and the far end has closed", CLOSED_FIRST)
    },
};

/// As when a container is removed: the NAT box hears nothing of the end.
pub const NAMESPACE_DELETED: Way = Way {
    name: "interface and namespace deleted",
    walk: |stage| {
        let guest = stage.nat.guest()?;
        let port = stage.far.port();
        guest.namespace().sysctl("net.ipv4.tcp_orphan_retries", "3")?;
        let mut open = stage.open_from(guest.namespace(), stage.to(), How::Plain)?;
        stage.now_in(Some(guest.namespace()), port, "it was opened", OPEN)?;
        guest.unplug()?;
        open.holder.kill()?;
        let unheard = seen(Kept::Dialled(TcpState::FinWait1), EntryState::Established);
        stage.now_in(
            Some(guest.namespace()),
            port,
            "the interface is gone and the client killed",
            unheard,
        )?;
        stage.now_in(
            Some(guest.namespace()),
            port,
            "the kernel has given up",
            gone(EntryState::Established),
        )?;
        drop(guest);
        let gone = Seen { client: None, nat: Some(EntryState::Established) };
        stage.now_in(None, port, "the namespace was deleted", gone)
    },
};
