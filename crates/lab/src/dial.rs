//! What a dialer is asked to do and what it says: JSON lines, a [`Spec`] in, [`Line`]s out.

mod at_once;
mod blocking;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::invariant::End;
use crate::{LabError, raise_open_files};

/// What to dial, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Stay, with all sockets that are kept, until stdin is closed, and end at once when it is.
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
    /// connect() has been called for all destinations. In the blocking style that is when all have ended.
    AllDialled,
    /// All dials have ended.
    AllDone,
}

/// Dials as `spec` says and writes each [`Line`] as it happens.
///
/// # Errors
/// When the limit of open files cannot be raised far enough, or the kernel refuses an epoll or a thread.
pub fn dial(spec: &Spec, out: impl Write + Send) -> Result<(), LabError> {
    let needed = spec.destinations.len() as u64 + 64;
    let limit = raise_open_files(needed);
    if limit < needed {
        return Err(LabError::OpenFiles { limit, needed });
    }
    let voice = Voice(Mutex::new(out));
    let kept = match spec.style {
        Style::AtOnce => at_once::dial(spec, &voice)?,
        Style::Blocking(threads) => blocking::dial(spec, threads, &voice)?,
    };
    voice.say(&Line::AllDone);
    if spec.until_stdin_closes {
        // The thread that watches stdin ends the process.
        loop {
            std::thread::park();
        }
    }
    drop(kept);
    Ok(())
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
    index: usize,
    destination: SocketAddr,
    started: Instant,
    started_ns: u64,
}

impl Dial {
    fn begin(spec: &Spec, index: usize) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            index,
            destination: spec.destinations[index],
            started: Instant::now(),
            started_ns: since_epoch.as_nanos() as u64,
        }
    }

    fn end(&self, socket: Option<&Socket>, outcome: Outcome) -> Line {
        let source = socket.and_then(|socket| socket.local_addr().ok()?.as_socket());
        Line::Done(Report {
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

/// When dial number `index` is due, counted from the first.
fn due(spec: &Spec, index: usize) -> Duration {
    spec.dials_per_s.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(index as f64 / rate))
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
