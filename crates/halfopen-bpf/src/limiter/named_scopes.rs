//! The scopes of rules and interfaces: which number each has. A name keeps its number, and with it its
//! accounting, until another name needs the number; also while its rule is gone, and from one daemon to the
//! next.

use super::Limiter;
use crate::abi;
use crate::abi::{INTERFACE_SCOPES, RULE_SCOPES, SCOPES, ScopeId, plain};
use crate::decode::accounts::{Account, Trust};
use crate::decode::{accounts, stopped_datagrams};
use crate::encode::rule_keys::{clear, put};
use crate::error::{KernelError, bpf};
use crate::limiter::walk;
use crate::settings::Settings;
use crate::sys::clock::monotonic;
use halfopen_policy::kernel_form::nanos;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::AsFd;

/// Without the terminating zero.
const LONGEST_NAME: usize = abi::SCOPE_NAME_LEN as usize - 1;
const LONGEST_INTERFACE: usize = abi::INTERFACE_NAME_LEN as usize - 1;

/// The numbers of the rules and interfaces of some settings, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub rules: Vec<ScopeId>,
    pub interfaces: Vec<ScopeId>,
}

impl Numbers {
    /// Those that `policy`, which has this number, has in force.
    pub fn of(policy: &abi::policy, number: u32, interfaces: &impl MapCore) -> Self {
        let numbered = policy.rules.rule.iter().enumerate();
        let rules = numbered.filter(|(bit, _)| policy.rules.rules & 1 << bit != 0);
        let of_policy = |key: abi::interface_key| key.policy == number;
        let keys = interfaces.keys().filter(|key| plain::read(key).is_some_and(of_policy));
        let values = keys.filter_map(|key| interfaces.lookup(&key, MapFlags::ANY).ok().flatten());
        Self {
            rules: rules.map(|(_, rule)| ScopeId(rule.scope.into())).collect(),
            interfaces: values.filter_map(|value| plain::read(&value).map(ScopeId)).collect(),
        }
    }
}

/// The names of rules and interfaces that daemons gave so far.
pub(super) fn read_names(map: &impl MapCore) -> Result<BTreeMap<ScopeId, String>, KernelError> {
    let mut names = BTreeMap::new();
    for id in (RULE_SCOPES..SCOPES).map(ScopeId) {
        let bytes = map.lookup(&id.0.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading the names of scopes", error))?.unwrap_or_default();
        let name = abi::text(&plain::read::<abi::scope_name>(&bytes).unwrap_or_default().name);
        if !name.is_empty() {
            names.insert(id, name);
        }
    }
    Ok(names)
}

impl Limiter {
    /// Finds a number for each rule and interface, and opens the accounting of new ones. Changes nothing that
    /// is in force.
    pub(super) fn number(&mut self, settings: &Settings) -> Result<Numbers, KernelError> {
        let rules: Vec<&str> = settings.scopes.iter().map(|rule| rule.name.as_str()).collect();
        let interfaces: Vec<&str> = settings.interfaces.iter().map(|rule| rule.name.as_str()).collect();
        let longest = [(&rules, LONGEST_NAME), (&interfaces, LONGEST_INTERFACE)];
        for (names, longest) in longest {
            if let Some(wrong) = names.iter().find(|name| name.is_empty() || name.len() > longest) {
                return Err(KernelError::ScopeName { name: (*wrong).to_owned(), longest });
            }
        }
        Ok(Numbers {
            rules: self.number_names(&rules, RULE_SCOPES..INTERFACE_SCOPES)?,
            interfaces: self.number_names(&interfaces, INTERFACE_SCOPES..SCOPES)?,
        })
    }

    fn number_names(&mut self, names: &[&str], range: Range<u32>) -> Result<Vec<ScopeId>, KernelError> {
        if names.len() > range.len() {
            return Err(KernelError::TooManyScopes { most: range.len() });
        }
        names.iter().map(|name| self.number_name(name, names, range.clone())).collect()
    }

    fn number_name(&mut self, name: &str, names: &[&str], range: Range<u32>) -> Result<ScopeId, KernelError> {
        let had_by = self.names.range(ScopeId(range.start)..ScopeId(range.end));
        if let Some((id, _)) = had_by.clone().find(|(_, had)| *had == name) {
            return Ok(*id);
        }
        let unused = range.clone().map(ScopeId).find(|id| !self.names.contains_key(id));
        let ended = had_by.filter(|(_, had)| !names.contains(&had.as_str())).map(|(id, _)| *id);
        let ended =
            ended.filter(|id| !self.in_force.rules.contains(id) && !self.in_force.interfaces.contains(id));
        let candidates: Vec<ScopeId> = unused.into_iter().chain(ended).collect();
        for id in candidates {
            if self.is_charged(id)? {
                continue;
            }
            put(&self.skel.maps.scopes, &id.0, &abi::scope::default())?;
            stopped_datagrams::forget(&self.skel.maps.datagram_stops, id)?;
            self.forget_hand_blocks(id)?;
            put(&self.skel.maps.scope_names, &id.0, &abi::scope_name { name: abi::chars(name) })?;
            self.names.insert(id, name.to_owned());
            return Ok(id);
        }
        Err(KernelError::ScopesCharged { most: range.len() })
    }

    /// Whether a live attempt is charged to this scope, or it has an account.
    fn is_charged(&self, id: ScopeId) -> Result<bool, KernelError> {
        let accounting = self.accounting(id)?;
        Ok(accounting.queued + accounting.out > 0 || accounts::has_any(&self.skel.maps.accounts, id))
    }

    /// Writes the scope of each interface for the policy with this number, which must not be in force.
    pub(super) fn write_interfaces(
        &self,
        settings: &Settings,
        numbers: &Numbers,
        policy: u32,
    ) -> Result<(), KernelError> {
        let map = &self.skel.maps.interface_scopes;
        clear(map, |key: abi::interface_key| key.policy == policy)?;
        for (interface, id) in settings.interfaces.iter().zip(&numbers.interfaces) {
            put(map, &abi::interface_key { policy, name: abi::chars(&interface.name) }, &id.0)?;
        }
        Ok(())
    }

    /// Reads the names that an earlier daemon gave.
    pub(super) fn adopt_names(&mut self) -> Result<(), KernelError> {
        self.names = read_names(&self.skel.maps.scope_names)?;
        let (policy, number) = (self.state.policy(), self.state.policy_now());
        self.in_force = Numbers::of(&policy, number, &self.skel.maps.interface_scopes);
        Ok(())
    }

    /// The scopes of the rules in force, by name.
    #[must_use]
    pub fn rule_scopes(&self) -> BTreeMap<String, ScopeId> {
        self.named(&self.in_force.rules)
    }

    /// The scopes of the interfaces in force, by name.
    #[must_use]
    pub fn interface_scopes(&self) -> BTreeMap<String, ScopeId> {
        self.named(&self.in_force.interfaces)
    }

    fn named(&self, ids: &[ScopeId]) -> BTreeMap<String, ScopeId> {
        ids.iter().filter_map(|id| Some((self.names.get(id)?.clone(), *id))).collect()
    }

    /// The accounts that rules have made on first use. [`Limiter::ledger`] has what all attempts of a rule
    /// share.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn accounts(&self) -> Result<Vec<Account>, KernelError> {
        accounts::read(&self.skel.maps.accounts, nanos(monotonic()))
    }

    /// What became of the first contacts of a scope: the host's, a scope of `exec`, an interface's, or a
    /// rule's whose attempts share one account.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn trust(&self, scope: ScopeId) -> Result<Trust, KernelError> {
        Ok(accounts::trust(&self.accounting(scope)?))
    }

    /// Resets the trust of the account with this id ([`crate::AccountId`]) in a scope, or of all its accounts
    /// and the scope itself. A suspect is none from now on.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn release(&mut self, scope: ScopeId, account: Option<u64>) -> Result<(), KernelError> {
        let number = self.released.wrapping_add(1);
        let key = accounts::key(scope, account.unwrap_or(abi::ALL_ACCOUNTS));
        let told = self.skel.maps.releases.update(plain::bytes(&key), &number.to_ne_bytes(), MapFlags::ANY);
        told.map_err(|error| bpf("releasing an account", error))?;
        self.released = number;
        self.put_in_force(&self.settings.clone())?;
        // Otherwise the next attempt of each would notice, and a suspect that does not dial would go on being shown.
        walk::collect(self.release_scopes.as_fd())?;
        walk::collect(self.collect[0].as_fd()).map(drop)
    }

    /// Removes accounts that have not been used for ten minutes and have as much trust as a new one, those
    /// that have not been used for a day, and those of rules that are gone after a minute. Returns how many.
    /// Also removes parties that have had no waiter for a minute. Should be called about once a minute.
    ///
    /// # Errors
    /// If the walk fails.
    pub fn collect_accounts(&self) -> Result<usize, KernelError> {
        let [accounts, parties] = &self.collect;
        walk::collect(parties.as_fd())?;
        walk::collect(accounts.as_fd())
    }
}
