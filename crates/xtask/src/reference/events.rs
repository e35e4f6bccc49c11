//! Events, from their kinds, the fields of the journal and events made for the page.

use super::{table, title};
use halfopen::config::Action;
use halfopen::events::kinds::{KINDS, Kind};
use halfopen::events::record::{CONNECTIONS_ID, DENIED_ID, EVENT_ID, STOPPED_ID, SUSPECT_ID};
use halfopen::events::system_log::{JOURNAL_FIELDS, MESSAGE_ID};
use halfopen::events::{
    ConnectionsReport, DenialReport, DestinationCount, Event, Identity, NewAddresses, Protocol, Reason,
    Report, StoppedReport, SuspectReport, Tally, episode,
};
use halfopen::otlp::{attributes, ocsf};
use halfopen::runs_in::RunsIn;
use halfopen::utc_time::UtcTime;
use halfopen_bpf::Program;
use halfopen_policy::{Contact, DatagramCounts, Excess};
use std::fmt::Write;
use std::net::SocketAddr;

pub fn page() -> String {
    let mut page = title("Events");
    page += "`halfopen events` prints the last 1,000, `--json` as [Event](json.md#event). The system log has them too: \
             journald where it listens, else syslog, always with level warning.\n\n";
    for kind in &KINDS {
        section(&mut page, kind);
    }
    let _ = write!(
        page,
        "## Fields in the journal\n\n`journalctl MESSAGE_ID={MESSAGE_ID}` finds all events, `journalctl \
         HALFOPEN_EVENT={EVENT_ID}` those of one number. Names in the second column are those of \
         [Event](json.md#event).\n\n"
    );
    let rows = JOURNAL_FIELDS.iter().map(|field| [format!("`{}`", field.name), field.meaning.to_owned()]);
    page += &table(["field", "value"], rows);
    records(&mut page);
    format!("{}\n", page.trim_end())
}

/// What a collector of OpenTelemetry gets.
fn records(page: &mut String) {
    *page += "## Log records for a collector\n\nWith [`otlp.endpoint`](configuration.md#otlp) each event is a log record: \
              its time, severity WARN (13), the line above as its body, and `halfopen.` with `state` as its event name. \
              An attribute whose value is unknown is left out. Names in the second column are those of \
              [Event](json.md#event).\n\n";
    let rows =
        attributes::ATTRIBUTES.iter().map(|found| [format!("`{}`", found.name), found.meaning.to_owned()]);
    *page += &table(["attribute", "value"], rows);
    *page += "The resource has these.\n\n";
    let rows =
        attributes::RESOURCE.iter().map(|(name, meaning)| [format!("`{name}`"), (*meaning).to_owned()]);
    *page += &table(["attribute", "value"], rows);
    let _ = write!(
        page,
        "The attribute `ocsf` is a map: the event as OCSF {} has it, in the class Network Activity. `cleared` has none: \
         OCSF knows no such activity.\n\n",
        ocsf::VERSION
    );
    let rows = ocsf::FIELDS.iter().map(|field| [format!("`{}`", field.path), field.meaning.to_owned()]);
    *page += &table(["field", "value"], rows);
}

fn section(page: &mut String, kind: &Kind) {
    let states: Vec<String> = kind.states.iter().map(|state| format!("`{}`", state.name())).collect();
    let _ = write!(page, "## {}\n\n", kind.id);
    let in_all = kind.in_all.map_or_else(String::new, |most| format!(", and {most} for all together"));
    let one = if kind.states.len() > 1 { "one pair" } else { "one" };
    let rows = [
        ["state".to_owned(), states.join(", ")],
        ["sent".to_owned(), kind.when.to_owned()],
        ["rate limit".to_owned(), format!("{one} a minute for each {}{in_all}", kind.key)],
        ["kept back".to_owned(), kind.kept_back.to_owned()],
    ];
    *page += &table(["", ""], rows);
    let examples: Vec<String> = examples(kind.id).iter().map(ToString::to_string).collect();
    let todo = format!("[event-{0}.md](../use/event-{0}.md) says what to do about one.", kind.id);
    let _ = write!(page, "```text\n{}\n```\n\n{todo}\n\n", examples.join("\n"));
}

/// A moment of the example.
fn moment() -> UtcTime {
    UtcTime::EPOCH
}

fn destination() -> SocketAddr {
    ([198, 51, 100, 7], 80).into()
}

fn dialled() -> NewAddresses {
    NewAddresses { dialled: 36, answered: 0, port: Some(80), and_other_ports: false, strangers: true }
}

fn scanner(attempts: u64) -> Tally {
    Tally {
        program: Program { pid: 2244, uid: 1000, comm: "nmap".to_owned(), cgroup_id: 1 },
        identity: Some(Identity {
            exe: Some("/usr/bin/nmap".to_owned()),
            cgroup: Some("/user.slice/user-1000.slice".to_owned()),
            user: "alice".to_owned(),
            runs_in: RunsIn::default(),
        }),
        own: None,
        account: None,
        attempts,
        waiting: None,
        refused: 0,
        contact: Contact::Known,
        sample: vec![destination()],
    }
}

fn examples(id: u16) -> Vec<Event> {
    let account = || "adaptive[/user.slice/user-1000.slice]".to_owned();
    match id {
        EVENT_ID => {
            let report = |state, attempts| Report {
                state,
                scope: "adaptive".to_owned(),
                programs: vec![Tally { account: Some(account()), ..scanner(attempts) }],
                programs_in_all: 1,
                attempts,
                reason: (state == episode::State::Reached).then_some(Reason::Credit),
                new_addresses: Some(dialled()),
                earlier: 0,
                audited: false,
                scope_ended: false,
            };
            vec![
                Event::new(report(episode::State::Reached, 218), moment(), None, 218),
                Event::new(report(episode::State::Cleared, 433), moment(), None, 0),
            ]
        }
        SUSPECT_ID => {
            let report = SuspectReport {
                account: account(),
                program: scanner(1),
                new_addresses: Some(dialled()),
                audited: false,
                first_contacts: 40,
                on_suspect: Action::Throttle,
                block_for: None,
                others: Vec::new(),
                suspects: 1,
            };
            vec![Event::of_suspect(report, moment(), None, 218)]
        }
        DENIED_ID => {
            let report = DenialReport {
                rule: "private".to_owned(),
                denied: 3,
                would_have_denied: 0,
                program: scanner(3),
                protocol: Protocol::Tcp,
            };
            vec![Event::of_denial(report, moment())]
        }
        STOPPED_ID => {
            let report = StoppedReport {
                account: account(),
                counts: DatagramCounts { let_out: 20, stopped: 412, would_have_been_stopped: 0 },
                excess: Excess::Refuse,
                program: Some(scanner(412)),
                cgroup: None,
                destination: destination(),
            };
            vec![Event::of_stopped_datagrams(report, moment())]
        }
        CONNECTIONS_ID => {
            let there =
                DestinationCount { destination: destination().to_string(), open: Some(1_998), waited: 412 };
            let report = ConnectionsReport {
                account: account(),
                reason: Reason::Established,
                limit: ("established", "2000".to_owned()),
                waited: 412,
                open: Some(2_000),
                programs: vec![scanner(412)],
                destinations: vec![there],
                audited: false,
            };
            vec![Event::of_connections(report, moment(), None, 412)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_examples_of_its_states() {
        for kind in &KINDS {
            let shown: Vec<_> = examples(kind.id).iter().map(|event| (event.id, event.state)).collect();
            let states: Vec<_> = kind.states.iter().map(|state| (kind.id, *state)).collect();
            assert_eq!(shown, states);
        }
    }
}
