//! Executables by inode and device, looked up again in case their path leads to another file than before.

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// An executable as the kernel identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Executable {
    pub inode: u64,
    pub device: u32,
}

/// Looks up executables, also in a process that may no longer open files or search every directory.
#[derive(Debug)]
pub(crate) struct Executables {
    /// `/proc/self/mountinfo`, kept open: read again from its start, it lists the mounts of that moment.
    mounts: File,
    known: BTreeMap<PathBuf, Executable>,
}

impl Executables {
    pub fn new() -> io::Result<Self> {
        Ok(Self { mounts: File::open("/proc/self/mountinfo")?, known: BTreeMap::new() })
    }

    /// The executables at `paths`, as they are now. If the result changes, whatever names these executables
    /// must be written anew. An executable that cannot be looked up counts as unchanged.
    pub fn at<'a>(&mut self, paths: impl Iterator<Item = Option<&'a PathBuf>>) -> Vec<Option<Executable>> {
        paths.map(|path| self.find(path?)).collect()
    }

    /// The file at `path`; `None` if there is none.
    fn find(&mut self, path: &Path) -> Option<Executable> {
        match self.look_up(path) {
            Ok(found) => drop(self.known.insert(path.to_owned(), found)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.known.remove(path);
            }
            Err(_) => {}
        }
        self.known.get(path).copied()
    }

    /// The device is that of the mount: `stat` may report another one on file systems with several volumes.
    fn look_up(&mut self, path: &Path) -> io::Result<Executable> {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::MNT_ID)?;
        let mut mounts = String::new();
        self.mounts.rewind()?;
        self.mounts.read_to_string(&mut mounts)?;
        let of_mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            (fields.next()?.parse() == Ok(found.stx_mnt_id)).then_some(())?;
            let (major, minor) = fields.nth(1)?.split_once(':')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        let (major, minor) = of_mount.unwrap_or((found.stx_dev_major, found.stx_dev_minor));
        Ok(Executable { inode: found.stx_ino, device: major << 20 | minor })
    }
}
