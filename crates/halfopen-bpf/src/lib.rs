//! The kernel part of halfopen and a safe interface to it: load, attach, write the policy, read the ledger
//! and the events, let all attempts go.
//!
//! From the ground up: `error` and `abi` (what `bpf/abi.h` says), `sys` (cgroups, namespaces, executables),
//! `settings`, `encode` (from settings to maps), `decode` (from maps and the ring buffer to records), `load`,
//! `limiter`, `recording`, `probe`.
//!
//! Only this crate talks to the kernel's BPF interface. `unsafe` is allowed here, and where `halfopen-policy`
//! calls the native build of the policy, which is made of C headers of this crate (`bpf/decide.h` and those
//! beside it). This crate knows nothing of configuration files or of how events are shown.

mod abi;
mod decode;
mod encode;
mod error;
mod limiter;
mod load;
mod probe;
mod recording;
mod settings;
mod sys;

pub use abi::ScopeId;
pub use decode::accounts::{Account, AccountOf, Heard, Trust};
pub use decode::connections::Connection;
pub use decode::denied::{Denied, DenyCount};
pub use decode::durations::{Durations, Histogram};
pub use decode::faults::{Fault, FaultCount};
pub use decode::names::{Named, NamesCounts};
pub use decode::records::{
    AccountId, Attempt, AttemptState, Became, HeldAttempt, Place, Program, ProgramCount, RingEvent,
    Shortcoming, Turn, WaitsFor,
};
pub use decode::stopped_datagrams::StoppedDatagram;
pub use encode::resolvers::RESOLVERS;
pub use error::KernelError;
pub use limiter::end_pinned::end_pinned;
pub use limiter::gates::Forwarded;
pub use limiter::wakeups::{Waiter, WakeupSender};
pub use limiter::walk::{EnforcementStopped, NAMESPACES, restore_everywhere, restore_here, walk_namespaces};
pub use limiter::{
    Adopted, AdoptedScope, Keep, Limiter, PinnedDeny, PinnedLimit, PinnedNames, PinnedScope, ScopeOf, Turns,
};
pub use load::optional_hooks::{Attach, AttachHere, OptionalHook};
pub use load::pins::{PINS, remove_pins};
pub use probe::{Finding, Probe, probes};
pub use recording::{Recorded, RecordedAttempt, RecordedOutcome, Recording};
pub use settings::{DenyRule, InterfaceRule, LeftOut, NameTrust, NeverHold, Per, ScopeRule, Settings};
pub use sys::cgroup::{CgroupDir, path_of_id, shown_path_of_id};
pub use sys::cgroup2_mount::mount_point as cgroup2_mount;
pub use sys::clock::monotonic;
pub use sys::first_namespace::{NamespaceKind, is_first};
pub use sys::gates::{Gate, Interfaces, gates};
pub use sys::netns::{IpFamily, Namespaces, raw_socket};
pub use sys::open_sockets::{OpenSocket, open_sockets};
pub use sys::peer_groups::peer_groups;
pub use sys::text;
