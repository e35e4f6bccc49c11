//! The limiter in the kernel: loaded, attached, told its policy, read, and let go.

use crate::essential::{Executable, Executables};
use crate::load::load;
use crate::pins::{HOOKS, LAYOUT, Pins, RESTORE, map_file, remove_pins, version};
use crate::plain;
use crate::skeleton::{HalfopenSkel, types};
use crate::state::State;
use crate::{
    Attempt, CgroupDir, Fault, FaultCount, KernelError, ProgramCount, Settings, Shortcoming, Told, essential,
    ledger, program_counts, settings, told, walk,
};
use halfopen_policy::{Ledger, Limits, Mode};
use libbpf_rs::query::{CgroupLinkInfo, LinkTypeInfo};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags, ProgramMut, RingBuffer, RingBufferBuilder};
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// A scope's place in the kernel's table; the host's is [`ScopeId::HOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);

    /// Its number in the kernel's table; the host's is 0.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The scope of that number.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// The scope of that number, where it is not the host's.
    pub(crate) fn own(number: u32) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }
}

/// Room of the map `exempt` of bpf/maps.h.
const EXEMPT: usize = 4096;
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

/// Whether the limit outlives its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Where it is pinned, or was by an earlier daemon. It must be in a BPF file system.
    pub pins: PathBuf,
    /// Whether it is to stay there.
    pub persist: bool,
}

/// A scope's slots and turns at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// The moment, on the kernel's monotonic clock.
    pub at: Duration,
    /// Slots held.
    pub in_use: u64,
    /// When the next turn falls due, on that clock; only means something with a rate.
    pub next_turn: Duration,
}

/// What a limiter has taken over from an earlier daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The version of that daemon.
    pub version: String,
    /// How long nobody has watched the limit.
    pub unwatched: Duration,
    /// Attempts that began to wait meanwhile and did not fit into the ring buffer: no event can name their programs.
    pub lost_events: u64,
    /// The host's limits as they were in force.
    pub host: Limits,
    /// Until when `halfopen enforce --for` was to last, on the kernel's monotonic clock.
    pub enforce_until: Option<Duration>,
    /// The scopes of `exec`.
    pub scopes: Vec<AdoptedScope>,
}

/// A scope of an earlier daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdoptedScope {
    /// Its place.
    pub id: ScopeId,
    /// Its cgroup; see [`crate::path_of_id`].
    pub cgroup_id: u64,
    /// Its limits.
    pub limits: Limits,
}

/// A scope beside the host's.
struct OwnScope {
    cgroup_id: u64,
    limits: types::limits,
    ended: bool,
}

/// The limiter while it enforces. Where it is not pinned, dropping it without [`Limiter::let_go`] ends enforcement
/// without restoring the options of held sockets.
pub struct Limiter {
    /// Empty where the links are pinned: they last as long as their files.
    links: Vec<Link>,
    pins: Option<Pins>,
    adopted: Option<Adopted>,
    recount: Link,
    list: Link,
    restore: Link,
    ring: RingBuffer<'static>,
    told: mpsc::Receiver<Told>,
    skel: HalfopenSkel<'static>,
    state: State,
    cgroup: PathBuf,
    settings: Settings,
    executables: Executables,
    essential_files: Vec<Option<Executable>>,
    exec_parent: Option<CgroupDir>,
    scopes: BTreeMap<ScopeId, OwnScope>,
    counting_since: Duration,
}

impl Limiter {
    /// Loads the kernel part, writes `settings` and attaches it to `cgroup`, in the place of what an earlier daemon has
    /// left where `keep` says: there is no moment without a limit then. Holds from the first connect after that.
    ///
    /// # Errors
    /// [`KernelError`] saying what is missing; nothing that was not there before is left attached then.
    pub fn start(cgroup: &CgroupDir, settings: &Settings, keep: Option<&Keep>) -> Result<Self, KernelError> {
        let found = keep.map(|keep| Pins::find(&keep.pins)).transpose()?.flatten();
        let keeper = found.as_ref().map(Pins::keeper).transpose()?;
        let cgroup_id = cgroup.id()?;
        if let Some(keeper) = keeper.filter(|keeper| keeper.cgroup_id != cgroup_id) {
            let named =
                |id| crate::path_of_id(id).unwrap_or_else(|| format!("a cgroup that is gone (id {id})"));
            return Err(KernelError::PinnedElsewhere {
                path: found.as_ref().map_or_else(PathBuf::new, |pins| pins.path().to_owned()),
                theirs: named(keeper.cgroup_id),
                ours: named(cgroup_id),
            });
        }
        let skel = load(found.as_ref().map(Pins::path))?;
        let iterator = |error| bpf("making an iterator over the sockets", error);
        let recount = skel.progs.recount.attach_iter(skel.maps.attempts.as_fd()).map_err(iterator)?;
        let list = skel.progs.list.attach_iter(skel.maps.attempts.as_fd()).map_err(iterator)?;
        let restore = skel.progs.restore_all.attach().map_err(iterator)?;
        let (sender, told) = mpsc::channel();
        let mut ring = RingBufferBuilder::new();
        ring.add(&skel.maps.held, move |bytes| {
            // The receiver lives as long as the ring: both belong to the limiter.
            if let Some(told) = told::read(bytes) {
                let _ = sender.send(told);
            }
            0
        })
        .map_err(|error| bpf("mapping the ring buffer of events", error))?;
        let ring = ring.build().map_err(|error| bpf("mapping the ring buffer of events", error))?;

        let mut executables = Executables::new().map_err(|source| {
            let doing = "looking up the executables of `essential`: opening /proc/self/mountinfo".to_owned();
            KernelError::Bpf { doing, source }
        })?;
        let mut limiter = Self {
            links: Vec::new(),
            pins: None,
            adopted: None,
            recount,
            list,
            restore,
            ring,
            told,
            state: State::of(skel.maps.bss.as_fd())?,
            skel,
            settings: settings.clone(),
            cgroup: cgroup.path().to_owned(),
            essential_files: executables.of(&settings.essential),
            executables,
            exec_parent: None,
            scopes: BTreeMap::new(),
            counting_since: keeper
                .as_ref()
                .map_or_else(now, |keeper| Duration::from_nanos(keeper.counting_since_ns)),
        };
        if let Some(keeper) = &keeper {
            limiter.adopt(keeper)?;
        }
        let trial = limiter.adopted.as_ref().and_then(|adopted| adopted.enforce_until);
        if let Some(until) = trial.filter(|until| *until > now() && settings.mode != Mode::Enforce) {
            limiter.settings.enforce_until = Some(until);
        }
        limiter.exempt(settings)?;
        limiter.put_in_force(&limiter.settings.clone())?;
        limiter.end_exemptions()?;
        limiter.attach(cgroup, found.as_ref())?;
        if let Some(keep) = keep {
            limiter.keep(keep, found, cgroup_id)?;
        }
        Ok(limiter)
    }

    /// Puts our programs on the hooks: in the place of those of `found`, one by one, each at once; else beside whatever
    /// is there.
    fn attach(&mut self, cgroup: &CgroupDir, found: Option<&Pins>) -> Result<(), KernelError> {
        let progs = &self.skel.progs;
        let programs = [
            &progs.on_egress,
            &progs.on_setsockopt,
            &progs.on_getsockopt,
            &progs.on_sock_op,
            &progs.on_connect4,
            &progs.on_connect6,
        ];
        for (hook, program) in HOOKS.into_iter().zip(programs) {
            let replaced = found.map(|pins| replace(&pins.file(hook), program)).transpose()?.flatten();
            let link = match replaced {
                Some(link) => link,
                None => attach(hook, program, cgroup)?,
            };
            self.links.push(link);
        }
        Ok(())
    }

    /// Pins what is to outlive this process and lets go of the links, or removes the pins of an earlier daemon.
    fn keep(&mut self, keep: &Keep, found: Option<Pins>, cgroup_id: u64) -> Result<(), KernelError> {
        if !keep.persist {
            return found.map_or(Ok(()), |pins| remove_pins(pins.path()));
        }
        let pins = found.map_or_else(|| Pins::make(&keep.pins), Ok)?;
        let pinned = self.pin(&pins, cgroup_id);
        if pinned.is_err() && self.adopted.is_none() {
            let _ = remove_pins(pins.path());
        }
        pinned?;
        self.links.clear();
        self.pins = Some(pins);
        Ok(())
    }

    /// The links last: without all of them the directory counts as incomplete.
    fn pin(&mut self, pins: &Pins, cgroup_id: u64) -> Result<(), KernelError> {
        let failed = |name: &str, error| bpf(&format!("pinning {}", pins.file(name).display()), error);
        let maps = &mut self.skel.maps;
        let to_pin = [
            &mut maps.attempts,
            &mut maps.scopes,
            &mut maps.scope_of_cgroup,
            &mut maps.essential_users,
            &mut maps.essential_exes,
            &mut maps.essential_cgroups,
            &mut maps.programs,
            &mut maps.exempt,
            &mut maps.held,
            &mut maps.faults,
            &mut maps.keeper,
            &mut maps.bss,
        ];
        for map in to_pin {
            let name = map.name().to_string_lossy().into_owned();
            if let Some(file) = map_file(&name).filter(|file| !pins.file(file).exists()) {
                map.pin(pins.file(file)).map_err(|error| failed(file, error))?;
            }
        }
        self.write_keeper(Some(cgroup_id))?;
        let hooks = HOOKS.into_iter().zip(&mut self.links);
        for (name, link) in [(RESTORE, &mut self.restore)].into_iter().chain(hooks) {
            if !pins.file(name).exists() {
                link.pin(pins.file(name)).map_err(|error| failed(name, error))?;
            }
        }
        Ok(())
    }

    /// Reads what an earlier daemon knew: its scopes, and how long it has been gone.
    fn adopt(&mut self, keeper: &types::keeper) -> Result<(), KernelError> {
        let policy = self.state.policy();
        let mut adopted = Adopted {
            version: version(keeper),
            unwatched: now().saturating_sub(Duration::from_nanos(keeper.seen_ns)),
            lost_events: self.lost_events()?.saturating_sub(keeper.lost_events),
            host: settings::limits_of(&policy.limits[0]),
            enforce_until: (policy.enforce_until_ns != 0)
                .then(|| Duration::from_nanos(policy.enforce_until_ns)),
            scopes: Vec::new(),
        };
        for key in self.skel.maps.scope_of_cgroup.keys() {
            let value = self.skel.maps.scope_of_cgroup.lookup(&key, MapFlags::ANY);
            let value = value.map_err(|error| bpf("reading the scopes of cgroups", error))?;
            let (Some(Ok(id)), Ok(cgroup_id)) = (value.map(TryInto::try_into), key.try_into()) else {
                continue;
            };
            let (id, cgroup_id) = (ScopeId(u32::from_ne_bytes(id)), u64::from_ne_bytes(cgroup_id));
            let Some(limits) = policy.limits.get(id.0 as usize) else { continue };
            self.scopes.insert(id, OwnScope { cgroup_id, limits: *limits, ended: false });
            adopted.scopes.push(AdoptedScope { id, cgroup_id, limits: settings::limits_of(limits) });
        }
        // Ended scopes whose number is still charged.
        for id in (1..SCOPES).map(ScopeId).filter(|id| !self.scopes.contains_key(id)).collect::<Vec<_>>() {
            let books = self.ledger(id)?;
            if books.queued + books.half_open + books.aged > 0 {
                let limits = settings::no_limits(self.settings.host.slot_life);
                self.scopes.insert(id, OwnScope { cgroup_id: 0, limits, ended: true });
            }
        }
        if policy.exec_level != 0 {
            self.exec_parent = CgroupDir::open(&self.cgroup.join("halfopen.exec")).ok();
        }
        self.adopted = Some(adopted);
        Ok(())
    }

    /// Where the version 2 hierarchy is mounted; paths of cgroups ([`crate::path_of_id`]) begin there.
    #[must_use]
    pub fn hierarchy(&self) -> PathBuf {
        CgroupDir::root().map_or_else(|_| self.cgroup.clone(), |root| root.path().to_owned())
    }

    /// What was taken over from an earlier daemon at the start.
    #[must_use]
    pub fn adopted(&self) -> Option<&Adopted> {
        self.adopted.as_ref()
    }

    /// Since when the books have counted, on the kernel's monotonic clock: they may be older than this process.
    #[must_use]
    pub fn counting_since(&self) -> Duration {
        self.counting_since
    }

    /// Until when it enforces whatever its mode is; past that, the mode holds again.
    #[must_use]
    pub fn enforce_until(&self) -> Option<Duration> {
        self.settings.enforce_until
    }

    /// Whether the limit would outlive this process.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// Whether the pins that hold the limit are gone: somebody has ended it.
    #[must_use]
    pub fn pins_removed(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| !pins.hold())
    }

    /// Whether the BPF file system that holds the pins has been unmounted: the next daemon cannot find the limit, and it
    /// may not outlive this process.
    ///
    /// # Errors
    /// Where the list of mounts cannot be read.
    pub fn pins_unmounted(&self) -> Result<bool, KernelError> {
        let is_mounted = self.pins.as_ref().map(Pins::is_mounted).transpose();
        let doing = "looking whether the pins are mounted".to_owned();
        is_mounted.map(|mounted| mounted == Some(false)).map_err(|source| KernelError::Bpf { doing, source })
    }

    /// Leaves word for the next daemon that this one has looked now.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn leave_word(&mut self) -> Result<(), KernelError> {
        self.write_keeper(None)
    }

    fn write_keeper(&mut self, cgroup_id: Option<u64>) -> Result<(), KernelError> {
        let failed = |error| bpf("leaving word for the next daemon", error);
        let key = 0_u32.to_ne_bytes();
        let bytes = self.skel.maps.keeper.lookup(&key, MapFlags::ANY).map_err(failed)?.unwrap_or_default();
        let mut keeper = plain::read::<types::keeper>(&bytes).unwrap_or_default();
        keeper.layout = LAYOUT;
        keeper.pid = std::process::id();
        keeper.seen_ns = settings::nanos(now());
        keeper.lost_events = self.lost_events()?;
        keeper.counting_since_ns = settings::nanos(self.counting_since);
        keeper.cgroup_id = cgroup_id.unwrap_or(keeper.cgroup_id);
        for (to, from) in keeper.version.iter_mut().zip(env!("CARGO_PKG_VERSION").bytes()) {
            *to = from.cast_signed();
        }
        self.skel.maps.keeper.update(&key, plain::bytes(&keeper), MapFlags::ANY).map_err(failed)
    }

    fn lost_events(&self) -> Result<u64, KernelError> {
        let faults = self.faults()?;
        Ok(faults.iter().find(|found| found.fault == Fault::EventLost).map_or(0, |found| found.count))
    }

    /// What waiting did to which program, since the limit began; of the 4096 programs that did so last.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn programs(&self) -> Result<Vec<ProgramCount>, KernelError> {
        program_counts::read(&self.skel.maps.programs)
    }

    /// Whether a file that `essential` names has been replaced or installed since; then puts it in force.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn follow_essential_files(&mut self) -> Result<bool, KernelError> {
        if self.executables.of(&self.settings.essential) == self.essential_files {
            return Ok(false);
        }
        self.put_in_force(&self.settings.clone()).map(|()| true)
    }

    /// Puts new settings in force: at once for new attempts, at the next re-check for waiting ones. All at once or,
    /// on an error, not at all.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), KernelError> {
        if let Err(error) = self.exempt(settings).and_then(|()| self.put_in_force(settings)) {
            self.exempt(&self.settings)?;
            self.end_exemptions()?;
            return Err(error);
        }
        self.settings = settings.clone();
        self.end_exemptions()
    }

    /// Adds the exemptions of `settings`. Where there is no room for the old beside the new, the old end first: for a
    /// moment some are counted that need not be.
    fn exempt(&self, settings: &Settings) -> Result<(), KernelError> {
        let exempt = &self.skel.maps.exempt;
        let named: BTreeSet<_> =
            settings.exempt.iter().map(|&net| settings::prefix_key(net).to_vec()).collect();
        if named.len() > EXEMPT {
            return Err(KernelError::TooManyExempt(EXEMPT));
        }
        let old: Vec<_> = exempt.keys().filter(|key| !named.contains(key)).collect();
        if named.len() + old.len() > EXEMPT {
            for key in old {
                exempt.delete(&key).map_err(|error| bpf("ending an exemption", error))?;
            }
        }
        for key in named {
            exempt.update(&key, &[1], MapFlags::ANY).map_err(|error| bpf("exempting a prefix", error))?;
        }
        Ok(())
    }

    /// Removes the exemptions that the settings do not name.
    fn end_exemptions(&self) -> Result<(), KernelError> {
        let named: Vec<_> =
            self.settings.exempt.iter().map(|&net| settings::prefix_key(net).to_vec()).collect();
        let exempt = &self.skel.maps.exempt;
        for key in exempt.keys().filter(|key| !named.contains(key)).collect::<Vec<_>>() {
            exempt.delete(&key).map_err(|error| bpf("ending an exemption", error))?;
        }
        Ok(())
    }

    /// Writes the policy that is not in force and turns the number that says which one is.
    fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        let exec_level = self.exec_parent.as_ref().map_or(0, |parent| parent.level() + 1);
        let files = self.executables.of(&settings.essential);
        let next = self.state.policy_now() ^ 1;
        let trial = settings.enforce_until.filter(|_| settings.mode != Mode::Enforce);
        let mut policy = types::policy {
            mode: settings::mode(if trial.is_some() { Mode::Enforce } else { settings.mode }),
            mode_after: settings::mode(settings.mode),
            enforce_until_ns: trial.map_or(0, settings::nanos),
            raw_tcp: settings::raw_tcp(settings.raw_tcp),
            poke: settings.poke.into(),
            exec_level,
            essential: essential::write(&self.skel.maps, &settings.essential, &files, next)?,
            limits: [settings::no_limits(settings.host.slot_life); SCOPES as usize],
            ..types::policy::default()
        };
        policy.limits[0] = settings::limits(&settings.host);
        for (id, scope) in &self.scopes {
            policy.limits[id.0 as usize] = scope.limits;
        }
        self.state.turn_to(&policy);
        self.essential_files = files;
        Ok(())
    }

    /// Makes a scope for the processes of `cgroup` (which must be a direct child of the one that
    /// [`Limiter::set_exec_parent`] named) and everything below it.
    ///
    /// # Errors
    /// [`KernelError::ScopesFull`]; [`KernelError::NotACgroup`].
    pub fn add_scope(&mut self, cgroup: &CgroupDir, limits: &Limits) -> Result<ScopeId, KernelError> {
        let (path, cgroup_id) = (cgroup.path(), cgroup.id()?);
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
        let books = self.books(scope)?;
        Ok(ledger::ledger(&books, u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)))
    }

    fn books(&self, scope: ScopeId) -> Result<types::scope, KernelError> {
        let bytes = self.skel.maps.scopes.lookup(&scope.0.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading a scope's books", error))?.unwrap_or_default();
        plain::read::<types::scope>(&bytes)
            .ok_or_else(|| KernelError::Lacks("a scope's books are of an unknown layout".to_owned()))
    }

    /// Promises that until `until` (on the kernel's monotonic clock) somebody wakes each waiter when its turn comes: those
    /// that begin to wait have one long timer instead of short ones then, and what becomes of attempts is told.
    pub fn waiters_are_woken(&mut self, until: Duration) {
        self.state.set_woken_until(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The slots and turns of a scope, for who wakes waiters.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn turns(&self, scope: ScopeId) -> Result<Turns, KernelError> {
        let at = now();
        let books = self.books(scope)?;
        let in_use = ledger::ledger(&books, u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)).half_open;
        Ok(Turns { at, in_use, next_turn: Duration::from_nanos(books.next_turn_ns) })
    }

    /// Counts all live attempts anew from the kernel's sockets in every namespace, and corrects the books where they had
    /// drifted (counted as [`Fault::Recounted`]): a socket may end unnoticed if another program clears our callbacks.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn recount(&self) -> Result<(), KernelError> {
        walk::recount(self.recount.as_fd())
    }

    /// The live attempts in every namespace. While many begin and end, the list may lack some.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn attempts(&self) -> Result<Vec<Attempt>, KernelError> {
        walk::attempts(self.list.as_fd(), now())
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

    /// Hands over what happened since the last call. [`Limiter`] as a file descriptor becomes readable when there is
    /// something.
    ///
    /// # Errors
    /// Where the ring buffer cannot be read.
    pub fn take_told(&mut self, each: &mut dyn FnMut(Told)) -> Result<(), KernelError> {
        self.ring.consume().map_err(|error| bpf("reading the ring buffer of events", error))?;
        self.told.try_iter().for_each(each);
        Ok(())
    }

    /// Ends enforcement: has `restore` give every held socket its own options back (it is given the link of the walk that
    /// does; see [`crate::restore_everywhere`]), then detaches and unloads all. Pins are for the caller to remove
    /// ([`remove_pins`]): their directory may need rights that it has given up.
    ///
    /// # Errors
    /// Where the policy cannot be written; enforcement has ended all the same.
    pub fn let_go(
        mut self,
        restore: impl FnOnce(BorrowedFd<'_>) -> EnforcementStopped,
    ) -> Result<EnforcementStopped, KernelError> {
        let off = Settings { mode: Mode::Off, enforce_until: None, ..self.settings.clone() };
        self.put_in_force(&off)?;
        let mut stopped = restore(self.restore.as_fd());
        stopped.let_go = self.state.options_restored();
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

/// Puts `program` in the place of what the pinned link runs; `None` where somebody has detached that.
fn replace(pin: &Path, program: &ProgramMut<'_>) -> Result<Option<Link>, KernelError> {
    let taking_over = |error| bpf(&format!("taking over {}", pin.display()), error);
    let mut link = Link::open(pin).map_err(taking_over)?;
    if let LinkTypeInfo::Cgroup(CgroupLinkInfo { cgroup_id: 0, .. }) = link.info().map_err(taking_over)?.info
    {
        tracing::warn!("{}: had been detached: attached anew", pin.display());
        let gone = std::fs::remove_file(pin);
        gone.map_err(|source| KernelError::Bpf { doing: format!("removing {}", pin.display()), source })?;
        return Ok(None);
    }
    link.update_prog(program).map_err(taking_over)?;
    Ok(Some(link))
}

fn attach(hook: &'static str, program: &ProgramMut<'_>, cgroup: &CgroupDir) -> Result<Link, KernelError> {
    program.attach_cgroup(cgroup.as_fd().as_raw_fd()).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => {
            KernelError::HookTaken { hook, cgroup: cgroup.path().to_owned(), source: io::Error::other(error) }
        }
        _ => bpf(&format!("attaching {hook} to {}", cgroup.path().display()), error),
    })
}

/// The clock of the kernel part.
fn now() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

pub(crate) fn bpf(doing: &str, error: libbpf_rs::Error) -> KernelError {
    KernelError::Bpf { doing: doing.to_owned(), source: io::Error::other(error) }
}
