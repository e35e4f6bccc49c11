//! The control socket, who may connect to it, and who may change anything.

use crate::groups;
use crate::history_reader::{HistoryDesk, HistoryReader};
use crate::runtime_dir::{RuntimeDir, StateDir};
use crate::sandbox::USER;
use anyhow::{Context, Result};
use rustix::fs::Mode;
use rustix::process::{Gid, getgid, umask};
use rustix::thread::set_thread_res_gid;
use std::fs;
use std::io;
use std::path::Path;
use tokio::net::UnixListener;

/// What clients connect to, and what they are answered from besides the limiter.
#[derive(Debug)]
pub(in crate::daemon) struct Door {
    pub(super) listener: UnixListener,
    /// The group whose members may change what root may; `None` = there is none.
    pub(super) admins: Option<u32>,
    /// `None` = there is no history.
    pub(super) history: Option<HistoryDesk>,
}

impl Door {
    /// Opens it while this process is still root. This daemon holds the lock, so a socket that exists already belongs to
    /// nobody. `history` has the history, if there is one.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn open(
        directory: &RuntimeDir,
        admin_group: Option<&str>,
        history: Option<&StateDir>,
    ) -> Result<Self> {
        let path = directory.socket();
        let bound = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            bind(&path, groups::number_of(USER))
        };
        let listener =
            bound().with_context(|| format!("cannot make the control socket {}", path.display()))?;
        let admins = admin_group.and_then(groups::number_of);
        if let (Some(name), None) = (admin_group, admins) {
            tracing::warn!("admin_group: /etc/group has no group {name}: only root may change anything");
        }
        let reader =
            history.map(|state| HistoryReader::start(state.path()).and_then(HistoryReader::desk)).transpose();
        let history = reader.unwrap_or_else(|e| {
            tracing::error!("cannot start the process that reads the history for clients: {e}");
            None
        });
        Ok(Self { listener, admins, history })
    }
}

/// Makes the socket. From the first moment on, and whatever the mode of the directory, only root and the members of
/// `group` can use it.
fn bind(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let own = getgid();
    // A file gets the group of the process that makes it; to change it later would need a capability.
    let group = group.map(Gid::from_raw).filter(|group| set_thread_res_gid(own, *group, own).is_ok());
    let usual = umask(Mode::from_raw_mode(if group.is_some() { 0o117 } else { 0o177 }));
    let listener = UnixListener::bind(path);
    umask(usual);
    if group.is_some() {
        set_thread_res_gid(own, own, own)?;
    }
    listener
}
