//! The client's side of the control socket.

use super::routes::{Route, STREAM, Written};
use super::server_sent::{Sent, ServerSent};
use super::{Answer, RefusalKind, Request, UnwatchedStatus};
use crate::runtime_dir::RuntimeDir;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The name of [`Answer::Refused`] in JSON.
const REFUSED: &str = "refused";

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
    runtime: Runtime,
    response: Response<Incoming>,
    route: &'static Route,
    /// What has come of a stream.
    stream: ServerSent,
    /// What has come of a list, or that the only answer has been taken.
    came: Option<VecDeque<Answer>>,
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
    /// If no daemon listens, or if it does not answer.
    pub fn ask(
        directory: &RuntimeDir,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<Self, ClientError> {
        let path = directory.socket();
        let failed = |reason| broken(&path, patience, reason);
        let stream = UnixStream::connect(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon(path.clone()),
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted(path.clone()),
            _ => failed(e),
        })?;
        let asked = || -> io::Result<_> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let written = request.written()?;
            let response = within(&runtime, patience, send(stream, &written))??;
            Ok((runtime, response, written.route))
        };
        let (runtime, response, route) = asked().map_err(failed)?;
        Ok(Self { runtime, response, route, stream: ServerSent::default(), came: None, path, patience })
    }

    /// The next answer; `None` after the last one.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or if the connection breaks.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, ClientError> {
        let kind = self.response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind.is_some_and(|kind| kind.starts_with(STREAM.as_bytes())) {
            return self.next_of_stream().map_err(|e| self.broken(e));
        }
        if self.came.is_none() {
            self.came = Some(self.whole()?);
        }
        Ok(self.came.as_mut().and_then(VecDeque::pop_front))
    }

    fn next_of_stream(&mut self) -> io::Result<Option<Answer>> {
        loop {
            if let Some(Sent { event, data }) = self.stream.next() {
                return Ok(Some(Answer::read(&event, serde_json::from_str(&data)?)?));
            }
            match within(&self.runtime, self.patience, self.response.body_mut().frame())? {
                Some(Ok(frame)) => self.stream.add(frame.data_ref().map_or(&[], |data| data)),
                // The daemon has ended.
                None => return Ok(None),
                Some(Err(e)) if e.is_incomplete_message() => return Ok(None),
                Some(Err(e)) => return Err(io::Error::other(e)),
            }
        }
    }

    /// The body that is no stream. A list of events is an answer for each.
    fn whole(&mut self) -> Result<VecDeque<Answer>, ClientError> {
        let read = |this: &mut Self| -> io::Result<_> {
            let body = within(&this.runtime, this.patience, this.response.body_mut().collect())?;
            let body = body.map_err(io::Error::other)?.to_bytes();
            if this.response.status().is_success() {
                return Ok(Ok(this.route.read_answer(&body)?));
            }
            Ok(Err(Answer::read(REFUSED, serde_json::from_slice(&body)?)?))
        };
        match read(self).map_err(|e| self.broken(e))? {
            Ok(Answer::Events { not_kept, events }) => {
                let not_kept = (not_kept > 0).then_some(Answer::NotKept(not_kept));
                let events = events.into_iter().map(|event| Answer::Event(Box::new(event)));
                Ok(not_kept.into_iter().chain(events).collect())
            }
            Ok(answer) => Ok([answer].into()),
            Err(Answer::Refused { kind, message }) => Err(ClientError::Refused { kind, message }),
            Err(other) => Err(self.unexpected(&other)),
        }
    }

    /// The only answer to the request.
    ///
    /// # Errors
    /// As [`Client::next_answer`], or if there is no answer.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        self.next_answer()?.ok_or_else(|| self.broken(io::ErrorKind::UnexpectedEof.into()))
    }

    /// The error for an answer that does not fit the request: the daemon is of another version.
    #[must_use]
    pub fn unexpected(&self, answer: &Answer) -> ClientError {
        let found = format!("unexpected answer {answer:?}; the daemon may be of another version: restart it");
        self.broken(io::Error::new(io::ErrorKind::InvalidData, found))
    }

    fn broken(&self, reason: io::Error) -> ClientError {
        broken(&self.path, self.patience, reason)
    }
}

fn broken(path: &Path, patience: Option<Duration>, reason: io::Error) -> ClientError {
    let path = path.to_owned();
    match patience {
        Some(patience) if reason.kind() == io::ErrorKind::TimedOut => ClientError::Silent { path, patience },
        _ => ClientError::Broken { path, reason },
    }
}

/// What `future` gives, or an error after `patience`.
fn within<T>(
    runtime: &Runtime,
    patience: Option<Duration>,
    future: impl Future<Output = T>,
) -> io::Result<T> {
    runtime.block_on(async {
        match patience {
            Some(patience) => timeout(patience, future).await.map_err(Into::into),
            None => Ok(future.await),
        }
    })
}

async fn send(stream: UnixStream, written: &Written) -> io::Result<Response<Incoming>> {
    stream.set_nonblocking(true)?;
    let stream = TokioIo::new(tokio::net::UnixStream::from_std(stream)?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    // It reads and writes whenever this client waits.
    tokio::spawn(connection);
    let body = Full::<Bytes>::from(written.body.clone().unwrap_or_default());
    let accepts = if written.follows { STREAM } else { "application/json" };
    let request = hyper::Request::builder()
        .method(&written.route.method)
        .uri(&written.target)
        .header(HOST, "localhost")
        .header(ACCEPT, accepts)
        .body(body)
        .map_err(io::Error::other)?;
    sender.send_request(request).await.map_err(io::Error::other)
}
