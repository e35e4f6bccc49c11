//! Open packet sockets. Traffic sent through them passes none of the limit's hooks.

use halfopen_bpf::text::escaped;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

/// A packet socket and the processes that have it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketSocket {
    /// Its inode, as `/proc/PID/fd` shows it.
    pub inode: u64,
    /// The network namespace, as `/proc/PID/ns/net` shows it.
    pub namespace: String,
    /// `comm (pid N)` of each process that has it open.
    pub owners: Vec<String>,
}

/// The packet sockets of every network namespace that has a process. Without privilege, only those of the caller's own.
#[must_use]
pub fn open_packet_sockets() -> Vec<PacketSocket> {
    let pids = processes();
    let mut sockets = BTreeMap::new();
    let mut namespaces = HashSet::new();
    for pid in &pids {
        let process = Path::new("/proc").join(pid);
        let Ok(namespace) = fs::read_link(process.join("ns/net")) else { continue };
        if !namespaces.insert(namespace.clone()) {
            continue;
        }
        for inode in inodes(&fs::read_to_string(process.join("net/packet")).unwrap_or_default()) {
            let namespace = namespace.to_string_lossy().into_owned();
            sockets.insert(inode, PacketSocket { inode, namespace, owners: Vec::new() });
        }
    }
    if !sockets.is_empty() {
        for pid in &pids {
            note_owner(pid, &mut sockets);
        }
    }
    sockets.into_values().collect()
}

fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// The last column of each line but the first.
fn inodes(packet: &str) -> Vec<u64> {
    packet.lines().skip(1).filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect()
}

fn note_owner(pid: &str, sockets: &mut BTreeMap<u64, PacketSocket>) {
    let process = Path::new("/proc").join(pid);
    let mut seen = HashSet::new();
    for fd in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        let Ok(link) = fs::read_link(fd.path()) else { continue };
        let link = link.to_string_lossy();
        let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
        let Some(socket) = inode.and_then(|inode: u64| sockets.get_mut(&inode)) else { continue };
        if seen.insert(socket.inode) {
            let comm = fs::read(process.join("comm")).unwrap_or_default();
            let comm = escaped(comm.strip_suffix(b"\n").unwrap_or(&comm));
            socket.owners.push(format!("{comm} (pid {pid})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType, socket};

    #[test]
    fn the_table_of_the_kernel() {
        let table = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                     ffff8881 3      3    0003   2     1 0      0      41823\n";
        assert_eq!(inodes(table), [41_823]);
    }

    #[test]
    fn one_s_own_packet_socket_is_found() {
        let opened = match socket(AddressFamily::PACKET, SocketType::DGRAM, None) {
            Ok(opened) => opened,
            Err(rustix::io::Errno::PERM) if std::env::var_os("REQUIRE_PRIVILEGED").is_none() => {
                eprintln!("skipped: opening a packet socket needs CAP_NET_RAW");
                return;
            }
            Err(e) => panic!("{e}"),
        };
        let inode = rustix::fs::fstat(&opened).unwrap().st_ino;
        let found = open_packet_sockets().into_iter().find(|socket| socket.inode == inode).unwrap();
        let own = format!("(pid {})", std::process::id());
        assert!(found.owners.iter().any(|owner| owner.ends_with(&own)), "{found:?}");
    }
}
