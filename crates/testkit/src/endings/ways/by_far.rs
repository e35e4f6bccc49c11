//! The far end ends it, or both do.

use super::{CLOSED_FIRST, gone, seen};
use crate::TcpState;
use crate::endings::orders::Order;
use crate::endings::{Kept, Way};
use crate::nat::EntryState;

pub const CLOSE: Way = Way {
    name: "close by the far end first",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        drop(open.far);
        let unclosed = seen(Kept::Dialled(TcpState::CloseWait), EntryState::CloseWait);
        stage.now("the far end has closed", unclosed)?;
        open.holder.follow(Order::Close)?;
        // The far end remembers it, not the client.
        stage.now("the client has closed too", gone(EntryState::TimeWait))
    },
};

pub const HALF_CLOSED: Way = Way {
    name: "half-closed by the far end",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        open.far.shut_write()?;
        let half_closed = seen(Kept::Dialled(TcpState::CloseWait), EntryState::CloseWait);
        stage.now("the far end has half-closed it", half_closed)?;
        open.holder.follow(Order::Send)?;
        open.far.read()?;
        stage.now("the client has sent to the half-closed far end", half_closed)?;
        open.holder.follow(Order::Close)?;
        stage.now("the client has closed", gone(EntryState::TimeWait))
    },
};

pub const RESET: Way = Way {
    name: "reset by the far end",
    walk: |stage| {
        let open = stage.open_plainly()?;
        open.far.reset()?;
        stage.now("the far end has reset it", gone(EntryState::Close))
    },
};

/// The first FINs of both are lost, so that each has sent its own before it gets the other's.
pub const BOTH_AT_ONCE: Way = Way {
    name: "close by both at once",
    walk: |stage| {
        let mut open = stage.open_plainly()?;
        let port = stage.far.port();
        stage.nat.cut_fins(port)?;
        open.holder.follow(Order::Close)?;
        drop(open.far);
        let unheard = seen(Kept::Dialled(TcpState::FinWait1), EntryState::Established);
        stage.now("both have closed and no FIN has arrived", unheard)?;
        stage.nat.mend(port)?;
        stage.now("the FINs have arrived", CLOSED_FIRST)
    },
};
