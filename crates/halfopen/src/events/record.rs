//! The texts and the JSON of events: 4226, a limit is reached or no longer reached; 4227, first contacts of an account
//! mostly fail; 4228, a rule of `[[deny]]` has matched; 4229, first contacts over UDP were stopped.

use super::Identity;
use super::Tally;
use super::denials::DenialReport;
use super::episode::{self, Report};
use super::reason::{NewAddresses, Reason, who_waits};
use super::stopped_datagrams::StoppedReport;
use super::suspects::SuspectReport;
use super::text::plain;
use crate::config::Action;
use crate::utc_time::UtcTime;
use halfopen_bpf::Denied;
use halfopen_policy::Excess;
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
const REACHED: &str =
    "TCP/IP has reached the security limit imposed on the number of concurrent TCP connect attempts.";
const CLEARED: &str =
    "No TCP connect attempt has waited for 10 seconds: the security limit is no longer reached.";
const ENDED: &str = "The scope has ended: its security limit is no longer reached.";
const SUSPECT: &str = "First contacts mostly fail, like those of a scan.";
const DENIED: &str = "A deny rule refused connections or datagrams.";
const WOULD_BE_DENIED: &str =
    "A deny rule would have refused connections or datagrams. Audit mode: it only counted them.";
const TOO_MANY: &str = "there were more than udp_first_contacts allows.";

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
    /// Its number, 4226 to 4229.
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
    /// Why most of the attempts wait or were refused, in audit mode would; left out if unknown, and of other events than the first 4226
    /// of a pair.
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
}

/// First contacts over UDP in an [`Event`], since the last event of that scope or account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UdpRecord {
    /// Sent.
    pub let_out: u64,
    /// Refused or dropped.
    pub stopped: u64,
    /// Sent in audit mode although enforcing would have stopped them.
    pub would_have_been_stopped: u64,
    /// The destination of the last one.
    pub destination: String,
    /// The cgroup in which its socket was made; `None` if that is gone.
    pub cgroup: Option<String>,
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
            id: EVENT_ID,
            time,
            level: Level::Warning,
            message: message.join(" "),
            state: report.state.into(),
            scope: report.scope,
            limit,
            queued,
            programs: report.programs.into_iter().map(ProgramRecord::from).collect(),
            audited: report.audited,
            reason: report.reason,
            new_addresses: report.new_addresses,
            suspect: None,
            denied: None,
            udp: None,
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
        let others = other_suspects(&report);
        Self {
            id: SUSPECT_ID,
            time,
            level: Level::Warning,
            message: format!("{SUSPECT}{audit}{done}{others}"),
            state: State::Suspect,
            scope: report.account,
            limit,
            queued,
            programs: vec![report.program.into()],
            audited: report.audited,
            reason: None,
            new_addresses: report.new_addresses,
            suspect: Some(SuspectRecord {
                first_contacts: report.first_contacts,
                on_suspect: report.on_suspect,
                blocked_until,
                others: report.others,
                suspects: report.suspects,
            }),
            denied: None,
            udp: None,
        }
    }

    /// The event for a rule of `[[deny]]` that has matched by `time`.
    #[must_use]
    pub fn of_denial(report: DenialReport, time: UtcTime) -> Self {
        let audited = report.denied == 0;
        Self {
            id: DENIED_ID,
            time,
            level: Level::Warning,
            message: if audited { WOULD_BE_DENIED } else { DENIED }.to_owned(),
            state: State::Denied,
            scope: report.rule,
            limit: None,
            queued: 0,
            programs: vec![report.program.into()],
            audited,
            reason: None,
            new_addresses: None,
            suspect: None,
            denied: Some(DeniedRecord {
                denied: report.denied,
                would_have_denied: report.would_have_denied,
                protocol: report.protocol,
            }),
            udp: None,
        }
    }

    /// The event for an account that has stopped first contacts over UDP by `time`.
    #[must_use]
    pub fn of_stopped_datagrams(report: StoppedReport, time: UtcTime) -> Self {
        let audited = report.counts.stopped == 0;
        let done = match report.excess {
            Excess::Refuse => "refused",
            Excess::Drop => "dropped",
        };
        let message = if audited {
            format!("First contacts over UDP would have been {done}: {TOO_MANY} Audit mode: all were sent.")
        } else {
            format!("First contacts over UDP were {done}: {TOO_MANY}")
        };
        Self {
            id: STOPPED_ID,
            time,
            level: Level::Warning,
            message,
            state: State::UdpStopped,
            scope: report.account,
            limit: None,
            queued: 0,
            programs: report.program.into_iter().map(ProgramRecord::from).collect(),
            audited,
            reason: None,
            new_addresses: None,
            suspect: None,
            denied: None,
            udp: Some(UdpRecord {
                let_out: report.counts.let_out,
                stopped: report.counts.stopped,
                would_have_been_stopped: report.counts.would_have_been_stopped,
                destination: report.destination.to_string(),
                cgroup: report.cgroup,
            }),
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
            account: tally.account,
            attempts: tally.attempts,
            waiting: tally.waiting,
            refused: tally.refused,
            sample: tally.sample.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::events::Identity;
    use halfopen_bpf::Program;
    use halfopen_policy::{Contact, DatagramCounts};
    use serde_json::json;

    fn tally() -> Tally {
        Tally {
            program: Program { pid: 4242, uid: 0, comm: "nmap\n".into(), cgroup_id: 9 },
            identity: Some(Identity {
                exe: Some("/usr/bin/nmap".into()),
                cgroup: Some("/user.slice".into()),
                user: "root".into(),
            }),
            own: None,
            account: None,
            attempts: 244,
            waiting: None,
            refused: 0,
            contact: Contact::Known,
            sample: vec!["198.18.0.7:80".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap()],
        }
    }

    pub fn scanned() -> Event {
        let report = Report {
            state: episode::State::Reached,
            scope: "host".into(),
            programs: vec![tally()],
            programs_in_all: 1,
            attempts: 244,
            reason: None,
            new_addresses: None,
            earlier: 0,
            audited: false,
            scope_ended: false,
        };
        Event::new(report, UtcTime::EPOCH, Some(10), 244)
    }

    #[test]
    fn the_json_is_the_contract_s() {
        let expected = json!({
            "id": 4226, "time": "1970-01-01T00:00:00.000Z", "level": "warning", "message": REACHED,
            "state": "reached", "scope": "host", "limit": 10, "queued": 244,
            "programs": [{
                "pid": 4242, "comm": "nmap\n", "exe": "/usr/bin/nmap", "cgroup": "/user.slice",
                "user": "root", "attempts": 244, "sample": ["198.18.0.7:80", "[2001:db8::1]:80"],
            }],
        });
        assert_eq!(serde_json::to_value(scanned()).unwrap(), expected);
    }

    #[test]
    fn nobody_waits_in_audit_mode() {
        let event = Event { audited: true, ..scanned() };
        assert!(event.to_string().contains(": 244 attempts would have waited, such as "), "{event}");
        let sent = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&sent).unwrap(), event);
    }

    #[test]
    fn what_is_not_known_is_null() {
        let mut event = scanned();
        event.limit = None;
        event.programs[0].exe = None;
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!((&json["limit"], &json["programs"][0]["exe"]), (&json!(null), &json!(null)));
    }

    #[test]
    fn the_line_names_the_program_and_stays_one_line() {
        assert_eq!(
            scanned().to_string(),
            format!(
                "event 4226: {REACHED} Reached by nmap\\x0a (pid 4242, /usr/bin/nmap, cgroup /user.slice, \
                 user root): 244 attempts waiting, such as 198.18.0.7:80. In all, 244 wait now. Next: halfopen inspect \
                 4242; man halfopen-event-4226."
            )
        );
    }

    #[test]
    fn the_line_names_each_account_once() {
        let of = |account: &str| ProgramRecord { account: Some(account.into()), ..tally().into() };
        let mut event = scanned();
        event.scope = "second".into();
        event.programs = ["second[/a]", "second[/b\n]", "second[/a]", "second"].map(of).into();
        let line = event.to_string();
        assert!(line.contains(" Scope: second. Account: second[/a]. Reached by nmap"), "{line}");
        assert!(line.contains("; and by 3 more programs of second[/b\\x0a]. In all, "), "{line}");
    }

    #[test]
    fn a_suspect_s_event_has_a_number_of_its_own() {
        let report = SuspectReport {
            account: "adaptive[/system.slice/x.service]".into(),
            program: tally(),
            first_contacts: 40,
            on_suspect: Action::Block,
            block_for: Some(std::time::Duration::from_mins(10)),
            new_addresses: Some(NewAddresses {
                dialled: 17,
                answered: 0,
                port: Some(80),
                and_other_ports: false,
                strangers: true,
            }),
            audited: false,
            others: vec!["adaptive[/b\n]".into()],
            suspects: 4,
        };
        let event = Event::of_suspect(report, UtcTime::EPOCH, None, 7);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!((&json["id"], &json["state"]), (&json!(4227), &json!("suspect")));
        let known = json!({
            "first_contacts": 40, "on_suspect": "block", "blocked_until": "1970-01-01T00:10:00.000Z",
            "others": ["adaptive[/b\n]"], "suspects": 4,
        });
        assert_eq!(json["suspect"], known);
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        assert_eq!(
            event.to_string(),
            "event 4227: First contacts mostly fail, like those of a scan. Its connects fail until \
             1970-01-01T00:10:00.000Z (on_suspect = block). Other suspects without an event of their own: \
             adaptive[/b\\x0a], 2 more (`halfopen status --json` names them). Scope: \
             adaptive[/system.slice/x.service]. Lately: 17 new addresses on port 80, 0 answered. First contacts so far, \
             in all: 40. The latest was made by nmap\\x0a (pid 4242, /usr/bin/nmap, cgroup /user.slice, user root), to \
             198.18.0.7:80. Next: halfopen inspect 'adaptive[/system.slice/x.service]'; if it may do so, halfopen \
             release 'adaptive[/system.slice/x.service]'; if it is a scan, halfopen block 'adaptive[/system.slice/x.service]' \
             --for 1h; man halfopen-event-4227."
        );
    }

    #[test]
    fn a_denial_s_event_names_rule_program_and_destination() {
        let report = DenialReport {
            rule: "private".into(),
            denied: 3,
            would_have_denied: 0,
            program: tally(),
            protocol: Protocol::Udp,
        };
        let event = Event::of_denial(report, UtcTime::EPOCH);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!((&json["id"], &json["state"]), (&json!(4228), &json!("denied")));
        assert_eq!(json["denied"], json!({"denied": 3, "would_have_denied": 0, "protocol": "udp"}));
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        assert_eq!(
            event.to_string(),
            "event 4228: A deny rule refused connections or datagrams. Rule: private. Calls since its last \
             event: 3. The last was made by nmap\\x0a (pid 4242, /usr/bin/nmap, cgroup /user.slice, user root), to \
             198.18.0.7:80, by udp. Such calls fail with EPERM. Next: halfopen inspect 4242; man halfopen-event-4228."
        );
    }

    fn stopped(program: Option<Tally>, excess: Excess, counts: DatagramCounts) -> Event {
        let report = StoppedReport {
            account: "mine[/a\n]".into(),
            counts,
            excess,
            program,
            cgroup: Some("/a".into()),
            destination: "198.18.0.9:53".parse().unwrap(),
        };
        Event::of_stopped_datagrams(report, UtcTime::EPOCH)
    }

    #[test]
    fn a_stopped_datagram_s_event_names_account_program_and_destination() {
        let counts = DatagramCounts { let_out: 5, stopped: 3, would_have_been_stopped: 0 };
        let event = stopped(Some(tally()), Excess::Refuse, counts);
        let json = serde_json::to_value(&event).unwrap();
        let expected = json!([4229, "udp_stopped", "mine[/a\n]", "nmap\n", State::UdpStopped.name()]);
        let found =
            json!([json["id"], json["state"], json["scope"], json["programs"][0]["comm"], json["state"]]);
        assert_eq!(found, expected);
        let udp = json!({
            "let_out": 5, "stopped": 3, "would_have_been_stopped": 0, "destination": "198.18.0.9:53", "cgroup": "/a",
        });
        assert_eq!((&json["udp"], &json["audited"]), (&udp, &json!(null)));
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        assert_eq!(
            event.to_string(),
            "event 4229: First contacts over UDP were refused: there were more than udp_first_contacts allows. Scope: \
             mine[/a\\x0a]. Since its last event: 5 let out, 3 stopped, 0 would have been. The last was sent by nmap\\x0a \
             (pid 4242, /usr/bin/nmap, cgroup /user.slice, user root), to 198.18.0.9:53. Packets to more new addresses do \
             not go out; those to addresses that it knows do. Next: halfopen inspect 'mine[/a\\x0a]'; man \
             halfopen-event-4229."
        );
    }

    #[test]
    fn a_stopped_datagram_s_event_says_what_it_does_not_know_and_what_was_only_counted() {
        let counts = DatagramCounts { let_out: 5, stopped: 0, would_have_been_stopped: 2 };
        let event = stopped(None, Excess::Drop, counts);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!((&json["programs"], &json["audited"]), (&json!([]), &json!(true)));
        assert_eq!(
            event.to_string(),
            "event 4229: First contacts over UDP would have been dropped: there were more than udp_first_contacts \
             allows. Audit mode: all were sent. Scope: mine[/a\\x0a]. Since its last event: 5 let out, 0 stopped, 2 \
             would have been. The last was sent by an unknown program (its socket is of cgroup /a), to 198.18.0.9:53. Packets \
             to more new addresses pass; enforcing, they would not. Next: halfopen inspect 'mine[/a\\x0a]'; man \
             halfopen-event-4229."
        );
        let dropped = stopped(None, Excess::Drop, DatagramCounts { stopped: 1, ..counts });
        assert!(dropped.message.starts_with("First contacts over UDP were dropped"), "{dropped}");
    }
}
