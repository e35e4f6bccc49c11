//! The client's side of the control socket.

use super::{Answer, RefusalKind, Request, UnwatchedStatus, to_line};
use crate::runtime_dir::RuntimeDir;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Why the client got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens on the socket.
    #[error("no daemon is running here (nothing answers at {}): start one with `halfopen run`", .0.display())]
    NoDaemon(PathBuf),
    /// No daemon listens on the socket, but a limit that was pinned by one goes on.
    #[error("{0} Nothing was done.")]
    Unwatched(Box<UnwatchedStatus>),
    /// A daemon has the lock, but does not listen on the socket.
    #[error(
        "the daemon (pid {pid}) does not answer yet: it is starting, or about to end; try again in a few seconds"
    )]
    NotYet {
        /// The daemon's process id.
        pid: u32,
    },
    /// No daemon listens on the socket, and this user may not see whether a limit is pinned.
    #[error("no daemon answers, and only root may see whether a limit is pinned in {}: run as root", .0.display())]
    PinsHidden(PathBuf),
    /// This user may not connect to the socket.
    #[error("no permission to ask the daemon at {}: run as root", .0.display())]
    NotPermitted(PathBuf),
    /// No answer came in time.
    #[error(
        "the daemon at {} has not answered within {} s: it hangs, or the host is very busy; `systemctl restart halfopen` \
         ends it and starts another", path.display(), patience.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The connection broke.
    #[error("cannot get an answer from the daemon at {}: {reason}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The daemon refused.
    #[error("{message}")]
    Refused {
        /// The kind of reason.
        kind: RefusalKind,
        /// The reason.
        message: String,
    },
}

/// A connection that carries one request.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    patience: Option<Duration>,
}

/// How long an answer may take. A walk over all sockets of a busy host takes a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The same for the numbers of `status`, which need no such walk, and which the pins have too.
pub const PATIENCE_FOR_STATUS: Duration = Duration::from_secs(10);

impl Client {
    /// Asks the daemon of `directory`. Each answer must come within `patience`; `None` waits without a limit.
    ///
    /// # Errors
    /// If no daemon listens or the request cannot be sent.
    pub fn ask(
        directory: &RuntimeDir,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<Self, ClientError> {
        let path = directory.socket();
        let broken = |reason| ClientError::Broken { path: path.clone(), reason };
        let mut stream = UnixStream::connect(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon(path.clone()),
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted(path.clone()),
            _ => broken(e),
        })?;
        stream.set_read_timeout(patience).map_err(broken)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
        let line = to_line(request).map_err(|e| broken(e.into()))?;
        stream.write_all(&line).map_err(broken)?;
        Ok(Self { stream: BufReader::new(stream), path, patience })
    }

    /// The next answer; `None` after the last one.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or if the connection breaks.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, ClientError> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).map_err(|e| self.broken(e))?;
        if length == 0 {
            return Ok(None);
        }
        match serde_json::from_str(&line).map_err(|e| self.broken(e.into()))? {
            Answer::Refused { kind, message } => Err(ClientError::Refused { kind, message }),
            answer => Ok(Some(answer)),
        }
    }

    /// The only answer to the request.
    ///
    /// # Errors
    /// As [`Client::next_answer`], or if there is no answer.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        self.next_answer()?.ok_or_else(|| self.broken(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Tells the daemon that this client sends nothing more. Answers can still be read.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn close(&self) -> Result<(), ClientError> {
        self.stream.get_ref().shutdown(Shutdown::Write).map_err(|e| self.broken(e))
    }

    /// The error for an answer that does not fit the request: the daemon is of another version.
    #[must_use]
    pub fn unexpected(&self, answer: &Answer) -> ClientError {
        let found = format!("unexpected answer {answer:?}; the daemon may be of another version: restart it");
        self.broken(io::Error::new(io::ErrorKind::InvalidData, found))
    }

    fn broken(&self, reason: io::Error) -> ClientError {
        let is_over = matches!(reason.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        if let Some(patience) = self.patience.filter(|_| is_over) {
            return ClientError::Silent { path: self.path.clone(), patience };
        }
        ClientError::Broken { path: self.path.clone(), reason }
    }
}
