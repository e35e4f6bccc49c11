//! What a dialer is asked to do and what it says: JSON lines, [`Spec`]s in, [`Line`]s out. Each line in is a task of its
//! own, begun when it is read, beside those before it in the same process.

mod at_once;
mod blocking;
mod forks;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::invariant::End;
use crate::{LabError, raise_open_files};

/// What to dial, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Where to, in this order.
    pub destinations: Vec<SocketAddr>,
    /// Non-blocking or blocking.
    #[serde(default)]
    pub style: Style,
    /// Give an attempt up (by closing its socket) after so many milliseconds; without it only the kernel ends one.
    #[serde(default)]
    pub patience_ms: Option<u64>,
    /// Begin at most so many dials a second, evenly spread; without it all begin as fast as they can.
    #[serde(default)]
    pub dials_per_s: Option<f64>,
    /// Begin none while so many are under way; those after it then begin as much later. For [`Style::AtOnce`] alone.
    #[serde(default)]
    pub at_a_time: Option<usize>,
    /// Begin no more once so many have connected. For [`Style::AtOnce`] alone.
    #[serde(default)]
    pub enough: Option<usize>,
    /// When each dial begins, in microseconds after the task does, ascending; those without a time follow the last one
    /// that has one.
    #[serde(default)]
    pub at_us: Vec<u64>,
    /// Keep connections open until the dialer ends, rather than close them once established.
    #[serde(default)]
    pub keep: bool,
    /// Dial IPv4 destinations as IPv4-mapped ones from IPv6 sockets.
    #[serde(default)]
    pub mapped: bool,
    /// The sockets' own TCP_USER_TIMEOUT, in milliseconds.
    #[serde(default)]
    pub user_timeout_ms: Option<u32>,
    /// The sockets' own SO_SNDTIMEO, in milliseconds; it ends blocking dials, reported as cancelled.
    #[serde(default)]
    pub send_timeout_ms: Option<u64>,
    /// Stay, with all sockets that are kept, until stdin is closed, and end at once when it is. Only if the first task
    /// says so are there others.
    #[serde(default)]
    pub until_stdin_closes: bool,
}

/// How to dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// All at once from one thread, with non-blocking sockets.
    #[default]
    AtOnce,
    /// With blocking sockets from this many threads, each taking the next destination when its last is done.
    Blocking(usize),
    /// From child processes, each for so many dials, all at once. Each has a new cgroup below that of its parent, which
    /// stays until all have ended.
    Forks {
        /// How many dials each child takes.
        dials: usize,
        /// How many children are at work at a time.
        children: usize,
    },
}

/// How a dial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Established.
    Connected,
    /// ECONNREFUSED.
    Refused,
    /// EHOSTUNREACH or ENETUNREACH.
    Unreachable,
    /// ETIMEDOUT.
    TimedOut,
    /// Given up by the dialer itself.
    Cancelled,
    /// Another error.
    Errno(i32),
}

/// One finished dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The number of the task it belongs to, counted from 0.
    pub task: usize,
    /// Its place in [`Spec::destinations`].
    pub index: usize,
    /// Where it went.
    pub destination: SocketAddr,
    /// Where it came from, if the kernel had chosen that.
    pub source: Option<SocketAddr>,
    /// When connect() was called, by the wall clock in nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// How long until the outcome, in nanoseconds.
    pub waited_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Report {
    /// How long until the outcome.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns)
    }

    /// When connect() was called, by the wall clock since the Unix epoch.
    #[must_use]
    pub fn started(&self) -> Duration {
        Duration::from_nanos(self.started_ns)
    }

    /// The end of the attempt, for [`attempts`](crate::invariant::attempts).
    #[must_use]
    pub fn end(&self) -> Option<End> {
        Some(End { at: self.started() + self.waited(), from: self.source?, to: self.destination })
    }
}

/// What a dialer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A dial has ended.
    Done(Report),
    /// connect() has been called for all destinations of a task. Where only [`Style::AtOnce`] can tell, that is when all
    /// have ended.
    AllDialled(usize),
    /// All dials of a task have ended.
    AllDone(usize),
}

/// Why a dialer has ended early.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// A line is no [`Spec`].
    #[error("line {0} of stdin is no specification: {1}")]
    NoSpec(usize, io::Error),
    /// Dialling needs what the kernel refuses.
    #[error(transparent)]
    Lab(#[from] LabError),
}

/// Dials as each line of `orders` says and writes each [`Line`] as it happens. If the first task is to stay, this ends
/// with `orders` and leaves what is under way to the process' end.
///
/// # Errors
/// When a line cannot be understood, when the limit of open files cannot be raised far enough, or when the kernel
/// refuses an epoll, a thread, or what a child process needs. Of tasks after the first it is only said on stderr.
pub fn serve(orders: impl BufRead, out: impl Write + Send + 'static) -> Result<(), DialError> {
    let voice = Arc::new(Voice(Mutex::new(out)));
    for (task, line) in orders.lines().enumerate() {
        let spec = line.and_then(|line| Ok(serde_json::from_str::<Spec>(&line)?));
        let spec = spec.map_err(|error| DialError::NoSpec(task + 1, error))?;
        if task == 0 && !spec.until_stdin_closes {
            return Ok(dial(&spec, task, &voice).map(drop)?);
        }
        let voice = voice.clone();
        let work = move || match dial(&spec, task, &voice) {
            // What is kept stays open until the process ends.
            Ok(kept) => std::mem::forget(kept),
            Err(error) => {
                eprintln!("lab-dial: {error}");
                std::process::exit(1);
            }
        };
        // Unnamed, it keeps the program's name, by which limiters know it.
        std::thread::Builder::new().spawn(work).map_err(LabError::io("start the thread of a task"))?;
    }
    Ok(())
}

fn dial<W: Write + Send>(spec: &Spec, task: usize, voice: &Voice<W>) -> Result<Vec<Socket>, LabError> {
    let at_once = match spec.style {
        Style::Blocking(threads) if !spec.keep => threads,
        Style::AtOnce if !spec.keep => spec.at_a_time.unwrap_or(spec.destinations.len()),
        _ => spec.destinations.len(),
    };
    let needed = at_once as u64 + 64;
    let limit = raise_open_files(needed);
    if limit < needed {
        return Err(LabError::OpenFiles { limit, needed });
    }
    let kept = match spec.style {
        Style::AtOnce => at_once::dial(spec, task, voice)?,
        Style::Blocking(threads) => blocking::dial(spec, task, threads, voice)?,
        Style::Forks { dials, children } => {
            forks::dial(spec, task, dials, children, voice)?;
            Vec::new()
        }
    };
    voice.say(&Line::AllDone(task));
    Ok(kept)
}

struct Voice<W>(Mutex<W>);

impl<W: Write> Voice<W> {
    fn say(&self, line: &Line) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = serde_json::to_string(line).map_err(io::Error::from).and_then(|text| {
            writeln!(out, "{text}")?;
            out.flush()
        });
        if let Err(error) = said {
            // Nobody listens any more, so nobody needs the rest.
            eprintln!("lab-dial: cannot report: {error}");
            std::process::exit(1);
        }
    }
}

/// A dial under way.
struct Dial {
    task: usize,
    index: usize,
    destination: SocketAddr,
    started: Instant,
    started_ns: u64,
}

impl Dial {
    fn begin(spec: &Spec, task: usize, index: usize) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            task,
            index,
            destination: spec.destinations[index],
            started: Instant::now(),
            started_ns: since_epoch.as_nanos() as u64,
        }
    }

    fn end(&self, socket: Option<&Socket>, outcome: Outcome) -> Line {
        let source = socket.and_then(|socket| socket.local_addr().ok()?.as_socket());
        Line::Done(Report {
            task: self.task,
            index: self.index,
            destination: self.destination,
            source: source
                .map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()))
                .filter(|at| at.port() != 0),
            started_ns: self.started_ns,
            waited_ns: self.started.elapsed().as_nanos() as u64,
            outcome,
        })
    }

    fn socket(&self, spec: &Spec) -> io::Result<Socket> {
        let domain = Domain::for_address(self.address(spec));
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(ms) = spec.user_timeout_ms {
            socket.set_tcp_user_timeout(Some(Duration::from_millis(ms.into())))?;
        }
        if let Some(ms) = spec.send_timeout_ms {
            socket.set_write_timeout(Some(Duration::from_millis(ms)))?;
        }
        Ok(socket)
    }

    fn address(&self, spec: &Spec) -> SocketAddr {
        match self.destination {
            SocketAddr::V4(v4) if spec.mapped => {
                SocketAddr::new(Ipv4Addr::to_ipv6_mapped(v4.ip()).into(), v4.port())
            }
            address => address,
        }
    }
}

/// When dial number `index` is due, counted from the beginning of its task.
fn due(spec: &Spec, index: usize) -> Duration {
    let time = spec.at_us.get(index).or(spec.at_us.last());
    let time = time.copied().map_or(Duration::ZERO, Duration::from_micros);
    spec.dials_per_s.map_or(time, |rate| time.max(Duration::from_secs_f64(index as f64 / rate)))
}

fn outcome(error: &io::Error) -> Outcome {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Outcome::Refused,
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH) => Outcome::Unreachable,
        Some(Errno::TIMEDOUT) => Outcome::TimedOut,
        Some(errno) => Outcome::Errno(errno.raw_os_error()),
        None => Outcome::Errno(0),
    }
}
