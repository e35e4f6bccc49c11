//! The limiter in the kernel: loaded, attached, let go. What is in force, what it reports, and what outlives
//! it are in files of their own.

mod account_paths;
pub(crate) mod end_pinned;
pub(crate) mod gates;
mod hand_blocks;
mod in_force;
mod named_scopes;
mod optional;
mod pinned;
mod read_pinned;
mod readings;
mod state;
pub(crate) mod wakeups;
pub(crate) mod walk;

use crate::abi;
use crate::abi::ScopeId;
use crate::abi::skeleton::HalfopenSkel;
use crate::decode::records::RingEvent;
use crate::decode::ring_events;
use crate::encode::deny::DenyNames;
use crate::error::{KernelError, bpf};
use crate::limiter::state::State;
use crate::limiter::walk::{EnforcementStopped, Walks};
use crate::load::has_netfilter_programs;
use crate::load::load;
use crate::load::optional_hooks::AttachHere;
use crate::load::pins::{HOOKS, Pins};
use crate::settings::Settings;
use crate::sys::cgroup::CgroupDir;
use crate::sys::clock::monotonic;
use crate::sys::executable::{Executable, Executables};
use crate::sys::gates::Gate;
use halfopen_policy::wake::Credits;
use halfopen_policy::{Limits, Mode};
use libbpf_rs::{ErrorKind, Link, ProgramMut, RingBuffer, RingBufferBuilder};
use named_scopes::Numbers;
use optional::Optional;
pub use read_pinned::{PinnedDeny, PinnedLimit, PinnedNames, PinnedScope, ScopeOf};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// The size of the map `exempt` of bpf/maps.h, in prefixes.
const EXEMPT: usize = 4096;

/// Whether the limit outlives its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The directory where it is pinned, or was by an earlier daemon. It must be in a BPF file system.
    pub pins: PathBuf,
    /// Whether it stays pinned there.
    pub persist: bool,
}

/// An account's slots and turns at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// The moment, on the kernel's monotonic clock.
    pub at: Duration,
    /// Slots held.
    pub in_use: u64,
    /// When the next turn falls due, on that clock; meaningful only with a rate.
    pub next_turn: Duration,
    /// The connections that count.
    pub open: u64,
    /// When the next connection falls due, on that clock; meaningful only with a limit on their rate.
    pub next_connection: Duration,
    /// Credit for first contacts; its times are nanoseconds of the same clock.
    pub credits: Credits,
}

/// What a limiter has taken over from an earlier daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The version of that daemon.
    pub version: String,
    /// The mode that was in force.
    pub mode: Mode,
    /// How long no daemon has watched the limit.
    pub unwatched: Duration,
    /// Attempts that began to wait in the meantime and did not fit into the ring buffer: no event can name
    /// their programs.
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
    /// Its number.
    pub id: ScopeId,
    /// Its cgroup; see [`crate::path_of_id`].
    pub cgroup_id: u64,
    /// Its limits.
    pub limits: Limits,
}

/// A scope of `exec`.
struct OwnScope {
    cgroup_id: u64,
    limits: abi::limits,
    ended: bool,
}

/// The limiter while it is attached. If it is not pinned, dropping it without [`Limiter::let_go`] ends
/// enforcement without restoring the options of held sockets.
pub struct Limiter {
    /// Empty if the links are pinned: they last as long as their files.
    links: Vec<Link>,
    optional: Optional,
    pins: Option<Pins>,
    adopted: Option<Adopted>,
    walks: Walks,
    restore: Link,
    /// The walks that collect accounts, and parties.
    collect: [Link; 2],
    release_scopes: Link,
    ring: RingBuffer<'static>,
    told: mpsc::Receiver<RingEvent>,
    skel: HalfopenSkel<'static>,
    state: State,
    cgroup: PathBuf,
    /// The depth of the cgroups right below `cgroup`.
    top_level: u32,
    settings: Settings,
    resolvers: BTreeSet<IpAddr>,
    gates: BTreeSet<Gate>,
    no_gates: BTreeSet<u32>,
    /// Why the gates cannot be found out.
    gates_unknown: Option<String>,
    has_netfilter: bool,
    executables: Executables,
    never_hold_files: Vec<Option<Executable>>,
    rule_files: Vec<Option<Executable>>,
    /// The names of rules and interfaces, also of those that are no longer in force.
    names: BTreeMap<ScopeId, String>,
    in_force: Numbers,
    deny_names: DenyNames,
    generation: u64,
    released: u32,
    exec_parent: Option<CgroupDir>,
    scopes: BTreeMap<ScopeId, OwnScope>,
    counting_since: Duration,
}

impl Limiter {
    /// Loads the kernel part, writes `settings` and attaches it to `cgroup`. It replaces, without a moment
    /// that has no limit, what an earlier daemon left where `keep` says. Every connect after that is limited.
    ///
    /// # Errors
    /// [`KernelError`], which says what is missing. Nothing that was not there before is left attached then.
    pub fn start(cgroup: &CgroupDir, settings: &Settings, keep: Option<&Keep>) -> Result<Self, KernelError> {
        let found = keep.map(|keep| end_pinned::pins_of_our_layout(&keep.pins)).transpose()?.flatten();
        let keeper = found.as_ref().map(Pins::keeper).transpose()?;
        let cgroup_id = cgroup.id()?;
        if let Some(keeper) = keeper.filter(|keeper| keeper.cgroup_id != cgroup_id) {
            let named = |id| {
                crate::shown_path_of_id(id).unwrap_or_else(|| format!("a cgroup that is gone (id {id})"))
            };
            return Err(KernelError::PinnedElsewhere {
                path: found.as_ref().map_or_else(PathBuf::new, |pins| pins.path().to_owned()),
                theirs: named(keeper.cgroup_id),
                ours: named(cgroup_id),
            });
        }
        let skel = load(found.as_ref().map(Pins::path), settings.records)?;
        let walks = Walks::over(&skel)?;
        let iterator = |error| bpf("making an iterator over the sockets", error);
        let restore = skel.progs.restore_all.attach().map_err(iterator)?;
        let over_accounts = |error| bpf("making an iterator over the accounts", error);
        let collect = [
            skel.progs.collect_accounts.attach_iter(skel.maps.accounts.as_fd()).map_err(over_accounts)?,
            skel.progs.collect_parties.attach_iter(skel.maps.parties.as_fd()).map_err(over_accounts)?,
        ];
        let over_scopes = |error| bpf("making an iterator over the scopes", error);
        let release_scopes =
            skel.progs.release_scopes.attach_iter(skel.maps.scopes.as_fd()).map_err(over_scopes)?;
        let (sender, told) = mpsc::channel();
        let mut ring = RingBufferBuilder::new();
        ring.add(&skel.maps.held, move |bytes| {
            // The receiver lives as long as the ring: both belong to the limiter.
            if let Some(told) = ring_events::read(bytes) {
                let _ = sender.send(told);
            }
            0
        })
        .map_err(|error| bpf("mapping the ring buffer of events", error))?;
        let ring = ring.build().map_err(|error| bpf("mapping the ring buffer of events", error))?;

        let mut executables = Executables::new().map_err(|source| {
            let doing = "looking up executables: opening /proc/self/mountinfo".to_owned();
            KernelError::Bpf { doing, source }
        })?;
        let mut limiter = Self {
            links: Vec::new(),
            optional: Optional::default(),
            pins: None,
            adopted: None,
            walks,
            restore,
            collect,
            release_scopes,
            ring,
            told,
            state: State::of(skel.maps.bss.as_fd())?,
            skel,
            settings: settings.clone(),
            resolvers: BTreeSet::new(),
            gates: BTreeSet::new(),
            no_gates: BTreeSet::new(),
            gates_unknown: None,
            has_netfilter: has_netfilter_programs(),
            cgroup: cgroup.path().to_owned(),
            top_level: cgroup.level() + 1,
            never_hold_files: executables.at(settings.never_hold.iter().map(|rule| rule.exe.as_ref())),
            rule_files: Vec::new(),
            names: BTreeMap::new(),
            in_force: Numbers::default(),
            deny_names: DenyNames::default(),
            generation: 0,
            released: 0,
            executables,
            exec_parent: None,
            scopes: BTreeMap::new(),
            counting_since: keeper
                .as_ref()
                .map_or_else(monotonic, |keeper| Duration::from_nanos(keeper.counting_since_ns)),
        };
        if let Some(keeper) = &keeper {
            limiter.adopt(keeper)?;
        }
        let trial = limiter.adopted.as_ref().and_then(|adopted| adopted.enforce_until);
        if let Some(until) = trial.filter(|until| *until > monotonic() && settings.mode != Mode::Enforce) {
            limiter.settings.enforce_until = Some(until);
        }
        limiter.state.draw_salt()?;
        limiter.exempt(settings)?;
        limiter.put_in_force(&limiter.settings.clone())?;
        limiter.end_exemptions()?;
        limiter.attach(cgroup, found.as_ref())?;
        if found.is_none() {
            limiter.count_from_now();
        }
        let pins = keep.map_or_else(PathBuf::new, |keep| keep.pins.clone());
        limiter.attach_optional(found.as_ref(), &mut AttachHere { cgroup, pins })?;
        if let Some(keep) = keep {
            limiter.keep(keep, found, cgroup_id)?;
        }
        Ok(limiter)
    }

    /// Puts the programs on the hooks: in place of those of `found`, one by one, each atomically; otherwise
    /// beside other programs.
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
            let replaced =
                found.map(|pins| pinned::replace(&pins.file(hook), program.as_fd())).transpose()?.flatten();
            let link = match replaced {
                Some(link) => link,
                None => attach(hook, program, cgroup)?,
            };
            self.links.push(link);
        }
        Ok(())
    }

    /// Ends enforcement: has `restore` give every held socket its own options back, then detaches and unloads
    /// everything. `restore` gets the link of the walk that does so; see [`crate::restore_everywhere`]. The
    /// caller must remove the pins ([`remove_pins`](crate::remove_pins)): that may need rights that this process has given up.
    ///
    /// # Errors
    /// If the policy cannot be written; enforcement ends all the same.
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

fn attach(hook: &'static str, program: &ProgramMut<'_>, cgroup: &CgroupDir) -> Result<Link, KernelError> {
    program.attach_cgroup(cgroup.as_fd().as_raw_fd()).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => {
            KernelError::HookTaken { hook, cgroup: cgroup.path().to_owned(), source: io::Error::other(error) }
        }
        _ => bpf(&format!("attaching {hook} to {}", cgroup.path().display()), error),
    })
}
