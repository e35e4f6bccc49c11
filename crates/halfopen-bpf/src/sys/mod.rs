//! What is looked up on the host: cgroups, network namespaces, interfaces, sockets, executables, names as text; and the
//! clock.

pub(crate) mod cgroup;
pub(crate) mod cgroup2_mount;
pub(crate) mod clock;
pub(crate) mod executable;
pub(crate) mod first_namespace;
pub(crate) mod gates;
pub(crate) mod netlink;
pub(crate) mod netns;
pub(crate) mod open_sockets;
pub(crate) mod peer_groups;
pub mod text;
