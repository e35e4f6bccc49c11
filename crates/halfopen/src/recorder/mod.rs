//! The recorder: a process that writes the history and the file of events. The sandboxed daemon may neither open files nor
//! wait for a disk, so it hands over what is to be kept, and never waits for that either: what the recorder does not take
//! in time is counted as lost.

mod events_file;
mod message;
pub mod serving;

use crate::config::Resolved;
use crate::events::Event;
use crate::exit::WrongUse;
use crate::history::{Bounds, Dial, Lost, MinuteRow};
use crate::runtime_dir::StateDir;
use message::{Record, Told};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How much waits for the recorder at most, in bytes.
const WAITING: usize = 4 * 1024 * 1024;
/// How many rows or attempts a message has at most, so that it fits into [`message::LONGEST`].
const AT_ONCE: usize = 100;
/// How long the recorder may take to write the rest when the daemon ends.
const END: Duration = Duration::from_secs(5);

/// What the recorder keeps, and where.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Keeps {
    /// The directory of the history
    #[arg(long, value_name = "PATH")]
    pub state_dir: PathBuf,
    /// For how many days the history is kept; without this, there is none
    #[arg(long, value_name = "N", requires = "max_mib")]
    pub keep_days: Option<u32>,
    /// How large the history becomes at most
    #[arg(long, value_name = "MIB")]
    pub max_mib: Option<u32>,
    /// The file of events; without this, there is none
    #[arg(long, value_name = "PATH", requires_all = ["file_max_mib", "keep_files"])]
    pub events_file: Option<PathBuf>,
    /// How large that file becomes at most
    #[arg(long, value_name = "MIB")]
    pub file_max_mib: Option<u32>,
    /// How many older files are kept
    #[arg(long, value_name = "N")]
    pub keep_files: Option<u32>,
}

impl Keeps {
    /// What the configuration says; `None` if nothing is to be kept.
    #[must_use]
    pub fn of(resolved: &Resolved, state: &StateDir) -> Option<Self> {
        let (history, events) = (resolved.history(), resolved.events_file());
        (history.keep_days.is_some() || events.file.is_some()).then(|| Self {
            // The recorder does not start in this process's directory.
            state_dir: std::path::absolute(state.path()).unwrap_or_else(|_| state.path().to_owned()),
            keep_days: history.keep_days,
            max_mib: Some(history.max_mib),
            events_file: events.file,
            file_max_mib: Some(events.max_mib),
            keep_files: Some(events.keep_files),
        })
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(Bounds { keep_days: self.keep_days?, max_mib: self.max_mib? })
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut all = vec!["recorder".into(), "--state-dir".into(), self.state_dir.clone().into_os_string()];
        let mut add = |name: &str, value: Option<OsString>| {
            all.extend(value.into_iter().flat_map(|value| [name.into(), value]));
        };
        let number = |number: u32| number.to_string().into();
        add("--keep-days", self.keep_days.map(number));
        add("--max-mib", self.max_mib.map(number));
        add("--events-file", self.events_file.clone().map(PathBuf::into_os_string));
        add("--file-max-mib", self.file_max_mib.map(number));
        add("--keep-files", self.keep_files.map(number));
        all
    }
}

/// The recorder as the daemon sees it. It ends when this is dropped, once it has written what it has got.
#[derive(Debug)]
pub struct Recorder {
    socket: Option<OwnedFd>,
    /// `None` = it could not be started.
    process: Option<Child>,
    keeps: Keeps,
    waiting: VecDeque<(Vec<u8>, Lost)>,
    bytes: usize,
    /// What never reached the recorder.
    dropped: Lost,
    told: Told,
}

impl Recorder {
    /// Starts the recorder. Call this before the process is sandboxed, and after what may fail for want of privilege: one
    /// error is enough. The limit goes on without a recorder.
    #[must_use]
    pub fn start(keeps: Keeps) -> Self {
        let (socket, process) = match spawn(keeps.arguments(), SocketType::SEQPACKET) {
            Ok((socket, process)) => (Some(socket), Some(process)),
            Err(e) => {
                tracing::error!("cannot start the process that writes the history: {e}");
                (None, None)
            }
        };
        Self {
            socket,
            process,
            keeps,
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: Lost::default(),
            told: Told::default(),
        }
    }

    /// Whether there is to be a history.
    #[must_use]
    pub fn keeps_history(&self) -> bool {
        self.keeps.keep_days.is_some()
    }

    /// Keeps an event.
    pub fn event(&mut self, event: &Event) {
        let record = Record::Event(Box::new(event.clone()));
        self.add(&record, Lost { events: 1, ..Lost::default() });
    }

    /// Keeps rows of a minute in the history.
    pub fn minutes(&mut self, rows: &[MinuteRow]) {
        for rows in rows.chunks(AT_ONCE) {
            let lost = Lost { minutes: rows.len() as u64, ..Lost::default() };
            self.add(&Record::Minutes(rows.to_vec()), lost);
        }
    }

    /// Keeps attempts in the history.
    pub fn dials(&mut self, dials: &[Dial]) {
        for dials in dials.chunks(AT_ONCE) {
            let lost = Lost { dials: dials.len() as u64, ..Lost::default() };
            self.add(&Record::Dials(dials.to_vec()), lost);
        }
    }

    fn add(&mut self, record: &Record, lost: Lost) {
        // A record is made of texts and numbers, so the first cannot fail.
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        if self.socket.is_none() || self.bytes + bytes.len() > WAITING || bytes.len() > message::LONGEST {
            self.dropped = self.dropped.and(lost);
            return;
        }
        self.bytes += bytes.len();
        self.waiting.push_back((bytes, lost));
        self.hand_over();
    }

    /// Hands over what waits, as far as the recorder takes it now.
    fn hand_over(&mut self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while let (Some(socket), Some((bytes, lost))) = (&self.socket, self.waiting.front()) {
            match send(socket, bytes, flags) {
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => return,
                Err(Errno::MSGSIZE) => self.dropped = self.dropped.and(*lost),
                Err(_) => return self.is_gone(),
            }
            if let Some((bytes, _)) = self.waiting.pop_front() {
                self.bytes -= bytes.len();
            }
        }
    }

    fn is_gone(&mut self) {
        self.socket = None;
        self.bytes = 0;
        self.dropped = self.waiting.drain(..).fold(self.dropped, |sum, (_, lost)| sum.and(lost));
    }

    /// Hands over what waits, and reads what the recorder says. Call this every second.
    pub fn tend(&mut self) {
        self.hand_over();
        let mut bytes = [0; 4_096];
        while let Some(socket) = &self.socket {
            match recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((_, 1..)) => {}
                Err(Errno::AGAIN | Errno::INTR) => break,
                Ok(_) | Err(_) => {
                    self.is_gone();
                    break;
                }
            }
            let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
            match serde_json::from_slice(&bytes[..length]) {
                Ok(told) => self.told = told,
                Err(e) => tracing::warn!("the recorder says what nobody understands: {e}"),
            }
        }
        if let (None, Some(process)) = (&self.socket, &mut self.process) {
            // Reaps it, so that no zombie stays.
            let _ = process.try_wait();
        }
    }

    /// Why the history lacks what happens now; `None` if it has it, or if there is to be none.
    #[must_use]
    pub fn history_lacks(&self) -> Option<String> {
        self.keeps.keep_days?;
        let Lost { events, minutes, dials } = self.told.lost.and(self.dropped);
        let counted = format!("lost so far: {events} events, {minutes} rows of minutes, {dials} attempts");
        match (&self.socket, &self.told.history) {
            (None, _) => Some(format!("its process has ended or could not be started; {counted}")),
            (Some(_), Some(why)) => Some(format!("{why}; {counted}")),
            (Some(_), None) => (self.bytes > WAITING / 2).then(|| format!("the disk is too slow; {counted}")),
        }
    }

    /// Why the file of events lacks the last event; `None` if it has it, or if there is to be none.
    #[must_use]
    pub fn file_lacks(&self) -> Option<String> {
        self.keeps.events_file.as_ref()?;
        let counted = format!("lost so far: {} events", self.told.file_lost + self.dropped.events);
        match (&self.socket, &self.told.file) {
            (None, _) => Some(format!("its process has ended or could not be started; {counted}")),
            (Some(_), why) => why.as_ref().map(|why| format!("{why}; {counted}")),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let end = Instant::now() + END;
        while let Some(socket) = self.socket.as_ref().filter(|_| !self.waiting.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let taken = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&left));
            if !taken.is_ok_and(|ready| ready > 0) {
                break;
            }
            self.hand_over();
        }
        self.socket = None;
        let Some(process) = &mut self.process else { return };
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Starts this program with these arguments, its standard input connected to the socket that is returned.
pub(crate) fn spawn(arguments: Vec<OsString>, kind: SocketType) -> io::Result<(OwnedFd, Child)> {
    let (ours, its) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    // What the kernel keeps for it while a disk is slow. More than the kernel allows is cut to that.
    let _ = sockopt::set_socket_send_buffer_size(&ours, WAITING);
    let mut command = Command::new("/proc/self/exe");
    command.arg0("halfopen").args(arguments).current_dir("/");
    // A group of its own keeps a terminal's signals from it: it ends after the daemon.
    command.process_group(0).stdin(Stdio::from(its)).stdout(Stdio::null()).env_clear();
    let logged = std::env::var_os("RUST_LOG").map(|filter| ("RUST_LOG", filter));
    let process = command.envs(logged).spawn()?;
    Ok((ours, process))
}

/// Refuses a user who runs such a command by hand.
pub(crate) fn at_socket(stdin: impl AsFd, kind: SocketType, command: &str) -> Result<(), WrongUse> {
    if sockopt::socket_type(stdin).ok() == Some(kind) {
        return Ok(());
    }
    Err(WrongUse(format!("only `halfopen run` can start `halfopen {command}`")))
}
