//! The client's program ends it.

use super::{OPEN, gone, seen};
use crate::TcpState;
use crate::endings::orders::Order;
use crate::endings::{Kept, Way};
use crate::nat::EntryState;

pub const CLOSE: Way = Way {
    name: "close",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::Close)?;
        stage.closed("the client has closed", open)
    },
};

pub const SHUT_WRITE_AND_CLOSE: Way = Way {
    name: "shutdown(SHUT_WR) and close",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::ShutWrite)?;
        open.holder.follow(Order::Close)?;
        stage.closed("the client has closed", open)
    },
};

/// Nothing of it is on the wire.
pub const SHUT_READ: Way = Way {
    name: "shutdown(SHUT_RD) and close",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::ShutRead)?;
        open.holder.follow(Order::Send)?;
        open.far.read()?;
        stage.now("the client has sent after shutdown(SHUT_RD)", OPEN)?;
        open.holder.follow(Order::Close)?;
        stage.closed("the client has closed", open)
    },
};

pub const HALF_CLOSED: Way = Way {
    name: "half-closed by the client",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::ShutWrite)?;
        open.far.read_all()?;
        open.far.send()?;
        open.holder.follow(Order::Read)?;
        let half_closed = seen(Kept::Dialled(TcpState::FinWait2), EntryState::CloseWait);
        stage.now("the far end has sent to the half-closed client", half_closed)?;
        open.holder.follow(Order::Close)?;
        stage.closed("the client has closed", open)
    },
};

pub const RESET: Way = Way {
    name: "reset by the client (SO_LINGER of 0)",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::Reset)?;
        stage.now("the client has reset it", gone(EntryState::Close))
    },
};

pub const DISCONNECT: Way = Way {
    name: "connect(AF_UNSPEC)",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::Disconnect)?;
        stage.now("the client has dissolved it and has its socket still", gone(EntryState::Close))
    },
};
