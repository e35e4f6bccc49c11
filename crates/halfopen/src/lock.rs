//! One daemon at a time: a lock that the kernel releases when the process ends.

use crate::runtime_dir::RuntimeDir;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// How often a held lock is tried, and the pause between tries.
const ROUNDS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("already running: pid {} holds {}; `halfopen off` ends it", shown(*.pid), path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process ID that the file contains.
        pid: Option<u32>,
    },
    /// Not enough privilege for the directory.
    #[error("no permission to use {}: run as root", .path.display())]
    NotPermitted {
        /// The lock file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot lock {}: {reason}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

fn shown(pid: Option<u32>) -> String {
    pid.map_or("unknown".into(), |pid| pid.to_string())
}

/// The lock, held until its file is closed. On drop, it removes the file, and the directory if it made that.
#[derive(Debug)]
pub struct Lock {
    file: File,
    directory: RuntimeDir,
    made_directory: bool,
    removed: bool,
}

impl Lock {
    /// Takes the lock of `directory`. Makes the directory if there is none.
    ///
    /// # Errors
    /// [`LockError::Held`] names the process that holds the lock.
    pub fn take(directory: &RuntimeDir) -> Result<Self, LockError> {
        let path = directory.lock();
        let io = |reason: io::Error| match reason.kind() {
            io::ErrorKind::PermissionDenied => LockError::NotPermitted { path: path.clone() },
            _ => LockError::Io { path: path.clone(), reason },
        };
        let made_directory = match DirBuilder::new().mode(0o711).create(directory.path()) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(io(e)),
        };
        // The last holder may have removed the file after it was opened here: a lock on a removed file protects
        // nothing.
        for round in 1..=ROUNDS {
            let mut file = open(&path).map_err(io)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if round == ROUNDS => {
                    return Err(LockError::Held { pid: written_pid(&mut file), path });
                }
                // `holder` takes the lock for a moment to test it.
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    sleep(PAUSE);
                    continue;
                }
                Err(e) => return Err(io(e.into())),
            }
            let held = file.metadata().map_err(io)?;
            if fs::metadata(&path).is_ok_and(|there| there.ino() == held.ino() && there.dev() == held.dev()) {
                file.set_len(0).map_err(io)?;
                writeln!(file, "{}", std::process::id()).map_err(io)?;
                return Ok(Self { file, directory: directory.clone(), made_directory, removed: false });
            }
        }
        Err(io(io::Error::other("other processes keep replacing the file")))
    }

    /// Whether taking the lock made its directory.
    #[must_use]
    pub fn made_directory(&self) -> bool {
        self.made_directory
    }

    /// Forgets the lock file, which has been removed already: a file there now belongs to another daemon.
    pub fn let_go(mut self) {
        self.removed = true;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        let _ = fs::remove_file(self.directory.lock());
        if self.made_directory {
            let _ = fs::remove_dir(self.directory.path());
        }
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The process that holds the lock of `directory`, if there is one.
///
/// # Errors
/// If the lock file cannot be read.
pub fn holder(directory: &RuntimeDir) -> Result<Option<Holder>, LockError> {
    let path = directory.lock();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            return Err(LockError::NotPermitted { path });
        }
        Err(reason) => return Err(LockError::Io { path, reason }),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(Holder { pid: written_pid(&mut file) })),
        Err(e) => Err(LockError::Io { path, reason: e.into() }),
    }
}

/// A process that holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The process ID that the file contains.
    pub pid: Option<u32>,
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn written_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_nothing_is_left_behind() {
        let parent = tempfile::tempdir().unwrap();
        let directory = RuntimeDir::at(parent.path().join("halfopen"));
        assert_eq!(holder(&directory).unwrap(), None);
        let lock = Lock::take(&directory).unwrap();
        let own = Some(std::process::id());
        assert_eq!(holder(&directory).unwrap(), Some(Holder { pid: own }));
        match Lock::take(&directory) {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, own),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert_eq!(holder(&directory).unwrap(), None);
        assert!(!directory.path().exists());
        drop(Lock::take(&directory).unwrap());
    }
}
