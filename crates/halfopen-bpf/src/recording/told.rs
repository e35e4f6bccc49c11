//! Reads what the recording's programs tell: `struct recorded` of bpf/recording.h.

use crate::decode::records::Program;
use crate::sys::text::escaped;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

/// What the recording's programs tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// A program in the cgroup with this id dials. Told when it first does, so that the cgroup's path can be asked for
    /// while it is there.
    Cgroup(u64),
    /// An attempt has come to its end, or `connect()` has failed at once.
    Attempt(RecordedAttempt),
}

/// An attempt, whatever limits it. Times are on the kernel's monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// When it entered `SYN_SENT`, or `connect()` failed.
    pub began: Duration,
    /// When its first and its last SYN left the host's stack; `None` if all were held.
    pub sent: Option<(Duration, Duration)>,
    /// How many SYNs left.
    pub syns: u32,
    /// When it left `SYN_SENT`; `None`: it is there still.
    pub ended: Option<Duration>,
    /// Its local end.
    pub from: SocketAddr,
    /// What it dials.
    pub to: SocketAddr,
    /// Its program.
    pub program: Program,
    /// What came of it.
    pub outcome: RecordedOutcome,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedOutcome {
    /// Nothing yet.
    Open,
    /// A SYN-ACK came.
    Answered,
    /// A RST came.
    Reset,
    /// An ICMP error came, or there is no way to the address any more.
    Unreachable,
    /// TCP gave up.
    Silent,
    /// The program gave up, or was killed.
    Cancelled,
    /// `connect()` failed at once with `ENOBUFS`: the queue was full, or the program had cancelled what it queued.
    Refused,
    /// `connect()` failed at once with `EPERM`: a rule of `[[deny]]`, or another program at the hook.
    Denied,
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn time(&mut self) -> Option<Duration> {
        self.take().map(u64::from_ne_bytes).map(Duration::from_nanos)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn port(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn address(&mut self, port: u16) -> Option<SocketAddr> {
        let address: [u8; 16] = self.take()?;
        Some(SocketAddr::new(Ipv6Addr::from(address).to_canonical(), port))
    }
}

/// Reads one; `None` for what is too short, or of an unknown kind.
pub(super) fn read(bytes: &[u8]) -> Option<Recorded> {
    let mut fields = Fields(bytes);
    let (began, first, last, ended) = (fields.time()?, fields.time()?, fields.time()?, fields.time()?);
    let cgroup_id = fields.take().map(u64::from_ne_bytes)?;
    let (pid, uid, syns, error) = (fields.number()?, fields.number()?, fields.number()?, fields.number()?);
    let (from_port, to_port) = (fields.port()?, fields.port()?);
    let [kind, outcome, _, _] = fields.take()?;
    let (from, to) = (fields.address(from_port)?, fields.address(to_port)?);
    let comm: [u8; 16] = fields.take()?;
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    let outcome = match (kind, outcome) {
        (1, _) => return Some(Recorded::Cgroup(cgroup_id)),
        (2, 0) => RecordedOutcome::Open,
        (2, 1) => RecordedOutcome::Answered,
        (2, 2) => RecordedOutcome::Reset,
        (2, 3) => RecordedOutcome::Unreachable,
        (2, 4) => RecordedOutcome::Silent,
        (2, 5) => RecordedOutcome::Cancelled,
        (3, _) if error.cast_signed() == libc::ENOBUFS => RecordedOutcome::Refused,
        (3, _) => RecordedOutcome::Denied,
        _ => return None,
    };
    Some(Recorded::Attempt(RecordedAttempt {
        began,
        sent: (syns > 0).then_some((first, last)),
        syns,
        ended: (!ended.is_zero()).then_some(ended),
        from,
        to,
        program: Program { pid, uid, comm: escaped(comm), cgroup_id },
        outcome,
    }))
}
