//! The text and the JSON of event 4229: first contacts over UDP were stopped.

use super::record::{Event, ProgramRecord, STOPPED_ID, State};
use super::stopped_datagrams::StoppedReport;
use super::text::{plain, socket_of};
use crate::utc_time::UtcTime;
use halfopen_policy::Excess;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

const TOO_MANY: &str = "there were more than udp_first_contacts allows.";

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

impl fmt::Display for UdpRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { let_out, stopped, would_have_been_stopped: audited, .. } = self;
        write!(f, "Since its last event: {let_out} let out, {stopped} stopped, {audited} would have been.")
    }
}

impl Event {
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
            programs: report.program.into_iter().map(ProgramRecord::from).collect(),
            audited,
            udp: Some(UdpRecord {
                let_out: report.counts.let_out,
                stopped: report.counts.stopped,
                would_have_been_stopped: report.counts.would_have_been_stopped,
                destination: report.destination.to_string(),
                cgroup: report.cgroup,
            }),
            ..Self::told(STOPPED_ID, State::UdpStopped, time, report.account, message)
        }
    }

    pub(super) fn write_stopped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(udp) = &self.udp else { return Ok(()) };
        let by = match self.programs.first() {
            Some(top) => top.describe(),
            None => format!("an unknown program ({})", socket_of(udp.cgroup.as_deref())),
        };
        let now = if self.audited {
            "Packets to more new addresses pass; enforcing, they would not."
        } else {
            "Packets to more new addresses do not go out; those to addresses that it knows do."
        };
        write!(
            f,
            " Scope: {}. {udp} The last was sent by {by}, to {}. {now}",
            plain(&self.scope),
            udp.destination
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Tally;
    use crate::events::record::tests::tally;
    use halfopen_policy::DatagramCounts;
    use serde_json::json;

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
