//! The form of halfopen's own recordings: the attempts of one host, with their programs. `docs/internals/trace.md` has it
//! for others who read it.
//!
//! A file begins with [`MAGIC`], a version and a time. Records follow: length, kind, content, checksum. Each is whole in
//! itself, so a file that is cut off is read up to there, and a reader finds the next record after a damaged one. Kinds
//! that a reader does not know, and what follows the fields that it knows, are skipped.

mod bytes;
mod decode;
mod encode;

pub use decode::{Header, Next, decode, next};
pub use encode::{Writer, encoded};

use crate::observation::Flow;

/// The first bytes of a file.
pub const MAGIC: [u8; 4] = *b"HOTR";
/// The version that is written. A reader refuses a file of another one: what is only added needs no new version.
pub const VERSION: u8 = 1;
/// Bytes before the first record: magic, version, three zeros, time.
pub const HEADER: usize = 16;
/// The longest content of a record, in bytes.
pub const LONGEST: usize = 4_096;
/// The longest name, in bytes; what is longer is cut.
pub const LONGEST_NAME: usize = 1_024;

/// A program: all processes of one name, of one user and in one cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// The name of the thread that dials, which it chooses itself.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The path of the cgroup, `/` first; empty if it was gone before it could be asked for.
    pub cgroup: String,
    /// What the cgroup belongs to, as `halfopen status` shows it: unit, container, pod; empty if that is unknown.
    pub runs_in: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing yet when the recording ended.
    Open,
    /// A SYN-ACK came.
    Answered,
    /// A RST came.
    Reset,
    /// An ICMP error came.
    Unreachable,
    /// TCP gave up.
    Silent,
    /// The program gave up.
    Cancelled,
    /// The limiter refused it: `connect()` failed at once with `ENOBUFS`.
    Refused,
    /// It was denied: `connect()` failed at once with `EPERM`.
    Denied,
}

impl Outcome {
    /// All, each at the place of its number.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Answered,
        Self::Reset,
        Self::Unreachable,
        Self::Silent,
        Self::Cancelled,
        Self::Refused,
        Self::Denied,
    ];
}

/// The SYNs of an attempt that left the host. Times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How long after the attempt's begin the first one left: the time for which it was held.
    pub after: u64,
    /// How many left, 1 or more.
    pub syns: u32,
    /// How long after the first one the last one left.
    pub last_after: u64,
}

/// An attempt. Times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The number of its program.
    pub program: u32,
    /// When it began, after the time in the file's header.
    pub began: u64,
    /// Its ends.
    pub flow: Flow,
    /// Its SYNs; `None` if none left.
    pub sent: Option<Sent>,
    /// How long after its begin its outcome came, or the recording ended.
    pub lasted: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// Why a recording has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody ended it.
    Asked,
    /// Its time was over.
    Time,
    /// Its file was full.
    Full,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The attempts with this number, from here on, are of this program.
    Program(u32, Program),
    /// An attempt that has come to its end. They are in the order of their ends.
    Attempt(Attempt),
    /// So many attempts were lost by now.
    Lost(u64),
    /// The last record of a recording that was finished.
    End(Ended),
    /// Of a kind that this version does not know.
    Unknown,
}
