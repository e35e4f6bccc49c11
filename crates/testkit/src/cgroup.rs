use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::tag::Tag;
use crate::{LabError, Skip};

const REMOVAL: Duration = Duration::from_secs(5);

/// A cgroup of our own below the root of the cgroup2 hierarchy. Dropping it ends the processes in it and removes it
/// with all below.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    pub(crate) fn create(tag: Tag, role: &str) -> Result<Self, LabError> {
        let root = cgroup2_root().ok_or(Skip::NoCgroup2)?;
        Self::make(root.join(tag.name(role)))
    }

    /// Makes a cgroup below this one, removed with it or on its own when dropped.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn child(&self, name: impl AsRef<Path>) -> Result<Self, LabError> {
        Self::make(self.path.join(name))
    }

    /// Makes a cgroup below that of the calling process.
    ///
    /// # Errors
    /// When there is no cgroup2 hierarchy, or the kernel refuses.
    pub fn below_own(name: &str) -> Result<Self, LabError> {
        let root = cgroup2_root().ok_or(Skip::NoCgroup2)?;
        let memberships =
            fs::read_to_string("/proc/self/cgroup").map_err(LabError::io("read /proc/self/cgroup"))?;
        // The second version's line has neither a number nor controllers.
        let own = memberships.lines().find_map(|line| line.strip_prefix("0::/")).ok_or(Skip::NoCgroup2)?;
        Self::make(root.join(own).join(name))
    }

    fn make(path: PathBuf) -> Result<Self, LabError> {
        fs::create_dir(&path).map_err(LabError::io(format!("make the cgroup {}", path.display())))?;
        Ok(Self { path })
    }

    /// Where it is mounted, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// When the kernel refuses, for example because the process has ended.
    pub fn adopt(&self, pid: u32) -> Result<(), LabError> {
        let procs = self.path.join("cgroup.procs");
        fs::write(&procs, pid.to_string())
            .map_err(LabError::io(format!("move {pid} into {}", procs.display())))
    }

    /// The processes in it, not in those below it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        pids(&self.path).map(|pid| pid.as_raw_nonzero().get().cast_unsigned()).collect()
    }

    /// A command that starts in this cgroup, in the caller's network namespace.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("sh");
        // The shell moves itself before the program starts, so that even its first socket belongs to the cgroup.
        command.args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#]).arg(&self.path).arg(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(cgroup = %self.path.display(), %error, "cgroup not removed");
        }
    }
}

/// Where the cgroup2 hierarchy is mounted; on hybrid hosts that is not `/sys/fs/cgroup`.
pub(crate) fn cgroup2_root() -> Option<PathBuf> {
    let mut find = Command::new("findmnt");
    find.args(["--types", "cgroup2", "--output", "TARGET", "--noheadings", "--first-only", "--raw"]);
    let found = find.output().ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim_end());
    path.is_absolute().then_some(path)
}

/// Removes the cgroups of labs whose process has ended.
pub(crate) fn sweep() {
    let Some(root) = cgroup2_root() else { return };
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().and_then(Tag::of).is_some_and(Tag::is_orphan) {
            // Another process may be sweeping too; whoever comes second finds it gone.
            if let Err(error) = remove(&entry.path()) {
                tracing::debug!(cgroup = %entry.path().display(), %error, "leftover not removed");
            }
        }
    }
}

fn pids(path: &Path) -> impl Iterator<Item = Pid> {
    let list = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect::<Vec<_>>().into_iter()
}

fn remove(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    let deadline = Instant::now() + REMOVAL;
    loop {
        for pid in pids(path).filter(|pid| *pid != getpid()) {
            // It may have ended between the list and the signal.
            let _ = kill_process(pid, Signal::KILL);
        }
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Processes leave their cgroup some time after the signal.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}
