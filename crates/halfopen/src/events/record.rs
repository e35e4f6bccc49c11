//! The texts and the JSON of events: 4226, a limit is reached or no longer reached; 4227, first contacts of an account
//! mostly fail; 4228, a rule of `[[deny]]` has matched. Those of 4229 and 4230 are in files of their own.

use super::Identity;
use super::Tally;
use super::connections::ConnectionsRecord;
use super::denials::DenialReport;
use super::episode::{self, Report};
use super::reason::{NewAddresses, Reason, who_waits};
use super::suspects::SuspectReport;
use super::text::plain;
use super::udp::UdpRecord;
use crate::config::Action;
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_bpf::Denied;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The original's number.
pub const EVENT_ID: u16 = 4226;
/// The number after it: the original had no such event.
pub const SUSPECT_ID: u16 = 4227;
/// The number after that.
pub const DENIED_ID: u16 = 4228;
/// The number after that.
pub const STOPPED_ID: u16 = 4229;
/// The number after that.
pub const CONNECTIONS_ID: u16 = 4230;
const REACHED: &str =
    "TCP/IP has reached the security limit imposed on the number of concurrent TCP connect attempts.";
const CLEARED: &str =
    "No TCP connect attempt has waited for 10 seconds: the security limit is no longer reached.";
const ENDED: &str = "The scope has ended: its security limit is no longer reached.";
const SUSPECT: &str = "First contacts mostly fail, like those of a scan.";
const DENIED: &str = "A deny rule refused connections or datagrams.";
const WOULD_BE_DENIED: &str =
    "A deny rule would have refused connections or datagrams. Audit mode: it only counted them.";

/// What an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Attempts wait.
    Reached,
    /// No attempt has waited for a while, or the scope has ended.
    Cleared,
    /// An account has become a suspect.
    Suspect,
    /// A rule of `[[deny]]` has matched.
    Denied,
    /// First contacts over UDP were stopped.
    UdpStopped,
    /// A limit on connections holds attempts back.
    #[serde(rename = "connections")]
    ConnectionLimit,
}

impl State {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Cleared => "cleared",
            Self::Suspect => "suspect",
            Self::Denied => "denied",
            Self::UdpStopped => "udp_stopped",
            Self::ConnectionLimit => "connections",
        }
    }
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The level of all events, as the original's.
    Warning,
}

/// The protocol of a call that a rule of `[[deny]]` matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP: a call of `connect()`.
    Tcp,
    /// UDP: a call of `connect()` or `sendto()`.
    Udp,
}

impl Protocol {
    /// That of a call.
    #[must_use]
    pub fn of(denied: &Denied) -> Self {
        if denied.udp { Self::Udp } else { Self::Tcp }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl From<episode::State> for State {
    fn from(state: episode::State) -> Self {
        match state {
            episode::State::Reached => Self::Reached,
            episode::State::Cleared => Self::Cleared,
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number, 4226 to 4230.
    pub id: u16,
    /// When it was written.
    pub time: UtcTime,
    /// Its level.
    pub level: Level,
    /// The text of the original, and additions for audit mode and for earlier episodes.
    pub message: String,
    /// What the event reports.
    pub state: State,
    /// The name of the scope or account, or of the rule of `[[deny]]`.
    pub scope: String,
    /// Its `half_open`; `None` = unlimited.
    pub limit: Option<u32>,
    /// The number of attempts waiting when the event was written.
    pub queued: u64,
    /// The programs with the most attempts, most first.
    pub programs: Vec<ProgramRecord>,
    /// Whether the attempts were only counted; left out if they were held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audited: bool,
    /// Why most of the attempts wait or were refused, in audit mode would; left out if unknown, and of other events than 4230 and the first
    /// 4226 of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the last new addresses came to that the account dialled; left out where they are not the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_addresses: Option<NewAddresses>,
    /// Data on a suspect; left out of other events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<SuspectRecord>,
    /// What a rule of `[[deny]]` has refused; left out of other events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<DeniedRecord>,
    /// What became of first contacts over UDP; left out of other events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<UdpRecord>,
    /// What a limit on connections holds back; left out of other events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionsRecord>,
}

/// A rule of `[[deny]]` in an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeniedRecord {
    /// Calls of `connect()` and `sendto()` refused since the rule's last event.
    pub denied: u64,
    /// Calls only counted since then.
    pub would_have_denied: u64,
    /// The protocol of the last call.
    pub protocol: Protocol,
}

/// A suspect in an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectRecord {
    /// First contacts that its account has let out so far.
    pub first_contacts: u64,
    /// What happens to it.
    pub on_suspect: Action,
    /// When a block ends by itself; `None` = it is not blocked.
    pub blocked_until: Option<UtcTime>,
    /// The names of other accounts that have become suspects without an event of their own; left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// How many accounts the event stands for: this one, `others`, and those that were too many to be listed.
    pub suspects: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A program in an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramRecord {
    /// Process id, as the first PID namespace sees it.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its executable; `None` if it could not be read.
    pub exe: Option<String>,
    /// Its cgroup; `None` if that was gone.
    pub cgroup: Option<String>,
    /// Its user's name or number.
    pub user: String,
    /// What its cgroup belongs to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// The account of a rule or of `exec` that its attempts count in; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How many of its attempts waited, in all.
    pub attempts: u64,
    /// How many wait now; left out where that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// How many were refused; left out if none was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Some of their destinations.
    pub sample: Vec<String>,
}

impl Event {
    /// An event without programs and without anything that only some events have.
    pub(super) fn told(id: u16, state: State, time: UtcTime, scope: String, message: String) -> Self {
        Self {
            id,
            time,
            level: Level::Warning,
            message,
            state,
            scope,
            limit: None,
            queued: 0,
            programs: Vec::new(),
            audited: false,
            reason: None,
            new_addresses: None,
            suspect: None,
            denied: None,
            udp: None,
            connections: None,
        }
    }

    /// The event for `report`, at `time`, in a scope with this `limit` and `queued` attempts.
    #[must_use]
    pub fn new(report: Report, time: UtcTime, limit: Option<u32>, queued: u64) -> Self {
        let mut message = vec![match report.state {
            episode::State::Reached => REACHED.to_owned(),
            episode::State::Cleared if report.scope_ended => ENDED.to_owned(),
            episode::State::Cleared => CLEARED.to_owned(),
        }];
        if report.audited {
            message.push("Audit mode: nothing was held.".into());
        }
        if report.earlier > 0 {
            let earlier = report.earlier;
            message
                .push(format!("Earlier episodes without an event of their own, summed up here: {earlier}."));
        }
        Self {
            limit,
            queued,
            programs: report.programs.into_iter().map(ProgramRecord::from).collect(),
            audited: report.audited,
            reason: report.reason,
            new_addresses: report.new_addresses,
            ..Self::told(EVENT_ID, report.state.into(), time, report.scope, message.join(" "))
        }
    }

    /// The event for an account that became a suspect at `time`. Its scope has this `limit`, and `queued` of its
    /// attempts wait.
    #[must_use]
    pub fn of_suspect(report: SuspectReport, time: UtcTime, limit: Option<u32>, queued: u64) -> Self {
        let blocked_until = report.block_for.filter(|_| !report.audited).map(|block| time.after(block));
        let strangers = who_waits(report.new_addresses.as_ref(), report.audited);
        let done = match (report.on_suspect, report.audited, &blocked_until) {
            (Action::Notify, ..) => format!("{strangers} Nothing else is done (on_suspect = notify)."),
            (Action::Throttle, ..) => {
                format!("{strangers} Its answers earn no more than they cost (on_suspect = throttle).")
            }
            (Action::Block, false, Some(until)) => {
                format!(" Its connects fail until {until} (on_suspect = block).")
            }
            (Action::Block, false, None) => " Its connects fail (on_suspect = block).".to_owned(),
            (Action::Block, true, _) => " Its connects would fail (on_suspect = block).".to_owned(),
        };
        let audit = if report.audited { " Audit mode: nothing is held." } else { "" };
        let message = format!("{SUSPECT}{audit}{done}{}", other_suspects(&report));
        Self {
            limit,
            queued,
            programs: vec![report.program.into()],
            audited: report.audited,
            new_addresses: report.new_addresses,
            suspect: Some(SuspectRecord {
                first_contacts: report.first_contacts,
                on_suspect: report.on_suspect,
                blocked_until,
                others: report.others,
                suspects: report.suspects,
            }),
            ..Self::told(SUSPECT_ID, State::Suspect, time, report.account, message)
        }
    }

    /// The event for a rule of `[[deny]]` that has matched by `time`.
    #[must_use]
    pub fn of_denial(report: DenialReport, time: UtcTime) -> Self {
        let audited = report.denied == 0;
        let message = if audited { WOULD_BE_DENIED } else { DENIED }.to_owned();
        Self {
            programs: vec![report.program.into()],
            audited,
            denied: Some(DeniedRecord {
                denied: report.denied,
                would_have_denied: report.would_have_denied,
                protocol: report.protocol,
            }),
            ..Self::told(DENIED_ID, State::Denied, time, report.rule, message)
        }
    }
}

/// The suspects that have no event of their own, by name as far as they are listed.
fn other_suspects(report: &SuspectReport) -> String {
    let unlisted = report.suspects.saturating_sub(1 + report.others.len() as u64);
    let mut others: Vec<String> = report.others.iter().map(|name| plain(name)).collect();
    others.extend((unlisted > 0).then(|| format!("{unlisted} more (`halfopen status --json` names them)")));
    if others.is_empty() {
        return String::new();
    }
    format!(" Other suspects without an event of their own: {}.", others.join(", "))
}

impl From<Tally> for ProgramRecord {
    fn from(tally: Tally) -> Self {
        let identity = tally.identity.unwrap_or_else(|| Identity::unknown(tally.program.uid));
        Self {
            pid: tally.program.pid,
            comm: tally.program.comm,
            exe: identity.exe,
            cgroup: identity.cgroup,
            user: identity.user,
            runs_in: identity.runs_in,
            account: tally.account,
            attempts: tally.attempts,
            waiting: tally.waiting,
            refused: tally.refused,
            sample: tally.sample.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
