//! The asking side.

use super::{Answer, RefusalKind, Request, to_line};
use crate::runtime_dir::RuntimeDir;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no daemon runs here (nothing answers at {}): start one with `halfopen run`", .0.display())]
    NoDaemon(PathBuf),
    /// Somebody listens, but not to this user.
    #[error("asking the daemon at {} is not permitted: run as root", .0.display())]
    NotPermitted(PathBuf),
    /// The connection broke or no answer came in time.
    #[error("asking the daemon at {}: {reason}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The daemon refused.
    #[error("{message}")]
    Refused {
        /// Of what kind the reason is.
        kind: RefusalKind,
        /// The reason.
        message: String,
    },
}

/// A connection with one request on it.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

/// How long an answer may take: a walk over all sockets of a busy host takes a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    /// Asks the daemon of `directory`; each answer must come within `patience` (`None`: whenever it comes).
    ///
    /// # Errors
    /// Where nobody listens or the request cannot be sent.
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
        Ok(Self { stream: BufReader::new(stream), path })
    }

    /// The next answer; `None` once there are no more.
    ///
    /// # Errors
    /// [`ClientError::Refused`], and where the connection breaks.
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

    /// The one answer that there must be.
    ///
    /// # Errors
    /// As [`Client::next_answer`], and where there is none.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        self.next_answer()?.ok_or_else(|| self.broken(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Tells the daemon that no more is wanted; its answers can still be read.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub fn close(&self) -> Result<(), ClientError> {
        self.stream.get_ref().shutdown(Shutdown::Write).map_err(|e| self.broken(e))
    }

    /// An answer came that does not belong to the request: the daemon is of another version.
    #[must_use]
    pub fn unexpected(&self, answer: &Answer) -> ClientError {
        let found = format!("it answered {answer:?}; it may be of another version: restart it");
        self.broken(io::Error::new(io::ErrorKind::InvalidData, found))
    }

    fn broken(&self, reason: io::Error) -> ClientError {
        ClientError::Broken { path: self.path.clone(), reason }
    }
}
