//! The directories of a daemon: of its lock and control socket, of what outlives it, and of the pinned limit.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The environment variable that names another directory than `/run/halfopen`.
pub const VARIABLE: &str = "HALFOPEN_RUN_DIR";
const DEFAULT: &str = "/run/halfopen";

/// The runtime directory of the daemon.
#[derive(Debug, Clone)]
pub struct RuntimeDir(PathBuf);

impl RuntimeDir {
    /// The directory that [`VARIABLE`] names, or else `/run/halfopen`.
    #[must_use]
    pub fn of_this_host() -> Self {
        let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        Self(named.map_or_else(|| DEFAULT.into(), PathBuf::from))
    }

    /// The directory at `path`.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The lock file that the daemon holds. It contains the daemon's pid.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The number of starts in a row that have failed.
    #[must_use]
    pub fn failed_starts(&self) -> PathBuf {
        self.0.join("failed-starts")
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
}

/// The environment variable that names another directory than `/var/lib/halfopen`.
pub const STATE_VARIABLE: &str = "HALFOPEN_STATE_DIR";
const DEFAULT_STATE: &str = "/var/lib/halfopen";

/// The directory of what outlives a stop and a reboot: events and counts.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory that [`STATE_VARIABLE`] names, or else `/var/lib/halfopen`. A daemon with a runtime directory of its
    /// own must not share that: its directory then is beside the runtime directory.
    #[must_use]
    pub fn of_this_host() -> Self {
        let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
        let beside = || {
            let run_dir = PathBuf::from(named(VARIABLE)?);
            let mut name = run_dir.file_name()?.to_owned();
            name.push("-state");
            Some(run_dir.with_file_name(name))
        };
        let named = named(STATE_VARIABLE).map(PathBuf::from).or_else(beside);
        Self(named.unwrap_or_else(|| DEFAULT_STATE.into()))
    }

    /// The directory at `path`.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Opens a file in it, or makes both, and locks the file. Nobody but this user can read them.
    ///
    /// # Errors
    /// If the file system refuses, if others can write the directory, or if another daemon has the file.
    pub fn file(&self, name: &str, writes: Writes) -> io::Result<File> {
        let said = |path: &Path, e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(said(&self.0, e)),
            _ => {}
        }
        let found = fs::symlink_metadata(&self.0).map_err(|e| said(&self.0, e))?;
        let others_write = found.mode() & 0o022 != 0;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || others_write {
            let why = format!("{} is not a directory that only root can write", self.0.display());
            return Err(io::Error::other(why));
        }
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.read(true).create(true).mode(0o600).custom_flags(NO_LINK);
        match writes {
            Writes::AtTheEnd => options.append(true),
            Writes::Anywhere => options.write(true).truncate(false),
        };
        let file = options.open(&path).map_err(|e| said(&path, e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => {
                Err(io::Error::other(format!("another daemon writes in {}", self.0.display())))
            }
            Err(e) => Err(said(&path, e.into())),
        }
    }
}

/// Where a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Only at its end.
    AtTheEnd,
    /// Where the writer wants.
    Anywhere,
}

/// A symbolic link must not lead the writer elsewhere.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// The environment variable that names another directory than `/sys/fs/bpf/halfopen`.
pub const PINS_VARIABLE: &str = "HALFOPEN_PIN_DIR";

/// The directory of the pinned limit.
#[must_use]
pub fn pins_of_this_host() -> PathBuf {
    let named = std::env::var_os(PINS_VARIABLE).filter(|value| !value.is_empty());
    named.map_or_else(|| halfopen_bpf::PINS.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_directory_that_others_write_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let directory = StateDir::at(place.path().join("state"));
        directory.file("events", Writes::AtTheEnd).unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(directory.path().join("events")).unwrap().mode() & 0o777, 0o600);
        let refused = || directory.file("events", Writes::Anywhere).unwrap_err().to_string();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(refused().contains("only root can write"));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_file(directory.path().join("events")).unwrap();
        symlink("/dev/null", directory.path().join("events")).unwrap();
        assert!(refused().contains("events: "));
        fs::remove_dir_all(directory.path()).unwrap();
        symlink(place.path(), directory.path()).unwrap();
        assert!(refused().contains("only root can write"));
    }
}
