//! The privileged helper itself. It answers the daemon's requests until the daemon closes its end of the socket.

use super::exec_cgroup::ExecCgroups;
use super::message::{NOBODY_S, Numbered, Received, Reply, Request, receive, send};
use super::process::describe;
use super::{Leave, Reach, at_socket};
use crate::config::container_files::ContainerFiles;
use crate::config::{Disk, OwnRights, conf_d, disk};
use crate::events::Identity;
use crate::events::identity::identify;
use crate::exit::explained;
use crate::name_service::{self, Names};
use crate::runs_in::Lookup;
use crate::runtime_dir::RuntimeDir;
use anyhow::{Context, Result, bail};
use halfopen_bpf::text::escaped;
use halfopen_bpf::{
    Attach, AttachHere, CgroupDir, NAMESPACES, OptionalHook, Program, gates, raw_socket, restore_everywhere,
    walk_namespaces,
};
use rustix::process::umask;
use rustix::thread::{CapabilitySet, set_name, set_no_new_privs};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// The capabilities that the privileged helper keeps. docs/internals/security-model.md has the reason for each.
const KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE);

/// The longest name of a thread, after escaping.
const LONGEST_COMM: usize = 4 * 15;

/// Whether there was a privileged helper before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Turn {
    /// There was none.
    First,
    /// The previous one has ended: the new one tells the daemon.
    Again,
}

impl Turn {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Again => "again",
        }
    }
}

/// Serves the daemon at the other end of standard input.
///
/// # Errors
/// If standard input is not such a socket.
pub fn serve(reach: &Reach, turn: Turn) -> Result<()> {
    let stdin = io::stdin();
    at_socket(&stdin)?;
    let socket = stdin.as_fd();
    // The kernel cuts it to 15 bytes; ps shows it.
    let _ = set_name(c"halfopen-helper");
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    keep_little()?;
    if turn == Turn::Again && !tell(socket, &Numbered { number: NOBODY_S, message: Reply::Began }, &[])? {
        return Ok(());
    }
    let lookup = Lookup::below(reach.containers_root.clone())
        .with(&reach.runtime_sockets)
        .context("cannot start the threads that ask the sockets of container runtimes")?;
    let mut helper = Serving {
        reach,
        cgroups: ExecCgroups::below(&reach.exec_parent),
        names: Names::default(),
        containers: ContainerFiles::default(),
        lookup,
    };
    loop {
        let (number, answer) = match receive::<Request>(socket)? {
            Received::Closed => return Ok(()),
            Received::Malformed(why) => (NOBODY_S, Err(anyhow::anyhow!(why))),
            // The descriptors are dropped before the daemon continues: the helper must not keep a link alive.
            Received::Message(Numbered { number, message }, with) => (number, helper.answer(message, &with)),
        };
        let (message, with) = answer.unwrap_or_else(|e| (failed(&e), Vec::new()));
        let with: Vec<_> = with.iter().map(AsFd::as_fd).collect();
        if !tell(socket, &Numbered { number, message }, &with)? {
            return Ok(());
        }
    }
}

/// Gives up what neither the privileged helper nor its keeper needs, and ignores signals from then on.
///
/// # Errors
/// The kernel's answer.
pub fn keep_little() -> Result<()> {
    set_no_new_privs(true)?;
    crate::sandbox::rights::keep_only(KEPT).context("cannot drop the capabilities that are not needed")?;
    deafen()
}

/// Sends an answer. An answer that is too long is replaced by the error that says so. `false` once the daemon has
/// closed its end.
fn tell(socket: BorrowedFd<'_>, reply: &Numbered<Reply>, with: &[BorrowedFd<'_>]) -> Result<bool> {
    let sent = match send(socket, reply, with) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
            send(socket, &Numbered { number: reply.number, message: failed(&e.into()) }, &[])
        }
        sent => sent,
    };
    match sent {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        sent => sent.map(|()| true).context("cannot answer the daemon"),
    }
}

fn failed(error: &anyhow::Error) -> Reply {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let kind = kind.unwrap_or(io::ErrorKind::Other).into();
    Reply::Failed { kind, message: escaped(explained(error).as_bytes()) }
}

/// Makes signals harmless. A service manager that stops a unit signals all of its processes, but the daemon needs the
/// helper until the very end: only the end of the socket ends the helper. Handlers that do nothing stand in for
/// `SIG_IGN`, which needs `unsafe`; tokio leaves a handler in place once it has installed it.
///
/// # Errors
/// The kernel's answer.
pub fn deafen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    let deaf_to =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::user_defined2()];
    for kind in deaf_to {
        drop(signal(kind)?);
    }
    Ok(())
}

struct Serving<'a> {
    reach: &'a Reach,
    cgroups: ExecCgroups,
    names: Names,
    containers: ContainerFiles,
    lookup: Lookup,
}

impl Serving<'_> {
    fn answer(&mut self, request: Request, with: &[OwnedFd]) -> Result<(Reply, Vec<OwnedFd>)> {
        let reply = match request {
            Request::RawSocket { pid, netns, family } => {
                let socket = raw_socket(pid, netns, family.into()).context("cannot make a raw socket")?;
                return Ok((Reply::RawSocket, vec![socket]));
            }
            Request::Restore => {
                let Some(link) = with.first() else { bail!("the request lacks the iterator") };
                let stopped = restore_everywhere(link.as_fd());
                Reply::Restored { namespaces_missed: stopped.namespaces_missed }
            }
            Request::Walk { namespaces } => {
                let Some(link) = with.first() else { bail!("the request lacks the iterator") };
                if namespaces.len() > NAMESPACES {
                    bail!("a walk covers at most {NAMESPACES} network namespaces, not {}", namespaces.len());
                }
                Reply::Walked { namespaces: walk_namespaces(link.as_fd(), &namespaces) }
            }
            Request::Identify { pid, uid, comm, cgroup_id } => {
                if comm.len() > LONGEST_COMM {
                    bail!("a program's name has at most {LONGEST_COMM} bytes, not {}", comm.len());
                }
                let program = Program { pid, uid, comm, cgroup_id };
                let Identity { exe, cgroup, user, runs_in } =
                    identify(&program, &mut self.names, &mut self.lookup);
                Reply::Identity { exe, cgroup, user, runs_in }
            }
            Request::Process { pid, comm } => Reply::Process { process: describe(pid, comm.as_deref()) },
            Request::UserNumber { name } => {
                let number =
                    name_service::number_of(&name).context("cannot ask the name service for a user")?;
                Reply::UserNumber { number }
            }
            Request::Containers { wanted } => Reply::Cgroups { paths: self.containers.cgroups_of(&wanted) },
            Request::RuntimeSockets => Reply::RuntimeSockets { failed: self.lookup.failed_sockets() },
            Request::MakeExecCgroup { name } => {
                return Ok((Reply::ExecCgroup, self.cgroups.make(&name)?.into()));
            }
            Request::RemoveExecCgroup { name } => {
                self.cgroups.remove(&name)?;
                Reply::Done
            }
            Request::ListConfD => {
                let directory = conf_d(&self.reach.config);
                let mut paths = OwnRights.list(&directory)?;
                paths.retain(|path| disk::is_layer(path));
                Reply::Listed { paths }
            }
            Request::Open { path } => {
                if !disk::is_part_of(&self.reach.config, &path) {
                    bail!("{} is not part of the configuration", path.display());
                }
                let file = OwnRights.open(&path)?;
                return Ok((Reply::Opened, vec![file.into()]));
            }
            Request::Attach { hook, pinned } => {
                let Some(program) = with.first() else { bail!("the request lacks the program") };
                return Ok((Reply::Attached, self.attach(&hook, program, pinned)?.into_iter().collect()));
            }
            Request::Unpin { hook } => {
                optional_hook(&hook)?
                    .unpin(&self.reach.pins)
                    .with_context(|| format!("cannot remove the pin of {hook}"))?;
                Reply::Done
            }
            Request::Gates => {
                let found = gates().context("cannot list the interfaces")?;
                let gates =
                    found.gates.into_iter().map(|gate| (gate.index, gate.name, gate.shared)).collect();
                Reply::Gates { gates, others: found.others }
            }
            Request::Listen { at } => {
                let socket = TcpListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
                return Ok((Reply::Listening, vec![socket.into()]));
            }
            Request::TidyUp { leave } => {
                self.tidy_up(leave)?;
                Reply::Done
            }
        };
        Ok((reply, Vec::new()))
    }

    /// Attaches to the limited cgroup, whatever the daemon says.
    fn attach(&self, hook: &str, program: &OwnedFd, pinned: bool) -> Result<Option<OwnedFd>> {
        let Some(path) = self.reach.exec_parent.parent() else { bail!("no cgroup is limited") };
        let cgroup = CgroupDir::open(path)?;
        let mut here = AttachHere { cgroup: &cgroup, pins: self.reach.pins.clone() };
        Ok(here.attach(optional_hook(hook)?, program.as_fd(), pinned)?)
    }

    /// Takes every step, and returns the first error. The lock file goes last: processes that wait for the daemon to
    /// end watch it.
    fn tidy_up(&self, leave: Leave) -> Result<()> {
        let directory = RuntimeDir::at(self.reach.run_dir.clone());
        let mut steps = Vec::new();
        if let Leave::Nothing { pins } = leave {
            steps.push(self.cgroups.remove_parent());
            if pins {
                steps.push(removed(&self.reach.pins, |path| fs::remove_dir_all(path)));
            }
        }
        steps.push(removed(&directory.socket(), |path| fs::remove_file(path)));
        steps.push(removed(&directory.lock(), |path| fs::remove_file(path)));
        if self.reach.made_run_dir && leave != Leave::Limit {
            steps.push(removed(directory.path(), |path| fs::remove_dir(path)));
        }
        steps.into_iter().collect()
    }
}

fn optional_hook(name: &str) -> Result<OptionalHook> {
    OptionalHook::named(name).with_context(|| format!("{name:?} is not an optional hook"))
}

fn removed(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
