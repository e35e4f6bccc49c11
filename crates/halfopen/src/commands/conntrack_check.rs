//! What `doctor` says of the entries of connection tracking in a network namespace.

use super::doctor_check::{Check, CheckResult};
use crate::conntrack::NamespaceEntries;

/// So many cgroups are in the line; the JSON has more.
const CGROUPS_SHOWN: usize = 5;

pub fn filled_by(found: &NamespaceEntries) -> Check {
    let result = if found.conntrack.is_nearly_full() { CheckResult::Degraded } else { CheckResult::Note };
    let shown = found.cgroups.iter().take(CGROUPS_SHOWN);
    let mut parts: Vec<String> = shown.map(|of| format!("{} {}", of.cgroup, of.entries)).collect();
    let others: u64 = found.cgroups.iter().skip(CGROUPS_SHOWN).map(|of| of.entries).sum();
    let rest = [
        ("other cgroups", others + found.other_cgroups),
        ("no open socket", found.no_socket),
        ("other protocols than TCP", found.other_protocols),
        ("not read", found.not_read),
    ];
    parts.extend(
        rest.iter().filter(|(_, entries)| *entries > 0).map(|(whose, entries)| format!("{whose} {entries}")),
    );
    Check::new(
        result,
        format!("connection tracking of net:[{}]", found.netns),
        format!("{}: {}", found.conntrack, parts.join(", ")),
    )
}
