//! The daemon's side of the control protocol. Each connection has a task of its own, so that none can delay another or
//! the limit. The owner of the limiter carries out the requests; see [`Call`].

use crate::control::{Answer, LONGEST_REQUEST, RefusalKind, Request, to_line};
use crate::events::Event;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::time::timeout;

/// How long a client may take to send its request, and to read each answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many clients of root may send their request at the same time. More wait to be accepted.
const AT_ONCE: usize = 64;
/// How many connections other users may have, if they may connect at all. More are closed at once, so that clients of
/// root never wait for them.
const OF_OTHERS: usize = 16;
/// How many connections may last: those that follow events, and those of `exec`.
const LASTING: usize = 256;

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

/// Accepts connections for as long as `calls` are taken.
pub async fn serve(listener: UnixListener, calls: mpsc::Sender<Call>) {
    let of_root = Arc::new(Semaphore::new(AT_ONCE));
    let of_others = Arc::new(Semaphore::new(OF_OTHERS));
    let lasting = Arc::new(Semaphore::new(LASTING));
    while !calls.is_closed() {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::warn!("cannot accept a connection on the control socket: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let is_root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
        let permit = if is_root {
            Arc::clone(&of_root).acquire_owned().await.ok()
        } else {
            Arc::clone(&of_others).try_acquire_owned().ok()
        };
        let Some(permit) = permit else { continue };
        let (calls, lasting) = (calls.clone(), Arc::clone(&lasting));
        tokio::spawn(async move {
            let mut connection = Connection::new(stream, calls, lasting);
            let reply = connection.ask().await;
            // A client of root may take its time to read the answer.
            let _of_others = (!is_root).then_some(permit);
            if let Err(e) = connection.answer(reply).await {
                tracing::debug!("cannot answer a client of the control socket: {e}");
            }
        });
    }
}

struct Connection {
    peer: Option<u32>,
    read: BufReader<tokio::io::Take<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    calls: mpsc::Sender<Call>,
    lasting: Arc<Semaphore>,
    /// The permit of a connection that lasts.
    lasts: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: UnixStream, calls: mpsc::Sender<Call>, lasting: Arc<Semaphore>) -> Self {
        let peer = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| pid.try_into().ok());
        let (read, write) = stream.into_split();
        let read = BufReader::new(read.take(LONGEST_REQUEST));
        Self { peer, read, write, calls, lasting, lasts: None }
    }

    async fn ask(&mut self) -> Reply {
        match self.request().await {
            Ok(request) => {
                if matches!(request, Request::Exec { .. } | Request::Events { follow: true, .. }) {
                    let Ok(lasts) = Arc::clone(&self.lasting).try_acquire_owned() else {
                        let message = format!(
                            "{LASTING} clients already follow events or run commands with `exec`: end one first"
                        );
                        return Reply::Answer(Answer::Refused { kind: RefusalKind::Failed, message });
                    };
                    self.lasts = Some(lasts);
                }
                let peer = self.peer;
                self.call(|reply| Call::Ask { request, peer, reply }).await
            }
            Err(message) => Reply::Answer(Answer::Refused { kind: RefusalKind::WrongUse, message }),
        }
    }

    async fn request(&mut self) -> Result<Request, String> {
        let mut line = Vec::new();
        match timeout(PATIENCE, self.read.read_until(b'\n', &mut line)).await {
            Err(_) => return Err(format!("no request came within {PATIENCE:?}")),
            Ok(Err(e)) => return Err(format!("cannot read the request: {e}")),
            Ok(Ok(_)) => {}
        }
        if line.last() != Some(&b'\n') {
            return Err(if line.len() as u64 == LONGEST_REQUEST {
                format!("the request is longer than {LONGEST_REQUEST} bytes")
            } else {
                "the request has no end: send one line of JSON".into()
            });
        }
        serde_json::from_slice(&line).map_err(|e| {
            format!("unknown request ({e}): the command and the daemon may be of different versions")
        })
    }

    async fn call(&self, call: impl FnOnce(oneshot::Sender<Reply>) -> Call) -> Reply {
        let (reply, answer) = oneshot::channel();
        let _ = self.calls.send(call(reply)).await;
        answer.await.unwrap_or_else(|_| {
            let message = "the daemon is ending".to_owned();
            Reply::Answer(Answer::Refused { kind: RefusalKind::Failed, message })
        })
    }

    async fn answer(&mut self, reply: Reply) -> io::Result<()> {
        match reply {
            Reply::Answer(answer) => self.send(&answer).await,
            Reply::Ending { answer, written } => {
                let sent = self.send(&answer).await;
                let _ = written.send(());
                sent
            }
            Reply::Events { not_kept, past, follow } => {
                if not_kept > 0 {
                    self.send(&Answer::NotKept(not_kept)).await?;
                }
                for event in past {
                    self.send(&Answer::Event(Box::new(Event::clone(&event)))).await?;
                }
                match follow {
                    Some(events) => self.stream(events).await,
                    None => Ok(()),
                }
            }
            Reply::Scope { answer, name } => {
                // Whether or not the client got the answer, the scope ends with the connection.
                let sent = self.send(&answer).await;
                if sent.is_ok() {
                    self.until_closed().await;
                }
                let Reply::Answer(answer) = self.call(|reply| Call::EndScope { name, reply }).await else {
                    return sent;
                };
                self.send(&answer).await
            }
        }
    }

    async fn stream(&mut self, mut events: broadcast::Receiver<Arc<Event>>) -> io::Result<()> {
        loop {
            let next = tokio::select! {
                next = events.recv() => next,
                () = until_closed(&mut self.read) => return Ok(()),
            };
            match next {
                Ok(event) => self.send(&Answer::Event(Box::new(Event::clone(&event)))).await?,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    self.send(&Answer::Missed(missed)).await?;
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn until_closed(&mut self) {
        until_closed(&mut self.read).await;
    }

    async fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let line = to_line(answer)?;
        timeout(PATIENCE, self.write.write_all(&line)).await?
    }
}

/// Reads and discards until the client closes its half or has sent more than the length of a request.
async fn until_closed(read: &mut BufReader<tokio::io::Take<OwnedReadHalf>>) {
    let mut buffer = [0; 512];
    while read.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Client, ClientError};
    use crate::runtime_dir::RuntimeDir;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as Blocking;

    /// A server whose owner answers `status` requests with a value, and a runtime on a thread of its own.
    fn daemon() -> (tempfile::TempDir, RuntimeDir) {
        let place = tempfile::tempdir().unwrap();
        let directory = RuntimeDir::at(place.path().to_owned());
        let socket = std::os::unix::net::UnixListener::bind(directory.socket()).unwrap();
        socket.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (calls, mut taken) = mpsc::channel(8);
                tokio::spawn(serve(UnixListener::from_std(socket).unwrap(), calls));
                while let Some(call) = taken.recv().await {
                    let (Call::Ask { reply, .. } | Call::EndScope { reply, .. }) = call;
                    let _ = reply.send(Reply::Answer(Answer::Value("10".into())));
                }
            });
        });
        (place, directory)
    }

    fn ask(directory: &RuntimeDir) -> Result<Answer, ClientError> {
        Client::ask(directory, &Request::Status, Some(Duration::from_secs(20)))?.answer()
    }

    #[test]
    fn clients_that_hang_do_not_stall_the_next() {
        let (_place, directory) = daemon();
        let hanging: Vec<_> = (0..AT_ONCE - 1)
            .map(|_| {
                let mut stream = Blocking::connect(directory.socket()).unwrap();
                stream.set_read_timeout(Some(PATIENCE * 4)).unwrap();
                stream.write_all(b"\"sta").unwrap();
                stream
            })
            .collect();
        assert_eq!(ask(&directory).unwrap(), Answer::Value("10".into()));
        for mut stream in hanging {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.contains("no request came"), "{answer}");
        }
    }

    #[test]
    fn a_request_without_end_is_refused() {
        let (_place, directory) = daemon();
        let mut stream = Blocking::connect(directory.socket()).unwrap();
        stream.write_all(&vec![b' '; LONGEST_REQUEST as usize]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("longer than 65536 bytes"), "{answer}");
        assert_eq!(ask(&directory).unwrap(), Answer::Value("10".into()));
    }

    #[test]
    fn nonsense_is_refused_as_wrong_use() {
        let (_place, directory) = daemon();
        let mut stream = Blocking::connect(directory.socket()).unwrap();
        stream.write_all(b"{\"format\": \"c:\"}\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        match serde_json::from_str(&answer).unwrap() {
            Answer::Refused { kind: RefusalKind::WrongUse, .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
