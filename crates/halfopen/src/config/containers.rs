//! Containers that rules name by name or label, and the cgroups of those that run.
//!
//! The files of the container runtimes say which they are. Only root may read those, so the daemon asks its privileged
//! helper, and gets cgroups only: labels and environments may hold secrets.

use super::pattern::CgroupPattern;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Containers: of one of these names, with one of these labels. An empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// `*` stands for any characters.
    pub names: Vec<String>,
    /// `KEY` or `KEY=VALUE`.
    pub labels: Vec<String>,
}

/// How many containers a condition matches. Each takes the room of a rule.
pub const MOST: usize = 16;

/// The cgroups of those that were asked for, as of the last look.
static KNOWN: Mutex<BTreeMap<Containers, Vec<String>>> = Mutex::new(BTreeMap::new());

fn known() -> MutexGuard<'static, BTreeMap<Containers, Vec<String>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Containers {
    /// Whether it names none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.names.is_empty() && self.labels.is_empty()
    }

    /// The cgroups of those that run. If nobody has looked for them yet, there are none.
    pub(super) fn cgroups(&self) -> Vec<CgroupPattern> {
        let paths = known().entry(self.clone()).or_default().clone();
        paths.iter().filter_map(|path| CgroupPattern::exact(path)).collect()
    }
}

/// As a rule says it.
impl fmt::Display for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said =
            [("container", &self.names), ("label", &self.labels)].map(|(key, said)| match said.as_slice() {
                [] => None,
                [one] => Some(format!("{key} = {one:?}")),
                several => Some(format!("{key} = {several:?}")),
            });
        f.write_str(&said.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Forgets what was found, as it could not be put in force: the next look finds a change.
pub fn forget() {
    known().clear();
}

/// Looks for the cgroups of `wanted`. Returns those of which they have changed, with the cgroups. What cannot be found
/// out stays as it was.
pub fn look_for(
    wanted: &[Containers],
    mut look: impl FnMut(&Containers) -> io::Result<Vec<String>>,
) -> Vec<(Containers, Vec<String>)> {
    let mut changed = Vec::new();
    for wanted in wanted {
        match look(wanted) {
            Ok(mut found) => {
                let has_more = found.len() > MOST;
                found.truncate(MOST);
                let is_new = known().insert(wanted.clone(), found.clone()).unwrap_or_default() != found;
                if is_new && has_more {
                    tracing::warn!(
                        "more than {MOST} running containers match {wanted}: the rule counts for {MOST} of them, and \
                         not for the others; to match all, name their cgroups, such as \"/system.slice/docker-*\""
                    );
                }
                if is_new {
                    changed.push((wanted.clone(), found));
                }
            }
            Err(e) => tracing::debug!("cannot look for containers: {e}"),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_as_a_rule_says_them() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let one = Containers { names: names(&["web"]), labels: names(&["role=front"]) };
        assert_eq!(one.to_string(), r#"container = "web", label = "role=front""#);
        let several = Containers { names: names(&["web*", "db"]), labels: Vec::new() };
        assert_eq!(several.to_string(), r#"container = ["web*", "db"]"#);
    }
}
