//! Writes recordings.

use super::bytes::{checksum, put_address, put_number, put_text};
use super::{Attempt, Ended, MAGIC, Outcome, Program, Record, VERSION};
use std::io::{self, Write};

pub(super) const PROGRAM: u8 = 1;
pub(super) const ATTEMPT: u8 = 2;
pub(super) const LOST: u8 = 3;
pub(super) const END: u8 = 4;

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording. Times of attempts count from `since`, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// Those of `to`, here and below.
    pub fn new(mut to: W, since: u64) -> io::Result<Self> {
        let mut header = MAGIC.to_vec();
        header.extend([VERSION, 0, 0, 0]);
        header.extend(since.to_le_bytes());
        to.write_all(&header)?;
        Ok(Self { to, written: header.len() as u64 })
    }

    /// Writes a record, all of it or nothing that a reader would take for one.
    ///
    /// # Errors
    /// As above.
    pub fn put(&mut self, record: &[u8]) -> io::Result<()> {
        self.to.write_all(record)?;
        self.written += record.len() as u64;
        Ok(())
    }

    /// How many bytes were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// Hands on what was written.
    ///
    /// # Errors
    /// As above.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A record as it is in a file.
#[must_use]
pub fn encoded(record: &Record) -> Vec<u8> {
    let mut content = Vec::with_capacity(64);
    match record {
        Record::Program(number, program) => of_program(&mut content, *number, program),
        Record::Attempt(attempt) => of_attempt(&mut content, attempt),
        Record::Lost(count) => {
            content.push(LOST);
            put_number(&mut content, *count);
        }
        Record::End(ended) => {
            let number = match ended {
                Ended::Asked => 0,
                Ended::Time => 1,
                Ended::Full => 2,
            };
            content.extend([END, number]);
        }
        Record::Unknown => return Vec::new(),
    }
    let mut bytes = Vec::with_capacity(content.len() + 4);
    put_number(&mut bytes, content.len() as u64);
    bytes.extend(&content);
    bytes.extend(checksum(&content));
    bytes
}

fn of_program(content: &mut Vec<u8>, number: u32, program: &Program) {
    let Program { name, uid, cgroup, runs_in } = program;
    content.push(PROGRAM);
    put_number(content, number.into());
    put_number(content, (*uid).into());
    for text in [name, cgroup, runs_in] {
        put_text(content, text);
    }
}

fn of_attempt(content: &mut Vec<u8>, attempt: &Attempt) {
    let Attempt { program, began, flow, sent, lasted, outcome } = *attempt;
    content.push(ATTEMPT);
    put_number(content, program.into());
    put_number(content, began);
    put_number(content, lasted);
    let outcome = Outcome::ALL.iter().position(|one| *one == outcome).unwrap_or_default();
    put_number(content, outcome as u64);
    put_address(content, flow.from);
    put_number(content, flow.from_port.into());
    put_address(content, flow.to);
    put_number(content, flow.to_port.into());
    put_number(content, sent.map_or(0, |sent| sent.syns).into());
    if let Some(sent) = sent {
        put_number(content, sent.after);
        put_number(content, sent.last_after);
    }
}
