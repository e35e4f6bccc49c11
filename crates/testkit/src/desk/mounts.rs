//! The program in a mount namespace of its own, where something of the host is missing or another.

use super::program;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Hides every cgroup2 hierarchy.
pub const NO_CGROUP2: &str = "awk '$3 == \"cgroup2\" { print $2 }' /proc/self/mounts | xargs -r umount -l";
/// Hides the kernel's description of its own types.
pub const NO_BTF: &str = "mount -t tmpfs none /sys/kernel/btf";
/// Hides what the kernel was built with, as in many containers and clouds. A device without a driver cannot be opened,
/// an empty file could.
pub const NO_KERNEL_CONFIG: &str = "mount -t tmpfs none /boot; mknod /boot/none c 0 0; \
     if [ -e /proc/config.gz ]; then mount --bind /boot/none /proc/config.gz; fi";
/// Hides the file system that programs are pinned in.
pub const NO_BPF_FS: &str = "mount -t tmpfs none /sys/fs/bpf";

/// A program in `directory` that does `changes` (shell commands) in a mount namespace of its own and becomes halfopen
/// there, with the arguments that it is given. What is changed is changed for it alone.
pub fn changed_for(directory: &Path, changes: &str) -> PathBuf {
    let path = directory.join("halfopen-elsewhere");
    let text = format!(
        "#!/bin/sh\nexec unshare --mount -- sh -e -c '{}\nexec \"$0\" \"$@\"' '{}' \"$@\"\n",
        changes.replace('\'', r"'\''"),
        program().display()
    );
    install(text.as_bytes(), &path);
    path
}

/// Writes an executable file. By another process: what a test has open for writing, a process that another test starts
/// in the same moment has open too, and the kernel runs no file that is being written.
pub fn install(bytes: &[u8], path: &Path) {
    let mut installing = Command::new("install");
    installing.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut installing = installing.spawn().unwrap();
    installing.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(installing.wait().unwrap().success(), "installing {}", path.display());
}

/// The number of the user that [`as_own_user`] makes.
pub const OWN_USER: u32 = 4226;

/// A program in `directory` that becomes halfopen where there is a user of that name. The directory can then be read by
/// it.
pub fn as_own_user(directory: &Path) -> PathBuf {
    changed_for(directory, &users(directory, true))
}

/// The change that makes a user for the daemon, or takes it away. Everybody may read `directory` then.
pub fn users(directory: &Path, own: bool) -> String {
    let mut users: Vec<String> = fs::read_to_string("/etc/passwd").unwrap().lines().map(Into::into).collect();
    users.retain(|line| !line.starts_with("halfopen:"));
    users.extend(own.then(|| format!("halfopen:x:{OWN_USER}:{OWN_USER}::/:/bin/false")));
    let passwd = directory.join("passwd");
    fs::write(&passwd, users.join("\n") + "\n").unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    format!("mount --bind \"{}\" /etc/passwd", passwd.display())
}
