//! From the kernel's records to those of a file.

use super::file::File;
use super::names::{Names, Number};
use anyhow::{Context, Result};
use halfopen_bpf::{RecordedAttempt, RecordedOutcome, monotonic};
use halfopen_replay::Flow;
use halfopen_replay::trace::{Attempt, Ended, Outcome, Record, Sent, Writer, encoded};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the end of a recording needs, in bytes.
const FOR_THE_END: u64 = 32;

pub struct Trace {
    to: Writer<File>,
    most: u64,
    /// When it began, on the kernel's monotonic clock.
    since: Duration,
    names: Names,
    attempts: u64,
    lost: u64,
    /// Attempts that no room was left for.
    left_out: u64,
    failed: String,
}

impl Trace {
    /// Begins a recording of at most `most` bytes.
    pub fn new(file: File, most: u64, since: Duration) -> Result<Self> {
        let failed = file.failed();
        let ago = monotonic().saturating_sub(since);
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
        let mut to = Writer::new(file, began.as_nanos() as u64).with_context(|| failed.clone())?;
        to.flush().with_context(|| failed.clone())?;
        Ok(Self { to, most, since, names: Names::default(), attempts: 0, lost: 0, left_out: 0, failed })
    }

    pub fn is_full(&self) -> bool {
        self.left_out > 0
    }

    pub fn cgroup(&mut self, id: u64) {
        self.names.cgroup(id);
    }

    pub fn attempt(&mut self, recorded: &RecordedAttempt) -> Result<()> {
        let mut bytes = Vec::new();
        let program = match self.names.number(&recorded.program) {
            Number::Known(number) => number,
            Number::New(number, program) => {
                bytes = encoded(&Record::Program(number, program));
                number
            }
        };
        bytes.extend(encoded(&Record::Attempt(attempt(program, recorded, self.since))));
        // Once one did not fit in, all others are left out, also shorter ones: the recording is whole up to a moment.
        if self.is_full() || self.to.written() + bytes.len() as u64 + FOR_THE_END > self.most {
            self.left_out += 1;
            return Ok(());
        }
        self.attempts += 1;
        self.put(&bytes)
    }

    /// So many attempts were lost by now.
    pub fn lost(&mut self, count: u64) -> Result<()> {
        if count == self.lost {
            return Ok(());
        }
        self.lost = count;
        let bytes = encoded(&Record::Lost(count));
        if self.to.written() + bytes.len() as u64 + FOR_THE_END > self.most {
            Ok(())
        } else {
            self.put(&bytes)
        }
    }

    pub fn flush(&mut self) -> Result<()> {
        self.to.flush().with_context(|| self.failed.clone())
    }

    pub fn finish(&mut self, ended: Ended) -> Result<()> {
        self.put(&encoded(&Record::End(ended)))?;
        self.to.get_mut().sync().with_context(|| self.failed.clone())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.put(bytes).with_context(|| self.failed.clone())
    }

    /// What was recorded, and what was not.
    pub fn summary(&self, path: &Path, ended: Ended) -> String {
        let Self { attempts, names, lost, .. } = self;
        let (bytes, path) = (self.to.written(), path.display());
        let mut text =
            format!("halfopen: {attempts} attempts of {} programs in {path}, {bytes} bytes", names.count());
        if ended == Ended::Full {
            text += "; it is full, and the recording has ended: --max-size allows more";
        }
        if *lost > 0 {
            let _ =
                write!(text, "; {lost} attempts were lost, as they came faster than they could be written");
        }
        text + &format!(". Next: halfopen replay {path}")
    }
}

fn attempt(program: u32, recorded: &RecordedAttempt, since: Duration) -> Attempt {
    let us = |time: Duration| time.as_micros() as u64;
    let RecordedAttempt { began, sent, syns, ended, from, to, .. } = *recorded;
    Attempt {
        program,
        began: us(began.saturating_sub(since)),
        flow: Flow { from: from.ip().into(), to: to.ip().into(), from_port: from.port(), to_port: to.port() },
        sent: sent.map(|(first, last)| Sent {
            after: us(first.saturating_sub(began)),
            syns,
            last_after: us(last.saturating_sub(first)),
        }),
        lasted: us(ended.unwrap_or_else(monotonic).saturating_sub(began)),
        outcome: match recorded.outcome {
            RecordedOutcome::Open => Outcome::Open,
            RecordedOutcome::Answered => Outcome::Answered,
            RecordedOutcome::Reset => Outcome::Reset,
            RecordedOutcome::Unreachable => Outcome::Unreachable,
            RecordedOutcome::Silent => Outcome::Silent,
            RecordedOutcome::Cancelled => Outcome::Cancelled,
            RecordedOutcome::Refused => Outcome::Refused,
            RecordedOutcome::Denied => Outcome::Denied,
        },
    }
}
