//! The process that reads the history for the daemon's clients. The sandboxed daemon may neither open files nor wait for
//! a disk, and the recorder has to write: so a third one reads. The daemon asks it one question at a time.

pub mod serving;

use crate::control::{Answer, Request};
use crate::recorder::spawn;
use rustix::net::SocketType;
use std::io;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many rows of minutes are answered at most.
pub const ROWS: u32 = 10_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: a row has some 400, if its account's name is not very long.
const LONGEST: u64 = 32 * 1024 * 1024;

/// Whose history is read.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Reads {
    /// The directory of the history
    #[arg(long, value_name = "PATH")]
    pub state_dir: PathBuf,
}

/// An answer: by its name, and as it is sent to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The name of the [`Answer`](crate::control::Answer).
    pub name: String,
    /// Its body, in JSON.
    pub body: String,
}

impl Told {
    /// The answer.
    ///
    /// # Errors
    /// If it is of another version.
    pub fn answer(&self) -> serde_json::Result<Answer> {
        Answer::read(&self.name, serde_json::from_str(&self.body)?)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// The process has ended.
    #[error("the process that reads the history has ended: restart the daemon; its log says why")]
    Ended,
    /// It takes too long.
    #[error("the history did not answer within {PATIENCE:?}: ask for less")]
    Slow,
}

/// The process, as the daemon sees it. It ends when this is dropped.
#[derive(Debug)]
pub struct HistoryReader {
    stream: Blocking,
    process: Child,
}

/// The same, once the daemon waits for several things at a time.
#[derive(Debug)]
pub struct HistoryDesk {
    questions: mpsc::Sender<Question>,
}

/// A question, and who waits for the answer.
type Question = (Request, oneshot::Sender<Told>);

#[derive(Debug)]
struct Process(Child);

impl HistoryReader {
    /// Starts it. Call this before the process is sandboxed.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(state_dir: &Path) -> io::Result<Self> {
        let directory = std::path::absolute(state_dir)?;
        let arguments = vec!["history-reader".into(), "--state-dir".into(), directory.into_os_string()];
        let (socket, process) = spawn(arguments, SocketType::STREAM)?;
        let stream = Blocking::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Self { stream, process })
    }

    /// Makes it answer. Call this in the runtime.
    ///
    /// # Errors
    /// The runtime's.
    pub fn desk(self) -> io::Result<HistoryDesk> {
        let stream = BufReader::new(UnixStream::from_std(self.stream)?);
        let (questions, asked) = mpsc::channel(1);
        tokio::spawn(exchange(Process(self.process), stream, asked));
        Ok(HistoryDesk { questions })
    }
}

impl HistoryDesk {
    /// The answer to a question about the history.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn ask(&self, request: Request) -> Result<Told, NotTold> {
        let (answer, told) = oneshot::channel();
        let asked = async {
            self.questions.send((request, answer)).await.map_err(|_| NotTold::Ended)?;
            told.await.map_err(|_| NotTold::Ended)
        };
        timeout(PATIENCE, asked).await.map_err(|_| NotTold::Slow)?
    }
}

/// Puts one question after the other, and takes each answer as a whole, whether or not anybody still waits for it.
async fn exchange(_process: Process, mut stream: BufReader<UnixStream>, mut asked: mpsc::Receiver<Question>) {
    while let Some((request, answer)) = asked.recv().await {
        if answer.is_closed() {
            continue;
        }
        match tell(&mut stream, &request).await {
            Ok(told) => drop(answer.send(told)),
            Err(e) => {
                return tracing::error!("the process that reads the history for clients has ended: {e}");
            }
        }
    }
}

async fn tell(stream: &mut BufReader<UnixStream>, request: &Request) -> io::Result<Told> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    line.clear();
    stream.take(LONGEST).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(io::Error::other("it has closed its socket, or its answer is too long"));
    }
    let text = String::from_utf8(line).map_err(io::Error::other)?;
    let (name, body) =
        text.split_once(' ').ok_or_else(|| io::Error::other("it says what nobody understands"))?;
    Ok(Told { name: name.to_owned(), body: body.to_owned() })
}

impl Drop for Process {
    fn drop(&mut self) {
        // The last parameter is dropped first, so the socket is closed already: it ends.
        let _ = self.0.wait();
    }
}
