//! The numbers of `status` and `why`. The JSON of [`Status`] is a contract with scripts.

use super::{
    Degradation, DenyStatus, EarlierCounts, Harm, LearnedWaits, ModeStatus, NamedStatus, NamesStatus,
    ProgramStatus, ScopeStatus, TrialStatus, UnwatchedStatus,
};
use crate::conntrack::Conntrack;
use crate::events::text::plain;
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_bpf::{Attempt, AttemptState, Fault, FaultCount, Forwarded};
use halfopen_policy::wake::Lost;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;

/// Everything that `status` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// What the limit does.
    pub mode: ModeStatus,
    /// The preset's name.
    pub preset: String,
    /// Whether the limit outlives the daemon.
    pub persist: bool,
    /// Equal for equal effective configurations.
    pub config_hash: String,
    /// The host's numbers.
    pub host: ScopeStatus,
    /// The numbers of the other scopes: of `exec`, rules and interfaces, and of at most 64 accounts of rules. Suspects
    /// come first, then accounts with waiters, with stopped UDP, and those used last.
    pub scopes: Vec<ScopeStatus>,
    /// The number of accounts that are not listed.
    #[serde(default)]
    pub accounts_unlisted: u64,
    /// The accounts that `halfopen block` has blocked.
    #[serde(default)]
    pub blocked: Vec<BlockedStatus>,
    /// The rules of `[[deny]]`.
    #[serde(default)]
    pub deny: Vec<DenyStatus>,
    /// What waiting did to which program: at most 64, the most harmed first.
    pub programs: Vec<ProgramStatus>,
    /// What waiting did to all other programs.
    pub others: Harm,
    /// What earlier limits of this host counted, the oldest first: at most 16.
    #[serde(default)]
    pub earlier: Vec<EarlierCounts>,
    /// When the counting of all numbers began.
    pub counting_since: UtcTime,
    /// For how many seconds they have been counted.
    pub counting_for_s: u64,
    /// The trial, if `mode` is on trial.
    pub trial: Option<TrialStatus>,
    /// How long attempts would have waited in audit mode; null if nothing is known of it.
    #[serde(default)]
    pub learned: Option<LearnedWaits>,
    /// What became of DNS answers; `None` if the daemon does not read them.
    #[serde(default)]
    pub names: Option<NamesStatus>,
    /// The interfaces through which containers reach the network, if `forwarded_tcp` limits or counts what comes through
    /// them without a socket.
    #[serde(default)]
    pub gates: Vec<GateStatus>,
    /// How full connection tracking is; `None` if nothing tracks connections.
    #[serde(default)]
    pub conntrack: Option<Conntrack>,
    /// What could not be done as intended.
    pub faults: Vec<FaultStatus>,
    /// Why the limit is less than it could be.
    pub degraded: Vec<DegradedStatus>,
    /// Set if no daemon answers: then the numbers are read from the pins, `preset` and `config_hash` are empty,
    /// `earlier` and rules of `[[deny]]` whose mode is off are left out. `status` ends with exit code 1.
    #[serde(default)]
    pub unwatched: Option<UnwatchedStatus>,
    /// The daemon's process id; 0 if no daemon answers.
    pub pid: u32,
}

#[cfg(test)]
impl Status {
    /// That of a daemon which enforces `xp-sp2` on `host` and has nothing else to tell.
    pub(crate) fn of_host(host: ScopeStatus) -> Self {
        Self {
            mode: ModeStatus::Enforce,
            preset: "xp-sp2".into(),
            persist: false,
            config_hash: "0".into(),
            host,
            scopes: vec![],
            accounts_unlisted: 0,
            blocked: vec![],
            deny: vec![],
            programs: vec![],
            others: Harm::default(),
            earlier: vec![],
            counting_since: UtcTime::EPOCH,
            counting_for_s: 0,
            trial: None,
            learned: None,
            names: None,
            gates: vec![],
            conntrack: None,
            faults: vec![],
            degraded: vec![],
            unwatched: None,
            pid: 1,
        }
    }
}

/// What has come through a gate without a socket, since it has been watched. A gate is the host's end of the pair of
/// devices of a container, or a bridge of such ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateStatus {
    /// The interface's name.
    pub interface: String,
    /// Whether it is a bridge, which several containers share.
    pub shared: bool,
    /// First contacts that were let out.
    pub first_contacts: u64,
    /// SYNs that were over the credit: dropped, or counted if `forwarded_tcp` or `mode` says so.
    pub stopped: u64,
}

impl From<Forwarded> for GateStatus {
    fn from(found: Forwarded) -> Self {
        let Forwarded { gate, let_out, stopped } = found;
        Self { interface: gate.name, shared: gate.shared, first_contacts: let_out, stopped }
    }
}

/// An account that is blocked by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedStatus {
    /// Its name.
    pub account: String,
    /// Until when its connects fail.
    pub until: UtcTime,
}

/// How often something could not be done as intended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStatus {
    /// Its name.
    #[schemars(with = "FaultName")]
    pub fault: String,
    /// How often it has happened since the start.
    pub count: u64,
    /// What it means.
    pub explanation: String,
}

/// The names of [`Fault`] in JSON.
struct FaultName;

impl JsonSchema for FaultName {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Fault::ALL.iter();
        let names = names.map(|fault| json!({ "const": fault.name(), "description": fault.explain() }));
        json_schema!({
            "description": "What could not be done as intended. [errors.md](errors.md#faults) says what to do.",
            "oneOf": names.collect::<Vec<_>>(),
        })
    }
}

/// How many of the network namespaces with lost wakeups are named.
const SHOWN: usize = 3;

/// A [`Degradation`] with its explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DegradedStatus {
    /// For programs.
    pub reason: Degradation,
    /// For people.
    pub explanation: String,
}

/// What `why` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The host's numbers.
    pub host: ScopeStatus,
    /// What applies to all attempts, or why there are none.
    pub note: Option<String>,
    /// Who got the address from a DNS answer; `None` if the question was not about an address, or answers are not read.
    pub named: Option<Vec<NamedStatus>>,
    /// How many attempts there are.
    pub in_all: usize,
    /// The oldest attempts.
    pub attempts: Vec<AttemptStatus>,
    /// Set if no daemon answers: then the attempts are read from the pins. `why` ends with exit code 1.
    #[serde(default)]
    pub unwatched: Option<UnwatchedStatus>,
}

/// Where a live attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptPhase {
    /// It waits: its SYN is held.
    Queued,
    /// Its SYN is out, unanswered, and it holds a slot.
    HalfOpen,
    /// It has been out for longer than `slot_life`, and has given its slot back.
    Aged,
}

impl From<AttemptState> for AttemptPhase {
    fn from(state: AttemptState) -> Self {
        match state {
            AttemptState::Queued => Self::Queued,
            AttemptState::HalfOpen => Self::HalfOpen,
            AttemptState::Aged => Self::Aged,
        }
    }
}

/// For people.
impl fmt::Display for AttemptPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::HalfOpen => "half-open",
            Self::Aged => "aged",
        })
    }
}

/// A live attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptStatus {
    /// Where it is.
    pub state: AttemptPhase,
    /// The scope that it is charged to besides the host.
    pub scope: Option<String>,
    /// What the cgroup belongs to that this scope's account is for.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// Process id.
    pub pid: u32,
    /// The name that the program gave itself.
    pub comm: String,
    /// Its destination.
    pub destination: String,
    /// Whether a DNS answer had named that address.
    #[serde(default)]
    pub named: bool,
    /// The time since `connect()`, in milliseconds.
    pub age_ms: u64,
    /// The time since its first SYN left, in milliseconds.
    pub out_for_ms: Option<u64>,
    /// How often its timer has asked for its turn.
    pub rechecks: u32,
    /// What it waits for, for people.
    pub waits_for: Option<String>,
}

impl AttemptStatus {
    /// `attempt`, which is charged to `own` besides the host.
    #[must_use]
    pub fn new(attempt: &Attempt, own: Option<&ScopeStatus>, waits_for: Option<String>) -> Self {
        Self {
            state: attempt.state.into(),
            scope: own.map(|own| own.name.clone()),
            runs_in: own.map(|own| own.runs_in.clone()).unwrap_or_default(),
            pid: attempt.program.pid,
            comm: attempt.program.comm.clone(),
            destination: attempt.destination.to_string(),
            named: attempt.named,
            age_ms: attempt.age.as_millis() as u64,
            out_for_ms: attempt.out_for.map(|time| time.as_millis() as u64),
            rechecks: attempt.rechecks,
            waits_for,
        }
    }

    /// What it is charged to besides the host, for people; empty if to nothing.
    #[must_use]
    pub fn also_in(&self) -> String {
        let Some(scope) = &self.scope else { return String::new() };
        let named = self.runs_in.named().map_or_else(String::new, |named| format!(" ({})", plain(&named)));
        format!(", also in {}{named}", plain(scope))
    }
}

/// One line for people.
impl fmt::Display for AttemptStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = if self.named { " (named)" } else { "" };
        write!(f, "{} (pid {}) to {}{named}: {}", plain(&self.comm), self.pid, self.destination, self.state)?;
        match self.out_for_ms {
            Some(out) => write!(f, ", unanswered for {}", seconds(out))?,
            None => write!(f, " for {}, asked {} times", seconds(self.age_ms), self.rechecks)?,
        }
        f.write_str(&self.also_in())?;
        match &self.waits_for {
            Some(waits_for) => write!(f, "; waits for {}", plain(waits_for)),
            None => Ok(()),
        }
    }
}

impl From<Degradation> for DegradedStatus {
    fn from(reason: Degradation) -> Self {
        Self { reason, explanation: reason.explain().to_owned() }
    }
}

impl DegradedStatus {
    /// A rule of `never_hold` that matches nobody, and why.
    #[must_use]
    pub fn unmet_rule(why: &str) -> Self {
        Self::because(Degradation::UnmetRule, why)
    }

    /// A rule of `[[scope]]` that matches nobody, and why.
    #[must_use]
    pub fn unmet_scope(why: &str) -> Self {
        Self::because(Degradation::UnmetScope, why)
    }

    /// A history that cannot be written, why, and how much it lacks.
    #[must_use]
    pub fn history_not_kept(why: &str) -> Self {
        Self::because(Degradation::HistoryNotKept, why)
    }

    /// A file of events that cannot be written, why, and how much it lacks.
    #[must_use]
    pub fn events_file_not_written(why: &str) -> Self {
        Self::because(Degradation::EventsFileNotWritten, why)
    }

    /// A collector that lacks events, why, and how many.
    #[must_use]
    pub fn events_not_sent(why: &str) -> Self {
        Self::because(Degradation::EventsNotSent, why)
    }

    /// A hook that could not be attached, and why.
    #[must_use]
    pub fn hook_not_attached(why: &str) -> Self {
        Self::because(Degradation::HookNotAttached, why)
    }

    /// Connection tracking that is nearly full, and how full.
    #[must_use]
    pub fn conntrack(found: Conntrack) -> Self {
        Self::because(Degradation::ConntrackNearlyFull, &found.explain())
    }

    /// Records of connections that may run out, and how many are in use.
    #[must_use]
    pub fn connection_records(used: u32, most: u32) -> Self {
        Self::because(Degradation::ConnectionRecordsHalfFull, &format!("{used} of {most}"))
    }

    /// Waiters that no wakeup reaches, and their network namespaces.
    #[must_use]
    pub fn where_wakes_are_lost(reason: Degradation, lost: &Lost) -> Self {
        let mut shown: Vec<String> = lost.namespaces.iter().take(SHOWN).map(u32::to_string).collect();
        if lost.and_others || lost.namespaces.len() > SHOWN {
            shown.push("...".to_owned());
        }
        let at_least = if lost.and_others { "at least " } else { "" };
        let namespaces = lost.namespaces.len() + usize::from(lost.and_others);
        let (accounts, shown) = (lost.parties, shown.join(", "));
        Self::because(
            reason,
            &format!("accounts: {accounts}; network namespaces: {at_least}{namespaces} ({shown})"),
        )
    }

    /// Metrics that nobody can scrape, and why.
    #[must_use]
    pub fn metrics_not_served(why: &str) -> Self {
        Self::because(Degradation::MetricsNotServed, why)
    }

    /// A dashboard that nobody can reach, and why.
    #[must_use]
    pub fn dashboard_not_served(why: &str) -> Self {
        Self::because(Degradation::DashboardNotServed, why)
    }

    /// The socket of a container runtime, and why it did not list its containers.
    #[must_use]
    pub fn runtime_socket_failed(why: &str) -> Self {
        Self::because(Degradation::RuntimeSocketFailed, why)
    }

    /// For [`Degradation::EventsNotKept`].
    #[must_use]
    pub fn not_kept(why: &str) -> Self {
        Self::because(Degradation::EventsNotKept, why)
    }

    fn because(reason: Degradation, why: &str) -> Self {
        let known = Self::from(reason);
        Self { explanation: format!("{}: {why}", known.explanation), ..known }
    }
}

impl From<&FaultCount> for FaultStatus {
    fn from(found: &FaultCount) -> Self {
        Self {
            fault: found.fault.name().to_owned(),
            count: found.count,
            explanation: found.fault.explain().to_owned(),
        }
    }
}

/// Milliseconds as seconds, for people.
#[must_use]
pub fn seconds(millis: u64) -> String {
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

/// Seconds in the two largest units that they fill, for people.
#[must_use]
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let parts = UNITS.iter().skip(first).take(2).map(|(unit, name)| {
        let count = left / unit;
        left %= unit;
        (count, name)
    });
    let parts = parts.enumerate().filter(|(at, (count, _))| *at == 0 || *count > 0);
    parts.map(|(_, (count, name))| format!("{count} {name}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 59, 432, 600, 3_601, 274_000].map(span);
        assert_eq!(spans, ["0 s", "59 s", "7 m 12 s", "10 m", "1 h", "3 d 4 h"]);
    }
}
