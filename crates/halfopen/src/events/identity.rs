//! What can be found out about a program from its process, while there is one.

use halfopen_kernel::{Program, path_of_id};
use std::fs;

/// What stands behind a program's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its executable; `None` where the process is gone, is another by now, or cannot be read.
    pub exe: Option<String>,
    /// Its cgroup's path; `None` where that is gone.
    pub cgroup: Option<String>,
    /// Its user's name, or the number where there is none.
    pub user: String,
}

impl Identity {
    /// Of a program of which only the user's number is known.
    #[must_use]
    pub fn unknown(uid: u32) -> Self {
        Self { exe: None, cgroup: None, user: uid.to_string() }
    }
}

/// How many threads are asked for their name before a process counts as another one.
const THREADS_ASKED: usize = 256;

/// Looks up `program` in /proc, the cgroup file system and /etc/passwd. Needs root for programs of other users.
#[must_use]
pub fn identify(program: &Program) -> Identity {
    Identity {
        exe: executable(program.pid, &program.comm),
        cgroup: path_of_id(program.cgroup_id),
        user: user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), program.uid),
    }
}

/// The executable of process `pid`, provided that a thread of it is still called `comm`.
fn executable(pid: u32, comm: &str) -> Option<String> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.take(THREADS_ASKED);
    // Read after the link: a process that has become another in between has another name by now.
    let mut names = tasks.filter_map(|task| fs::read(task.ok()?.path().join("comm")).ok());
    names
        .any(|name| String::from_utf8_lossy(name.trim_ascii_end()) == comm)
        .then(|| exe.to_string_lossy().into_owned())
}

fn user_name(passwd: &str, uid: u32) -> String {
    let number = uid.to_string();
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == number).then(|| name.to_owned())
        })
        .unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:33::/:/bin/false\n";
        assert_eq!(user_name(passwd, 0), "root");
        assert_eq!(user_name(passwd, 33), "www");
        assert_eq!(user_name(passwd, 3), "3");
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
