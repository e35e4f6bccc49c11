//! Identifies a program from its process, while the process exists.

use crate::name_service::Names;
use crate::runs_in::{Lookup, RunsIn};
use crate::users;
use halfopen_bpf::text::escaped;
use halfopen_bpf::{Program, shown_path_of_id};
use rustix::io::Errno;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// The names behind a program's numbers. All are [escaped]: programs choose these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its executable; `None` if the process is gone, is another one by now, or cannot be read.
    pub exe: Option<String>,
    /// Its cgroup's path; `None` if that is gone.
    pub cgroup: Option<String>,
    /// Its user's name, or the number if the user has no name.
    pub user: String,
    /// What its cgroup belongs to.
    pub runs_in: RunsIn,
}

impl Identity {
    /// The identity of a program of which only the user's number is known.
    #[must_use]
    pub fn unknown(uid: u32) -> Self {
        Self { exe: None, cgroup: None, user: uid.to_string(), runs_in: RunsIn::default() }
    }
}

/// Stands for the path of an executable that is longer than 4 KiB, which the kernel does not return.
const TOO_LONG: &str = r"\[longer than 4096 bytes]";
/// How many threads are checked for their name before a process counts as another one.
const THREADS_ASKED: usize = 256;

/// Looks up `program` in /proc, the cgroup file system and /etc/passwd, and asks the name service for a user whom that
/// does not list, and the sources of names of containers. Needs root for programs of other users.
#[must_use]
pub fn identify(program: &Program, names: &mut Names, lookup: &mut Lookup) -> Identity {
    let cgroup = shown_path_of_id(program.cgroup_id);
    Identity {
        exe: executable(program.pid, &program.comm),
        runs_in: cgroup.as_deref().map(|path| lookup.of_cgroup(path)).unwrap_or_default(),
        cgroup,
        user: listed_name(&fs::read(users::FILE).unwrap_or_default(), program.uid)
            .or_else(|| names.of(program.uid))
            .unwrap_or_else(|| program.uid.to_string()),
    }
}

/// The executable of process `pid`, provided that a thread of it is still called `comm`.
fn executable(pid: u32, comm: &str) -> Option<String> {
    let exe = match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(exe) => escaped(exe.as_os_str().as_bytes()),
        Err(e) if e.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error()) => TOO_LONG.to_owned(),
        Err(_) => return None,
    };
    // Asked after the link: if the process has become another one in between, its name has changed too.
    is_called(pid, comm).then_some(exe)
}

/// Whether a thread of process `pid` is called `comm`.
#[must_use]
pub fn is_called(pid: u32, comm: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let tasks = tasks.take(THREADS_ASKED);
    let mut names = tasks.filter_map(|task| fs::read(task.ok()?.path().join("comm")).ok());
    names.any(|name| escaped(name.strip_suffix(b"\n").unwrap_or(&name)) == comm)
}

fn listed_name(passwd: &[u8], uid: u32) -> Option<String> {
    users::listed(passwd).find(|user| user.uid == uid).map(|user| escaped(user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_by_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:33::/:/bin/false\n";
        let name = |uid| listed_name(passwd, uid);
        assert_eq!(
            [name(0).as_deref(), name(33).as_deref(), name(3).as_deref()],
            [Some("root"), Some("www"), None]
        );
    }

    #[test]
    fn this_test_has_an_executable_and_another_name_has_none() {
        let own = std::process::id();
        let comm = fs::read_to_string("/proc/thread-self/comm").unwrap();
        let exe = executable(own, comm.trim_end()).unwrap();
        assert_eq!(exe, std::env::current_exe().unwrap().to_string_lossy());
        assert_eq!(executable(own, "somebody else"), None);
    }
}
