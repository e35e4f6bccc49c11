//! Files that only root can have written, below a directory of a container runtime.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2, stat};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 << 20;
/// How many entries of a directory are looked at.
const ENTRIES: usize = 4_096;
const WRITABLE_BY_OTHERS: Mode = Mode::WGRP.union(Mode::WOTH);

/// A directory of root's.
#[derive(Debug)]
pub struct RootDirectory(OwnedFd);

impl RootDirectory {
    /// Opens the directory at `path` below `root`. Symbolic links in the path lead to where they would if `root` were the
    /// root directory.
    ///
    /// # Errors
    /// If there is none, or if others than root may write it.
    pub fn open(root: &Path, path: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = open(root, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = path.trim_start_matches('/');
        let directory = openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
        of_root(&fstat(&directory)?)?;
        Ok(Self(directory))
    }

    /// Opens the regular file at `path` below it, in which no part may be a symbolic link.
    ///
    /// # Errors
    /// If there is none, or if others than root may write it.
    pub fn file(&self, path: &str) -> io::Result<File> {
        // Opening a FIFO or a device must not wait.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = openat2(&self.0, path, flags, Mode::empty(), resolve)?;
        let found = fstat(&file)?;
        of_root(&found)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(file.into())
    }

    /// What the file at `path` below it says.
    ///
    /// # Errors
    /// As [`RootDirectory::file`], or if it is longer than 8 MiB or not such JSON.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> io::Result<T> {
        let mut bytes = Vec::new();
        self.file(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(io::Error::other("longer than 8 MiB"));
        }
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    /// The names in it.
    ///
    /// # Errors
    /// The file system's.
    pub fn names(&self) -> io::Result<impl Iterator<Item = String>> {
        let entries = rustix::fs::Dir::read_from(&self.0)?.take(ENTRIES);
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(ToOwned::to_owned)))
    }
}

/// Whether `directory` is root's, and nobody else may make anything in it.
#[must_use]
pub fn is_roots(directory: &Path) -> bool {
    stat(directory).is_ok_and(|found| of_root(&found).is_ok())
}

/// Whoever runs this may trust their own files as well.
fn of_root(found: &Stat) -> io::Result<()> {
    let is_roots = found.st_uid == 0 || found.st_uid == rustix::process::geteuid().as_raw();
    if is_roots && !Mode::from_raw_mode(found.st_mode).intersects(WRITABLE_BY_OTHERS) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "others than root may write it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_what_root_wrote_is_read() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("srv/a")).unwrap();
        fs::write(at("srv/a/said.json"), "7").unwrap();
        fs::write(at("outside"), "8").unwrap();
        // A runtime's directory may be elsewhere; what is in it may not.
        symlink("/srv", at("moved")).unwrap();
        symlink("../../outside", at("srv/a/link")).unwrap();
        let directory = RootDirectory::open(root.path(), "/moved/a").unwrap();
        assert_eq!(directory.json::<Value>("said.json").unwrap(), 7);
        assert_eq!(directory.names().unwrap().filter(|name| name == "said.json").count(), 1);
        for path in ["link", "../../outside", "/etc/passwd", "."] {
            assert!(directory.file(path).is_err(), "{path}");
        }
        fs::set_permissions(at("srv/a/said.json"), Permissions::from_mode(0o666)).unwrap();
        assert_eq!(directory.file("said.json").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        fs::set_permissions(at("srv/a"), Permissions::from_mode(0o777)).unwrap();
        assert!(RootDirectory::open(root.path(), "srv/a").is_err() && !is_roots(&at("srv/a")));
    }

    #[test]
    fn a_file_without_end_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let directory = RootDirectory::open(root.path(), "/.").unwrap();
        let file = fs::File::create(root.path().join("large")).unwrap();
        file.set_len(LARGEST + 1).unwrap();
        assert!(directory.json::<Value>("large").unwrap_err().to_string().contains("longer"));
    }
}
