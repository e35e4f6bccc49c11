//! The end of a process, or of the last one that has the socket, ends it.

use super::{OPEN, gone, seen};
use crate::TcpState;
use crate::endings::holder::kill;
use crate::endings::orders::Order;
use crate::endings::{Kept, Way};
use crate::nat::EntryState;

pub const KILL: Way = Way {
    name: "kill -9",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.kill()?;
        stage.closed("the client was killed", open)
    },
};

/// The kernel goes on to send what the process has left behind.
pub const EXIT_WITH_UNSENT_DATA: Way = Way {
    name: "exit with unsent data",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::Fill)?;
        open.holder.exit()?;
        let unsent = seen(Kept::Dialled(TcpState::FinWait1), EntryState::Established);
        stage.now("the client has ended with data queued", unsent)?;
        stage.closed("the far end has read it all", open)
    },
};

pub const EXIT_WITH_UNREAD_DATA: Way = Way {
    name: "exit with unread data",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.far.send()?;
        open.holder.follow(Order::Await)?;
        open.holder.exit()?;
        stage.now("the client has ended with data unread", gone(EntryState::Close))
    },
};

pub const SHARED: Way = Way {
    name: "shared with a child, closed by both",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.holder.follow(Order::Share)?;
        open.holder.follow(Order::Close)?;
        stage.now("the parent has closed", OPEN)?;
        open.holder.follow(Order::EndShare)?;
        stage.closed("the child has ended", open)
    },
};

pub const PASSED: Way = Way {
    name: "passed to another process, the first exits",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        let other = open.holder.follow(Order::Pass)?.pid.unwrap_or_default();
        open.holder.exit()?;
        stage.now("the first has ended", OPEN)?;
        kill(other)?;
        stage.closed("the other has ended", open)
    },
};
