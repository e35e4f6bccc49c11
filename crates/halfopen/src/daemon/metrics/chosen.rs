//! Which accounts have metrics of their own, and the sums of the others.
//!
//! A sum of counters must never fall, or Prometheus takes it for one that began anew. Accounts come, go, and change
//! between having metrics and not, so a sum adds what each account has counted while it was among the others.

use crate::daemon::account_name::AccountIs;
use crate::metrics::reading::Counts;
use halfopen_bpf::AccountId;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// What is remembered of accounts from scrape to scrape.
#[derive(Debug)]
pub(super) struct Remembered<Id> {
    /// The last counts of each account.
    counted: HashMap<Id, Counts>,
    /// By the scope's name.
    sums: HashMap<String, Counts>,
    /// The names of those with metrics of their own.
    names: HashMap<Id, AccountIs>,
}

/// [`Remembered`] by account.
pub(super) type Chosen = Remembered<AccountId>;

impl<Id> Default for Remembered<Id> {
    fn default() -> Self {
        Self { counted: HashMap::new(), sums: HashMap::new(), names: HashMap::new() }
    }
}

impl<Id: Copy + Eq + Hash> Remembered<Id> {
    /// Whether it had metrics of its own at the last scrape.
    pub fn had(&self, account: Id) -> bool {
        self.names.contains_key(&account)
    }

    /// An account with metrics of its own by name, which `name` finds out once, or until no name is missing.
    pub fn name(&mut self, account: Id, name: impl FnOnce() -> Option<AccountIs>) -> Option<AccountIs> {
        let known = self.names.get(&account);
        if let Some(known) = known.filter(|known| !known.runs_in.lacks_a_name()) {
            return Some(known.clone());
        }
        let found = name().or_else(|| known.cloned())?;
        self.names.insert(account, found.clone());
        Some(found)
    }

    /// Notes the counts of an account with metrics of its own.
    pub fn note(&mut self, account: Id, counts: Counts) {
        self.counted.insert(account, counts);
    }

    /// Adds to the sum of `scope` what an account without metrics of its own has counted since the last scrape.
    pub fn add(&mut self, scope: &str, account: Id, counts: Counts) {
        self.names.remove(&account);
        let before = self.counted.insert(account, counts).unwrap_or_default();
        self.sums.entry(scope.to_owned()).or_default().grow(before, counts);
    }

    /// The sum of a scope, if any account was ever among its others.
    pub fn sum(&self, scope: &str) -> Option<Counts> {
        self.sums.get(scope).copied()
    }

    /// Forgets the accounts that are gone.
    pub fn keep(&mut self, accounts: &HashSet<Id>) {
        self.counted.retain(|account, _| accounts.contains(account));
        self.names.retain(|account, _| accounts.contains(account));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs_in::RunsIn;

    fn counted(established: u64) -> Counts {
        Counts { established, ..Counts::default() }
    }

    #[test]
    fn the_sum_never_falls_whatever_becomes_of_the_accounts() {
        let mut chosen = Remembered::<u32>::default();
        let sum = |chosen: &Remembered<u32>| chosen.sum("a").map(|counts| counts.established);
        assert_eq!(sum(&chosen), None);
        chosen.add("a", 1, counted(10));
        chosen.add("a", 2, counted(5));
        assert_eq!(sum(&chosen), Some(15));
        // One gets metrics of its own, and counts there.
        chosen.note(1, counted(100));
        chosen.add("a", 2, counted(6));
        assert_eq!(sum(&chosen), Some(16));
        // It is among the others again: what it counted meanwhile is not theirs.
        chosen.add("a", 1, counted(101));
        assert_eq!(sum(&chosen), Some(17));
        // The other one is gone, and one of its number begins anew.
        chosen.keep(&HashSet::from([1]));
        chosen.add("a", 2, counted(3));
        assert_eq!(sum(&chosen), Some(20));
        // One began anew between two scrapes.
        chosen.add("a", 1, counted(4));
        assert_eq!(sum(&chosen), Some(24));
    }

    #[test]
    fn a_name_is_asked_for_once_until_its_account_is_among_the_others() {
        let mut chosen = Remembered::<u32>::default();
        let called =
            |name: &str, path: &str| Some(AccountIs { name: name.into(), runs_in: RunsIn::of_path(path) });
        assert_eq!(chosen.name(1, || None), None);
        assert_eq!(chosen.name(1, || called("a", "/a.service")), called("a", "/a.service"));
        assert_eq!(chosen.name(1, || called("b", "/b")), called("a", "/a.service"));
        let docker = format!("/docker/{}", "a".repeat(64));
        assert_eq!(chosen.name(2, || called("a", &docker)), called("a", &docker));
        assert_eq!(chosen.name(2, || None), called("a", &docker));
        assert_eq!(chosen.name(2, || called("a", "/lxc.payload.a")), called("a", "/lxc.payload.a"));
        assert!(chosen.had(1));
        chosen.add("s", 1, counted(1));
        assert!(!chosen.had(1));
    }
}
