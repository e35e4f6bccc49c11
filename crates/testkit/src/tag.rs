//! Names that say which process a namespace or cgroup belongs to, so that leftovers of dead ones can be told.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, getpid, test_kill_process};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The part of a name that all parts of one lab share: `ho-<pid>-<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    owner: Pid,
    number: u32,
}

impl Tag {
    pub(crate) fn fresh() -> Self {
        Self { owner: getpid(), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    pub(crate) fn name(self, role: &str) -> String {
        format!("{self}-{role}")
    }

    /// The tag in `name`, if it is a name of ours.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("ho-")?.splitn(3, '-');
        let owner = Pid::from_raw(parts.next()?.parse().ok().filter(|pid| *pid > 0)?)?;
        let number = parts.next()?.parse().ok()?;
        parts.next()?;
        Some(Self { owner, number })
    }

    /// Whether the process that made it has ended.
    pub(crate) fn is_orphan(self) -> bool {
        test_kill_process(self.owner) == Err(rustix::io::Errno::SRCH)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ho-{}-{}", self.owner, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_its_tag_and_foreign_names_give_none() {
        let tag = Tag::fresh();
        assert_eq!(Tag::of(&tag.name("client")), Some(tag));
        assert!(!tag.is_orphan());
        for foreign in ["ho-1-2", "ho-x-1-a", "ho--1-1-a", "ho-0-1-a", "docker0", "ho-", "xho-1-1-a"] {
            assert_eq!(Tag::of(foreign), None, "{foreign}");
        }
    }
}
