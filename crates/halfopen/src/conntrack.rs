//! How full the kernel's connection tracking is. A SYN passes netfilter's hooks before it is held, so with connection
//! tracking a held SYN takes an entry like one that leaves.

mod connection;
mod entries;
mod filled_by;

use crate::rate_limit::RateLimit;
pub use filled_by::{CgroupEntries, NamespaceEntries, tracked_namespaces};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::read;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The directory of its settings and counts, in the caller's network namespace.
pub const DIRECTORY: &str = "/proc/sys/net/netfilter";
/// From this percentage on, the kernel is close to dropping new connections.
const NEARLY_FULL: u64 = 80;
/// The percentage of the second warning.
const ALL_BUT_FULL: u64 = 95;

/// The directory of the counts. It stays open because a sandboxed process can reach it in no other way.
#[derive(Debug)]
pub struct Counts(Option<OwnedFd>);

impl Counts {
    /// The counts of the calling process's network namespace.
    #[must_use]
    pub fn open() -> Self {
        Self(
            rustix::fs::open(DIRECTORY, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .ok(),
        )
    }

    /// How full connection tracking is now; `None` if nothing tracks connections.
    #[must_use]
    pub fn now(&self) -> Option<Conntrack> {
        let most = self.number("nf_conntrack_max").filter(|most| *most > 0)?;
        Some(Conntrack { entries: self.number("nf_conntrack_count")?, most })
    }

    fn number(&self, name: &str) -> Option<u64> {
        let file = openat(self.0.as_ref()?, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = [0; 32];
        let length = read(file, &mut text).ok()?;
        parse(&text[..length])
    }
}

fn parse(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The tracked connections of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conntrack {
    /// `nf_conntrack_count`.
    pub entries: u64,
    /// `nf_conntrack_max`: beyond it the kernel drops new connections.
    pub most: u64,
}

impl Conntrack {
    fn percent(self) -> u64 {
        self.entries.saturating_mul(100) / self.most.max(1)
    }

    /// Whether the kernel is close to dropping new connections.
    #[must_use]
    pub fn is_nearly_full(self) -> bool {
        self.percent() >= NEARLY_FULL
    }

    /// How this concerns the limit, and what to do.
    #[must_use]
    pub fn explain(self) -> String {
        format!(
            "a held attempt takes an entry too while connection tracking is on: {self}; `halfopen report` says whose \
             attempts wait; raise net.netfilter.nf_conntrack_max, lower nf_conntrack_tcp_timeout_syn_sent, or exempt \
             traffic that needs no tracking (nft: notrack)"
        )
    }
}

impl fmt::Display for Conntrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} entries", self.entries, self.most)
    }
}

/// Decides what to log: each mark once on the way up, and at most one line a minute.
#[derive(Debug, Default)]
pub struct Told {
    mark: u64,
    limit: RateLimit<()>,
}

impl Told {
    /// The line that is due at `now`.
    pub fn due(&mut self, now: Duration, found: Conntrack) -> Option<String> {
        let mark = [ALL_BUT_FULL, NEARLY_FULL].into_iter().find(|mark| found.percent() >= *mark).unwrap_or(0);
        if mark <= self.mark {
            self.mark = mark;
            return None;
        }
        self.limit.take(now, ())?;
        self.mark = mark;
        Some(found.explain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes() {
        assert_eq!(parse(b"74807\n"), Some(74_807));
        for wrong in [&b""[..], b"\n", b"-1\n", b"many\n", b"\xff\n"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn nearly_full_begins_at_four_fifths() {
        let full = |entries| Conntrack { entries, most: 1_000 }.is_nearly_full();
        assert_eq!([0, 799, 800, 1_000, 1_200].map(full), [false, false, true, true, true]);
        assert!(Conntrack { entries: u64::MAX, most: 1 }.is_nearly_full());
    }

    #[test]
    fn each_mark_is_told_once_on_the_way_up_and_once_a_minute() {
        let mut told = Told::default();
        let mut due = |second, percent| {
            let found = Conntrack { entries: percent, most: 100 };
            told.due(Duration::from_secs(second), found).is_some()
        };
        let told = [due(0, 79), due(1, 80), due(2, 90), due(3, 96), due(61, 96), due(62, 99)];
        assert_eq!(told, [false, true, false, false, true, false]);
        let again = [due(63, 10), due(64, 80), due(121, 80), due(122, 80)];
        assert_eq!(again, [false, false, true, false]);
    }
}
