//! The kernel part of halfopen and a safe interface to it: load, attach, write the policy, read the ledger and the
//! events, let everything go.
//!
//! Only this crate talks to the kernel's BPF interface. `unsafe` is allowed here, and where `halfopen-policy` calls the
//! native build of the policy, which is a C header of this crate's (`bpf/decide.h` and those beside it). Nothing is known
//! here of configuration files or of how events are shown.

mod accounts;
mod cgroup;
mod deny;
mod error;
mod essential;
mod executable;
mod ledger;
mod limiter;
mod load;
mod names;
mod netns;
mod optional_hooks;
mod pins;
mod plain;
mod poke;
mod probe;
mod program_counts;
mod records;
mod rule_keys;
mod scope_rules;
mod settings;
mod skeleton;
mod state;
mod stopped_datagrams;
pub mod text;
mod told;
mod walk;

pub use accounts::{Account, AccountOf, Trust};
pub use cgroup::{CgroupDir, path_of_id, shown_path_of_id};
pub use deny::{Denied, DenyCount};
pub use error::KernelError;
pub use limiter::{Adopted, AdoptedScope, EnforcementStopped, Keep, Limiter, ScopeId, Turns};
pub use names::{Named, NamesCounts, RESOLVERS};
pub use netns::{IpFamily, raw_socket};
pub use optional_hooks::{Attach, AttachHere, OptionalHook};
pub use pins::{PINS, end_pinned, remove_pins};
pub use poke::{Poker, Waiter};
pub use probe::{Finding, Probe, probes};
pub use records::{
    AccountId, Attempt, AttemptState, Became, Fault, FaultCount, HeldAttempt, Place, Program, ProgramCount,
    Shortcoming, Told, Turn,
};
pub use settings::{DenyRule, Essential, InterfaceRule, NameTrust, Per, ScopeRule, Settings};
pub use stopped_datagrams::StoppedDatagram;
pub use walk::{NAMESPACES, restore_everywhere, restore_here, walk_namespaces};
