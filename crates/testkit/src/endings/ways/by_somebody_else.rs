//! Somebody who does not have the socket ends it, or tries to.

use super::{OPEN, gone};
use crate::LabError;
use crate::endings::Way;
use crate::endings::forged::Flags;
use crate::endings::orders::Order;
use crate::endings::stage::{Open, Stage};
use crate::nat::EntryState;

pub const SOCK_DESTROY: Way = Way {
    name: "ss --kill (SOCK_DESTROY)",
    walk: |stage| {
        let _open = stage.open_plainly()?;
        let port = format!("dport = :{}", stage.far.port());
        stage.lab.client().feed("ss", &["--tcp", "--kill", &port], "")?;
        stage.now("an administrator has ended it", gone(EntryState::Close))
    },
};

pub const FORGED_RESET: Way = Way {
    name: "forged RST of the far end, then close",
    walk: |stage| {
        let open = stage.open_plainly()?;
        stage.forge_from_far(&open, Flags::Reset)?;
        unharmed(stage, open)
    },
};

pub const FORGED_RESET_OUTWARD: Way = Way {
    name: "forged RST of the client, then close",
    walk: |stage| {
        let open = stage.open_plainly()?;
        stage.forge_from_client(&open, Flags::Reset)?;
        unharmed(stage, open)
    },
};

pub const FORGED_FIN: Way = Way {
    name: "forged FIN of the far end, then close",
    walk: |stage| {
        let open = stage.open_plainly()?;
        stage.forge_from_far(&open, Flags::FinAck)?;
        unharmed(stage, open)
    },
};

pub const FORGED_FIN_OUTWARD: Way = Way {
    name: "forged FIN of the client, then close",
    walk: |stage| {
        let open = stage.open_plainly()?;
        stage.forge_from_client(&open, Flags::FinAck)?;
        unharmed(stage, open)
    },
};

/// What was forged was sent before what now goes over the connection.
fn unharmed(stage: &mut Stage, mut open: Open) -> Result<(), LabError> {
    open.works()?;
    stage.now("a segment was forged and the connection used", OPEN)?;
    open.holder.follow(Order::Close)?;
    stage.closed("the client has closed", open)
}
