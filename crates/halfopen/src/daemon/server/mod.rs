//! The daemon's side of the control socket. Each connection carries one request and has a task of its own, so that none
//! can delay another or the limit. The owner of the limiter carries out the requests; see [`Call`].

mod answers;
pub(super) mod door;
mod peer;
mod streams;

use crate::control::routes::LONGEST_REQUEST;
use crate::control::{Answer, Request};
use crate::events::Event;
use crate::history_reader::HistoryDesk;
use answers::Asked;
use axum::Router;
use axum::body::Body;
use door::Door;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use peer::Peer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

/// How long a client may take to send the head of its request, its body, and to read anything of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many clients of root may send their request at the same time. More wait to be accepted.
const AT_ONCE: usize = 64;
/// How many connections other users may have, if they may connect at all. More are closed at once, so that clients of
/// root never wait for them.
const OF_OTHERS: usize = 16;
/// How many connections may last: those that follow events, and those of `exec`.
const LASTING: usize = 256;
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// What a connection asks of the limiter's owner.
#[derive(Debug)]
pub enum Call {
    /// A client's request.
    Ask {
        /// The request.
        request: Request,
        /// The client's process.
        peer: Option<u32>,
        /// Takes the reply.
        reply: oneshot::Sender<Reply>,
    },
    /// The client of this scope has closed its connection.
    EndScope {
        /// The scope's name.
        name: String,
        /// Takes the reply.
        reply: oneshot::Sender<Reply>,
    },
}

/// What the limiter's owner answers.
#[derive(Debug)]
pub enum Reply {
    /// One answer.
    Answer(Answer),
    /// Events.
    Events {
        /// How many events of earlier daemons are missing.
        not_kept: u64,
        /// The events in memory.
        past: Vec<Arc<Event>>,
        /// The events to come.
        follow: Option<broadcast::Receiver<Arc<Event>>>,
    },
    /// A scope that lasts as long as the connection.
    Scope {
        /// The answer.
        answer: Answer,
        /// The scope's name.
        name: String,
    },
    /// The last answer. The daemon ends once it is `written`.
    Ending {
        /// The answer.
        answer: Answer,
        /// Sent when the client has the answer, dropped when it cannot get it.
        written: oneshot::Sender<()>,
    },
}

/// What all connections share.
struct Daemon {
    calls: mpsc::Sender<Call>,
    history: Option<HistoryDesk>,
    lasting: Arc<Semaphore>,
    /// The turn of clients that are not root: one request at a time.
    of_others: Arc<Mutex<()>>,
}

/// Accepts connections for as long as `calls` are taken.
pub async fn serve(door: Door, calls: mpsc::Sender<Call>) {
    let Door { listener, admins, history } = door;
    let of_root = Arc::new(Semaphore::new(AT_ONCE));
    let of_others = Arc::new(Semaphore::new(OF_OTHERS));
    let lasting = Arc::new(Semaphore::new(LASTING));
    let daemon = Arc::new(Daemon { calls, history, lasting, of_others: Arc::default() });
    let router = answers::router(&daemon);
    while !daemon.calls.is_closed() {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::warn!("cannot accept a connection on the control socket: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = match Peer::of(&stream, admins) {
            Ok(peer) => peer,
            Err(e) => {
                tracing::debug!("cannot tell who has connected to the control socket: {e}");
                continue;
            }
        };
        let permit = if peer.is_root() {
            Arc::clone(&of_root).acquire_owned().await.ok()
        } else {
            Arc::clone(&of_others).try_acquire_owned().ok()
        };
        if let Some(permit) = permit {
            tokio::spawn(connection(stream, peer, permit, router.clone()));
        }
    }
}

async fn connection(stream: UnixStream, peer: Peer, permit: OwnedSemaphorePermit, router: Router) {
    let asked = Asked::by(peer);
    let permit = std::sync::Mutex::new(Some(permit));
    let service = service_fn(|request: hyper::Request<_>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(asked.clone());
        let mut router = router.clone();
        let permit = &permit;
        async move {
            let response = router.call(request).await;
            if peer.is_root()
                && let Ok(mut permit) = permit.lock()
            {
                // A client of root may take its time to read the answer.
                permit.take();
            }
            response
        }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(PATIENCE));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .await;
    if let Err(e) = served {
        tracing::debug!("cannot answer a client of the control socket: {e}");
    }
    // The daemon may end now.
    asked.is_answered();
}

#[cfg(test)]
mod tests;
