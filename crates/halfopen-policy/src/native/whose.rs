//! `bpf/whose.h`: whose a TCP socket is.

use super::calls;

/// What the kernel notes in a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MadeAs {
    /// Kernel code made it.
    pub by_kernel: bool,
    /// The level of its cgroup; the root's is 0.
    pub cgroup_level: i32,
    /// It speaks Multipath TCP, or is a subflow.
    pub is_mptcp: bool,
    /// It is the one behind a socket of `AF_SMC`.
    pub is_smc: bool,
}

impl MadeAs {
    /// Whether it acts for a program: the kernel's own sockets are neither held nor denied anything.
    #[must_use]
    pub fn acts_for_program(self) -> bool {
        let Self { by_kernel, cgroup_level, is_mptcp, is_smc } = self;
        // SAFETY: takes and returns integers, any are allowed.
        unsafe {
            calls::native_acts_for_program(by_kernel.into(), cgroup_level, is_mptcp.into(), is_smc.into())
                != 0
        }
    }
}
