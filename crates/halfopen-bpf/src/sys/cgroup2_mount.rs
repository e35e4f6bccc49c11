//! Finds the mount of the cgroup hierarchy of version 2. On hybrid hosts that is not `/sys/fs/cgroup`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The inode of the root of the hierarchy, whatever name it has where it is mounted.
const ROOT_INODE: u64 = 1;

/// Where the hierarchy is mounted in this process's mount namespace; `None` if it is not. A mount of the whole
/// hierarchy goes before one of a part, or of what is the whole to a cgroup namespace.
#[must_use]
pub fn mount_point() -> Option<PathBuf> {
    let mounts = find(&std::fs::read("/proc/self/mountinfo").ok()?);
    mounts.iter().find(|mount| is_whole(mount)).or(mounts.first()).cloned()
}

/// Whether all cgroups of the host are below this mount.
#[must_use]
pub fn is_whole(mount: &Path) -> bool {
    std::fs::metadata(mount).is_ok_and(|directory| directory.ino() == ROOT_INODE)
}

/// The mounts of the hierarchy, those first that claim to be of the whole.
fn find(mounts: &[u8]) -> Vec<PathBuf> {
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for line in mounts.split(|&byte| byte == b'\n') {
        // proc_pid_mountinfo(5): number, parent, device, root, mount point, options, tags, -, type ...
        let mut fields = line.split(|&byte| byte == b' ');
        let (Some(root), Some(at)) = (fields.nth(3), fields.next()) else { continue };
        if fields.skip_while(|field| *field != b"-").nth(1) != Some(b"cgroup2") {
            continue;
        }
        if root == b"/" { &mut whole } else { &mut parts }.push(path(at));
    }
    whole.append(&mut parts);
    whole
}

/// The kernel writes blanks and backslashes as three octal digits.
fn path(written: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, after @ ..] = rest {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        let escaped = (*first == b'\\').then(|| after.get(..3)).flatten().and_then(octal);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "22 28 0:21 / /proc rw,relatime shared:12 - proc proc rw\nbroken\n\
                          30 24 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro\n";

    fn found(mounts: &str) -> Vec<PathBuf> {
        find([OTHERS, mounts].concat().as_bytes())
    }

    #[test]
    fn the_whole_hierarchy_goes_before_a_part() {
        let part = "31 30 0:27 /a /mnt/a rw - cgroup2 cgroup2 rw\n";
        let whole = "32 30 0:27 / /sys/fs/cgroup/unified rw shared:10 master:1 - cgroup2 cgroup2 rw\n";
        assert!(found("").is_empty());
        assert_eq!(found(part), [Path::new("/mnt/a")]);
        let both = [Path::new("/sys/fs/cgroup/unified"), Path::new("/mnt/a")];
        assert_eq!(found(&[part, whole].concat()), both);
    }

    #[test]
    fn a_path_may_have_blanks_and_backslashes() {
        let mount = r"31 30 0:27 / /mnt/a\040b\134c\9 rw - cgroup2 cgroup2 rw";
        assert_eq!(found(mount), [Path::new(r"/mnt/a b\c\9")]);
    }
}
