//! What the socket of a container runtime said last. A thread asks it, so that nobody waits for a runtime that hangs.

use super::Said;
use super::runtime_socket::{RuntimeSocket, SocketError};
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The shortest time between two requests.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon a socket that did not answer is asked again if nobody wants anything.
const AGAIN: Duration = Duration::from_secs(10);

/// A socket, and what it said last.
#[derive(Debug)]
pub struct RuntimeAnswers {
    socket: RuntimeSocket,
    last: Arc<Mutex<Last>>,
    wanted: SyncSender<()>,
}

#[derive(Debug, Default)]
struct Last {
    running: HashMap<String, Said>,
    /// Why it did not answer the last time.
    failed: Option<String>,
}

impl RuntimeAnswers {
    /// Asks the socket for the first time, and from then on when somebody [wants](Self::want) it.
    ///
    /// # Errors
    /// If no thread or no runtime can be made.
    pub fn of(socket: RuntimeSocket) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let last = Arc::<Mutex<Last>>::default();
        let (wanted, asked) = sync_channel(1);
        let (asks, said) = (socket.clone(), Arc::clone(&last));
        let ask = move || ask(&asked, &said, || runtime.block_on(asks.running()));
        thread::Builder::new().name("runtime-socket".into()).spawn(ask)?;
        Ok(Self { socket, last, wanted })
    }

    /// What it said about a container.
    #[must_use]
    pub fn said(&self, id: &str) -> Option<Said> {
        locked(&self.last).running.get(id).cloned()
    }

    /// Has the socket asked again soon.
    pub fn want(&self) {
        // Full: it will be asked already.
        let _ = self.wanted.try_send(());
    }

    /// The socket, and why it did not answer the last time; `None` if it did.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        let failed = locked(&self.last).failed.clone();
        failed.map(|why| format!("{}: {why}", self.socket))
    }
}

fn locked(last: &Mutex<Last>) -> MutexGuard<'_, Last> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks until nobody can want it any more.
fn ask(
    wanted: &Receiver<()>,
    last: &Mutex<Last>,
    mut running: impl FnMut() -> Result<HashMap<String, Said>, SocketError>,
) {
    loop {
        let answer = running();
        let mut last = locked(last);
        let has_failed = match answer {
            Ok(running) => {
                *last = Last { running, failed: None };
                false
            }
            Err(e) => {
                last.failed = Some(e.to_string());
                true
            }
        };
        drop(last);
        thread::sleep(PAUSE);
        let next = if has_failed {
            wanted.recv_timeout(AGAIN).or_else(|e| match e {
                RecvTimeoutError::Timeout => Ok(()),
                RecvTimeoutError::Disconnected => Err(e),
            })
        } else {
            wanted.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        if next.is_err() {
            return;
        }
    }
}
