//! The texts and the JSON that [`super`] makes.

use super::*;
use crate::events::Identity;
use crate::runs_in::RunsIn;
use halfopen_bpf::Program;
use halfopen_policy::Contact;
use serde_json::json;

pub fn tally() -> Tally {
    Tally {
        program: Program { pid: 4242, uid: 0, comm: "nmap\n".into(), cgroup_id: 9 },
        identity: Some(Identity {
            exe: Some("/usr/bin/nmap".into()),
            cgroup: Some("/user.slice".into()),
            user: "root".into(),
            runs_in: RunsIn::default(),
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
