//! The kernel part of halfopen and a safe interface to it: load, attach, write the policy, read the ledger and the
//! events, let everything go.
//!
//! Only this crate talks to the kernel's BPF interface, and only here `unsafe` is allowed. It knows the policy as far as
//! its C header (`bpf/decide.h`) does, and nothing of configuration files or of how events are shown.

mod cgroup;
mod error;
mod ledger;
mod limiter;
mod load;
mod netns;
mod plain;
mod probe;
mod records;
mod settings;
mod skeleton;
#[cfg(test)]
mod twin;
mod walk;

pub use cgroup::{CgroupDir, path_of_id};
pub use error::KernelError;
pub use limiter::{EnforcementStopped, Limiter, ScopeId};
pub use netns::{IpFamily, raw_socket};
pub use probe::{Finding, Probe, probes};
pub use records::{Attempt, AttemptState, Fault, FaultCount, HeldAttempt, Program, Shortcoming};
pub use settings::Settings;
pub use walk::{restore_everywhere, restore_here};
