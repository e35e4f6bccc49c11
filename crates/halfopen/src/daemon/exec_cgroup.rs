//! The cgroups of `halfopen exec`: made, and emptied before they are removed.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How often a cgroup is emptied until it must be gone: its processes may go on forking meanwhile.
const ROUNDS: usize = 100;

/// Makes the cgroup `name` below `parent`. One of that name is what a daemon that was killed left: it is removed first.
///
/// # Errors
/// Where cgroups cannot be made there.
pub fn make(parent: &Path, name: &str) -> Result<PathBuf> {
    let path = parent.join(name);
    if path.exists() {
        remove(&path)?;
    }
    fs::create_dir(&path).with_context(|| format!("making the cgroup {}", path.display()))?;
    Ok(path)
}

/// Moves the processes in and below the cgroup at `path` to its parent, and removes it.
///
/// # Errors
/// Where processes are left that cannot be moved.
pub fn remove(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { bail!("{} has no parent", path.display()) };
    let procs = parent.join("cgroup.procs");
    for _ in 0..ROUNDS {
        empty(path, &procs)?;
        match remove_tree(path) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {}
            Err(e) => return Err(e).with_context(|| format!("removing the cgroup {}", path.display())),
        }
    }
    bail!("removing the cgroup {}: its processes fork faster than they can be moved out", path.display())
}

/// Writes the processes of `path` and of what is below it into `procs`.
fn empty(path: &Path, procs: &Path) -> Result<()> {
    for child in children(path) {
        empty(&child, procs)?;
    }
    let here = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in here.lines() {
        match fs::write(procs, pid) {
            Ok(()) => {}
            // It has ended meanwhile.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(e) => return Err(e).with_context(|| format!("moving process {pid} to {}", procs.display())),
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> io::Result<()> {
    children(path).iter().try_for_each(|child| remove_tree(child))?;
    fs::remove_dir(path)
}

fn children(path: &Path) -> Vec<PathBuf> {
    let list = fs::read_dir(path).into_iter().flatten().flatten();
    list.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}
