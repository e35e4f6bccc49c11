//! Finding cgroups: the mount, a directory, the path that belongs to an id.

use crate::KernelError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// An open directory of the cgroup2 hierarchy.
#[derive(Debug)]
pub struct CgroupDir {
    path: PathBuf,
    dir: File,
}

impl CgroupDir {
    /// The root of the hierarchy: all of this host's processes. Hybrid hosts have it at
    /// `/sys/fs/cgroup/unified`.
    ///
    /// # Errors
    /// [`KernelError::NoCgroup2`] where none is mounted.
    pub fn root() -> Result<Self, KernelError> {
        todo!()
    }

    /// The cgroup at `path`: absolute within the file system, or as `/proc/PID/cgroup` writes it.
    ///
    /// # Errors
    /// [`KernelError::NotACgroup`] where `path` is something else or nothing.
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        todo!("{path:?}")
    }

    /// Where it is in the file system.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The path below the cgroup2 mount (`/` first) of the cgroup with this id; `None` once it is removed.
#[must_use]
pub fn path_of_id(id: u64) -> Option<String> {
    todo!("{id}")
}
