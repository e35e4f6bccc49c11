//! The paths of accounts that are for a cgroup. The kernel part knows such an account by a hash of the path, so the path
//! is kept here for when the cgroup is gone. Pure.

use crate::runs_in::RunsIn;
use halfopen_bpf::AccountId;
use std::collections::{HashMap, VecDeque};

/// How many are kept.
const KEPT: usize = 1_024;

/// The latest paths.
#[derive(Debug, Default)]
pub(super) struct AccountPaths {
    paths: HashMap<u64, Place>,
    order: VecDeque<u64>,
}

/// Where an account's cgroup is or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub path: String,
    /// What it belongs to.
    pub runs_in: RunsIn,
}

impl AccountPaths {
    /// The place of an account whose cgroup is there `now`, or is gone. All rules have the same number for it.
    pub fn known(&mut self, account: AccountId, now: Option<Place>) -> Option<Place> {
        if let Some(now) = now {
            self.put(account.id, now);
        }
        self.paths.get(&account.id).cloned()
    }

    /// Keeps the path of the account with this number.
    pub fn keep(&mut self, number: u64, path: String) {
        if self.paths.get(&number).is_none_or(|known| known.path != path) {
            self.put(number, Place { runs_in: RunsIn::of_path(&path), path });
        }
    }

    fn put(&mut self, number: u64, place: Place) {
        if self.paths.insert(number, place).is_some() {
            return;
        }
        self.order.push_back(number);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.paths.remove(&oldest);
        }
    }

    /// Whether the path of the account with this number is kept.
    pub fn has(&self, number: u64) -> bool {
        self.paths.contains_key(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::ScopeId;

    #[test]
    fn a_path_outlives_its_cgroup_and_the_oldest_goes_first() {
        let mut paths = AccountPaths::default();
        let account = |id| AccountId { scope: ScopeId::numbered(64), id };
        let runs_in = RunsIn { unit: Some("as a source says".into()), ..RunsIn::default() };
        let place = Some(Place { path: "/a".into(), runs_in });
        assert_eq!(paths.known(account(1), place.clone()), place);
        paths.keep(1, "/a".into());
        assert_eq!(paths.known(account(1), None), place, "a path alone says less");
        for number in 0..2 * KEPT as u64 {
            paths.keep(number, format!("/{number}"));
        }
        assert_eq!((paths.paths.len(), paths.order.len(), paths.has(1)), (KEPT, KEPT, false));
    }
}
