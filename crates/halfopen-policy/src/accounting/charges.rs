//! The accounts, parties and destinations that attempts are charged to.

use crate::Limits;
use crate::attempt::{Origin, Party};
use crate::native::{self, Charged, Native};
use crate::scope::ScopeId;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A scope and its limits.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub scope: native::Scope,
    /// Of many hosts alike, one for all: they stay in the processor's cache.
    pub limits: Arc<native::Limits>,
}

/// All that attempts are charged to.
#[derive(Debug, Clone)]
pub(super) struct Scopes {
    /// The host's first.
    pub accounts: Vec<Account>,
    pub tops: Parties<u64>,
    pub parts: Parties<Party>,
    pub destinations: BTreeMap<Destination, native::Destination>,
}

/// An account's scope, and what identifies an address and its port there.
type Destination = (ScopeId, u64, u16);

/// What one attempt is charged to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charges {
    own: Option<NonZeroU32>,
    interface: Option<NonZeroU32>,
    top: u32,
    part: u32,
    address: u64,
    port: u16,
}

/// Parties, which keep their places.
#[derive(Debug, Clone)]
pub(super) struct Parties<K> {
    all: Vec<native::Party>,
    /// In the order of their keys.
    places: Vec<(K, u32)>,
}

impl<K: Ord + Copy> Parties<K> {
    fn new() -> Self {
        Self { all: Vec::new(), places: Vec::new() }
    }

    fn place(&mut self, key: K) -> u32 {
        match self.places.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => self.places[at].1,
            Err(at) => {
                let place = self.all.len() as u32;
                self.all.push(Native::default());
                self.places.insert(at, (key, place));
                place
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &native::Party> {
        self.all.iter()
    }
}

impl Account {
    pub fn new(limits: &Limits) -> Self {
        Self { scope: Native::default(), limits: Arc::new(limits.into()) }
    }

    fn pair(&mut self) -> (&mut native::Scope, &native::Limits) {
        (&mut self.scope, &self.limits)
    }
}

fn scope_id(number: NonZeroU32) -> ScopeId {
    ScopeId(number.get() as usize)
}

impl Charges {
    pub fn own(&self) -> Option<ScopeId> {
        self.own.map(scope_id)
    }

    pub fn interface(&self) -> Option<ScopeId> {
        self.interface.map(scope_id)
    }
}

impl Scopes {
    pub fn new(host: &Limits) -> Self {
        Self {
            accounts: vec![Account::new(host)],
            tops: Parties::new(),
            parts: Parties::new(),
            destinations: BTreeMap::new(),
        }
    }

    /// What an attempt is charged to, without scopes that are not open, and the second of two that are the same.
    pub fn charges(&mut self, origin: &Origin) -> Charges {
        let open = |id: Option<ScopeId>| {
            let id = id.filter(|id| id.0 < self.accounts.len())?;
            NonZeroU32::new(id.0 as u32)
        };
        let own = open(origin.own);
        Charges {
            own,
            interface: open(origin.interface).filter(|id| own != Some(*id)),
            top: self.tops.place(origin.party.top),
            part: self.parts.place(origin.party),
            address: origin.address,
            port: origin.port,
        }
    }

    /// `None` never happens to charges of this accounting.
    pub fn of(&mut self, charges: &Charges) -> Option<Charged<'_>> {
        let (host, rest) = self.accounts.split_first_mut()?;
        let at = |id: NonZeroU32| id.get() as usize - 1;
        let destination = match charges.own {
            Some(own) => {
                let far = (scope_id(own), charges.address, charges.port);
                if rest.get(at(own)).is_some_and(|account| account.limits.per_destination != 0) {
                    Some(self.destinations.entry(far).or_default())
                } else {
                    // What was bound to its destination before the limits ended still is.
                    self.destinations.get_mut(&far)
                }
            }
            None => None,
        };
        let [own, interface] = match (charges.own.map(at), charges.interface.map(at)) {
            (Some(own), Some(interface)) => rest.get_disjoint_mut([own, interface]).ok()?.map(Some),
            (own, interface) => {
                let is_own = own.is_some();
                let one = own.or(interface).and_then(|at| rest.get_mut(at));
                if is_own { [one, None] } else { [None, one] }
            }
        };
        Some(Charged {
            destination,
            host: host.pair(),
            own: own.map(Account::pair),
            interface: interface.map(Account::pair),
            top: self.tops.all.get_mut(charges.top as usize)?,
            part: self.parts.all.get_mut(charges.part as usize)?,
        })
    }
}
