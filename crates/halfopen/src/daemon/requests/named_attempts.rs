//! Whose attempts a name means: those of a program, of a cgroup or of an account, as answers show these names.

use crate::daemon::enforcement::Enforcement;
use anyhow::Result;
use halfopen_bpf::{Attempt, Program};
use std::collections::HashMap;

/// The kernel keeps so much of a program's name.
const LONGEST_COMM: usize = 15;
/// How many programs are looked up: the daemon does nothing else meanwhile.
const LOOKED_UP: usize = 64;

impl Enforcement {
    /// Leaves the attempts that `name` means. Says so where it may have left out some.
    ///
    /// # Errors
    /// If the accounts cannot be read.
    pub(super) fn retain_named(&mut self, name: &str, attempts: &mut Vec<Attempt>) -> Result<Option<String>> {
        let charged = self.charged(attempts.iter().filter_map(|attempt| attempt.own))?;
        let mut looked_up: HashMap<Program, bool> = HashMap::new();
        let mut is_complete = true;
        attempts.retain(|attempt| {
            let account = attempt.own.and_then(|own| charged.get(&own));
            if is_comm(&attempt.program.comm, name)
                || account.is_some_and(|account| is_account(&account.status.name, name))
            {
                return true;
            }
            if let Some(is_it) = looked_up.get(&attempt.program) {
                return *is_it;
            }
            if looked_up.len() == LOOKED_UP {
                is_complete = false;
                return false;
            }
            let found = self.means.identify(&attempt.program);
            let is_it = [found.exe, found.cgroup].iter().flatten().any(|path| is_path(path, name));
            looked_up.insert(attempt.program.clone(), is_it);
            is_it
        });
        Ok((!is_complete).then(|| {
            format!(
                "{LOOKED_UP} programs were looked up by executable and cgroup; of the others, names and accounts were \
                 compared"
            )
        }))
    }
}

pub(super) fn is_comm(comm: &str, name: &str) -> bool {
    comm == name || (name.len() > LONGEST_COMM && name.get(..LONGEST_COMM) == Some(comm))
}

/// The whole path, or what it ends with.
fn is_path(path: &str, name: &str) -> bool {
    path == name || path.rsplit('/').next() == Some(name)
}

/// The whole name, or what is in its brackets, with or without the word `user`.
fn is_account(account: &str, name: &str) -> bool {
    let whose = account.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    let of_whom =
        |whose: &str| is_path(whose, name) || whose.strip_prefix("user ").is_some_and(|user| user == name);
    account == name || whose.is_some_and(of_whom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_they_are_shown_or_as_people_shorten_them() {
        for (account, name) in [
            ("torrent", "torrent"),
            ("adaptive[/system.slice/a.service]", "adaptive[/system.slice/a.service]"),
            ("adaptive[/system.slice/a.service]", "/system.slice/a.service"),
            ("adaptive[/system.slice/a.service]", "a.service"),
            ("web[user www-data]", "www-data"),
            ("web[user www-data]", "user www-data"),
        ] {
            assert!(is_account(account, name), "{account} {name}");
        }
        for name in ["adaptive", "service", "a", "", "user"] {
            assert!(!is_account("adaptive[/system.slice/a.service]", name), "{name}");
        }
        assert!(is_path("/usr/bin/nmap", "nmap") && !is_path("/usr/bin/nmap", "bin"));
        assert!(is_comm("prometheus-node", "prometheus-node-exporter") && !is_comm("nmap", "nma"));
    }
}
