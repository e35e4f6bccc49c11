//! A connection to another part of the program, of which many tasks ask one question at a time.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long an answer may take, with those before it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many questions wait for an answer.
const WAITING: usize = 32;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other end has closed.
    #[error("its process has ended")]
    Gone,
    /// It takes too long.
    #[error("it has not answered within {} s", PATIENCE.as_secs())]
    Silent,
    /// Nobody understands the answer.
    #[error("its answer cannot be read")]
    Unreadable,
}

type Question = (Vec<u8>, oneshot::Sender<Vec<u8>>);

/// The asking end.
#[derive(Debug, Clone)]
pub struct Link(mpsc::Sender<Question>);

impl Link {
    /// Over `stream`. The task ends when the other end closes, or when nobody can ask any more.
    pub fn over(stream: UnixStream) -> (Self, JoinHandle<()>) {
        let (questions, asked) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let _ = exchange(stream, asked).await;
        });
        (Self(questions), task)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn ask<A: DeserializeOwned>(&self, question: &impl Serialize) -> Result<A, LinkError> {
        let line = to_line(question).map_err(|_| LinkError::Unreadable)?;
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.0.send((line, reply)).await.map_err(|_| LinkError::Gone)?;
            answer.await.map_err(|_| LinkError::Gone)
        };
        let answer = timeout(PATIENCE, answered).await.map_err(|_| LinkError::Silent)??;
        serde_json::from_slice(&answer).map_err(|_| LinkError::Unreadable)
    }
}

/// Asks one question after the other, whether or not somebody still waits for its answer.
async fn exchange(stream: UnixStream, mut asked: mpsc::Receiver<Question>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let (line, reply) = tokio::select! {
            question = asked.recv() => match question {
                Some(question) => question,
                None => return Ok(()),
            },
            // Nothing is said without being asked, so it has closed.
            _ = read.fill_buf() => return Ok(()),
        };
        write.write_all(&line).await?;
        let mut answer = Vec::new();
        read.read_until(b'\n', &mut answer).await?;
        if answer.last() != Some(&b'\n') {
            return Ok(());
        }
        let _ = reply.send(answer);
    }
}

/// A message as a line of its own.
///
/// # Errors
/// None for what this program sends, although `serde_json` cannot know that.
pub fn to_line(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
