//! Makes the cgroups of `halfopen exec`, and empties them before it removes them.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How often a cgroup is emptied before its removal fails: its processes may keep forking.
const ROUNDS: usize = 100;

/// The cgroups below one of our own, which is made together with the first of them.
#[derive(Debug)]
pub struct ExecCgroups {
    parent: PathBuf,
}

impl ExecCgroups {
    /// The cgroups below `parent`.
    #[must_use]
    pub fn below(parent: &Path) -> Self {
        Self { parent: parent.to_owned() }
    }

    /// Makes the cgroup `name`. Removes an older one with that name first: a killed daemon left it behind. Returns the
    /// parent directory and the cgroup's own.
    ///
    /// # Errors
    /// If cgroups cannot be made there, or if `name` does not have the form that `exec` uses.
    pub fn make(&self, name: &str) -> Result<[OwnedFd; 2]> {
        let path = self.path(name)?;
        match fs::create_dir(&self.parent) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(e).with_context(|| format!("cannot make the cgroup {}", self.parent.display()));
            }
            _ => {}
        }
        if path.exists() {
            remove(&path)?;
        }
        let made = || {
            fs::create_dir(&path)?;
            Ok::<_, io::Error>([File::open(&self.parent)?.into(), File::open(&path)?.into()])
        };
        made().with_context(|| format!("cannot make the cgroup {}", path.display()))
    }

    /// Moves the processes in and below the cgroup `name` to its parent, and removes the cgroup.
    ///
    /// # Errors
    /// If a process cannot be moved, or if `name` does not have the form that `exec` uses.
    pub fn remove(&self, name: &str) -> Result<()> {
        remove(&self.path(name)?)
    }

    /// Removes the parent of these cgroups if it exists. Moves processes left in it to the limited cgroup.
    ///
    /// # Errors
    /// If a process cannot be moved.
    pub fn remove_parent(&self) -> Result<()> {
        if self.parent.exists() { remove(&self.parent) } else { Ok(()) }
    }

    /// Refuses names that would lead the privileged helper elsewhere.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let of_exec = name
            .strip_prefix("exec-")
            .is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()));
        if !of_exec {
            bail!("{name:?} is not a cgroup of `halfopen exec`");
        }
        Ok(self.parent.join(name))
    }
}

/// Moves the processes in and below the cgroup at `path` to its parent, and removes the cgroup.
fn remove(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { bail!("the cgroup {} has no parent", path.display()) };
    let procs = parent.join("cgroup.procs");
    for _ in 0..ROUNDS {
        empty(path, &procs)?;
        match remove_tree(path) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {}
            Err(e) => return Err(e).with_context(|| format!("cannot remove the cgroup {}", path.display())),
        }
    }
    bail!("cannot remove the cgroup {}: its processes fork faster than they can be moved out", path.display())
}

/// Writes the processes in and below `path` into `procs`.
fn empty(path: &Path, procs: &Path) -> Result<()> {
    for child in children(path) {
        empty(&child, procs)?;
    }
    let here = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in here.lines() {
        match fs::write(procs, pid) {
            Ok(()) => {}
            // The process has ended meanwhile.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(e) => {
                return Err(e).with_context(|| format!("cannot move process {pid} to {}", procs.display()));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let cgroups = ExecCgroups::below(&place.path().join("halfopen.exec"));
        for name in
            ["..", "exec-", "exec-1/../..", "exec-../..", "exec-7\0", "system.slice", "", "/", "exec-1x"]
        {
            assert!(cgroups.make(name).is_err() && cgroups.remove(name).is_err(), "{name:?}");
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        cgroups.make("exec-7").unwrap();
        assert!(place.path().join("halfopen.exec/exec-7").is_dir());
    }
}
