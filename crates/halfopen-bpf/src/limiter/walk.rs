//! Walks over records and sockets: the reconcile walk, and the walk that gives sockets their own options
//! back.

use crate::abi;
use crate::abi::skeleton::HalfopenSkel;
use crate::abi::{ScopeId, plain};
use crate::decode::fields;
use crate::decode::records::{AccountId, Attempt, AttemptState};
use crate::error::{KernelError, bpf};
use crate::limiter::wakeups::{Waiter, WakeupSender};
use crate::sys::netns;
use crate::sys::netns::raw_socket_here;
use halfopen_policy::Party;
use libbpf_rs::{Link, ProgramMut, libbpf_sys};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The result of ending enforcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnforcementStopped {
    /// Held attempts whose own options were restored; their SYN leaves at their next re-check.
    pub let_go: u64,
    /// Network namespaces that could not be entered to restore options there.
    pub namespaces_missed: u64,
}

/// Reads an iterator to its end.
fn read_all(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: takes a descriptor and returns a new one, or a negative errno.
    let iter = unsafe { libbpf_sys::bpf_iter_create(link.as_raw_fd()) };
    if iter < 0 {
        return Err(io::Error::from_raw_os_error(-iter));
    }
    // SAFETY: a descriptor that was just made, which nothing else owns.
    let mut iter = File::from(unsafe { OwnedFd::from_raw_fd(iter) });
    let mut bytes = Vec::new();
    iter.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The most network namespaces that one reconcile walk goes through: the size of the map `walked`.
pub const NAMESPACES: usize = 256;

/// The iterators over records and sockets.
pub(crate) struct Walks {
    /// The beginning and the end of the reconcile walk.
    walk: [Link; 2],
    /// Over the connections last.
    reconcile: [Link; 3],
    list: [Link; 2],
    namespaces: [Link; 3],
    sockets: Link,
}

impl Walks {
    pub fn over(skel: &HalfopenSkel<'_>) -> Result<Self, KernelError> {
        let failed = |error| bpf("making an iterator over the attempts", error);
        let (progs, maps) = (&skel.progs, &skel.maps);
        let both = |program: &ProgramMut<'_>| -> Result<[Link; 2], KernelError> {
            Ok([
                program.attach_iter(maps.records.as_fd()).map_err(failed)?,
                program.attach_iter(maps.records_beside.as_fd()).map_err(failed)?,
            ])
        };
        let and_connections = |[records, beside]: [Link; 2], program: &ProgramMut<'_>| {
            let connections = program.attach_iter(maps.connections.as_fd()).map_err(failed)?;
            Ok::<_, KernelError>([records, beside, connections])
        };
        Ok(Self {
            // Any map with one entry will do.
            walk: [
                progs.reconcile_begins.attach_iter(maps.keeper.as_fd()).map_err(failed)?,
                progs.reconcile_ends.attach_iter(maps.keeper.as_fd()).map_err(failed)?,
            ],
            reconcile: and_connections(both(&progs.reconcile)?, &progs.reconcile_connections)?,
            list: both(&progs.list)?,
            namespaces: and_connections(both(&progs.list_namespaces)?, &progs.list_connected_namespaces)?,
            sockets: progs.meet_sockets.attach().map_err(failed)?,
        })
    }

    /// Counts all attempts anew and corrects the accounting (bpf/walks.h).
    pub fn reconcile(&self) -> Result<(), KernelError> {
        let [begin, end] = &self.walk;
        [begin].into_iter().chain(&self.reconcile).chain([end]).try_for_each(|link| {
            let read = read_all(link.as_fd()).map(drop);
            read.map_err(|source| KernelError::Bpf {
                doing: "reconciling the live attempts".to_owned(),
                source,
            })
        })
    }

    /// The walk over the sockets of the network namespace in which it is read.
    pub fn sockets(&self) -> BorrowedFd<'_> {
        self.sockets.as_fd()
    }

    /// The network namespaces of live attempts and counted connections, by inode number; at most [`NAMESPACES`].
    pub fn namespaces(&self) -> Result<Vec<u32>, KernelError> {
        let bytes = read_links(&self.namespaces)?;
        let numbers = bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        Ok(numbers.collect::<BTreeSet<_>>().into_iter().take(NAMESPACES).collect())
    }

    /// All live attempts; `now` is on the kernel's monotonic clock.
    pub fn attempts(&self, now: Duration) -> Result<Vec<Attempt>, KernelError> {
        Ok(read_attempts(&read_links(&self.list)?, now))
    }
}

fn read_links(links: &[Link]) -> Result<Vec<u8>, KernelError> {
    let mut bytes = Vec::new();
    for link in links {
        let read = read_all(link.as_fd());
        bytes.extend(
            read.map_err(|source| KernelError::Bpf {
                doing: "walking the live attempts".to_owned(),
                source,
            })?,
        );
    }
    Ok(bytes)
}

/// Reads the iterator of `link` to its end in each of these network namespaces, given by inode number.
/// Returns those in which that succeeded: a namespace that no process lives in and that has no name cannot be
/// entered. Entering them needs root.
#[must_use]
pub fn walk_namespaces(link: BorrowedFd<'_>, namespaces: &[u32]) -> Vec<u32> {
    let wanted: BTreeSet<u64> = namespaces.iter().copied().map(u64::from).collect();
    let found = netns::of_inodes(&wanted);
    let walked = found.into_iter().filter(|(_, namespace)| {
        netns::run_in(namespace, || read_all(link)).is_some_and(|read| read.is_ok())
    });
    walked.map(|(inode, _)| inode as u32).collect()
}

/// Removes idle accounts, or parties (bpf/collect.h). Returns how many accounts, whose keys the walk writes
/// out.
pub(crate) fn collect(link: BorrowedFd<'_>) -> Result<usize, KernelError> {
    let doing = "collecting idle accounts".to_owned();
    let keys = read_all(link).map_err(|source| KernelError::Bpf { doing, source })?;
    Ok(keys.len() / size_of::<abi::account_key>())
}

fn read_attempts(bytes: &[u8], now: Duration) -> Vec<Attempt> {
    let records =
        bytes.chunks_exact(size_of::<abi::attempt_record>()).filter_map(plain::read::<abi::attempt_record>);
    records.map(|record| attempt(&record, now)).collect()
}

pub(super) fn attempt(record: &abi::attempt_record, now: Duration) -> Attempt {
    let state = match (record.state.into(), record.in_slot) {
        (abi::ATTEMPT_QUEUED, _) => AttemptState::Queued,
        (_, 0) => AttemptState::Aged,
        _ => AttemptState::HalfOpen,
    };
    let since = |nanos| now.saturating_sub(Duration::from_nanos(nanos));
    Attempt {
        state,
        own: ScopeId::own(record.scope).map(|scope| AccountId { scope, id: record.account }),
        interface: ScopeId::own(record.interface),
        party: Party { top: record.top, part: record.part },
        held_back_by: ScopeId([0, record.scope, record.interface][usize::from(record.blocked_on.min(2))]),
        waits_for: fields::waits_for(record.waits_for),
        contact: fields::contact(record.contact),
        named: record.named != 0,
        program: fields::program(record.pid, record.uid, record.comm, record.cgroup_id),
        destination: fields::socket_addr(record.addr, record.port),
        age: since(record.began_ns),
        out_for: (state != AttemptState::Queued).then(|| since(record.out_ns)),
        rechecks: record.rechecks,
        place: fields::place(&record.place),
    }
}

/// Gives every held socket its own options back and wakes it, namespace by namespace, because `iter/tcp` sees
/// the sockets of the namespace in which it is opened. `link` is that of the walk ([`crate::Limiter::let_go`]
/// passes it). `let_go` stays 0: only the owner of the maps can read it. Entering namespaces needs root.
#[must_use]
pub fn restore_everywhere(link: BorrowedFd<'_>) -> EnforcementStopped {
    let mut stopped = EnforcementStopped::default();
    for namespace in netns::all() {
        match netns::run_in(&namespace, || read_all(link).map(|bytes| wake(&bytes))) {
            Some(Ok(())) => {}
            Some(Err(_)) | None => stopped.namespaces_missed += 1,
        }
    }
    stopped
}

/// Wakes the waiters that the walk has written out, in the namespace of the walk. A waiter that cannot be
/// woken goes out when its timer runs.
fn wake(records: &[u8]) {
    let mut sender = WakeupSender::default();
    for attempt in read_attempts(records, Duration::ZERO) {
        if let Some(waiter) = Waiter::of(&attempt)
            && let Err(e) = sender.wake(Duration::ZERO, &waiter, &mut |_, _, family| raw_socket_here(family))
        {
            tracing::debug!("waking an attempt to {}: {e}", waiter.peer);
        }
    }
}

/// As [`restore_everywhere`], but only in this process's own network namespace, and wakes no waiter: needs no
/// privilege.
///
/// # Errors
/// If the walk fails.
pub fn restore_here(link: BorrowedFd<'_>) -> io::Result<()> {
    read_all(link).map(drop)
}
