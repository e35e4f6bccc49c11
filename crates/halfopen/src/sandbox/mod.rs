//! Once everything is open and loaded, the daemon gives up all that it does not need to go on: root, capabilities,
//! system calls, files. The [privileged helper](crate::privileged) does what still needs root.

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
    /// Each of the measures applies to a single thread.
    #[error("cannot sandbox the daemon: it has {0} threads already, and only one of them would be sandboxed")]
    Threads(usize),
    /// A step failed that every kernel supports.
    #[error("cannot sandbox the daemon: {doing}: {reason}")]
    Step {
        /// The step.
        doing: &'static str,
        /// Why it failed.
        reason: io::Error,
    },
    /// The kernel refused the rules.
    #[error("cannot sandbox the daemon: {doing}: {reason}")]
    Rules {
        /// The step that the rules are for.
        doing: &'static str,
        /// Why.
        reason: String,
    },
}

/// What the sandboxed process may still open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files, for reading. A directory stands for everything in it.
    pub files: Vec<PathBuf>,
    /// Directories in which it may make, write, rename and remove files.
    pub written: Vec<PathBuf>,
    /// TCP ports that it may connect to.
    pub dialled: Vec<u16>,
}

impl Needs {
    /// What the daemon needs.
    #[must_use]
    pub fn of_daemon() -> Self {
        // libbpf asks for the number of possible processors when it first reads a per-CPU counter. The directory is
        // listed because connection tracking may start after the daemon.
        Self {
            files: vec!["/sys/devices/system/cpu/possible".into(), conntrack::DIRECTORY.into()],
            ..Self::default()
        }
    }
}

/// The sandbox that results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandboxed {
    /// The user that the process runs as now.
    pub uid: u32,
    /// What this host lacks for a complete sandbox.
    pub lacks: Vec<Degradation>,
}

/// Sandboxes the daemon, the calling process, which must have a single thread. There is no way back.
///
/// # Errors
/// [`SandboxError`]. The process may then be sandboxed in part, and must end.
pub fn enter(needs: &Needs) -> Result<Sandboxed, SandboxError> {
    confine(needs, Part::Daemon)
}

/// Sandboxes the recorder in the same way. It keeps root's number, which owns the directories that it writes in.
///
/// # Errors
/// [`SandboxError`], as for the daemon.
pub fn enter_as_recorder(written: &[PathBuf]) -> Result<Sandboxed, SandboxError> {
    confine(&Needs { written: written.to_vec(), ..Needs::default() }, Part::Recorder)
}

/// Sandboxes the process of the dashboard: it opens no file and makes no socket. It has a user of its own, or else the
/// daemon's.
///
/// # Errors
/// [`SandboxError`], as for the daemon.
pub fn enter_as_dashboard() -> Result<Sandboxed, SandboxError> {
    confine(&Needs::default(), Part::Dashboard)
}

/// Sandboxes the process that sends events: it connects to this port of any host, and asks name servers. It has a user
/// of its own, or else the daemon's.
///
/// # Errors
/// [`SandboxError`], as for the daemon.
pub fn enter_as_exporter(port: u16) -> Result<Sandboxed, SandboxError> {
    let files = NAME_SERVICE.map(PathBuf::from).to_vec();
    confine(&Needs { files, dialled: vec![port, DNS], ..Needs::default() }, Part::Exporter)
}

/// What getaddrinfo() reads. The directory is there because a new resolv.conf replaces the old one.
const NAME_SERVICE: [&str; 6] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/run/systemd/resolve",
];
/// The port of name servers.
const DNS: u16 = 53;

/// Which process is sandboxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Daemon,
    Recorder,
    Dashboard,
    Exporter,
}

fn confine(needs: &Needs, part: Part) -> Result<Sandboxed, SandboxError> {
    let step = |doing| move |reason: rustix::io::Errno| SandboxError::Step { doing, reason: reason.into() };
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    let mut lacks = Vec::new();
    // rustix reads /proc/self/auxv to find the kernel's fast clock when it is first asked for the time.
    let _ = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The paths are opened while this process can still open everything.
    let files = files::Files::open(needs)?;
    rustix::thread::set_no_new_privs(true).map_err(step("cannot set no_new_privs"))?;
    // Before the change of user: emptying the bounding set needs CAP_SETPCAP.
    rights::empty_bounding_set(CapabilitySet::empty())
        .map_err(step("cannot empty the capability bounding set (needs CAP_SETPCAP)"))?;
    let own = match part {
        Part::Daemon => user::find(&[user::NAME]),
        Part::Dashboard => user::find(&[user::OF_DASHBOARD, user::NAME]),
        Part::Exporter => user::find(&[user::OF_EXPORTER, user::NAME]),
        Part::Recorder => None,
    };
    match own {
        None if part == Part::Recorder => {}
        Some(user) => {
            user.become_it()
                .map_err(step("cannot switch to its own user (needs CAP_SETUID and CAP_SETGID)"))?;
        }
        None => lacks.push(Degradation::NoOwnUser),
    }
    rights::keep_only(CapabilitySet::empty()).map_err(step("cannot drop the capabilities"))?;
    if !files.close_all_others()? {
        lacks.push(Degradation::NoLandlock);
    }
    // Last: it forbids calls that the earlier steps need.
    if !calls::allow_only_needed(part)? {
        lacks.push(Degradation::NoSeccomp);
    }
    Ok(Sandboxed { uid: rustix::process::getuid().as_raw(), lacks })
}
