//! The privileged helper itself: answers the daemon's requests until the daemon's end of the socket is closed.

use super::exec_cgroup::ExecCgroups;
use super::message::{NOBODY_S, Numbered, Received, Reply, Request, receive, send};
use super::{Leave, Reach, at_socket};
use crate::config::{Disk, OwnRights, conf_d, disk};
use crate::events::identity::identify;
use crate::exit::explained;
use crate::runtime_dir::RuntimeDir;
use anyhow::{Context, Result, bail};
use halfopen_bpf::text::escaped;
use halfopen_bpf::{
    Attach, AttachHere, CgroupDir, NAMESPACES, OptionalHook, Program, raw_socket, restore_everywhere,
    walk_namespaces,
};
use rustix::process::umask;
use rustix::thread::{CapabilitySet, set_name, set_no_new_privs};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// What the privileged helper keeps of root. docs/internals/security-model.md has the reason for each.
const KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE);

/// The longest name that a thread has once it is escaped.
const LONGEST_COMM: usize = 4 * 15;

/// Whether there was a privileged helper before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Turn {
    /// There was none.
    First,
    /// It has ended: the daemon is told.
    Again,
}

impl Turn {
    /// As on the command line.
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
/// Where standard input is no such socket.
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
    let mut helper = Serving { reach, cgroups: ExecCgroups::below(&reach.exec_parent) };
    loop {
        let (number, answer) = match receive::<Request>(socket)? {
            Received::Closed => return Ok(()),
            Received::Malformed(why) => (NOBODY_S, Err(anyhow::anyhow!(why))),
            // The descriptors are dropped before the daemon goes on: no link is to live longer for the privileged helper's sake.
            Received::Message(Numbered { number, message }, with) => (number, helper.answer(message, &with)),
        };
        let (message, with) = answer.unwrap_or_else(|e| (failed(&e), Vec::new()));
        let with: Vec<_> = with.iter().map(AsFd::as_fd).collect();
        if !tell(socket, &Numbered { number, message }, &with)? {
            return Ok(());
        }
    }
}

/// Gives up what neither the privileged helper nor its keeper needs, and becomes deaf.
///
/// # Errors
/// The kernel's answer.
pub fn keep_little() -> Result<()> {
    set_no_new_privs(true)?;
    crate::sandbox::rights::keep_only(KEPT).context("giving up the capabilities that are not needed")?;
    deafen()
}

/// `false` once the daemon has closed. An answer that is too long is none: that is told instead.
fn tell(socket: BorrowedFd<'_>, reply: &Numbered<Reply>, with: &[BorrowedFd<'_>]) -> Result<bool> {
    let sent = match send(socket, reply, with) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
            send(socket, &Numbered { number: reply.number, message: failed(&e.into()) }, &[])
        }
        sent => sent,
    };
    match sent {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        sent => sent.map(|()| true).context("answering the daemon"),
    }
}

fn failed(error: &anyhow::Error) -> Reply {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let kind = kind.unwrap_or(io::ErrorKind::Other).into();
    Reply::Failed { kind, message: escaped(explained(error).as_bytes()) }
}

/// A service manager signals every process of a unit at its stop, but the daemon needs the privileged helper to the last: only the end
/// of the socket ends it. Handlers that do nothing stand in for `SIG_IGN`, which is not to be had without `unsafe`; tokio
/// leaves a handler in place once it was asked for.
fn deafen() -> Result<()> {
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
}

impl Serving<'_> {
    fn answer(&mut self, request: Request, with: &[OwnedFd]) -> Result<(Reply, Vec<OwnedFd>)> {
        let reply = match request {
            Request::RawSocket { pid, netns, family } => {
                let socket = raw_socket(pid, netns, family.into()).context("making a raw socket")?;
                return Ok((Reply::RawSocket, vec![socket]));
            }
            Request::Restore => {
                let Some(link) = with.first() else { bail!("no iterator was sent along") };
                let stopped = restore_everywhere(link.as_fd());
                Reply::Restored { namespaces_missed: stopped.namespaces_missed }
            }
            Request::Walk { namespaces } => {
                let Some(link) = with.first() else { bail!("no iterator was sent along") };
                if namespaces.len() > NAMESPACES {
                    bail!("no walk goes through {} network namespaces", namespaces.len());
                }
                Reply::Walked { namespaces: walk_namespaces(link.as_fd(), &namespaces) }
            }
            Request::Identify { pid, uid, comm, cgroup_id } => {
                if comm.len() > LONGEST_COMM {
                    bail!("no program has a name of {} bytes", comm.len());
                }
                let found = identify(&Program { pid, uid, comm, cgroup_id });
                Reply::Identity { exe: found.exe, cgroup: found.cgroup, user: found.user }
            }
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
                    bail!("{} is no part of the configuration", path.display());
                }
                let file = OwnRights.open(&path)?;
                return Ok((Reply::Opened, vec![file.into()]));
            }
            Request::Attach { hook, pinned } => {
                let Some(program) = with.first() else { bail!("no program was sent along") };
                return Ok((Reply::Attached, self.attach(&hook, program, pinned)?.into_iter().collect()));
            }
            Request::Unpin { hook } => {
                optional_hook(&hook)?
                    .unpin(&self.reach.pins)
                    .with_context(|| format!("removing the pin of {hook}"))?;
                Reply::Done
            }
            Request::TidyUp { leave } => {
                self.tidy_up(leave)?;
                Reply::Done
            }
        };
        Ok((reply, Vec::new()))
    }

    /// To the limited cgroup, whatever the daemon says.
    fn attach(&self, hook: &str, program: &OwnedFd, pinned: bool) -> Result<Option<OwnedFd>> {
        let Some(path) = self.reach.exec_parent.parent() else { bail!("no cgroup is limited") };
        let cgroup = CgroupDir::open(path)?;
        let mut here = AttachHere { cgroup: &cgroup, pins: self.reach.pins.clone() };
        Ok(here.attach(optional_hook(hook)?, program.as_fd(), pinned)?)
    }

    /// Does all of it, and tells the first thing that went wrong. The lock's file goes last: whoever waits for the
    /// daemon's end watches it.
    fn tidy_up(&self, leave: Leave) -> Result<()> {
        let directory = RuntimeDir::at(self.reach.run_dir.clone());
        let mut steps = Vec::new();
        if let Leave::Nothing { pins } = leave {
            steps.push(self.cgroups.remove_parent());
            if pins {
                steps.push(removed(&self.reach.pins, |path| fs::remove_dir_all(path)));
            }
            steps.push(removed(&directory.events(), |path| fs::remove_file(path)));
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
    OptionalHook::named(name).with_context(|| format!("{name:?} is no optional hook"))
}

fn removed(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
