//! Whether this process is in the first namespace of a kind, which is the host's.

use std::os::unix::fs::MetadataExt;

/// A kind of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKind {
    /// Of cgroups.
    Cgroup,
    /// Of process ids.
    Pid,
}

/// Whether this process is in the first namespace of this kind: the kernel gives that one a fixed inode
/// (include/uapi/linux/nsfs.h).
#[must_use]
pub fn is_first(kind: NamespaceKind) -> bool {
    let (name, first) = match kind {
        NamespaceKind::Cgroup => ("cgroup", 0xefff_fffb),
        NamespaceKind::Pid => ("pid", 0xefff_fffc),
    };
    std::fs::metadata(format!("/proc/self/ns/{name}")).is_ok_and(|namespace| namespace.ino() == first)
}
