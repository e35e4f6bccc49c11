//! What can go wrong with the kernel, each with what to do about it.

use std::io;
use std::path::PathBuf;

/// Why the limit cannot be enforced or the ledger not be read.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Not enough privilege to load programs.
    #[error("loading the kernel part is not permitted: run as root (it needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN)")]
    NotPermitted,
    /// The kernel lacks something; the sentence says what, and from which version on it is there.
    #[error("this kernel cannot enforce the limit: {0}")]
    Lacks(String),
    /// No cgroup2 hierarchy is mounted.
    #[error("no cgroup2 hierarchy is mounted: mount one (mount -t cgroup2 none /sys/fs/cgroup/unified)")]
    NoCgroup2,
    /// The directory given is no cgroup of the version 2 hierarchy.
    #[error("{}: not a cgroup2 directory: name one below the cgroup2 mount", path.display())]
    NotACgroup {
        /// As it was given.
        path: PathBuf,
    },
    /// Another program is attached to one of our hooks and lets nobody else on.
    #[error(
        "cannot attach {hook} to {}: another program holds that hook exclusively ({source}); \
         find it with `bpftool cgroup tree` and have it attached with BPF_F_ALLOW_MULTI",
        cgroup.display()
    )]
    HookTaken {
        /// The hook's name.
        hook: &'static str,
        /// Where it was to be attached.
        cgroup: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a program or map.
    #[error("{doing}: {source}")]
    Bpf {
        /// What was tried, on what.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No scope is free.
    #[error("all {0} scopes are in use: end a `halfopen exec` first")]
    ScopesFull(u32),
}

impl KernelError {
    /// Whether privilege or the kernel itself is what is missing (exit code 3), and not a passing failure.
    #[must_use]
    pub fn cannot(&self) -> bool {
        !matches!(self, Self::Bpf { .. } | Self::ScopesFull(_) | Self::NotACgroup { .. })
    }
}
