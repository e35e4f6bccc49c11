//! What of the host's is looked up: cgroups, network namespaces, executables, names as text.

pub(crate) mod cgroup;
pub(crate) mod executable;
pub(crate) mod netns;
pub mod text;
