//! Event 4226 as it is written down.

use super::episode::{Report, State, Tally};
use super::text::plain;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The original's number.
pub const EVENT_ID: u16 = 4226;
const REACHED: &str =
    "TCP/IP has reached the security limit imposed on the number of concurrent TCP connect attempts.";
const CLEARED: &str =
    "No TCP connect attempt has waited for 10 seconds: the security limit is no longer reached.";
const ENDED: &str = "The scope has ended: its security limit is no longer reached.";

/// One event; its JSON is a contract with scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Always [`EVENT_ID`].
    pub id: u16,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Always `warning`, as the original.
    pub level: String,
    /// The original's text, and what it could not say: audit mode, episodes summed up.
    pub message: String,
    /// Whether the limit was reached or is no longer.
    pub state: State,
    /// The scope's name.
    pub scope: String,
    /// Its `half_open`; `None` = unlimited.
    pub limit: Option<u32>,
    /// Attempts waiting as it was written.
    pub queued: u64,
    /// The programs with the most attempts, most first.
    pub programs: Vec<ProgramRecord>,
    /// Whether the attempts were only counted; not written where they were held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audited: bool,
}

/// A program in an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRecord {
    /// Process id, as the first PID namespace sees it.
    pub pid: u32,
    /// The name it gave itself.
    pub comm: String,
    /// Its executable; `None` where it could not be read.
    pub exe: Option<String>,
    /// Its cgroup; `None` where that was gone.
    pub cgroup: Option<String>,
    /// Its user's name or number.
    pub user: String,
    /// How many of its attempts waited.
    pub attempts: u64,
    /// Some of their destinations.
    pub sample: Vec<String>,
}

/// A point in time as events write it. Times of equal length sort as their texts do.
#[must_use]
pub fn written_time(time: Timestamp) -> String {
    format!("{time:.3}")
}

impl Event {
    /// What `report` comes to, at `time`, with the scope's `limit` and `queued` attempts.
    #[must_use]
    pub fn new(report: Report, time: Timestamp, limit: Option<u32>, queued: u64) -> Self {
        let mut message = vec![match report.state {
            State::Reached => REACHED.to_owned(),
            State::Cleared if report.scope_ended => ENDED.to_owned(),
            State::Cleared => CLEARED.to_owned(),
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
            time: written_time(time),
            level: "warning".into(),
            message: message.join(" "),
            state: report.state,
            scope: report.scope,
            limit,
            queued,
            programs: report.programs.into_iter().map(ProgramRecord::from).collect(),
            audited: report.audited,
        }
    }
}

/// One line for people. Nothing in it that a program chose can break the line.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.id, self.message)?;
        if self.scope != "host" {
            write!(f, " Scope: {}.", plain(&self.scope))?;
        }
        let Some(top) = self.programs.first() else { return Ok(()) };
        let by = match self.state {
            State::Reached => "Reached by",
            State::Cleared => "It was reached by",
        };
        let waiting = match self.state {
            _ if self.audited => "would have waited",
            State::Reached => "waiting",
            State::Cleared => "waited",
        };
        write!(f, " {by} {}: {} attempts {waiting}", top.describe(), top.attempts)?;
        if let Some(destination) = top.sample.first() {
            write!(f, ", such as {destination}")?;
        }
        match self.programs.len() {
            1 => Ok(()),
            2 => f.write_str("; and by one program more"),
            n => write!(f, "; and by {} programs more", n - 1),
        }
    }
}

impl ProgramRecord {
    /// Name, process, executable, cgroup and user, safe to print.
    #[must_use]
    pub fn describe(&self) -> String {
        let known = |text: &Option<String>, otherwise: &str| text.as_deref().map_or(otherwise.into(), plain);
        format!(
            "{} (pid {}, {}, cgroup {}, user {})",
            plain(&self.comm),
            self.pid,
            known(&self.exe, "executable unknown"),
            known(&self.cgroup, "unknown"),
            plain(&self.user)
        )
    }
}

impl From<Tally> for ProgramRecord {
    fn from(tally: Tally) -> Self {
        Self {
            pid: tally.program.pid,
            comm: tally.program.comm,
            exe: tally.identity.exe,
            cgroup: tally.identity.cgroup,
            user: tally.identity.user,
            attempts: tally.attempts,
            sample: tally.sample.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::events::Identity;
    use halfopen_kernel::Program;
    use serde_json::json;

    pub fn scanned() -> Event {
        let tally = Tally {
            program: Program { pid: 4242, uid: 0, comm: "nmap\n".into(), cgroup_id: 9 },
            identity: Identity {
                exe: Some("/usr/bin/nmap".into()),
                cgroup: Some("/user.slice".into()),
                user: "root".into(),
            },
            attempts: 244,
            sample: vec!["198.18.0.7:80".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap()],
        };
        let report = Report {
            state: State::Reached,
            scope: "host".into(),
            programs: vec![tally],
            programs_in_all: 1,
            attempts: 244,
            earlier: 0,
            audited: false,
            scope_ended: false,
        };
        Event::new(report, Timestamp::UNIX_EPOCH, Some(10), 244)
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
                "event 4226: {REACHED} Reached by nmap\\u{{a}} (pid 4242, /usr/bin/nmap, cgroup /user.slice, \
                 user root): 244 attempts waiting, such as 198.18.0.7:80"
            )
        );
    }
}
