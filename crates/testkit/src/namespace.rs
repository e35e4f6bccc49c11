use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::tag::Tag;
use crate::tool;
use crate::{Cgroup, LabError};

const DIRECTORY: &str = "/run/netns";
const ENDING: Duration = Duration::from_secs(5);

/// A network namespace of our own. Dropping it ends the processes in it and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    pub(crate) fn create(tag: Tag, role: &str) -> Result<Self, LabError> {
        let name = tag.name(role);
        tool::run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let path = Path::new(DIRECTORY).join(&name);
        match File::open(&path) {
            Ok(handle) => Ok(Self { name, handle }),
            Err(error) => {
                remove(&name, None);
                Err(LabError::io(format!("open {}", path.display()))(error))
            }
        }
    }

    /// Its name, as `ip netns` lists it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it, for `setns`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets made there stay in it wherever they are used.
    ///
    /// # Errors
    /// When the thread cannot be started or moved.
    ///
    /// # Panics
    /// When `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        thread::scope(|scope| {
            let inside = thread::Builder::new()
                .name(format!("in {}", self.name))
                .spawn_scoped(scope, || self.enter().map(|()| work()))
                .map_err(LabError::io("start a thread"))?;
            inside.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into the namespace, for good.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> Result<(), LabError> {
        move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(LabError::errno(format!("enter the namespace {}", self.name)))
    }

    /// A command that runs in the namespace. Its process id is that of the program itself.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(self.entry()).arg("--").arg(program);
        command
    }

    /// A command that runs in the namespace and in `cgroup`.
    #[must_use]
    pub fn command_in(&self, cgroup: &Cgroup, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = cgroup.command("nsenter");
        command.arg(self.entry()).arg("--").arg(program);
        command
    }

    fn entry(&self) -> String {
        format!("--net={}", self.path().display())
    }

    /// Sets a `net.` sysctl, given as `net.ipv4.tcp_syn_retries`, in this namespace alone.
    ///
    /// # Errors
    /// When there is none of that name in a namespace, or it refuses the value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), LabError> {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        // /proc/sys/net shows the namespace of the thread that opens it.
        self.run(|| fs::write(&path, value))?
            .map_err(LabError::io(format!("set {name} to {value} in {}", self.name)))
    }

    /// Runs a batch of `ip` commands, one a line, without the leading `ip`.
    ///
    /// # Errors
    /// When one of them fails; those before it have been done.
    pub fn ip(&self, batch: &str) -> Result<(), LabError> {
        tool::run(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), batch).map(drop)
    }

    /// Runs an nftables script as one transaction.
    ///
    /// # Errors
    /// When nft refuses it; nothing has been changed then.
    pub fn nft(&self, script: &str) -> Result<String, LabError> {
        self.feed("nft", &["-f", "-"], script)
    }

    /// Runs a program inside to its end, with `input` on its stdin, and returns what it says on stdout.
    ///
    /// # Errors
    /// When it cannot be run or fails; what it said on stderr is in the error.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, LabError> {
        tool::run(self.command(program).args(arguments), input)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name, self.handle.metadata().ok().map(|file| file.ino()));
    }
}

/// Removes the namespaces of labs whose process has ended, and ends what still runs in them.
pub(crate) fn sweep() {
    for entry in fs::read_dir(DIRECTORY).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if Tag::of(name).is_some_and(Tag::is_orphan) {
            let inode = File::open(entry.path()).and_then(|file| file.metadata()).ok().map(|file| file.ino());
            remove(name, inode);
        }
    }
}

fn remove(name: &str, inode: Option<u64>) {
    if let Some(inode) = inode {
        end_processes(inode);
    }
    match tool::run(Command::new("ip").args(["netns", "delete", name]), "") {
        Ok(_) => {}
        // Another process may have swept it in the meantime.
        Err(_) if !Path::new(DIRECTORY).join(name).exists() => {}
        Err(error) => tracing::warn!(%name, %error, "namespace not removed"),
    }
}

fn end_processes(inode: u64) {
    let deadline = Instant::now() + ENDING;
    loop {
        let inside = processes(inode);
        if inside.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in inside {
            // It may have ended between the list and the signal.
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The processes whose network namespace is the one of this inode; a zombie has none.
fn processes(inode: u64) -> Vec<Pid> {
    let link = format!("net:[{inode}]");
    let in_namespace = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let net = fs::read_link(entry.path().join("ns/net")).ok()?;
        (net.as_os_str() == link.as_str() && pid != getpid()).then_some(pid)
    };
    fs::read_dir("/proc").into_iter().flatten().filter_map(in_namespace).collect()
}
