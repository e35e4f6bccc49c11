//! The ways in which a TCP connection ends, each with real sockets through a NAT box, and what each leaves in the client's
//! kernel and in the NAT box's table.

mod churn;
mod far;
mod forged;
mod holder;
mod orders;
mod stage;
mod ways;

use std::fmt;
use std::net::SocketAddr;

use crate::endings::stage::Stage;
use crate::nat::EntryState;
use crate::{Cgroup, Lab, LabError, TcpState};

pub use churn::{Churned, churn};
pub use orders::{How, receive, serve, share};
pub use ways::WAYS;

/// A way in which a connection ends.
#[derive(Clone, Copy)]
pub struct Way {
    /// What to call it.
    pub name: &'static str,
    walk: fn(&mut Stage) -> Result<(), LabError>,
}

/// What there is of one connection at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The socket of it in the client's kernel.
    pub client: Option<Kept>,
    /// The NAT box's entry for it, if it was dialled from behind the box.
    pub nat: Option<EntryState>,
}

/// A socket of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It dialled, and is in that state.
    Dialled(TcpState),
    /// It was accepted, and is in that state.
    Accepted(TcpState),
    /// It is but what the kernel remembers of one that dialled and has ended.
    Remembered(TcpState),
}

impl Seen {
    /// Whether the client's kernel has an open connection that it dialled itself: what a limit counts.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self.client, Some(Kept::Dialled(_)))
    }

    /// Whether it remembers one that it dialled and that has ended.
    #[must_use]
    pub fn is_remembered(self) -> bool {
        matches!(self.client, Some(Kept::Remembered(_)))
    }
}

/// A point on the way, once the kernels have got there.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What has just happened.
    pub after: &'static str,
    /// What the way claims of this moment, and what is there.
    pub seen: Seen,
    /// Where the connection goes.
    pub to: SocketAddr,
}

impl Way {
    /// Opens a connection from a process in `cgroup` and ends it this way. `watch` is called at each moment at which its state
    /// is known and stays as it is; an error of it ends the way.
    ///
    /// # Errors
    /// When the lab has no NAT box, when the connection cannot be opened, or when the kernels do not do as the way claims.
    pub fn walk(
        &self,
        lab: &Lab,
        cgroup: &Cgroup,
        watch: &mut dyn FnMut(Moment) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        (self.walk)(&mut Stage::set(lab, cgroup, watch)?)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
