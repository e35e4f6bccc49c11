//! The limiter in the kernel: loaded, attached, told its policy, read, and let go.

use crate::load::load;
use crate::plain::{self, HeldRecord};
use crate::skeleton::{HalfopenSkel, types};
use crate::{
    Attempt, CgroupDir, Fault, FaultCount, HeldAttempt, KernelError, Settings, Shortcoming, ledger, settings,
    walk,
};
use halfopen_policy::{Ledger, Limits, Mode};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags, RingBuffer, RingBufferBuilder};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};
use std::sync::mpsc;
use std::time::Duration;

/// A scope's place in the kernel's table; the host's is [`ScopeId::HOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}

/// `SCOPES` of bpf/abi.h, the host's among them.
const SCOPES: u32 = 64;

/// What ending the enforcement left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnforcementStopped {
    /// Held attempts whose own options were restored; their SYN leaves at their next re-check.
    pub let_go: u64,
    /// Network namespaces that could not be entered to restore options there.
    pub namespaces_missed: u64,
}

/// A scope beside the host's.
struct OwnScope {
    cgroup_id: u64,
    limits: types::limits,
    ended: bool,
}

/// The limiter while it enforces. Dropping it without [`Limiter::let_go`] ends enforcement without restoring the
/// options of held sockets.
pub struct Limiter {
    links: Vec<Link>,
    recount: Link,
    list: Link,
    restore: Link,
    ring: RingBuffer<'static>,
    held: mpsc::Receiver<HeldAttempt>,
    skel: HalfopenSkel<'static>,
    settings: Settings,
    exec_parent: Option<CgroupDir>,
    scopes: BTreeMap<ScopeId, OwnScope>,
}

impl Limiter {
    /// Loads the kernel part, writes `settings` and attaches it to `cgroup`. Holds from the first connect after that.
    ///
    /// # Errors
    /// [`KernelError`] saying what is missing; nothing is left attached then.
    pub fn start(cgroup: &CgroupDir, settings: &Settings) -> Result<Self, KernelError> {
        let skel = load()?;
        let iterator = |error| bpf("making an iterator over the sockets", error);
        let recount = skel.progs.recount.attach_iter(skel.maps.attempts.as_fd()).map_err(iterator)?;
        let list = skel.progs.list.attach_iter(skel.maps.attempts.as_fd()).map_err(iterator)?;
        let restore = skel.progs.restore_all.attach().map_err(iterator)?;
        let (sender, held) = mpsc::channel();
        let mut ring = RingBufferBuilder::new();
        ring.add(&skel.maps.held, move |bytes| {
            // The receiver lives as long as the ring: both belong to the limiter.
            let _ = plain::read::<HeldRecord>(bytes).map(|record| sender.send(held_attempt(&record)));
            0
        })
        .map_err(|error| bpf("mapping the ring buffer of events", error))?;
        let ring = ring.build().map_err(|error| bpf("mapping the ring buffer of events", error))?;

        let mut limiter = Self {
            links: Vec::new(),
            recount,
            list,
            restore,
            ring,
            held,
            skel,
            settings: settings.clone(),
            exec_parent: None,
            scopes: BTreeMap::new(),
        };
        limiter.exempt(settings)?;
        limiter.put_in_force(settings)?;
        limiter.attach(cgroup)?;
        Ok(limiter)
    }

    /// Egress first: what sock_ops queues must be held from its first SYN on.
    fn attach(&mut self, cgroup: &CgroupDir) -> Result<(), KernelError> {
        let progs = &self.skel.progs;
        let hooks = [
            ("cgroup_skb/egress", &progs.on_egress),
            ("cgroup/setsockopt", &progs.on_setsockopt),
            ("cgroup/getsockopt", &progs.on_getsockopt),
            ("sock_ops", &progs.on_sock_op),
            ("cgroup/connect4", &progs.on_connect4),
            ("cgroup/connect6", &progs.on_connect6),
        ];
        for (hook, program) in hooks {
            let link =
                program.attach_cgroup(cgroup.as_fd().as_raw_fd()).map_err(|error| match error.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => KernelError::HookTaken {
                        hook,
                        cgroup: cgroup.path().to_owned(),
                        source: io::Error::other(error),
                    },
                    _ => bpf(&format!("attaching {hook} to {}", cgroup.path().display()), error),
                })?;
            self.links.push(link);
        }
        Ok(())
    }

    /// Puts new settings in force: at once for new attempts, at the next re-check for waiting ones. All at once or,
    /// on an error, not at all.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), KernelError> {
        self.exempt(settings)?;
        self.put_in_force(settings)?;
        let gone: Vec<_> =
            self.settings.exempt.iter().filter(|net| !settings.exempt.contains(net)).copied().collect();
        self.settings = settings.clone();
        for net in gone {
            let key = settings::prefix_key(net);
            self.skel
                .maps
                .exempt
                .delete(&key)
                .map_err(|error| bpf(&format!("ending the exemption of {net}"), error))?;
        }
        Ok(())
    }

    fn exempt(&self, settings: &Settings) -> Result<(), KernelError> {
        for &net in &settings.exempt {
            let key = settings::prefix_key(net);
            let exempt = &self.skel.maps.exempt;
            exempt
                .update(&key, &[1], MapFlags::ANY)
                .map_err(|error| bpf(&format!("exempting {net}"), error))?;
        }
        Ok(())
    }

    /// Writes the policy that is not in force and turns the number that says which one is.
    fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        let exec_level = self.exec_parent.as_ref().map_or(0, |parent| parent.level() + 1);
        let Some(data) = self.skel.maps.bss_data.as_deref_mut() else {
            return Err(KernelError::Lacks(
                "the policy cannot be mapped (kernel 5.5 or newer is needed)".to_owned(),
            ));
        };
        let next = (data.policy_now + 1) & 1;
        let policy = &mut data.policies[next as usize];
        policy.mode = settings::mode(settings.mode);
        policy.raw_tcp = settings::raw_tcp(settings.raw_tcp);
        policy.exec_level = exec_level;
        policy.limits = [settings::no_limits(settings.host.slot_life); SCOPES as usize];
        policy.limits[0] = settings::limits(&settings.host);
        for (id, scope) in &self.scopes {
            policy.limits[id.0 as usize] = scope.limits;
        }
        fence(Ordering::SeqCst);
        data.policy_now = next;
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Makes a scope for the processes of `cgroup` (which must be a direct child of the one that
    /// [`Limiter::set_exec_parent`] named) and everything below it.
    ///
    /// # Errors
    /// [`KernelError::ScopesFull`]; [`KernelError::NotACgroup`].
    pub fn add_scope(&mut self, cgroup: &CgroupDir, limits: &Limits) -> Result<ScopeId, KernelError> {
        let path = cgroup.path();
        let cgroup_id = cgroup.id().map_err(|_| KernelError::NotACgroup { path: path.to_owned() })?;
        let id = self.free_scope()?;
        let empty = vec![0; size_of::<types::scope>()];
        let zero = self.skel.maps.scopes.update(&id.0.to_ne_bytes(), &empty, MapFlags::ANY);
        zero.map_err(|error| bpf("opening a scope's books", error))?;
        self.scopes.insert(id, OwnScope { cgroup_id, limits: settings::limits(limits), ended: false });
        self.put_in_force(&self.settings.clone())?;
        self.skel
            .maps
            .scope_of_cgroup
            .update(&cgroup_id.to_ne_bytes(), &id.0.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| bpf(&format!("making a scope for {}", path.display()), error))?;
        Ok(id)
    }

    /// A number that no live attempt is charged to.
    fn free_scope(&mut self) -> Result<ScopeId, KernelError> {
        for id in (1..SCOPES).map(ScopeId) {
            match self.scopes.get(&id) {
                None => return Ok(id),
                Some(scope) if scope.ended => {
                    let books = self.ledger(id)?;
                    if books.queued + books.half_open + books.aged == 0 {
                        return Ok(id);
                    }
                }
                Some(_) => {}
            }
        }
        Err(KernelError::ScopesFull(SCOPES - 1))
    }

    /// Names the cgroup whose direct children [`Limiter::add_scope`] takes.
    ///
    /// # Errors
    /// Where the policy cannot be written.
    pub fn set_exec_parent(&mut self, parent: CgroupDir) -> Result<(), KernelError> {
        self.exec_parent = Some(parent);
        self.put_in_force(&self.settings.clone())
    }

    /// Changes a scope's limits.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn set_scope(&mut self, scope: ScopeId, limits: &Limits) -> Result<(), KernelError> {
        if let Some(own) = self.scopes.get_mut(&scope) {
            own.limits = settings::limits(limits);
        }
        self.put_in_force(&self.settings.clone())
    }

    /// Ends a scope. It holds nothing back from then on; its number is free again once the attempts charged to it have
    /// ended.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn remove_scope(&mut self, scope: ScopeId) -> Result<(), KernelError> {
        let Some(own) = self.scopes.get_mut(&scope) else { return Ok(()) };
        own.ended = true;
        own.limits = settings::no_limits(self.settings.host.slot_life);
        let key = own.cgroup_id.to_ne_bytes();
        self.skel.maps.scope_of_cgroup.delete(&key).map_err(|error| bpf("ending a scope", error))?;
        self.put_in_force(&self.settings.clone())
    }

    /// A scope's numbers now.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn ledger(&self, scope: ScopeId) -> Result<Ledger, KernelError> {
        let bytes = self.skel.maps.scopes.lookup(&scope.0.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading a scope's books", error))?.unwrap_or_default();
        let books = plain::read::<types::scope>(&bytes)
            .ok_or_else(|| KernelError::Lacks("a scope's books are of an unknown layout".to_owned()))?;
        Ok(ledger::ledger(&books, u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Counts all live attempts anew from the kernel's sockets in every namespace, and corrects the books where they had
    /// drifted (counted as [`Fault::Recounted`]): a socket may end unnoticed if another program clears our callbacks.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn recount(&self) -> Result<(), KernelError> {
        walk::recount(&self.recount)
    }

    /// The live attempts in every namespace. While many begin and end, the list may lack some.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn attempts(&self) -> Result<Vec<Attempt>, KernelError> {
        walk::attempts(&self.list, now())
    }

    /// What could not be done as intended, since the start; only what happened at least once.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn faults(&self) -> Result<Vec<FaultCount>, KernelError> {
        let mut counts = Vec::new();
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            let key = (number as u32).to_ne_bytes();
            let per_cpu = self.skel.maps.faults.lookup_percpu(&key, MapFlags::ANY);
            let per_cpu =
                per_cpu.map_err(|error| bpf("reading the fault counters", error))?.unwrap_or_default();
            let count = per_cpu
                .iter()
                .filter_map(|bytes| bytes.as_slice().try_into().ok())
                .map(u64::from_ne_bytes)
                .sum();
            if count > 0 {
                counts.push(FaultCount { fault, count });
            }
        }
        Ok(counts)
    }

    /// What this kernel lacks that makes the limit worse, though it holds. Found out when it was started.
    #[must_use]
    pub fn shortcomings(&self) -> Vec<Shortcoming> {
        let settable = self.skel.maps.rodata_data.is_some_and(|found| found.rto_max_settable != 0);
        if settable { Vec::new() } else { vec![Shortcoming::RtoMaxNotSettable] }
    }

    /// Hands over the attempts that began to wait since the last call. [`Limiter`] as a file descriptor becomes
    /// readable when there are some.
    ///
    /// # Errors
    /// Where the ring buffer cannot be read.
    pub fn take_held(&mut self, each: &mut dyn FnMut(HeldAttempt)) -> Result<(), KernelError> {
        self.ring.consume().map_err(|error| bpf("reading the ring buffer of events", error))?;
        self.held.try_iter().for_each(each);
        Ok(())
    }

    /// Ends enforcement: has `restore` give every held socket its own options back (it is given the link of the iterator
    /// that does; see [`crate::restore_everywhere`]), then detaches and unloads all.
    ///
    /// # Errors
    /// Where the policy cannot be written; enforcement has ended all the same.
    pub fn let_go(
        mut self,
        restore: impl FnOnce(BorrowedFd<'_>) -> EnforcementStopped,
    ) -> Result<EnforcementStopped, KernelError> {
        let off = Settings { mode: Mode::Off, ..self.settings.clone() };
        self.put_in_force(&off)?;
        let mut stopped = restore(self.restore.as_fd());
        stopped.let_go = self.skel.maps.bss_data.as_deref().map_or(0, |data| data.options_restored);
        Ok(stopped)
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.links.clear();
    }
}

impl AsFd for Limiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring buffer owns its epoll descriptor for as long as it lives, which is as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.ring.epoll_fd()) }
    }
}

fn held_attempt(record: &HeldRecord) -> HeldAttempt {
    HeldAttempt {
        at: Duration::from_nanos(record.at_ns),
        scope: ScopeId(record.scope),
        program: plain::program(record.pid, record.uid, record.comm, record.cgroup_id),
        destination: plain::socket_addr(record.addr, record.port),
        audited: record.audited != 0,
    }
}

/// The clock of the kernel part.
fn now() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

pub(crate) fn bpf(doing: &str, error: libbpf_rs::Error) -> KernelError {
    KernelError::Bpf { doing: doing.to_owned(), source: io::Error::other(error) }
}
