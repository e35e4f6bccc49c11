//! Which cgroups' sockets the entries of connection tracking belong to, in each network namespace.

use super::connection::Connection;
use super::entries::{Entry, listed};
use super::{Conntrack, Counts};
use halfopen_bpf::{Namespaces, OpenSocket, open_sockets, shown_path_of_id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::HashMap;

/// So many network namespaces are looked at.
const NAMESPACES: usize = 1_024;
/// The entries of so many of them are read, of the fullest first: the kernel walks the entries of all for each.
const NAMESPACES_READ: usize = 64;
/// So many cgroups are named.
const CGROUPS: usize = 32;

/// What fills connection tracking in a network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespaceEntries {
    /// The inode number of the namespace, as `/proc/PID/ns/net` shows it.
    pub netns: u64,
    /// How full it is.
    pub conntrack: Conntrack,
    /// Whose open sockets the entries of TCP belong to, of the cgroup with most first; 32 at most.
    pub cgroups: Vec<CgroupEntries>,
    /// Entries of open sockets of other cgroups than these.
    pub other_cgroups: u64,
    /// Entries of TCP without an open socket in any network namespace seen: of connections that have ended, or of other
    /// hosts.
    pub no_socket: u64,
    /// Entries of other protocols than TCP.
    pub other_protocols: u64,
    /// Entries that were not read: the kernel does not list them, or there are too many.
    pub not_read: u64,
}

/// The entries of connection tracking that belong to a cgroup's sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CgroupEntries {
    /// The cgroup's path.
    pub cgroup: String,
    /// How many entries.
    pub entries: u64,
}

/// The network namespaces that have entries, the fullest first.
#[must_use]
pub fn tracked_namespaces() -> Vec<NamespaceEntries> {
    let namespaces = Namespaces::found(NAMESPACES);
    let counts = namespaces.each(|_| true, || Counts::open().now());
    let mut tracked: Vec<(u64, Conntrack)> = counts
        .into_iter()
        .filter_map(|(netns, found)| Some((netns, found.filter(|found| found.entries > 0)?)))
        .collect();
    if tracked.is_empty() {
        return Vec::new();
    }
    tracked.sort_by_key(|(netns, found)| (Reverse(found.entries), *netns));
    let sockets = namespaces.each(|_| true, open_sockets);
    // Two containers may use the same two addresses and ports; then one of them stands for both.
    let owner = |socket: OpenSocket| (Connection::new(socket.local, socket.remote), socket.cgroup);
    let owners: HashMap<Connection, u64> = sockets.into_values().flatten().map(owner).collect();
    let read: Vec<u64> = tracked.iter().take(NAMESPACES_READ).map(|(netns, _)| *netns).collect();
    let mut entries = namespaces.each(|netns| read.contains(&netns), listed);
    tracked
        .into_iter()
        .map(|(netns, found)| attributed(netns, found, &entries.remove(&netns).unwrap_or_default(), &owners))
        .collect()
}

fn attributed(
    netns: u64,
    conntrack: Conntrack,
    entries: &[Entry],
    owners: &HashMap<Connection, u64>,
) -> NamespaceEntries {
    let mut of_cgroup: HashMap<u64, u64> = HashMap::new();
    let (mut no_socket, mut other_protocols) = (0, 0);
    for entry in entries {
        match entry {
            Entry::Other => other_protocols += 1,
            Entry::Tcp { dialled, accepted } => match owners.get(dialled).or_else(|| owners.get(accepted)) {
                Some(cgroup) => *of_cgroup.entry(*cgroup).or_default() += 1,
                None => no_socket += 1,
            },
        }
    }
    let mut of_cgroup: Vec<(u64, u64)> = of_cgroup.into_iter().collect();
    of_cgroup.sort_by_key(|(cgroup, entries)| (Reverse(*entries), *cgroup));
    let other_cgroups = of_cgroup.iter().skip(CGROUPS).map(|(_, entries)| entries).sum();
    let named = |(id, entries)| CgroupEntries {
        cgroup: shown_path_of_id(id).unwrap_or_else(|| format!("{id} (removed)")),
        entries,
    };
    NamespaceEntries {
        netns,
        conntrack,
        cgroups: of_cgroup.into_iter().take(CGROUPS).map(named).collect(),
        other_cgroups,
        no_socket,
        other_protocols,
        not_read: conntrack.entries.saturating_sub(entries.len() as u64),
    }
}
