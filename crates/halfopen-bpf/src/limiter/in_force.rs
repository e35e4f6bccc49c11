//! What is in force: settings, exemptions, programs that are never held, and the scopes besides the host's.

use super::{EXEMPT, Limiter, OwnScope};
use crate::abi;
use crate::abi::{RULE_SCOPES, ScopeId};
use crate::decode::stopped_datagrams;
use crate::encode::{deny, never_hold, resolvers, scope_rules, values};
use crate::error::{KernelError, bpf};
use crate::settings::{ScopeRule, Settings};
use crate::sys::cgroup::CgroupDir;
use crate::sys::clock::monotonic;
use halfopen_policy::kernel_form::{mode, nanos, no_limits};
use halfopen_policy::{Limits, Mode};
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// How far containers, pods, services and sessions are below the top-level cgroups, at most: Kubernetes puts
/// a pod at `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice`.
const CLIENT_BELOW_TOP: u32 = 2;

impl Limiter {
    /// Checks whether a file that `never_hold` names has been replaced or installed; if so, puts it in force
    /// and returns true.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn follow_never_hold_files(&mut self) -> Result<bool, KernelError> {
        if self.executables.at(self.settings.never_hold.iter().map(|rule| rule.exe.as_ref()))
            == self.never_hold_files
        {
            return Ok(false);
        }
        self.put_in_force(&self.settings.clone()).map(|()| true)
    }

    /// The same for the files that rules of `[[scope]]` name.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn follow_rule_files(&mut self) -> Result<bool, KernelError> {
        if self.executables.at(self.settings.scopes.iter().flat_map(ScopeRule::files)) == self.rule_files {
            return Ok(false);
        }
        self.put_in_force(&self.settings.clone()).map(|()| true)
    }

    /// Puts new settings in force, all or, on an error, none of them: at once for new attempts, at the next
    /// re-check for waiting ones.
    ///
    /// # Errors
    /// If a map cannot be written, or has no room for the settings.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), KernelError> {
        if let Err(error) = self.exempt(settings).and_then(|()| self.put_in_force(settings)) {
            self.exempt(&self.settings.clone())?;
            self.end_exemptions()?;
            return Err(error);
        }
        self.settings = settings.clone();
        self.end_exemptions()
    }

    /// Adds the exemptions of `settings`. If there is no room for the old ones beside the new, the old ones
    /// end first: for a moment, some attempts are counted that need not be.
    pub(super) fn exempt(&mut self, settings: &Settings) -> Result<(), KernelError> {
        let exempt = &self.skel.maps.exempt;
        let named = exemptions(settings);
        if named.len() > EXEMPT {
            return Err(KernelError::TooManyExempt(EXEMPT));
        }
        let others = exempt.keys().filter(|key| !named.contains(key)).count();
        if named.len() + others > EXEMPT {
            self.end_exemptions_but(&named)?;
            self.count_from_now();
        }
        let exempt = &self.skel.maps.exempt;
        for key in named {
            exempt.update(&key, &[1], MapFlags::ANY).map_err(|error| bpf("exempting a prefix", error))?;
        }
        Ok(())
    }

    /// From now on, leaves alone the attempts that are alive now and have no record.
    pub(super) fn count_from_now(&mut self) {
        self.state.count_from(nanos(monotonic()));
    }

    /// Removes the exemptions that the settings do not name.
    pub(super) fn end_exemptions(&mut self) -> Result<(), KernelError> {
        if self.end_exemptions_but(&exemptions(&self.settings))? {
            self.count_from_now();
        }
        Ok(())
    }

    /// Removes all exemptions but those `named`. Returns whether there were others.
    fn end_exemptions_but(&self, named: &BTreeSet<Vec<u8>>) -> Result<bool, KernelError> {
        let exempt = &self.skel.maps.exempt;
        let others: Vec<_> = exempt.keys().filter(|key| !named.contains(key)).collect();
        for key in &others {
            exempt.delete(key).map_err(|error| bpf("ending an exemption", error))?;
        }
        Ok(!others.is_empty())
    }

    /// Writes the policy that is not in force, and switches to it.
    pub(super) fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        let exec_level = self.exec_parent.as_ref().map_or(0, |parent| parent.level() + 1);
        let files = self.executables.at(settings.never_hold.iter().map(|rule| rule.exe.as_ref()));
        let rule_files = self.executables.at(settings.scopes.iter().flat_map(ScopeRule::files));
        let numbers = self.number(settings)?;
        let denies = self.deny_names.number(&self.skel.maps, &settings.deny, &self.settings.deny)?;
        let next = self.state.policy_now() ^ 1;
        let trial = settings.enforce_until.filter(|_| settings.mode != Mode::Enforce);
        let [of_gate, of_shared_gate] = values::gates(settings);
        let mut policy = abi::policy {
            mode: mode(if trial.is_some() { Mode::Enforce } else { settings.mode }),
            mode_after: mode(settings.mode),
            enforce_until_ns: trial.map_or(0, nanos),
            raw_tcp: values::raw_tcp(settings.raw_tcp),
            forwarded: values::forwarded(settings, self.top_level),
            of_gate,
            of_shared_gate,
            wakeups: settings.wakeups.into(),
            exec_level,
            top_level: self.top_level,
            never_hold: never_hold::write(&self.skel.maps, &settings.never_hold, &files, next)?,
            rules: scope_rules::write(
                &self.skel.maps,
                &settings.scopes,
                &numbers.rules,
                &rule_files,
                self.top_level,
                next,
            )?,
            // Always a new one: what is cached of a cgroup counts for one policy only.
            generation: self.generation + 1,
            known_for_ns: nanos(settings.known_for),
            interfaces: (!settings.interfaces.is_empty()).into(),
            names: values::names(settings),
            names_for_ns: nanos(settings.names_for),
            client_level: self.top_level + CLIENT_BELOW_TOP,
            released: self.released,
            ..abi::policy::default()
        };
        policy.limits.fill(no_limits(settings.host.slot_life));
        policy.limits[0] = abi::limits::from(&settings.host);
        for (id, scope) in &self.scopes {
            policy.limits[id.0 as usize] = scope.limits;
        }
        let rules = numbers.rules.iter().zip(settings.scopes.iter().map(|rule| &rule.limits));
        let interfaces = settings.interfaces.iter().map(|rule| &rule.limits);
        for (id, limits) in rules.chain(numbers.interfaces.iter().zip(interfaces)) {
            policy.limits[id.0 as usize] = abi::limits::from(limits);
        }
        let asks =
            |asks: fn(&abi::first_contact) -> bool| policy.limits.iter().any(|l| asks(&l.first)).into();
        let by_hand = !self.hand_blocks()?.is_empty();
        policy.blocks = asks(|first| first.block_ns != 0) | u32::from(by_hand);
        policy.datagrams = policy.limits.iter().any(|l| l.datagram_interval_ns != 0).into();
        policy.connections = policy.limits.iter().any(abi::limits::limits_connections).into();
        policy.destinations = policy.limits.iter().any(|l| l.per_destination != 0).into();
        policy.contacts = asks(|first| first.credit != 0);
        policy.knows = asks(|first| first.credit != 0 && first.working_set == 0);
        let by_contact = policy.limits.iter().any(|l| l.first.credit != 0 && l.first.working_set != 0);
        policy.becomes_known = (policy.knows != 0 && !by_contact).into();
        self.write_interfaces(settings, &numbers, next)?;
        deny::write(&self.skel.maps, &settings.deny, &denies, next)?;
        resolvers::write(&self.skel.maps.resolvers, &self.resolvers, next)?;
        // Attempts that begin while nothing is counted have no record.
        if self.state.policy().mode == mode(Mode::Off) {
            self.count_from_now();
        }
        self.state.turn_to(&policy);
        self.never_hold_files = files;
        self.rule_files = rule_files;
        self.in_force = numbers;
        self.generation = policy.generation;
        Ok(())
    }

    /// Makes a scope for the processes of `cgroup` (a direct child of the cgroup that
    /// [`Limiter::set_exec_parent`] named) and of everything below it.
    ///
    /// # Errors
    /// [`KernelError::ScopesFull`] if no number is free; [`KernelError::NotACgroup`] if `cgroup` has been
    /// removed; [`KernelError::Bpf`] if a map cannot be written.
    pub fn add_scope(&mut self, cgroup: &CgroupDir, limits: &Limits) -> Result<ScopeId, KernelError> {
        let (path, cgroup_id) = (cgroup.path(), cgroup.id()?);
        let id = self.free_scope()?;
        let empty = vec![0; size_of::<abi::scope>()];
        let zero = self.skel.maps.scopes.update(&id.0.to_ne_bytes(), &empty, MapFlags::ANY);
        zero.map_err(|error| bpf("opening a scope's accounting", error))?;
        stopped_datagrams::forget(&self.skel.maps.datagram_stops, id)?;
        self.forget_hand_blocks(id)?;
        self.scopes.insert(id, OwnScope { cgroup_id, limits: abi::limits::from(limits), ended: false });
        self.put_in_force(&self.settings.clone())?;
        self.skel
            .maps
            .scope_of_cgroup
            .update(&cgroup_id.to_ne_bytes(), &id.0.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| bpf(&format!("making a scope for {}", path.display()), error))?;
        Ok(id)
    }

    /// A scope number that no live attempt is charged to.
    fn free_scope(&mut self) -> Result<ScopeId, KernelError> {
        for id in (1..RULE_SCOPES).map(ScopeId) {
            match self.scopes.get(&id) {
                None => return Ok(id),
                Some(scope) if scope.ended => {
                    let accounting = self.ledger(id)?;
                    if accounting.queued + accounting.half_open + accounting.aged == 0 {
                        return Ok(id);
                    }
                }
                Some(_) => {}
            }
        }
        Err(KernelError::ScopesFull(RULE_SCOPES - 1))
    }

    /// Names the cgroup whose direct children [`Limiter::add_scope`] takes.
    ///
    /// # Errors
    /// If the policy cannot be written.
    pub fn set_exec_parent(&mut self, parent: CgroupDir) -> Result<(), KernelError> {
        self.exec_parent = Some(parent);
        self.put_in_force(&self.settings.clone())
    }

    /// Changes a scope's limits.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn set_scope(&mut self, scope: ScopeId, limits: &Limits) -> Result<(), KernelError> {
        if let Some(own) = self.scopes.get_mut(&scope) {
            own.limits = abi::limits::from(limits);
        }
        self.put_in_force(&self.settings.clone())
    }

    /// Ends a scope. It holds nothing back from then on. Its number is free again once the attempts charged
    /// to it have ended.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn remove_scope(&mut self, scope: ScopeId) -> Result<(), KernelError> {
        let Some(own) = self.scopes.get_mut(&scope) else { return Ok(()) };
        own.ended = true;
        own.limits = no_limits(self.settings.host.slot_life);
        let key = own.cgroup_id.to_ne_bytes();
        self.skel.maps.scope_of_cgroup.delete(&key).map_err(|error| bpf("ending a scope", error))?;
        self.put_in_force(&self.settings.clone())
    }

    /// Names the resolvers whose answers are read. Returns whether this changes them.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn set_resolvers(&mut self, resolvers: &BTreeSet<IpAddr>) -> Result<bool, KernelError> {
        if *resolvers == self.resolvers {
            return Ok(false);
        }
        self.resolvers.clone_from(resolvers);
        self.put_in_force(&self.settings.clone()).map(|()| true)
    }

    /// Promises that until `until` (on the kernel's monotonic clock) the caller wakes each waiter when its
    /// turn comes. Until then, attempts that begin to wait get one long timer instead of short ones, and the
    /// kernel part sends an event for what becomes of attempts.
    pub fn waiters_are_woken(&mut self, until: Duration) {
        self.state.set_woken_until(nanos(until));
    }

    /// In audit mode, the kernel part tells of every beginning and end until `until` (on the kernel's monotonic clock),
    /// while [`Limiter::waiters_are_woken`] is in force. It does so by itself after an attempt that it would have held.
    pub fn learns(&mut self, until: Duration) {
        self.state.set_learned_until(nanos(until));
    }
}

/// The keys of the prefixes that `settings` exempt.
fn exemptions(settings: &Settings) -> BTreeSet<Vec<u8>> {
    settings.exempt.iter().map(|&net| values::prefix_key(net).to_vec()).collect()
}
