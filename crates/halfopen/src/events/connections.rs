//! The text and the JSON of event 4230: a limit on connections holds attempts back.

use super::Tally;
use super::reason::Reason;
use super::record::{CONNECTIONS_ID, Event, ProgramRecord, State};
use super::text::plain;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many destinations an event names.
pub const DESTINATIONS: usize = 5;

/// The contents of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionsReport {
    /// The account's name.
    pub account: String,
    /// Which limit holds its attempts back.
    pub reason: Reason,
    /// The limit's key, and its value in force.
    pub limit: (&'static str, String),
    /// Attempts that began to wait for a limit on connections since the account's last event.
    pub waited: u64,
    /// Connections that count as open now, half-open ones included; `None` = no limit counts them.
    pub open: Option<u64>,
    /// The programs with the most of these attempts, most first.
    pub programs: Vec<Tally>,
    /// The destinations with the most connections, most first.
    pub destinations: Vec<DestinationCount>,
    /// Whether the attempts were only counted.
    pub audited: bool,
}

/// A limit on connections in an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsRecord {
    /// The limit's key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Attempts that began to wait (in audit mode: would have waited) for a limit on connections since the last event of
    /// that scope or account.
    pub waited: u64,
    /// Connections that count as open now, half-open ones included; `None` = no limit counts them.
    pub open: Option<u64>,
    /// The destinations with the most connections, or with the most of these attempts if no limit counts connections: at
    /// most 5, most first.
    pub destinations: Vec<DestinationCount>,
}

/// A destination in a [`ConnectionsRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DestinationCount {
    /// The address and port.
    pub destination: String,
    /// Connections to it that are open now, half-open ones included; `None` = no limit counts them.
    pub open: Option<u64>,
    /// Attempts to it that waited since the last event.
    pub waited: u64,
}

impl fmt::Display for DestinationCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.map_or_else(String::new, |open| format!("{open} open, "));
        write!(f, "{} ({open}{} waited)", self.destination, self.waited)
    }
}

impl Event {
    /// The event for an account whose attempts a limit on connections holds back at `time`. Its scope has this
    /// `half_open`, and `queued` of its attempts wait.
    #[must_use]
    pub fn of_connections(
        report: ConnectionsReport,
        time: UtcTime,
        half_open: Option<u32>,
        queued: u64,
    ) -> Self {
        let (key, value) = report.limit;
        let message = if report.audited {
            format!(
                "New connections would have waited: there were more than {key} allows. Audit mode: nothing is held."
            )
        } else {
            format!("New connections wait: there are more than {key} allows.")
        };
        Self {
            limit: half_open,
            queued,
            programs: report.programs.into_iter().map(ProgramRecord::from).collect(),
            audited: report.audited,
            reason: Some(report.reason),
            connections: Some(ConnectionsRecord {
                key: key.to_owned(),
                value,
                waited: report.waited,
                open: report.open,
                destinations: report.destinations,
            }),
            ..Self::told(CONNECTIONS_ID, State::ConnectionLimit, time, report.account, message)
        }
    }

    pub(super) fn write_connections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(held) = &self.connections else { return Ok(()) };
        let waited = if self.audited { "would have waited" } else { "waited" };
        write!(f, " Scope: {}. Limit: {} = {}.", plain(&self.scope), held.key, held.value)?;
        write!(f, " Attempts that {waited} since its last event: {}.", held.waited)?;
        if let Some(open) = held.open {
            write!(f, " Open now: {open}.")?;
        }
        if let Some(top) = self.programs.first() {
            write!(f, " Most were made by {}: {}", top.describe(), top.attempts)?;
            match self.programs.len() {
                1 => f.write_str(".")?,
                2 => f.write_str("; the others by one more program.")?,
                n => write!(f, "; the others by {} more programs.", n - 1)?,
            }
        }
        if !held.destinations.is_empty() {
            let most: Vec<String> = held.destinations.iter().map(ToString::to_string).collect();
            write!(f, " Most go to {}.", most.join(", "))?;
        }
        f.write_str(match (self.audited, self.reason) {
            (true, _) => " Further calls would wait.",
            (false, Some(Reason::Established | Reason::DestinationEstablished)) => {
                " Further calls wait until connections end."
            }
            (false, Some(Reason::DestinationHalfOpen)) => {
                " Further calls to such a destination wait until it answers."
            }
            (false, _) => " Further calls wait for their turn.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::tests::tally;
    use serde_json::json;

    fn report() -> ConnectionsReport {
        let to = |destination: &str, open, waited| DestinationCount {
            destination: destination.to_owned(),
            open: Some(open),
            waited,
        };
        ConnectionsReport {
            account: "hosting[/a\n]".into(),
            reason: Reason::Established,
            limit: ("established", "10".into()),
            waited: 260,
            open: Some(10),
            programs: vec![tally()],
            destinations: vec![to("198.18.0.7:80", 7, 200), to("[2001:db8::1]:443", 3, 60)],
            audited: false,
        }
    }

    fn event(report: ConnectionsReport) -> Event {
        Event::of_connections(report, UtcTime::EPOCH, Some(256), 254)
    }

    #[test]
    fn the_json_names_the_limit_and_the_destinations() {
        let json = serde_json::to_value(event(report())).unwrap();
        let expected = json!([4230, "connections", "hosting[/a\n]", "established", 256, 254, "nmap\n"]);
        let found = json!([
            json["id"],
            json["state"],
            json["scope"],
            json["reason"],
            json["limit"],
            json["queued"],
            json["programs"][0]["comm"]
        ]);
        assert_eq!(found, expected);
        assert_eq!(json["state"], State::ConnectionLimit.name());
        let connections = json!({
            "key": "established", "value": "10", "waited": 260, "open": 10,
            "destinations": [
                {"destination": "198.18.0.7:80", "open": 7, "waited": 200},
                {"destination": "[2001:db8::1]:443", "open": 3, "waited": 60},
            ],
        });
        assert_eq!(json["connections"], connections);
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event(report()));
    }

    #[test]
    fn the_line_says_who_which_limit_where_to_and_what_to_do() {
        assert_eq!(
            event(report()).to_string(),
            "event 4230: New connections wait: there are more than established allows. Scope: hosting[/a\\x0a]. Limit: \
             established = 10. Attempts that waited since its last event: 260. Open now: 10. Most were made by nmap\\x0a \
             (pid 4242, /usr/bin/nmap, cgroup /user.slice, user root): 244. Most go to 198.18.0.7:80 (7 open, 200 \
             waited), [2001:db8::1]:443 (3 open, 60 waited). Further calls wait until connections end. Next: halfopen \
             inspect 'hosting[/a\\x0a]'; halfopen why 4242; man halfopen-event-4230."
        );
    }

    #[test]
    fn audit_mode_holds_nothing_and_what_is_not_counted_is_not_told() {
        let destination = DestinationCount { open: None, ..report().destinations.swap_remove(0) };
        let limit = ("connect_rate", "20/s".to_owned());
        let audited = ConnectionsReport {
            reason: Reason::ConnectRate,
            limit,
            open: None,
            programs: vec![tally(), tally()],
            destinations: vec![destination],
            audited: true,
            ..report()
        };
        let event = event(audited);
        assert_eq!(
            event.to_string(),
            "event 4230: New connections would have waited: there were more than connect_rate allows. Audit mode: nothing \
             is held. Scope: hosting[/a\\x0a]. Limit: connect_rate = 20/s. Attempts that would have waited since its last \
             event: 260. Most were made by nmap\\x0a (pid 4242, /usr/bin/nmap, cgroup /user.slice, user root): 244; the \
             others by one more program. Most go to 198.18.0.7:80 (200 waited). Further calls would wait. Next: halfopen \
             inspect 'hosting[/a\\x0a]'; man halfopen-event-4230."
        );
        let json = serde_json::to_value(event).unwrap();
        assert_eq!((&json["audited"], &json["connections"]["open"]), (&json!(true), &json!(null)));
    }
}
