//! All network namespaces that a process lives in or that have a name, and sockets made in one of them.

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// One handle for each namespace. A namespace that cannot be opened (its process has just ended) is skipped.
pub(crate) fn all() -> Vec<File> {
    find(|_| true).into_values().collect()
}

/// The namespaces with these inode numbers that can be found.
pub(crate) fn of_inodes(wanted: &BTreeSet<u64>) -> BTreeMap<u64, File> {
    find(|inode| wanted.contains(&inode))
}

fn find(wanted: impl Fn(u64) -> bool) -> BTreeMap<u64, File> {
    let of_processes = entries("/proc").map(|process| process.join("ns/net"));
    let named = entries("/run/netns");
    let mut found = BTreeMap::new();
    for path in of_processes.chain(named) {
        if let Ok(meta) = fs::metadata(&path)
            && wanted(meta.ino())
            && !found.contains_key(&meta.ino())
            && let Ok(file) = File::open(&path)
        {
            found.insert(meta.ino(), file);
        }
    }
    found
}

fn entries(dir: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Runs `work` in `namespace`, on a thread of its own; `None` if the namespace cannot be entered.
pub(crate) fn run_in<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let entered = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
            Some(work())
        });
        entered.join().ok().flatten()
    })
}

/// Network namespaces, found once and entered as often as needed.
#[derive(Debug)]
pub struct Namespaces(BTreeMap<u64, File>);

impl Namespaces {
    /// At most `most` of those that can be found.
    #[must_use]
    pub fn found(most: usize) -> Self {
        Self(find(|_| true).into_iter().take(most).collect())
    }

    /// What `work` finds in each whose inode number is `wanted`, by that number. One that cannot be entered is left out:
    /// all but the caller's own without root.
    pub fn each<T: Send>(
        &self,
        wanted: impl Fn(u64) -> bool,
        work: impl Fn() -> T + Sync,
    ) -> BTreeMap<u64, T> {
        let namespaces = self.0.iter().filter(|(inode, _)| wanted(**inode));
        namespaces.filter_map(|(inode, namespace)| Some((*inode, run_in(namespace, &work)?))).collect()
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Makes a raw socket that sends whole packets of `family`, with their headers, and receives none
/// (`IPPROTO_RAW`), in the network namespace with inode number `netns`. Looks for it at process `pid` first,
/// then everywhere. Needs root.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if there is no such namespace; otherwise the kernel's error.
pub fn raw_socket(pid: u32, netns: u64, family: IpFamily) -> io::Result<OwnedFd> {
    let is_it = |file: &File| file.metadata().is_ok_and(|meta| meta.ino() == netns);
    let of_process = File::open(format!("/proc/{pid}/ns/net")).ok().filter(is_it);
    let namespace = of_process.or_else(|| all().into_iter().find(is_it)).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no process lives in the network namespace {netns} and it has no name"),
        )
    })?;
    run_in(&namespace, || raw_socket_here(family))
        .ok_or_else(|| io::Error::other(format!("the network namespace {netns} cannot be entered")))?
}

/// As [`raw_socket`], in the namespace of the calling thread.
pub(crate) fn raw_socket_here(family: IpFamily) -> io::Result<OwnedFd> {
    let family = match family {
        IpFamily::V4 => AddressFamily::INET,
        IpFamily::V6 => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, SocketType::RAW, flags, Some(ipproto::RAW))?)
}
