//! The limiter's pins: what is left for the next daemon, and what is taken over from the last one.

use super::read_pinned::mode_in_force;
use super::{Adopted, AdoptedScope, Keep, Limiter, OwnScope};
use crate::abi;
use crate::abi::LAYOUT;
use crate::abi::{RULE_SCOPES, ScopeId, plain};
use crate::decode::faults::Fault;
use crate::encode::deny::DenyNames;
use crate::error::{KernelError, bpf};
use crate::load::pins::{HOOKS, Pins, RESTORE, map_file, remove_pin, remove_pins, version};
use crate::sys::cgroup::CgroupDir;
use crate::sys::clock::monotonic;
use halfopen_policy::Limits;
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::kernel_form::no_limits;
use libbpf_rs::query::{CgroupLinkInfo, LinkTypeInfo};
use libbpf_rs::{Link, MapCore, MapFlags, libbpf_sys};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

impl Limiter {
    /// Pins what outlives this process and drops the links, or removes the pins of an earlier daemon.
    pub(super) fn keep(
        &mut self,
        keep: &Keep,
        found: Option<Pins>,
        cgroup_id: u64,
    ) -> Result<(), KernelError> {
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

    /// Pins the links last: without all of them the directory counts as incomplete.
    fn pin(&mut self, pins: &Pins, cgroup_id: u64) -> Result<(), KernelError> {
        let failed = |name: &str, error| bpf(&format!("pinning {}", pins.file(name).display()), error);
        let maps = &mut self.skel.maps;
        let to_pin = [
            &mut maps.records,
            &mut maps.records_beside,
            &mut maps.connections,
            &mut maps.destinations,
            &mut maps.walked,
            &mut maps.scopes,
            &mut maps.scope_of_cgroup,
            &mut maps.never_hold_users,
            &mut maps.never_hold_exes,
            &mut maps.never_hold_cgroups,
            &mut maps.rule_users,
            &mut maps.rule_exes,
            &mut maps.rule_comms,
            &mut maps.rule_cgroups,
            &mut maps.cgroups_known,
            &mut maps.cgroup_paths,
            &mut maps.families,
            &mut maps.matchings,
            &mut maps.interface_scopes,
            &mut maps.scope_names,
            &mut maps.releases,
            &mut maps.hand_blocks,
            &mut maps.accounts,
            &mut maps.parties,
            &mut maps.known,
            &mut maps.neighbourhoods,
            &mut maps.datagram_contacts,
            &mut maps.datagrams_heard,
            &mut maps.datagram_sockets,
            &mut maps.datagram_stops,
            &mut maps.programs,
            &mut maps.program_rows,
            &mut maps.exempt,
            &mut maps.deny_prefixes,
            &mut maps.deny_rules,
            &mut maps.deny_counts,
            &mut maps.deny_names,
            &mut maps.resolvers,
            &mut maps.queries,
            &mut maps.named,
            &mut maps.reading,
            &mut maps.names_counts,
            &mut maps.gates,
            &mut maps.gate_sources,
            &mut maps.gate_contacts,
            &mut maps.gate_neighbours,
            &mut maps.syns_let_out,
            &mut maps.held,
            &mut maps.durations,
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
        self.optional.pin(pins)?;
        let hooks = HOOKS.into_iter().zip(&mut self.links);
        for (name, link) in [(RESTORE, &mut self.restore)].into_iter().chain(hooks) {
            if !pins.file(name).exists() {
                link.pin(pins.file(name)).map_err(|error| failed(name, error))?;
            }
        }
        Ok(())
    }

    /// Reads what an earlier daemon knew: its scopes, and how long it has been gone.
    pub(super) fn adopt(&mut self, keeper: &abi::keeper) -> Result<(), KernelError> {
        let policy = self.state.policy();
        let mut adopted = Adopted {
            version: version(keeper),
            mode: mode_in_force(&policy, monotonic()),
            unwatched: monotonic().saturating_sub(Duration::from_nanos(keeper.seen_ns)),
            lost_events: self.lost_events()?.saturating_sub(keeper.lost_events),
            host: Limits::from(&policy.limits[0]),
            enforce_until: (policy.enforce_until_ns != 0)
                .then(|| Duration::from_nanos(policy.enforce_until_ns)),
            scopes: Vec::new(),
        };
        self.generation = policy.generation;
        self.released = policy.released;
        self.adopt_names()?;
        self.deny_names = DenyNames::read(&self.skel.maps.deny_names)?;
        for key in self.skel.maps.scope_of_cgroup.keys() {
            let value = self.skel.maps.scope_of_cgroup.lookup(&key, MapFlags::ANY);
            let value = value.map_err(|error| bpf("reading the scopes of cgroups", error))?;
            let (Some(Ok(id)), Ok(cgroup_id)) = (value.map(TryInto::try_into), key.try_into()) else {
                continue;
            };
            let (id, cgroup_id) = (ScopeId(u32::from_ne_bytes(id)), u64::from_ne_bytes(cgroup_id));
            let Some(limits) = policy.limits.get(id.0 as usize) else { continue };
            self.scopes.insert(id, OwnScope { cgroup_id, limits: *limits, ended: false });
            adopted.scopes.push(AdoptedScope { id, cgroup_id, limits: Limits::from(limits) });
        }
        // Ended scopes to whose number attempts are still charged.
        for id in (1..RULE_SCOPES).map(ScopeId).filter(|id| !self.scopes.contains_key(id)).collect::<Vec<_>>()
        {
            let accounting = self.ledger(id)?;
            if accounting.queued + accounting.half_open + accounting.aged > 0 {
                let limits = no_limits(self.settings.host.slot_life);
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

    /// When the accounting began, on the kernel's monotonic clock; it may be older than this process.
    #[must_use]
    pub fn counting_since(&self) -> Duration {
        self.counting_since
    }

    /// Until when it enforces, whatever its mode is, on the kernel's monotonic clock; after that the mode
    /// applies again.
    #[must_use]
    pub fn enforce_until(&self) -> Option<Duration> {
        self.settings.enforce_until
    }

    /// Whether the limit would outlive this process.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// Whether the pins that hold the limit are gone, because a user has ended it.
    #[must_use]
    pub fn pins_removed(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| !pins.hold(self.optional.names()))
    }

    /// Whether the BPF file system with the pins has been unmounted: then the next daemon cannot find the
    /// limit, and the limit may not outlive this process.
    ///
    /// # Errors
    /// If the list of mounts cannot be read.
    pub fn pins_unmounted(&self) -> Result<bool, KernelError> {
        let is_mounted = self.pins.as_ref().map(Pins::is_mounted).transpose();
        let doing = "looking whether the pins are mounted".to_owned();
        is_mounted.map(|mounted| mounted == Some(false)).map_err(|source| KernelError::Bpf { doing, source })
    }

    /// Notes for the next daemon that this one has looked now.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn leave_word(&mut self) -> Result<(), KernelError> {
        self.write_keeper(None)
    }

    fn write_keeper(&mut self, cgroup_id: Option<u64>) -> Result<(), KernelError> {
        let failed = |error| bpf("leaving word for the next daemon", error);
        let key = 0_u32.to_ne_bytes();
        let bytes = self.skel.maps.keeper.lookup(&key, MapFlags::ANY).map_err(failed)?.unwrap_or_default();
        let mut keeper = plain::read::<abi::keeper>(&bytes).unwrap_or_default();
        keeper.layout = LAYOUT;
        keeper.pid = std::process::id();
        keeper.seen_ns = nanos(monotonic());
        keeper.lost_events = self.lost_events()?;
        keeper.counting_since_ns = nanos(self.counting_since);
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
}

/// Replaces the program of the pinned link by `program`; `None` if a user has detached the link.
pub(super) fn replace(pin: &Path, program: BorrowedFd<'_>) -> Result<Option<Link>, KernelError> {
    let taking_over = |error| bpf(&format!("taking over {}", pin.display()), error);
    let link = Link::open(pin).map_err(taking_over)?;
    if let LinkTypeInfo::Cgroup(CgroupLinkInfo { cgroup_id: 0, .. }) = link.info().map_err(taking_over)?.info
    {
        tracing::warn!("{}: had been detached: attached anew", pin.display());
        remove_pin(pin)?;
        return Ok(None);
    }
    // SAFETY: two descriptors that live through the call, and no options.
    let failed = unsafe {
        libbpf_sys::bpf_link_update(link.as_fd().as_raw_fd(), program.as_raw_fd(), std::ptr::null())
    };
    if failed < 0 {
        return Err(taking_over(libbpf_rs::Error::from_raw_os_error(-failed)));
    }
    Ok(Some(link))
}
