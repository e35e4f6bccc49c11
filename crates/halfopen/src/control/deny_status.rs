//! Counts of the rules of `[[deny]]`.

use super::ModeStatus;
use crate::events::text::plain;
use crate::events::{Identity, Protocol};
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_bpf::Denied;
use halfopen_policy::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A rule of `[[deny]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DenyStatus {
    /// The rule's name.
    pub name: String,
    /// What it does now: at most what the mode of the whole limit allows.
    pub mode: ModeStatus,
    /// Calls of `connect()` and `sendto()` that it has refused.
    pub denied: u64,
    /// Calls that it would have refused, in audit mode.
    pub would_have_denied: u64,
    /// The last of these calls.
    pub last: Option<DeniedStatus>,
}

/// The call that a rule matched last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeniedStatus {
    /// When it was made.
    pub time: UtcTime,
    /// Process id, as the first PID namespace sees it.
    pub pid: u32,
    /// User id, as the first user namespace sees it.
    pub uid: u32,
    /// The name that the program gave itself.
    pub comm: String,
    /// Its executable; `None` if that process is gone or cannot be read.
    pub exe: Option<String>,
    /// Its cgroup; `None` if that is gone.
    pub cgroup: Option<String>,
    /// What that cgroup belongs to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// The id of that cgroup.
    pub cgroup_id: u64,
    /// The destination.
    pub destination: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// Whether it was only counted.
    pub audited: bool,
}

impl DeniedStatus {
    /// The call `last`, which a program of this identity made at `time`.
    #[must_use]
    pub fn new(last: &Denied, identity: Identity, time: UtcTime) -> Self {
        Self {
            time,
            pid: last.program.pid,
            uid: last.program.uid,
            comm: last.program.comm.clone(),
            exe: identity.exe,
            cgroup: identity.cgroup,
            runs_in: identity.runs_in,
            cgroup_id: last.program.cgroup_id,
            destination: last.destination.to_string(),
            protocol: Protocol::of(last),
            audited: last.audited,
        }
    }
}

/// What a rule in the mode `of_rule` does while the mode of the whole limit is `of_all`: at most what that allows.
#[must_use]
pub fn mode_within(of_all: Mode, of_rule: Mode) -> Mode {
    match (of_all, of_rule) {
        (Mode::Off, _) | (_, Mode::Off) => Mode::Off,
        (Mode::Audit, _) | (_, Mode::Audit) => Mode::Audit,
        (Mode::Enforce, Mode::Enforce) => Mode::Enforce,
    }
}

/// One line for people.
impl fmt::Display for DenyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deny {} ({}): {} denied", plain(&self.name), self.mode, self.denied)?;
        if self.would_have_denied > 0 || self.mode == ModeStatus::Audit {
            write!(f, ", {} would have been", self.would_have_denied)?;
        }
        match &self.last {
            Some(last) => write!(f, "; last {last}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DeniedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { comm, pid, destination, protocol, time, .. } = self;
        write!(f, "{} (pid {pid}) to {destination} by {protocol} at {time}", plain(comm))
    }
}
