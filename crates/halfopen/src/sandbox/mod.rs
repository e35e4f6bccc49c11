//! Gives up, once all is open and loaded, everything that the daemon does not need to go on: root, capabilities, system
//! calls, files. What still needs root is done by the [privileged helper](crate::privileged).

mod calls;
mod files;
pub mod rights;
mod user;

use crate::conntrack;
use crate::control::Degradation;
use rustix::thread::CapabilitySet;
use std::fs;
use std::io;
use std::path::PathBuf;

pub use user::NAME as USER;

/// Why this process cannot be sandboxed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Each of the measures holds for one thread.
    #[error("sandboxing the daemon: it has {0} threads already, and only one of them would be sandboxed")]
    Threads(usize),
    /// A step that every kernel knows.
    #[error("sandboxing the daemon: {doing}: {reason}")]
    Step {
        /// Which.
        doing: &'static str,
        /// Why it failed.
        reason: io::Error,
    },
    /// The rules were refused as such.
    #[error("sandboxing the daemon: {doing}: {reason}")]
    Rules {
        /// Of what.
        doing: &'static str,
        /// Why.
        reason: String,
    },
}

/// What the sandboxed process may still open, for reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files, and directories for all that is in them.
    pub files: Vec<PathBuf>,
}

impl Needs {
    /// A daemon's.
    #[must_use]
    pub fn of_daemon() -> Self {
        // libbpf asks how many processors there can be when it first reads counters that each of them has. Connection
        // tracking may come to be in use later than the daemon: so the directory.
        Self { files: vec!["/sys/devices/system/cpu/possible".into(), conntrack::DIRECTORY.into()] }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandboxed {
    /// The user that it runs as now.
    pub uid: u32,
    /// What this host lacks for more.
    pub lacks: Vec<Degradation>,
}

/// Sandboxes the calling process, which must have one thread. There is no way back.
///
/// # Errors
/// [`SandboxError`]; the process may be sandboxed in part then and must end.
pub fn enter(needs: &Needs) -> Result<Sandboxed, SandboxError> {
    let step = |doing| move |reason: rustix::io::Errno| SandboxError::Step { doing, reason: reason.into() };
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    let mut lacks = Vec::new();
    // rustix looks for the kernel's fast clock in /proc/self/auxv when it is first asked for the time.
    let _ = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The paths are opened while nothing is closed to this process.
    let files = files::Files::open(needs)?;
    rustix::thread::set_no_new_privs(true).map_err(step("setting no_new_privs"))?;
    // Before the user: emptying the bounding set needs CAP_SETPCAP.
    rights::empty_bounding_set(CapabilitySet::empty())
        .map_err(step("emptying the bounding set (needs CAP_SETPCAP)"))?;
    match user::find() {
        Some(user) => {
            user.become_it().map_err(step("becoming the user halfopen (needs CAP_SETUID and CAP_SETGID)"))?;
        }
        None => lacks.push(Degradation::NoOwnUser),
    }
    rights::keep_only(CapabilitySet::empty()).map_err(step("giving up the capabilities"))?;
    if !files.close_all_others()? {
        lacks.push(Degradation::NoLandlock);
    }
    // Last: it forbids the calls that the steps before are made of.
    if !calls::allow_only_needed()? {
        lacks.push(Degradation::NoSeccomp);
    }
    Ok(Sandboxed { uid: rustix::process::getuid().as_raw(), lacks })
}
