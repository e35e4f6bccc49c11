//! Lines on standard output and standard error, whose readers may leave at any time.

use std::io::{self, Write};

/// The reader of standard output has left: the program ends quietly.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct Closed;

/// Writes `text` and a line end to standard output.
///
/// # Errors
/// [`Closed`], or another reason why the output cannot be written.
pub fn line(text: &str) -> anyhow::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes `bytes` to standard output.
///
/// # Errors
/// [`Closed`], or another reason why the output cannot be written.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        written => Ok(written?),
    }
}

/// Writes `text` and a line end to standard error, if anybody reads it.
pub fn error_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
