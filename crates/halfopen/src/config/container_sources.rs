//! The table of the keys of `[containers]`.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, put};
use super::value::Typed;
use crate::runs_in::RuntimeSocket;
use std::path::PathBuf;

/// Where the names of containers and pods are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerSources {
    /// The root of the host's file system; `None` = this process has the same.
    pub root: Option<PathBuf>,
    /// The sockets of container runtimes.
    pub sockets: Vec<RuntimeSocket>,
}

fields! {
    /// All of them, in the order of the sample file.
    pub static CONTAINERS: ContainerSources, in Table::Containers;

    /// Below which directory the files of container runtimes and of kubelet are, which have the names of containers and
    /// pods: /var/lib/docker, /var/lib/containers, /run/containerd, /run/containers and /var/log/pods. Only files that
    /// nobody but root may write are read. Choose another one if halfopen runs in a container that has the host's files
    /// elsewhere.
    root: Form::PATH.such_as("\"/host\"").or("/") => Place {
        get: |sources| sources.root.value(),
        set: |sources, value| put(&mut sources.root, value),
    }, "when the daemon starts";

    /// The sockets of Docker and Podman that are asked for the names of running containers, if the files do not tell.
    /// Each is docker: or podman: and an absolute path. Whoever may ask these sockets may do everything on the host;
    /// only the privileged helper asks them, and only for that list.
    sockets: Form::RUNTIME_SOCKETS => Place {
        get: |sources| sources.sockets.value(),
        set: |sources, value| put(&mut sources.sockets, value),
    }, "when the daemon starts";
}
