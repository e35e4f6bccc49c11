//! The paths of accounts that are for a cgroup. The kernel part knows such an account by a hash of the path, so the path
//! is kept here for when the cgroup is gone. Pure.

use halfopen_bpf::AccountId;
use std::collections::{HashMap, VecDeque};

/// How many paths are kept.
const KEPT: usize = 1_024;

/// The latest paths.
#[derive(Debug, Default)]
pub(super) struct AccountPaths {
    paths: HashMap<u64, String>,
    order: VecDeque<u64>,
}

impl AccountPaths {
    /// The path of an account whose cgroup is at `path` now, or is gone. All rules have the same number for it.
    pub fn known(&mut self, account: AccountId, path: Option<String>) -> Option<String> {
        if let Some(path) = path {
            self.keep(account.id, path);
        }
        self.paths.get(&account.id).cloned()
    }

    /// Keeps the path of the account with this number.
    pub fn keep(&mut self, number: u64, path: String) {
        if self.paths.insert(number, path).is_some() {
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
        assert_eq!(paths.known(account(1), Some("/a".into())).as_deref(), Some("/a"));
        assert_eq!(paths.known(account(1), None).as_deref(), Some("/a"));
        for number in 0..2 * KEPT as u64 {
            paths.keep(number, format!("/{number}"));
        }
        assert_eq!((paths.paths.len(), paths.order.len(), paths.has(1)), (KEPT, KEPT, false));
    }
}
