//! Every network namespace that a process lives in or that has a name.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// One handle for each namespace. What cannot be opened (a process that has just ended) is passed over.
pub(crate) fn all() -> Vec<File> {
    let of_processes = entries("/proc").map(|process| process.join("ns/net"));
    let named = entries("/run/netns");
    let mut found = BTreeMap::new();
    for path in of_processes.chain(named) {
        if let Ok(file) = File::open(&path)
            && let Ok(meta) = file.metadata()
        {
            found.entry((meta.dev(), meta.ino())).or_insert(file);
        }
    }
    found.into_values().collect()
}

/// The namespace of this inode number, which a process `pid` was in.
pub(crate) fn find(pid: u32, inode: u32) -> Option<File> {
    let is_it = |file: &File| file.metadata().is_ok_and(|meta| meta.ino() == u64::from(inode));
    let of_process = File::open(format!("/proc/{pid}/ns/net")).ok().filter(is_it);
    of_process.or_else(|| all().into_iter().find(is_it))
}

fn entries(dir: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Runs `work` in `namespace`, on a thread of its own; `None` where it cannot be entered.
pub(crate) fn run_in<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let entered = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
            Some(work())
        });
        entered.join().ok().flatten()
    })
}
