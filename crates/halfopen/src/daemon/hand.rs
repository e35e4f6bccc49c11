//! The hand: a second, small process that keeps root and does the few things that the daemon, once it is confined, may
//! no longer do. It reads nothing but the socket that ties it to the daemon, and ends with it.

pub mod exec_cgroup;
mod message;
pub mod serving;

use crate::config::Disk;
use crate::events::Identity;
use crate::runtime_dir::RuntimeDir;
use halfopen_kernel::{Attach, EnforcementStopped, IpFamily, OptionalHook, Program};
use message::{Reply, Request, receive, send};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a request may take: each is a few system calls, or a walk over the processes of the host.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the walk over the sockets of all namespaces may take.
const RESTORE: Duration = Duration::from_secs(45);
/// How long it may take to end once its socket is closed.
const END: Duration = Duration::from_secs(5);

/// What the hand may touch: fixed by its own command line, whatever it is asked later.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Reach {
    /// The directory of pinned programs
    #[arg(long, value_name = "PATH")]
    pub pins: PathBuf,
    /// The runtime directory
    #[arg(long, value_name = "PATH")]
    pub run_dir: PathBuf,
    /// Whether the runtime directory was made by the daemon
    #[arg(long)]
    pub made_run_dir: bool,
    /// The configuration file
    #[arg(long, value_name = "PATH")]
    pub config: PathBuf,
    /// The cgroup below which those of `exec` are made
    #[arg(long, value_name = "PATH")]
    pub exec_parent: PathBuf,
}

impl Reach {
    /// A daemon's that limits `cgroup`.
    ///
    /// # Errors
    /// Where the working directory, which a relative path is meant from, is gone.
    pub fn new(
        pins: &Path,
        directory: &RuntimeDir,
        made_run_dir: bool,
        config: &Path,
        exec_parent: PathBuf,
    ) -> io::Result<Self> {
        let run_dir = std::path::absolute(directory.path())?;
        let config = std::path::absolute(config)?;
        Ok(Self { pins: pins.to_owned(), run_dir, made_run_dir, config, exec_parent })
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["hand".into(), "--pins".into(), self.pins.clone().into()];
        arguments.extend(["--run-dir".into(), self.run_dir.clone().into()]);
        arguments.extend(["--config".into(), self.config.clone().into()]);
        arguments.extend(["--exec-parent".into(), self.exec_parent.clone().into()]);
        if self.made_run_dir {
            arguments.push("--made-run-dir".into());
        }
        arguments
    }
}

/// What is to be left in the file system once the daemon has ended. Its socket and its lock's file never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// All that the next daemon takes over.
    Limit,
    /// Nothing: the cgroup above those of `exec`, the remembered events and the runtime directory, where the daemon made
    /// it, go too.
    Nothing {
        /// Whether there are pins, which then go as well.
        pins: bool,
    },
}

/// The hand as the daemon sees it. Dropped, it ends.
#[derive(Debug)]
pub struct Hand {
    socket: Option<OwnedFd>,
    process: Child,
}

impl Hand {
    /// Starts it. To be called before there is anything that it should not inherit.
    ///
    /// # Errors
    /// Where no process can be started.
    pub fn start(reach: &Reach) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("halfopen").args(reach.arguments()).current_dir("/");
        // What a terminal sends to the daemon's group is not for the hand: it is needed last of all.
        command.process_group(0).stdin(Stdio::from(its)).stdout(Stdio::null()).env_clear();
        let logged = std::env::var_os("RUST_LOG").map(|filter| ("RUST_LOG", filter));
        let process = command.envs(logged).spawn()?;
        Ok(Self { socket: Some(ours), process })
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it can still be asked, as of the last request or [`Hand::look`].
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Notices whether it has ended. Whether it can still be asked.
    pub fn look(&mut self) -> bool {
        if let Some(socket) = &self.socket {
            // It never speaks unasked: whatever there is to read means its end, or that answers are out of step.
            let mut waiting = [PollFd::new(socket, PollFlags::IN)];
            if poll(&mut waiting, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
                self.let_loose();
            }
        }
        if !self.is_there() {
            // Its end is asked for so that no zombie stays; it may not have come yet.
            let _ = self.process.try_wait();
        }
        self.is_there()
    }

    /// A raw socket for whole packets of `family` in the network namespace with the inode `netns`, which is looked for at
    /// process `pid` first.
    ///
    /// # Errors
    /// Where there is no such namespace, and where the hand is gone.
    pub fn raw_socket(&mut self, pid: u32, netns: u64, family: IpFamily) -> io::Result<OwnedFd> {
        let request = Request::RawSocket { pid, netns, family: family.into() };
        match self.ask(&request, None, PATIENCE)? {
            (Reply::RawSocket, descriptors) => one(descriptors),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Gives every held socket its own options back, in all network namespaces, by the iterator of `link`.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn restore(&mut self, link: BorrowedFd<'_>) -> io::Result<EnforcementStopped> {
        match self.ask(&Request::Restore, Some(link), RESTORE)? {
            (Reply::Restored { namespaces_missed }, _) => {
                Ok(EnforcementStopped { namespaces_missed, ..EnforcementStopped::default() })
            }
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// What stands behind a program's numbers.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn identify(&mut self, program: &Program) -> io::Result<Identity> {
        let Program { pid, uid, comm, cgroup_id } = program.clone();
        match self.ask(&Request::Identify { pid, uid, comm, cgroup_id }, None, PATIENCE)? {
            (Reply::Identity { exe, cgroup, user }, _) => Ok(Identity { exe, cgroup, user }),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Makes the cgroup `name` for a command of `exec`. Returns descriptors of the cgroup above it, and of it.
    ///
    /// # Errors
    /// Where cgroups cannot be made there, and where the hand is gone.
    pub fn make_exec_cgroup(&mut self, name: &str) -> io::Result<(OwnedFd, OwnedFd)> {
        match self.ask(&Request::MakeExecCgroup { name: name.to_owned() }, None, PATIENCE)? {
            (Reply::ExecCgroup, descriptors) => match <[OwnedFd; 2]>::try_from(descriptors) {
                Ok([above, made]) => Ok((above, made)),
                Err(_) => Err(io::Error::other("the hand sent no cgroup")),
            },
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Removes the cgroup `name` of a command of `exec`; processes left in it go to the one above it.
    ///
    /// # Errors
    /// Where processes are left that cannot be moved, and where the hand is gone.
    pub fn remove_exec_cgroup(&mut self, name: &str) -> io::Result<()> {
        self.done(&Request::RemoveExecCgroup { name: name.to_owned() })
    }

    /// Removes what the daemon does not `leave` in the file system.
    ///
    /// # Errors
    /// What could not be removed, and where the hand is gone.
    pub fn tidy_up(&mut self, leave: Leave) -> io::Result<()> {
        self.done(&Request::TidyUp { leave })
    }

    /// Opens a file of the configuration, of those that [`Disk::list`] tells, or /etc/passwd.
    fn open_file(&mut self, path: &Path) -> io::Result<File> {
        let path = std::path::absolute(path)?;
        match self.ask(&Request::Open { path }, None, PATIENCE)? {
            (Reply::Opened, descriptors) => one(descriptors).map(File::from),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    fn done(&mut self, request: &Request) -> io::Result<()> {
        match self.ask(request, None, PATIENCE)? {
            (Reply::Done, _) => Ok(()),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    fn ask(
        &mut self,
        request: &Request,
        with: Option<BorrowedFd<'_>>,
        patience: Duration,
    ) -> io::Result<(Reply, Vec<OwnedFd>)> {
        let Some(socket) = &self.socket else {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the hand, the part of the daemon that kept root, is gone: restart the daemon",
            ));
        };
        let answer = exchange(socket.as_fd(), request, with, patience);
        match answer {
            Ok((Reply::Failed { kind, message }, _)) => Err(io::Error::new(kind.into(), message)),
            Ok(answer) => Ok(answer),
            Err(e) => {
                // An answer that comes later would be taken for that of the next request.
                self.let_loose();
                Err(io::Error::new(e.kind(), format!("asking the hand: {e}")))
            }
        }
    }

    fn out_of_step(&mut self, reply: &Reply) -> io::Error {
        self.let_loose();
        io::Error::other(format!("the hand answered something else: {reply:?}"))
    }

    fn let_loose(&mut self) {
        self.socket = None;
    }
}

/// To the limited cgroup, with the hand's rights.
impl Attach for Hand {
    fn attach(
        &mut self,
        hook: OptionalHook,
        program: BorrowedFd<'_>,
        pinned: bool,
    ) -> io::Result<Option<OwnedFd>> {
        let request = Request::Attach { hook: hook.name().to_owned(), pinned };
        match self.ask(&request, Some(program), PATIENCE)? {
            (Reply::Attached, _) if pinned => Ok(None),
            (Reply::Attached, descriptors) => one(descriptors).map(Some),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    fn unpin(&mut self, hook: OptionalHook) -> io::Result<()> {
        self.done(&Request::Unpin { hook: hook.name().to_owned() })
    }
}

/// The configuration's files, with the hand's rights.
impl Disk for Hand {
    /// Of conf.d, whichever directory is named.
    fn list(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> {
        match self.ask(&Request::ListConfD, None, PATIENCE)? {
            (Reply::Listed { paths }, _) => Ok(paths),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        self.open_file(path)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.let_loose();
        let end = Instant::now() + END;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn exchange(
    socket: BorrowedFd<'_>,
    request: &Request,
    with: Option<BorrowedFd<'_>>,
    patience: Duration,
) -> io::Result<(Reply, Vec<OwnedFd>)> {
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(patience))?;
    send(socket, request, with.as_slice())?;
    receive(socket)?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended"))
}

fn one(descriptors: Vec<OwnedFd>) -> io::Result<OwnedFd> {
    descriptors.into_iter().next().ok_or_else(|| io::Error::other("the hand sent no descriptor"))
}
