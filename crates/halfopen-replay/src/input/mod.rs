//! Recordings: packets, logs of connections, and halfopen's own.

mod compression;
mod eve;
mod lines;
mod link;
mod log;
mod log_record;
mod order;
mod packets;
mod record_start;
mod segment;
mod trace;
mod zeek;

use crate::delays::Delays;
use crate::observation::{Observation, ProgramNumber};
use crate::trace::{self as own, Program};
use compression::{MAGIC, decompressed, peeked};
use log::{Log, LogForm};
use packets::Packets;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use trace::Trace;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened or read, or its compression is damaged.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system, or the decompression, said.
        source: io::Error,
    },
    /// Nothing that is read here.
    #[error(
        "{} is no recording that can be replayed: expected one of halfopen record, pcap, pcapng, Zeek's conn.log or \
         Suricata's eve.json, also compressed with gzip or zstd", path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets, or records of a log.
    pub records: u64,
    /// Bytes of them, without file headers.
    pub bytes: u64,
    /// Packets that are no TCP and no ICMP error over IP, and records of other protocols.
    pub other: u64,
    /// Packets of which too little was captured to see the TCP header.
    pub cut_short: u64,
    /// Fragments of IP packets, which are not put together.
    pub fragments: u64,
    /// Records that are damaged: they were skipped.
    pub damaged: u64,
    /// Where the first of them are, and what is wrong with each.
    pub damage: Vec<Damage>,
    /// The file ends within a record.
    pub is_cut_off: bool,
    /// Records of a log that begin earlier than what had been replayed by then: they were replayed late.
    pub late: u64,
    /// Attempts that `halfopen record` lost.
    pub lost: u64,
    /// What the limiter that ran meanwhile did.
    pub limited: Limited,
}

/// What the limiter did to the attempts while they were recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limited {
    /// Attempts that it held.
    pub(crate) held: Delays,
    /// Attempts that it refused: nobody knows what would have come of them.
    pub refused: u64,
    /// Attempts that it denied.
    pub denied: u64,
}

/// A damaged record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins, in bytes of the decompressed file.
    pub offset: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// How many damaged records are described.
const DESCRIBED: usize = 8;

impl Counts {
    fn damage(&mut self, offset: u64, what: &'static str) {
        self.damaged += 1;
        if self.damage.len() < DESCRIBED {
            self.damage.push(Damage { offset, what });
        }
    }
}

/// A recording that is read as a stream.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Packets(Packets),
    Log(Log),
    Trace(Trace),
}

impl Input {
    /// Opens a file, or standard input for [`STDIN`].
    ///
    /// # Errors
    /// [`InputError`].
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let raw: Box<dyn Read + Send> = if path == Path::new(STDIN) {
            Box::new(io::stdin())
        } else {
            let source = File::open(path);
            Box::new(source.map_err(|source| InputError::Unreadable { path: path.to_owned(), source })?)
        };
        Self::of(raw, path)
    }

    /// Reads from `raw`; `path` is its name in messages.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn of(raw: Box<dyn Read + Send>, path: &Path) -> Result<Self, InputError> {
        let path = path.to_owned();
        let unreadable = |source| InputError::Unreadable { path: path.clone(), source };
        let (start, bytes) = decompressed(raw).and_then(|bytes| peeked(bytes, MAGIC)).map_err(unreadable)?;
        let form = match start.as_slice() {
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] // microseconds
            | [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] // nanoseconds
            | [0x34, 0xcd, 0xb2, 0xa1] // of a patched libpcap
            | [0x0a, 0x0d, 0x0d, 0x0a] => {
                let is_ng = start[0] == 0x0a;
                Form::Packets(Packets::new(bytes, is_ng).map_err(unreadable)?)
            }
            [b'#', ..] => Form::Log(Log::new(bytes, LogForm::ZeekTsv)),
            [b'{', ..] => Form::Log(Log::new(bytes, LogForm::Json)),
            start if start == own::MAGIC => Form::Trace(Trace::new(bytes).map_err(unreadable)?),
            _ => return Err(InputError::Unknown { path }),
        };
        Ok(Self { path, form })
    }

    /// The next observation; `None` at the end.
    ///
    /// # Errors
    /// [`InputError::Unreadable`].
    pub fn observation(&mut self) -> Result<Option<Observation>, InputError> {
        let next = match &mut self.form {
            Form::Packets(packets) => packets.next(),
            Form::Log(log) => log.next(),
            Form::Trace(trace) => trace.next(),
        };
        next.map_err(|source| InputError::Unreadable { path: self.path.clone(), source })
    }

    /// The name of the recording.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        match &self.form {
            Form::Packets(packets) => packets.counts(),
            Form::Log(log) => log.counts(),
            Form::Trace(trace) => trace.counts(),
        }
    }

    /// The program with this number in [`crate::Seen::SynOf`].
    #[must_use]
    pub fn program(&self, number: ProgramNumber) -> Option<&Program> {
        match &self.form {
            Form::Trace(trace) => trace.program(number),
            Form::Packets(_) | Form::Log(_) => None,
        }
    }
}
