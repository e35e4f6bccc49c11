//! The cgroups of `halfopen exec`: made, and emptied before they are removed.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How often a cgroup is emptied until it must be gone: its processes may go on forking meanwhile.
const ROUNDS: usize = 100;

/// The cgroups below one of our own, which is made when the first of them is.
#[derive(Debug)]
pub struct ExecCgroups {
    parent: PathBuf,
}

impl ExecCgroups {
    /// Those below `parent`.
    #[must_use]
    pub fn below(parent: &Path) -> Self {
        Self { parent: parent.to_owned() }
    }

    /// Makes the cgroup `name`. One of that name is what a daemon that was killed left: it is removed first. Returns the
    /// directory above it, and its own.
    ///
    /// # Errors
    /// Where cgroups cannot be made there, and for a name that is not of `exec`'s form.
    pub fn make(&self, name: &str) -> Result<[OwnedFd; 2]> {
        let path = self.path(name)?;
        match fs::create_dir(&self.parent) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(e).with_context(|| format!("making the cgroup {}", self.parent.display()));
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
        made().with_context(|| format!("making the cgroup {}", path.display()))
    }

    /// Moves the processes in and below the cgroup `name` to the one above it, and removes it.
    ///
    /// # Errors
    /// Where processes are left that cannot be moved, and for a name that is not of `exec`'s form.
    pub fn remove(&self, name: &str) -> Result<()> {
        remove(&self.path(name)?)
    }

    /// Removes the cgroup above them, where there is one. Processes left in it go to the limited cgroup.
    ///
    /// # Errors
    /// Where processes are left that cannot be moved.
    pub fn remove_parent(&self) -> Result<()> {
        if self.parent.exists() { remove(&self.parent) } else { Ok(()) }
    }

    /// The daemon may name nothing that lies elsewhere.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let of_exec = name
            .strip_prefix("exec-")
            .is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()));
        if !of_exec {
            bail!("{name:?} is no cgroup of `halfopen exec`");
        }
        Ok(self.parent.join(name))
    }
}

/// Moves the processes in and below the cgroup at `path` to its parent, and removes it.
fn remove(path: &Path) -> Result<()> {
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
