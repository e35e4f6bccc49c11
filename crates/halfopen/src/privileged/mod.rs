//! The privileged helper: a second, small process that keeps root. It does the few things that the daemon may no longer
//! do once it is sandboxed. It reads only the socket to the daemon, and ends with the daemon. Its [keeper] restarts it
//! if it ends earlier.

pub mod exec_cgroup;
pub mod keeper;
pub mod message;
pub mod process;
mod reach;
pub mod serving;

use crate::config::{Containers, Disk};
use crate::events::Identity;
use crate::exit::WrongUse;
use halfopen_bpf::text::{LONGEST, escaped, plain};
use halfopen_bpf::{Attach, EnforcementStopped, Gate, Interfaces, IpFamily, OptionalHook, Program};
use message::{NOBODY_S, Numbered, Received, Reply, Request, receive, send};
use process::Process;
pub use reach::Reach;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a request may take: each is a few system calls, or a walk over the processes of the host.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for frequent requests made while attempts wait: the daemon does nothing else meanwhile.
const QUICK: Duration = Duration::from_secs(2);
/// The pause before a helper that did not answer in time is asked again, unless its answer comes earlier.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a request is repeated because the helper has ended. Several helpers may have ended since the last request.
const AGAIN: u32 = 8;
/// How many late answers are discarded at a time.
const LATE: usize = 64;
/// How long the walk over the sockets of all namespaces may take.
const RESTORE: Duration = Duration::from_secs(45);
/// How long the helper may take to end once its socket is closed.
const END: Duration = Duration::from_secs(5);

/// What stays in the file system when the daemon ends. Its socket and its lock file never stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// Everything that the next daemon takes over.
    Limit,
    /// Nothing. The parent of the cgroups of `exec` is removed too, and the runtime directory if the daemon made it.
    Nothing {
        /// Whether there are pins to remove as well.
        pins: bool,
    },
}

/// The privileged helper as the daemon sees it. The helper ends when this is dropped.
#[derive(Debug)]
pub struct Helper {
    socket: Option<OwnedFd>,
    /// The helper's keeper.
    process: Child,
    /// The number of the last request.
    asked: u64,
    /// When the helper missed an answer, if it has not answered since.
    silent: Option<Instant>,
}

impl Helper {
    /// Starts the helper. Call this before the process has anything that the helper should not inherit.
    ///
    /// # Errors
    /// If no process can be started.
    pub fn start(reach: &Reach) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("halfopen").args(reach.arguments()).current_dir("/");
        // A group of its own keeps a terminal's signals from the helper, which the daemon needs until the very end.
        command.process_group(0).stdin(Stdio::from(its)).stdout(Stdio::null()).env_clear();
        let logged = std::env::var_os("RUST_LOG").map(|filter| ("RUST_LOG", filter));
        let process = command.envs(logged).spawn()?;
        Ok(Self { socket: Some(ours), process, asked: NOBODY_S, silent: None })
    }

    /// Whether the helper answered, as of the last request or [`Helper::look`].
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some() && self.silent.is_none()
    }

    /// Checks whether the helper has ended or answers again. Returns whether it answers.
    pub fn look(&mut self) -> bool {
        for _ in 0..LATE {
            let Some(socket) = &self.socket else { break };
            let mut waiting = [PollFd::new(socket, PollFlags::IN)];
            if !poll(&mut waiting, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
                break;
            }
            // Nobody waits for this answer any more.
            match receive::<Reply>(socket.as_fd()) {
                Ok(Received::Message(..) | Received::Malformed(_)) => self.silent = None,
                Ok(Received::Closed) | Err(_) => self.let_loose(),
            }
        }
        if self.socket.is_none() {
            // Reaps the keeper, so that no zombie stays; it may not have ended yet.
            let _ = self.process.try_wait();
        }
        self.is_there()
    }

    /// A raw socket for whole packets of `family` in the network namespace with the inode `netns`. The helper looks for
    /// that namespace at process `pid` first.
    ///
    /// # Errors
    /// If there is no such namespace, or if the privileged helper is gone.
    pub fn raw_socket(&mut self, pid: u32, netns: u64, family: IpFamily) -> io::Result<OwnedFd> {
        let request = Request::RawSocket { pid, netns, family: family.into() };
        match self.ask(&request, None, QUICK)? {
            (Reply::RawSocket, descriptors) => one(descriptors),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// A socket that listens for TCP at this address, in the helper's network namespace.
    ///
    /// # Errors
    /// If nobody can listen there, or if the privileged helper is gone.
    pub fn listen(&mut self, at: SocketAddr) -> io::Result<TcpListener> {
        match self.ask(&Request::Listen { at }, None, QUICK)? {
            (Reply::Listening, descriptors) => one(descriptors).map(TcpListener::from),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Restores the original options of every held socket, in all network namespaces, through the iterator of `link`.
    ///
    /// # Errors
    /// If the privileged helper is gone.
    pub fn restore(&mut self, link: BorrowedFd<'_>) -> io::Result<EnforcementStopped> {
        match self.ask(&Request::Restore, Some(link), RESTORE)? {
            (Reply::Restored { namespaces_missed }, _) => {
                Ok(EnforcementStopped { namespaces_missed, ..EnforcementStopped::default() })
            }
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Reads the iterator of `link` in each of these network namespaces, given by inode number. Returns the namespaces
    /// where that was possible.
    ///
    /// # Errors
    /// If the privileged helper is gone.
    pub fn walk(&mut self, link: BorrowedFd<'_>, namespaces: &[u32]) -> io::Result<Vec<u32>> {
        match self.ask(&Request::Walk { namespaces: namespaces.to_vec() }, Some(link), QUICK)? {
            (Reply::Walked { namespaces }, _) => Ok(namespaces),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// The names behind a program's numbers.
    ///
    /// # Errors
    /// If the privileged helper is gone.
    pub fn identify(&mut self, program: &Program) -> io::Result<Identity> {
        let Program { pid, uid, comm, cgroup_id } = program.clone();
        match self.ask(&Request::Identify { pid, uid, comm, cgroup_id }, None, QUICK)? {
            (Reply::Identity { exe, cgroup, user, runs_in }, _) => Ok(Identity {
                exe: exe.as_deref().map(name),
                cgroup: cgroup.as_deref().map(name),
                user: name(&user),
                runs_in: runs_in.each(name),
            }),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// The process with this PID, as long as a thread of it is called `comm`, where that is given; `None` if it is gone.
    ///
    /// # Errors
    /// If the privileged helper is gone.
    pub fn process(&mut self, pid: u32, comm: Option<&str>) -> io::Result<Option<Process>> {
        let request = Request::Process { pid, comm: comm.map(ToOwned::to_owned) };
        match self.ask(&request, None, QUICK)? {
            (Reply::Process { process }, _) => Ok(process.map(|process| process.each(name))),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// The number of a user whom /etc/passwd does not list; `None` if the name service knows no such user.
    ///
    /// # Errors
    /// If the name service does not answer, or if the privileged helper is gone.
    pub fn user_number(&mut self, name: &str) -> io::Result<Option<u32>> {
        match self.ask(&Request::UserNumber { name: name.to_owned() }, None, QUICK)? {
            (Reply::UserNumber { number }, _) => Ok(number),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// The sockets of container runtimes that did not answer the last time, each with the reason.
    ///
    /// # Errors
    /// If the privileged helper is gone.
    pub fn failed_runtime_sockets(&mut self) -> io::Result<Vec<String>> {
        match self.ask(&Request::RuntimeSockets, None, QUICK)? {
            (Reply::RuntimeSockets { failed }, _) => Ok(failed.iter().map(|failed| name(failed)).collect()),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Makes the cgroup `name` for a command of `exec`. Returns descriptors of its parent and of the cgroup itself.
    ///
    /// # Errors
    /// If cgroups cannot be made there, or if the privileged helper is gone.
    pub fn make_exec_cgroup(&mut self, name: &str) -> io::Result<(OwnedFd, OwnedFd)> {
        match self.ask(&Request::MakeExecCgroup { name: name.to_owned() }, None, PATIENCE)? {
            (Reply::ExecCgroup, descriptors) => match <[OwnedFd; 2]>::try_from(descriptors) {
                Ok([above, made]) => Ok((above, made)),
                Err(_) => Err(io::Error::other("the privileged helper sent no cgroup")),
            },
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    /// Removes the cgroup `name` of a command of `exec`. Moves processes left in it to its parent.
    ///
    /// # Errors
    /// If a process cannot be moved, or if the privileged helper is gone.
    pub fn remove_exec_cgroup(&mut self, name: &str) -> io::Result<()> {
        self.done(&Request::RemoveExecCgroup { name: name.to_owned() })
    }

    /// Removes everything from the file system that the daemon does not `leave` there.
    ///
    /// # Errors
    /// What could not be removed, or that the privileged helper is gone.
    pub fn tidy_up(&mut self, leave: Leave) -> io::Result<()> {
        self.done(&Request::TidyUp { leave })
    }

    /// Opens the configuration file, a file that [`Disk::list`] returned, or /etc/passwd.
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
        if self.socket.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the privileged helper is gone: restart the daemon",
            ));
        }
        if self.silent.is_some_and(|since| since.elapsed() < SILENCE) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the privileged helper does not answer"));
        }
        match self.exchange(request, with, patience) {
            Ok((Reply::Failed { kind, message }, _)) => Err(io::Error::new(kind.into(), plain(&message))),
            Ok(answer) => {
                self.silent = None;
                Ok(answer)
            }
            Err(e) => {
                match e.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.silent = Some(Instant::now()),
                    // It was not sent.
                    io::ErrorKind::InvalidInput => {}
                    _ => self.let_loose(),
                }
                Err(io::Error::new(e.kind(), format!("cannot get an answer from the privileged helper: {e}")))
            }
        }
    }

    /// Sends the request, and repeats it to a new helper if the old one has ended. Every request is safe to repeat.
    fn exchange(
        &mut self,
        request: &Request,
        with: Option<BorrowedFd<'_>>,
        patience: Duration,
    ) -> io::Result<(Reply, Vec<OwnedFd>)> {
        let Some(socket) = &self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        let socket = socket.as_fd();
        let end = Instant::now() + patience;
        let mut asked = self.asked;
        let ask = |asked: &mut u64| {
            *asked += 1;
            send(socket, &Numbered { number: *asked, message: request }, with.as_slice())
        };
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(QUICK))?;
        ask(&mut asked)?;
        let mut again = 0;
        let answer = loop {
            // A timeout of zero would mean none.
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(left))?;
            match receive(socket) {
                Ok(Received::Message(Numbered { number: NOBODY_S, message: Reply::Began }, _))
                    if again < AGAIN =>
                {
                    again += 1;
                    if let Err(e) = ask(&mut asked) {
                        break Err(e);
                    }
                }
                Ok(Received::Message(Numbered { number: NOBODY_S, message }, with)) => {
                    break Ok((message, with));
                }
                Ok(Received::Message(Numbered { number, message }, with)) if number == asked => {
                    break Ok((message, with));
                }
                // The answer to an earlier request, which nobody waits for any more.
                Ok(Received::Message(..)) => {}
                Ok(Received::Malformed(why)) => break Err(io::Error::other(why)),
                Ok(Received::Closed) => {
                    break Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended"));
                }
                Err(e) => break Err(e),
            }
        };
        self.asked = asked;
        answer
    }

    fn out_of_step(&mut self, reply: &Reply) -> io::Error {
        self.let_loose();
        io::Error::other(format!(
            "the privileged helper sent an answer that does not fit the request: {reply:?}"
        ))
    }

    fn let_loose(&mut self) {
        self.socket = None;
    }

    /// The interfaces through which containers reach the network.
    ///
    /// # Errors
    /// If the helper does not answer.
    pub fn gates(&mut self) -> io::Result<Interfaces> {
        match self.ask(&Request::Gates, None, PATIENCE)? {
            (Reply::Gates { gates, others }, _) => {
                let gate = |(index, name, shared)| Gate { index, name, shared };
                Ok(Interfaces { gates: gates.into_iter().map(gate).collect(), others })
            }
            (other, _) => Err(self.out_of_step(&other)),
        }
    }
}

/// Attaches to the limited cgroup, with the privileged helper's rights.
impl Attach for Helper {
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

/// Reads the configuration files, with the privileged helper's rights.
impl Disk for Helper {
    /// Lists conf.d, whichever directory is named.
    fn list(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> {
        match self.ask(&Request::ListConfD, None, PATIENCE)? {
            (Reply::Listed { paths }, _) => Ok(paths),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        self.open_file(path)
    }

    fn containers(&mut self, wanted: &Containers) -> io::Result<Vec<String>> {
        match self.ask(&Request::Containers { wanted: wanted.clone() }, None, QUICK)? {
            (Reply::Cgroups { paths }, _) => Ok(paths),
            (other, _) => Err(self.out_of_step(&other)),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.let_loose();
        let end = Instant::now() + END;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Refuses a user who runs the privileged helper's command by hand.
fn at_socket(stdin: impl AsFd) -> Result<(), WrongUse> {
    if sockopt::socket_type(stdin).ok() == Some(SocketType::SEQPACKET) {
        return Ok(());
    }
    Err(WrongUse("only `halfopen run` can start `halfopen helper`".into()))
}

/// Bounded and escaped, whatever the other side has sent.
fn name(text: &str) -> String {
    let plain = plain(text);
    // A name that the helper cut is this much longer, by the note that says so.
    if plain.len() <= LONGEST + 64 { plain } else { escaped(plain.as_bytes()) }
}

fn one(descriptors: Vec<OwnedFd>) -> io::Result<OwnedFd> {
    descriptors.into_iter().next().ok_or_else(|| io::Error::other("the privileged helper sent no descriptor"))
}
