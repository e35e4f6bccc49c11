//! The hosts of a trial. An address is a host of its own; all programs of a recording that knows them share one, on which
//! each account has a scope, as on the recorded host.

use crate::host::Host;
use crate::policy::Policy;
use crate::sources::SourceId;
use crate::trace::Program;
use halfopen_policy::{Limits, ScopeId};
use std::collections::HashMap;

/// An account on the host of the programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    /// 0: the host itself.
    pub number: u32,
    /// Its limits; `None`: only the host's hold.
    limits: Option<Limits>,
}

#[derive(Debug, Default)]
struct Place {
    /// Of an address.
    host: Option<Box<Host>>,
    /// Of a program.
    account: Option<Account>,
}

#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// What the host of an address begins as; `None` if no limit applies.
    fresh: Option<Host>,
    places: Vec<Place>,
    of_programs: Option<Box<Host>>,
    numbers: HashMap<String, u32>,
}

impl Hosts {
    /// None yet, under a policy.
    pub fn of(policy: &Policy) -> Self {
        Self { fresh: policy.host.map(|limits| Host::new(limits, policy.own)), ..Self::default() }
    }

    /// Makes room for a source.
    pub fn admit(&mut self, source: SourceId, program: Option<&Program>, policy: &Policy) {
        if self.places.len() <= source.index() {
            self.places.resize_with(source.index() + 1, Place::default);
        }
        let account = program.map(|program| {
            let Some((name, limits)) = policy.account_of(program) else {
                return Account { number: 0, limits: None };
            };
            let next = self.numbers.len() as u32 + 1;
            Account { number: *self.numbers.entry(name).or_insert(next), limits: Some(limits) }
        });
        self.places[source.index()] = Place { host: None, account };
    }

    /// The account of a program.
    pub fn account(&self, source: SourceId) -> Option<Account> {
        self.places[source.index()].account
    }

    pub fn get(&self, source: SourceId) -> Option<&Host> {
        match &self.places[source.index()] {
            Place { account: Some(_), .. } => self.of_programs.as_deref(),
            Place { host, .. } => host.as_deref(),
        }
    }

    pub fn get_mut(&mut self, source: SourceId) -> Option<&mut Host> {
        match &mut self.places[source.index()] {
            Place { account: Some(_), .. } => self.of_programs.as_deref_mut(),
            Place { host, .. } => host.as_deref_mut(),
        }
    }

    /// The source's host, and the scope of its own account there; `None` if no limit applies.
    pub fn open(&mut self, source: SourceId, policy: &Policy) -> Option<(&mut Host, Option<ScopeId>)> {
        let place = &mut self.places[source.index()];
        let Some(account) = place.account else {
            let fresh = self.fresh.as_ref()?;
            let host = place.host.get_or_insert_with(|| Box::new(fresh.clone()));
            let own = host.own;
            return Some((host, own));
        };
        let limits = policy.host?;
        let host = self.of_programs.get_or_insert_with(|| Box::new(Host::new(limits, None)));
        let own = account.limits.map(|limits| host.account(account.number, limits));
        Some((host, own))
    }

    /// That scope, if the source has been charged to it.
    pub fn own(&self, source: SourceId) -> Option<ScopeId> {
        let host = self.get(source)?;
        self.account(source).map_or(host.own, |account| host.opened(account.number))
    }

    /// Forgets the state of an address' host.
    pub fn forget(&mut self, source: SourceId) {
        self.places[source.index()].host = None;
    }
}
