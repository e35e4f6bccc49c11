//! Text from programs, made safe for a line that people read.

pub use halfopen_bpf::text::plain;

/// The cgroup of an unknown program's socket, for people.
#[must_use]
pub fn socket_of(cgroup: Option<&str>) -> String {
    format!("its socket is of cgroup {}", cgroup.map_or("unknown".into(), plain))
}
