//! What a process is, while it exists: its command line and its parent, besides what identifies a program.

use crate::events::identity::is_called;
use halfopen_bpf::text::escaped;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

/// How much of a command line is read.
const READ: u64 = 4096;
/// Stands for a path that is longer than the kernel returns.
const TOO_LONG: &str = r"\[longer than 4096 bytes]";

/// A process. All texts are [escaped]: programs choose them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The name that it gave itself.
    pub comm: String,
    /// Its user, by number.
    pub uid: u32,
    /// Its executable; `None` if it has none or cannot be read.
    pub exe: Option<String>,
    /// Its arguments, separated by spaces; empty if it has none.
    pub command_line: String,
    /// The path of its cgroup.
    pub cgroup: Option<String>,
    /// Its parent; `None` if it has none here.
    pub parent: Option<Parent>,
}

/// The parent of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Process ID.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its arguments.
    pub command_line: String,
}

impl Process {
    /// The same with each text as `of` makes it.
    #[must_use]
    pub fn each(self, of: impl Fn(&str) -> String) -> Self {
        Self {
            comm: of(&self.comm),
            uid: self.uid,
            exe: self.exe.as_deref().map(&of),
            command_line: of(&self.command_line),
            cgroup: self.cgroup.as_deref().map(&of),
            parent: self.parent.map(|parent| Parent {
                pid: parent.pid,
                comm: of(&parent.comm),
                command_line: of(&parent.command_line),
            }),
        }
    }
}

/// Looks up process `pid` in /proc; `None` if it is gone, or if `comm` is given and no thread of it is called so.
#[must_use]
pub fn describe(pid: u32, comm: Option<&str>) -> Option<Process> {
    let status = read(pid, "status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next())
    };
    let number = |name: &str| field(name).and_then(|number| number.parse::<u32>().ok());
    let exe = match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(exe) => Some(escaped(exe.as_os_str().as_bytes())),
        Err(e) if e.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error()) => Some(TOO_LONG.to_owned()),
        Err(_) => None,
    };
    let parent = number("PPid").filter(|parent| *parent != 0).and_then(|parent| {
        Some(Parent { pid: parent, comm: comm_of(parent)?, command_line: command_line(parent) })
    });
    let cgroup = read_bytes(pid, "cgroup").ok().and_then(|lines| {
        let line = lines.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"));
        line.map(escaped)
    });
    let process = Process {
        comm: comm_of(pid)?,
        uid: number("Uid")?,
        exe,
        command_line: command_line(pid),
        cgroup,
        parent,
    };
    // Asked last: if the process has become another one in between, its name has changed too.
    comm.is_none_or(|comm| is_called(pid, comm)).then_some(process)
}

fn comm_of(pid: u32) -> Option<String> {
    let comm = read_bytes(pid, "comm").ok()?;
    Some(escaped(comm.strip_suffix(b"\n").unwrap_or(&comm)))
}

fn command_line(pid: u32) -> String {
    let bytes = read_bytes(pid, "cmdline").unwrap_or_default();
    let arguments: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    // Each argument ends with a zero, and so does what a program has written over them.
    let used = arguments.iter().rposition(|argument| !argument.is_empty()).map_or(0, |last| last + 1);
    escaped(&arguments[..used].join(&b' '))
}

fn read(pid: u32, file: &str) -> Option<String> {
    // The name in it may be any bytes.
    Some(String::from_utf8_lossy(&read_bytes(pid, file).ok()?).into_owned())
}

fn read_bytes(pid: u32, file: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/{file}"))?.take(READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_has_a_command_line_and_a_parent() {
        let mut command = Command::new("sh");
        // It waits for a line that never comes.
        command.args(["-c", "read line", "\x1b[2J"]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (own, found) = (describe(std::process::id(), None).unwrap(), describe(child.id(), None));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = found.unwrap();
        assert_eq!(found.command_line, r"sh -c read line \x1b[2J");
        let parent = found.parent.unwrap();
        assert_eq!((parent.pid, parent.command_line), (std::process::id(), own.command_line.clone()));
        assert_eq!(own.exe.unwrap(), std::env::current_exe().unwrap().to_string_lossy());
        assert!(own.cgroup.unwrap().starts_with('/'));
        assert_eq!(describe(std::process::id(), Some("somebody else")), None);
    }
}
