//! Finds the mount of the cgroup hierarchy of version 2. On hybrid hosts that is not `/sys/fs/cgroup`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Where the hierarchy is mounted in this process's mount namespace; `None` if it is not. A mount of the whole
/// hierarchy goes before one of a part.
#[must_use]
pub fn mount_point() -> Option<PathBuf> {
    find(&std::fs::read("/proc/self/mountinfo").ok()?)
}

fn find(mounts: &[u8]) -> Option<PathBuf> {
    let mut part = None;
    for line in mounts.split(|&byte| byte == b'\n') {
        // proc_pid_mountinfo(5): number, parent, device, root, mount point, options, tags, -, type ...
        let mut fields = line.split(|&byte| byte == b' ');
        let (Some(root), Some(at)) = (fields.nth(3), fields.next()) else { continue };
        if fields.skip_while(|field| *field != b"-").nth(1) != Some(b"cgroup2") {
            continue;
        }
        if root == b"/" {
            return Some(path(at));
        }
        part.get_or_insert(at);
    }
    part.map(path)
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

    fn found(mounts: &str) -> Option<PathBuf> {
        find([OTHERS, mounts].concat().as_bytes())
    }

    #[test]
    fn the_whole_hierarchy_goes_before_a_part() {
        let part = "31 30 0:27 /a /mnt/a rw - cgroup2 cgroup2 rw\n";
        let whole = "32 30 0:27 / /sys/fs/cgroup/unified rw shared:10 master:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(found(""), None);
        assert_eq!(found(part), Some("/mnt/a".into()));
        assert_eq!(found(&[part, whole].concat()), Some("/sys/fs/cgroup/unified".into()));
    }

    #[test]
    fn a_path_may_have_blanks_and_backslashes() {
        let mount = r"31 30 0:27 / /mnt/a\040b\134c\9 rw - cgroup2 cgroup2 rw";
        assert_eq!(found(mount), Some(r"/mnt/a b\c\9".into()));
    }
}
