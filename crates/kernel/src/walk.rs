//! Walks over the host's sockets: the recount, and the way back to their own options.

use crate::limiter::{EnforcementStopped, ScopeId};
use crate::plain::{self, AttemptRecord};
use crate::{Attempt, AttemptState, KernelError, netns};
use libbpf_rs::libbpf_sys;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Reads an iterator to its end.
fn read_all(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: takes a descriptor and returns a new one, or a negative errno.
    let iter = unsafe { libbpf_sys::bpf_iter_create(link.as_raw_fd()) };
    if iter < 0 {
        return Err(io::Error::from_raw_os_error(-iter));
    }
    // SAFETY: a descriptor that was just made and that nobody else has.
    let mut iter = File::from(unsafe { OwnedFd::from_raw_fd(iter) });
    let mut bytes = Vec::new();
    iter.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts anew and corrects the books (`recount` in bpf/halfopen.bpf.c): it is one read that returns nothing.
pub(crate) fn recount(link: BorrowedFd<'_>) -> Result<(), KernelError> {
    read_all(link)
        .map(|_| ())
        .map_err(|source| KernelError::Bpf { doing: "recounting the live attempts".to_owned(), source })
}

/// All live attempts.
pub(crate) fn attempts(link: BorrowedFd<'_>, now: Duration) -> Result<Vec<Attempt>, KernelError> {
    let bytes = read_all(link)
        .map_err(|source| KernelError::Bpf { doing: "walking the live attempts".to_owned(), source })?;
    Ok(bytes
        .chunks_exact(size_of::<AttemptRecord>())
        .filter_map(plain::read::<AttemptRecord>)
        .map(|record| attempt(&record, now))
        .collect())
}

fn attempt(record: &AttemptRecord, now: Duration) -> Attempt {
    const QUEUED: u8 = 1;
    let state = match (record.state, record.in_slot) {
        (QUEUED, _) => AttemptState::Queued,
        (_, 0) => AttemptState::Aged,
        _ => AttemptState::HalfOpen,
    };
    let since = |nanos| now.saturating_sub(Duration::from_nanos(nanos));
    Attempt {
        state,
        scope: (record.scope != 0).then_some(ScopeId(record.scope)),
        program: plain::program(record.pid, record.uid, record.comm, record.cgroup_id),
        destination: plain::socket_addr(record.addr, record.port),
        age: since(record.began_ns),
        out_for: (state != AttemptState::Queued).then(|| since(record.out_ns)),
        rechecks: record.rechecks,
    }
}

/// Gives every held socket its own options back, namespace by namespace: `iter/tcp` sees those of the namespace that it
/// is opened in. `link` is that of the walk ([`crate::Limiter::let_go`] hands it out); how many were let go is for its
/// owner to say. Entering namespaces needs root.
#[must_use]
pub fn restore_everywhere(link: BorrowedFd<'_>) -> EnforcementStopped {
    let mut stopped = EnforcementStopped::default();
    for namespace in netns::all() {
        match netns::run_in(&namespace, || read_all(link)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => stopped.namespaces_missed += 1,
        }
    }
    stopped
}

/// As [`restore_everywhere`], in this process's own network namespace alone: needs no privilege.
///
/// # Errors
/// Where the walk fails.
pub fn restore_here(link: BorrowedFd<'_>) -> io::Result<()> {
    read_all(link).map(drop)
}
