//! Reads what the recording's programs tell: `struct recorded` of bpf/recording.h.

use super::skeleton::types::recorded;
use crate::abi::plain::{self, Plain};
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

// SAFETY: repr(C), made from bpf/recording.h: integers and arrays of integers, without padding but for what it spells out.
unsafe impl Plain for recorded {}

/// Reads one; `None` for what is too short, or of an unknown kind.
pub(super) fn read(bytes: &[u8]) -> Option<Recorded> {
    let told: recorded = plain::read(bytes)?;
    let outcome = match (told.kind, told.outcome) {
        (1, _) => return Some(Recorded::Cgroup(told.cgroup_id)),
        (2, 0) => RecordedOutcome::Open,
        (2, 1) => RecordedOutcome::Answered,
        (2, 2) => RecordedOutcome::Reset,
        (2, 3) => RecordedOutcome::Unreachable,
        (2, 4) => RecordedOutcome::Silent,
        (2, 5) => RecordedOutcome::Cancelled,
        (3, _) if told.error.cast_signed() == libc::ENOBUFS => RecordedOutcome::Refused,
        (3, _) => RecordedOutcome::Denied,
        _ => return None,
    };
    let end = |address, port| SocketAddr::new(Ipv6Addr::from(address).to_canonical(), port);
    let comm = told.comm.map(i8::cast_unsigned);
    let comm = escaped(comm.split(|byte| *byte == 0).next().unwrap_or_default());
    Some(Recorded::Attempt(RecordedAttempt {
        began: Duration::from_nanos(told.began_ns),
        sent: (told.syns > 0)
            .then(|| (Duration::from_nanos(told.first_syn_ns), Duration::from_nanos(told.last_syn_ns))),
        syns: told.syns,
        ended: (told.ended_ns > 0).then(|| Duration::from_nanos(told.ended_ns)),
        from: end(told.from, told.from_port),
        to: end(told.to, told.to_port),
        program: Program { pid: told.pid, uid: told.uid, comm, cgroup_id: told.cgroup_id },
        outcome,
    }))
}
