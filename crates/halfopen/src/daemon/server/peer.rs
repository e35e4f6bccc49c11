//! Who is at the other end of a connection, and what they may ask. Who may connect at all, the socket's mode says.

use crate::control::routes::May;
use halfopen_bpf::peer_groups;
use std::io;
use tokio::net::UnixStream;

/// A client, as the kernel knew it when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its process; `None` if that is in another PID namespace.
    pub pid: Option<u32>,
    rights: May,
}

impl Peer {
    /// Who has connected. Members of the group `admins` may do what root may, but for `exec`.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn of(stream: &UnixStream, admins: Option<u32>) -> io::Result<Self> {
        let cred = stream.peer_cred()?;
        let is_admin = |group: u32| -> io::Result<bool> {
            Ok(cred.gid() == group || peer_groups(stream)?.contains(&group))
        };
        let rights = match admins {
            _ if cred.uid() == 0 => May::Root,
            Some(group) if is_admin(group)? => May::Write,
            _ => May::Read,
        };
        Ok(Self { pid: cred.pid().and_then(|pid| pid.try_into().ok()), rights })
    }

    pub fn is_root(self) -> bool {
        self.rights == May::Root
    }

    /// # Errors
    /// Why it may not.
    pub fn may(self, needed: May) -> Result<(), &'static str> {
        match needed {
            _ if needed <= self.rights => Ok(()),
            May::Root => Err("only root may do this"),
            _ => Err("only root, and the members of `admin_group`, may change anything"),
        }
    }
}

#[cfg(test)]
impl Peer {
    pub const ROOT: Self = Self { pid: None, rights: May::Root };
    pub const READER: Self = Self { pid: None, rights: May::Read };
}
