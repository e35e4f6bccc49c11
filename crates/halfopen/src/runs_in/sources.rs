//! Where container runtimes and kubelet leave the names of what they run.

use super::root_files::RootDirectory;
use std::fmt;
use std::io;
use std::path::Path;

/// Files with names in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Docker's, a directory for each container.
    Docker,
    /// Podman's, which list all containers of root.
    Podman,
    /// containerd's: for each namespace a directory for each running container.
    Containerd,
    /// CRI-O's, a directory for each running container.
    CriO,
    /// The directories for the logs of pods, which kubelet makes.
    Kubelet,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Docker, Self::Podman, Self::Containerd, Self::CriO, Self::Kubelet];

    /// Where they are.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Docker => "/var/lib/docker/containers",
            Self::Podman => "/var/lib/containers/storage",
            Self::Containerd => "/run/containerd/io.containerd.runtime.v2.task",
            Self::CriO => "/run/containers/storage/overlay-containers",
            Self::Kubelet => "/var/log/pods",
        }
    }

    /// Opens their directory below `root`.
    ///
    /// # Errors
    /// As [`RootDirectory::open`].
    pub fn open(self, root: &Path) -> io::Result<RootDirectory> {
        RootDirectory::open(root, self.path())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
            Self::Containerd => "containerd",
            Self::CriO => "CRI-O",
            Self::Kubelet => "kubelet",
        })
    }
}
