//! What `inspect` shows about an account, a process or an address. The JSON is a contract with scripts.

use super::{AttemptStatus, Harm, ModeStatus, NamedStatus, ScopeStatus};
use crate::events::Event;
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many accounts are shown in full.
pub const ACCOUNTS_SHOWN: usize = 16;
/// How many ports of an account are listed.
pub const PORTS_LISTED: usize = 16;
/// How many addresses of a port are named.
pub const ADDRESSES_NAMED: usize = 8;
/// How many programs of an account are listed.
pub const PROGRAMS_LISTED: usize = 16;
/// How many attempts of an account are listed.
pub const ATTEMPTS_LISTED: usize = 10;
/// How many events are listed.
pub const EVENTS_LISTED: usize = 10;

/// What `inspect` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inspection {
    /// What was asked about.
    pub subject: String,
    /// What the limit does.
    pub mode: ModeStatus,
    /// When the counting of all numbers began.
    pub counting_since: UtcTime,
    /// For how many seconds they have been counted.
    pub counting_for_s: u64,
    /// What applies to all attempts of the subject.
    pub note: Option<String>,
    /// The process, if the question was about one that runs; `None` otherwise.
    pub process: Option<ProcessStatus>,
    /// Who got the address from a DNS answer; `None` if the question was not about an address, or answers are not read.
    pub named: Option<Vec<NamedStatus>>,
    /// The account, or the accounts of the process, or those that have dialled the address: at most 16.
    pub accounts: Vec<AccountInspection>,
    /// How many more accounts there are.
    pub more_accounts: u64,
    /// The names of accounts of the scope that was asked about: at most 64.
    pub accounts_of_scope: Vec<String>,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessStatus {
    /// Process id.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its user's number.
    pub uid: u32,
    /// Its executable; `None` if it cannot be read.
    pub exe: Option<String>,
    /// Its arguments, separated by spaces.
    pub command_line: String,
    /// Its cgroup; `None` if it cannot be read.
    pub cgroup: Option<String>,
    /// Its parent; `None` if that is gone.
    pub parent: Option<ParentStatus>,
}

/// The parent of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParentStatus {
    /// Process id.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its arguments, separated by spaces.
    pub command_line: String,
}

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountInspection {
    /// Its numbers, all zero if the kernel part has forgotten it since.
    pub status: ScopeStatus,
    /// The share of its attempts with an outcome that were answered, from 0 to 1; `None` if none has an outcome.
    pub answered_share: Option<f64>,
    /// When this daemon first heard of one of its attempts; `None` if none has waited.
    pub first_seen: Option<UtcTime>,
    /// Its programs, those seen first at the front: at most 16.
    pub programs: Vec<ProgramInspection>,
    /// How many more there were.
    pub more_programs: u64,
    /// Its destinations, by port: at most 16, those with the most addresses first.
    pub ports: Vec<PortInspection>,
    /// How many more ports there were.
    pub more_ports: u64,
    /// How many attempts to those waited so far.
    pub waited_on_more_ports: u64,
    /// How many of its attempts are live: those that wait and those that are unanswered.
    pub live: u64,
    /// The oldest of these: at most 10, waiting ones first.
    pub attempts: Vec<AttemptStatus>,
    /// The settings that apply to it.
    pub rules: Vec<RuleInspection>,
    /// The latest events that name it: at most 10, the latest last.
    pub events: Vec<Event>,
}

/// A program of an account. It is kept from the first time that it was seen, also when the process and its cgroup are
/// gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramInspection {
    /// Its latest process.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its user's name or number.
    pub user: String,
    /// Its executable; `None` if it was gone before it was looked up.
    pub exe: Option<String>,
    /// Its arguments, separated by spaces; `None` likewise.
    pub command_line: Option<String>,
    /// Its cgroup; `None` likewise.
    pub cgroup: Option<String>,
    /// What its cgroup belongs to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// Its parent at that time; `None` likewise.
    pub parent: Option<ParentStatus>,
    /// Whether that process still runs.
    pub is_running: bool,
    /// How many processes of it were seen.
    pub processes: u64,
    /// When it was first seen; `None` if only the kernel part has seen it.
    pub first_seen: Option<UtcTime>,
    /// What waiting did to all programs of this name, user and cgroup, since the counting began; `None` if nothing.
    pub harm: Option<Harm>,
}

/// The destinations of an account on one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortInspection {
    /// The port.
    pub port: u16,
    /// How many addresses are known: those that attempts waited for since the daemon started, and those dialled now.
    pub addresses: u64,
    /// Whether there were more than are kept.
    pub and_more: bool,
    /// How many attempts to it waited so far.
    pub waited: u64,
    /// How many wait now.
    pub queued: u64,
    /// How many are out and unanswered now.
    pub unanswered: u64,
    /// Some of the addresses: at most 8.
    pub sample: Vec<String>,
}

/// A setting that applies to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleInspection {
    /// The rule: host, scope.NAME, interface.NAME or deny.NAME; for a key that belongs to no table, the key.
    pub rule: String,
    /// The key.
    pub key: String,
    /// Its value, as `halfopen get KEY` prints it.
    pub value: String,
    /// Where the value comes from.
    pub origin: String,
}
