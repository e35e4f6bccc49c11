//! The dashboard as the daemon sees it: its process, who is logged in, and what they want.

use super::Serves;
use super::link::to_line;
use super::message::{Asked, LONGEST, Told, Wanted};
use super::sessions::{Sessions, TOKEN_LASTS};
use crate::recorder::spawn;
use rustix::net::SocketType;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

/// How long its process may take to end with the daemon.
const END: Duration = Duration::from_secs(2);
/// How long its process may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What somebody who is logged in wants of the limiter's owner.
#[derive(Debug)]
pub struct Call {
    /// What.
    pub wanted: Wanted,
    /// Takes the answer.
    pub reply: oneshot::Sender<Told>,
}

/// The dashboard as the daemon sees it. Its process ends when this is dropped.
#[derive(Debug)]
pub struct Dashboard {
    /// `None` = it could not be started.
    process: Option<Child>,
    stream: Option<UnixStream>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    sessions: Option<Sessions>,
    /// How its addresses begin; `None` = nobody can reach it.
    address: Option<String>,
    /// Why nobody can, if that is known.
    not_served: Option<String>,
}

impl Dashboard {
    /// Starts its process. Call this before the daemon is sandboxed. The limit goes on without it.
    #[must_use]
    pub fn start(serves: &Serves) -> Self {
        let mut state = State { sessions: Sessions::new().ok(), address: None, not_served: None };
        let (process, stream) = match spawn(serves.arguments(), SocketType::STREAM) {
            Ok((stream, process)) => (Some(process), Some(UnixStream::from(stream))),
            Err(e) => {
                let why = format!("its process could not be started: {e}");
                tracing::error!("there is no dashboard: {why}");
                state.not_served = Some(why);
                (None, None)
            }
        };
        Self { process, stream, state: Arc::new(Mutex::new(state)) }
    }

    /// Answers its process from now on. What it wants of the limiter is sent to `calls`.
    ///
    /// # Errors
    /// If this process has no descriptor left.
    pub fn serve(&self, calls: mpsc::Sender<Call>) -> io::Result<()> {
        let Some(stream) = &self.stream else { return Ok(()) };
        let stream = stream.try_clone()?;
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        let state = Arc::clone(&self.state);
        tokio::spawn(async move {
            let ended = answer_all(stream, &calls, &state).await;
            if let Err(e) = ended {
                tracing::warn!("the dashboard's process: {e}");
            }
            locked(&state).is_gone();
        });
        Ok(())
    }

    /// Why nobody can reach it.
    #[must_use]
    pub fn not_served(&self) -> Option<String> {
        locked(&self.state).not_served.clone()
    }

    /// A new one-time address, and for how long it is good.
    ///
    /// # Errors
    /// Why there is none.
    pub fn admit(&self, now: Duration) -> Result<(String, Duration), String> {
        let mut state = locked(&self.state);
        if let Some(why) = &state.not_served {
            return Err(format!("nobody can reach the dashboard: {why}"));
        }
        let Some(address) = state.address.clone() else {
            return Err("the dashboard is starting: try again in a few seconds".to_owned());
        };
        let token = state.sessions.as_mut().and_then(|sessions| sessions.admit(now).ok());
        let token = token.ok_or("the kernel gives no random numbers for a login")?;
        Ok((format!("{address}/login/{token}"), TOKEN_LASTS))
    }

    /// Takes note of the end of its process. Call this every second.
    pub fn tend(&mut self) {
        if self.process.as_mut().is_some_and(|process| !matches!(process.try_wait(), Ok(None))) {
            self.process = None;
            locked(&self.state).is_gone();
        }
    }
}

impl State {
    fn is_gone(&mut self) {
        self.address = None;
        if self.not_served.is_none() {
            let why = "its process has ended";
            tracing::error!("there is no dashboard any more: {why}; the limit goes on");
            self.not_served = Some(why.to_owned());
        }
    }

    /// What to answer at once; else what is wanted of the limiter.
    fn note(&mut self, asked: Asked, now: Duration) -> Result<Told, Wanted> {
        let Some(sessions) = &mut self.sessions else { return Ok(Told::NoSession) };
        Ok(match asked {
            Asked::Serving(address) => {
                tracing::info!("the dashboard is at {address}; `halfopen dashboard` prints a way in");
                self.address = Some(address);
                Told::Noted
            }
            Asked::NotServed(why) => {
                tracing::error!("there is no dashboard: {why}");
                self.not_served = Some(why);
                Told::Noted
            }
            Asked::LogIn(token) => match sessions.log_in(&token, now) {
                Ok(Some(secret)) => {
                    tracing::info!("somebody has logged in to the dashboard");
                    Told::LoggedIn(secret)
                }
                Ok(None) | Err(_) => Told::NoSession,
            },
            Asked::LogOut(secret) => {
                sessions.log_out(&secret, now);
                Told::Noted
            }
            Asked::Want(secret, wanted) if sessions.has(&secret, now) => return Err(wanted),
            Asked::Want(..) => Told::NoSession,
        })
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request after the other, until the process closes its end or says what nobody understands.
async fn answer_all(
    stream: tokio::net::UnixStream,
    calls: &mpsc::Sender<Call>,
    state: &Mutex<State>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        (&mut read).take(LONGEST).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        let asked = serde_json::from_slice(&line)?;
        let now = halfopen_bpf::monotonic();
        let noted = locked(state).note(asked, now);
        let told = match noted {
            Ok(told) => told,
            Err(wanted) => {
                let (reply, answer) = oneshot::channel();
                // Fails only when the daemon ends, and then no answer comes.
                let _ = calls.send(Call { wanted, reply }).await;
                let Ok(told) = answer.await else { return Ok(()) };
                told
            }
        };
        tokio::time::timeout(PATIENCE, write.write_all(&to_line(&told)?)).await??;
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // The task that answers has the stream too.
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let end = Instant::now() + END;
        let Some(process) = &mut self.process else { return };
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
