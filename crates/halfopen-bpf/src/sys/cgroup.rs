//! Finds cgroups: a directory, the path that belongs to an id.

use super::cgroup2_mount::{is_whole, mount_point};
use super::first_namespace::{NamespaceKind, is_first};
use crate::error::KernelError;
use crate::sys::text::escaped;
use rustix::fs::{FsWord, Mode, OFlags, fstatfs, openat, readlink};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const CGROUP2_SUPER_MAGIC: FsWord = 0x6367_7270;
/// `FILEID_KERNFS`: the type of a handle that holds only the node's id.
const FILEID_KERNFS: i32 = 0xfe;
/// Climbs from a directory whose path is longer than 4 KiB: names have at most 255 bytes, so it has at least
/// this many ancestors.
const CLIMB: &str = "../../../../../../../../../../../../../../..";
/// How often to climb at most until the path is short enough.
const CLIMBS: usize = 256;

/// An open directory of the cgroup2 hierarchy.
#[derive(Debug)]
pub struct CgroupDir {
    path: PathBuf,
    dir: File,
    level: u32,
}

impl CgroupDir {
    /// The root of the hierarchy, which has all of this host's processes. On hybrid hosts it is at
    /// `/sys/fs/cgroup/unified`.
    ///
    /// # Errors
    /// [`KernelError::NoCgroup2`] if none is mounted; [`KernelError::PartOfCgroups`] if only a part of it is.
    pub fn root() -> Result<Self, KernelError> {
        let mount = whole()?;
        let dir = File::open(&mount).map_err(|_| KernelError::NoCgroup2)?;
        Ok(Self { path: mount, dir, level: 0 })
    }

    /// The cgroup at `path`: absolute within the file system, or as `/proc/PID/cgroup` writes it.
    ///
    /// # Errors
    /// [`KernelError::NotACgroup`] if `path` is not a cgroup's directory, and as [`CgroupDir::root`].
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        let mount = whole()?;
        let below = mount.join(path.strip_prefix("/").unwrap_or(path));
        let path = if path.starts_with(&mount) { path.to_owned() } else { below };
        let dir = File::open(&path).ok().filter(|dir| {
            fstatfs(dir).is_ok_and(|fs| fs.f_type == CGROUP2_SUPER_MAGIC)
                && dir.metadata().is_ok_and(|meta| meta.is_dir())
        });
        match dir {
            Some(dir) => Ok(Self { level: level_below(&mount, &path), path, dir }),
            None => Err(KernelError::NotACgroup { path }),
        }
    }

    /// The cgroup `name` directly below this one, with its directory already open as `dir`: for a process
    /// that may not open it itself.
    #[must_use]
    pub fn child(&self, name: &str, dir: OwnedFd) -> Self {
        Self { path: self.path.join(name), dir: dir.into(), level: self.level + 1 }
    }

    /// Its path in the file system.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This cgroup and those above it that can be opened, up to the root.
    pub(crate) fn and_above(&self) -> Vec<Self> {
        let mount = mount_point().unwrap_or_else(|| self.path.clone());
        let paths = self.path.ancestors().take_while(|path| path.starts_with(&mount));
        paths
            .filter_map(|path| {
                let dir = File::open(path).ok()?;
                Some(Self { path: path.to_owned(), dir, level: level_below(&mount, path) })
            })
            .collect()
    }

    /// Its id in the version 2 hierarchy; see [`path_of_id`].
    ///
    /// # Errors
    /// [`KernelError::NotACgroup`] if it has been removed.
    pub fn id(&self) -> Result<u64, KernelError> {
        let meta = self.dir.metadata().map_err(|_| KernelError::NotACgroup { path: self.path.clone() })?;
        Ok(meta.ino())
    }

    /// The number of cgroups above it.
    pub(crate) fn level(&self) -> u32 {
        self.level
    }
}

impl AsFd for CgroupDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// The mount of the whole hierarchy. Without it, no cgroup's depth can be told, by which the kernel part finds it.
fn whole() -> Result<PathBuf, KernelError> {
    let mount = mount_point().ok_or(KernelError::NoCgroup2)?;
    if is_whole(&mount) {
        return Ok(mount);
    }
    Err(KernelError::PartOfCgroups { path: mount, own_namespace: !is_first(NamespaceKind::Cgroup) })
}

fn level_below(mount: &Path, path: &Path) -> u32 {
    path.strip_prefix(mount).map_or(0, |below| below.components().count() as u32)
}

/// The path below the cgroup2 mount (`/` first) of the cgroup with this id; `None` if it has been removed, or
/// if the path is longer than the kernel reports (4 KiB).
#[must_use]
pub fn path_of_id(id: u64) -> Option<PathBuf> {
    find(id).filter(|found| found.climbs == 0).map(|found| found.path)
}

/// The same as text for people, [`escaped`]. If the path is too long, this is the path of an ancestor, and a
/// note.
#[must_use]
pub fn shown_path_of_id(id: u64) -> Option<String> {
    let Found { path, climbs } = find(id)?;
    let mut text = escaped(path.as_os_str().as_bytes());
    if climbs > 0 {
        text.push_str(r"\[longer than 4096 bytes]");
    }
    Some(text)
}

struct Found {
    path: PathBuf,
    /// How often [`CLIMB`] was taken: if not 0, `path` is an ancestor's.
    climbs: usize,
}

fn find(id: u64) -> Option<Found> {
    let mount = mount_point()?;
    let root = File::open(&mount).ok()?;
    let mut dir = open_by_id(root.as_fd(), id)?;
    for climbs in 0..=CLIMBS {
        match readlink(format!("/proc/self/fd/{}", dir.as_raw_fd()), Vec::new()) {
            Ok(path) => {
                let path = PathBuf::from(OsString::from_vec(path.into_bytes()));
                let below = path.strip_prefix(&mount).ok()?;
                let is_there = !path.as_os_str().as_bytes().ends_with(b" (deleted)");
                return is_there.then(|| Found { path: Path::new("/").join(below), climbs });
            }
            Err(Errno::NAMETOOLONG) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                dir = openat(&dir, CLIMB, flags, Mode::empty()).ok()?;
            }
            Err(_) => return None,
        }
    }
    None
}

fn open_by_id(mount: BorrowedFd<'_>, id: u64) -> Option<OwnedFd> {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: u64,
    }
    let mut handle = Handle { bytes: 8, kind: FILEID_KERNFS, id };
    // SAFETY: the handle is a file_handle of the eight bytes that it announces, and lives through the call.
    let fd = unsafe {
        libc::open_by_handle_at(
            mount.as_raw_fd(),
            (&raw mut handle).cast::<libc::file_handle>(),
            libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC,
        )
    };
    // SAFETY: a descriptor that was just opened, which nothing else owns.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}
