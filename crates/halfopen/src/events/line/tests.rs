//! The lines of events that [`super`] makes; those of each number are in `record.rs`.

use super::*;
use crate::config::Action;
use crate::events::record::tests::scanned;
use crate::events::{NewAddresses, SuspectReport, Tally};
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_bpf::Program;
use halfopen_policy::Contact;

fn reached(reason: Reason, audited: bool) -> String {
    let mut event = scanned();
    event.scope = "adaptive".into();
    event.programs[0].account = Some("adaptive[/services/scan]".into());
    event.programs[0].waiting = Some(200);
    (event.reason, event.audited) = (Some(reason), audited);
    event.new_addresses = (reason == Reason::Credit).then_some(NewAddresses {
        dialled: 17,
        answered: 0,
        port: Some(22),
        and_other_ports: true,
        strangers: true,
    });
    event.to_string()
}

#[test]
fn numbers_are_what_they_are_called() {
    let line = reached(Reason::Slot, false);
    assert!(
        line.contains(
            "): 200 attempts waiting, 244 in all so far, such as 198.18.0.7:80. In all, 244 wait now."
        ),
        "{line}"
    );
    assert!(
        line.contains(" Reason: slot: at most 10 may be half-open, and all of these slots are taken."),
        "{line}"
    );
    let line = reached(Reason::Slot, true);
    assert!(
        line.contains("): 244 attempts would have waited, such as 198.18.0.7:80. Reason: slot: "),
        "{line}"
    );
}

#[test]
fn each_reason_says_what_happens_now_and_audit_mode_what_would() {
    for (reason, now, would) in [
        (
            Reason::Credit,
            "strangers wait for credit; known and named peers are untouched.",
            "strangers would wait for credit; known and named peers would be untouched.",
        ),
        (Reason::Slot, "Further calls wait for a slot.", "Further calls would wait for a slot."),
        (Reason::Rate, "Further calls wait for their turn.", "Further calls would wait for their turn."),
        (Reason::Turn, "Further calls wait for their turn.", "Further calls would wait for their turn."),
        (Reason::Queue, "Further calls fail with ENOBUFS.", "Further calls would fail with ENOBUFS."),
    ] {
        let (line, audited) = (reached(reason, false), reached(reason, true));
        assert!(line.contains(&format!(" Reason: {}: ", reason.name())) && line.contains(now), "{line}");
        assert!(
            audited.contains(would) && !audited.contains("waiting") && !audited.contains(now),
            "{audited}"
        );
    }
    let line = reached(Reason::Credit, false);
    assert!(
        line.contains(" Reason: credit: of 17 new addresses on ports such as 22, 0 answered. Its calls"),
        "{line}"
    );
    assert!(
        line.ends_with(
            " Next: halfopen inspect 'adaptive[/services/scan]'; if it is a scan, halfopen block 'adaptive[/services/scan]' --for \
             1h; man halfopen-event-4226."
        ),
        "{line}"
    );
}

fn suspect(on_suspect: Action, audited: bool) -> Event {
    let program = Program { pid: 7, uid: 0, comm: "a".into(), cgroup_id: 9 };
    let report = SuspectReport {
        account: "adaptive[/a]".into(),
        program: Tally {
            program,
            identity: None,
            own: None,
            account: None,
            attempts: 1,
            waiting: None,
            refused: 0,
            contact: Contact::Known,
            sample: Vec::new(),
        },
        new_addresses: None,
        audited,
        first_contacts: 40,
        on_suspect,
        block_for: Some(std::time::Duration::from_mins(1)),
        others: Vec::new(),
        suspects: 1,
    };
    Event::of_suspect(report, UtcTime::EPOCH, None, 0)
}

#[test]
fn nothing_happens_to_a_suspect_in_audit_mode() {
    for action in [Action::Notify, Action::Throttle, Action::Block] {
        let (event, audited) = (suspect(action, false), suspect(action, true));
        assert!(!event.audited && !event.message.contains("would"), "{event}");
        assert!(audited.audited && audited.message.contains("Audit mode: nothing is held."), "{audited}");
        assert!(audited.message.contains("would") && !audited.message.contains(" fail until"), "{audited}");
        assert_eq!(audited.suspect.unwrap().blocked_until, None);
    }
}

#[test]
fn a_name_is_one_word_for_a_shell_whatever_it_contains() {
    for (name, word) in [
        ("torrent", "torrent"),
        ("adaptive[/a b]", "'adaptive[/a b]'"),
        ("a[/x'; rm -rf ~; ']", r"'a[/x'\''; rm -rf ~; '\'']'"),
        ("--all", "'--all'"),
        ("$(reboot)", "'$(reboot)'"),
    ] {
        assert_eq!(quoted(name), word);
    }
    let mut event = scanned();
    event.scope = "a[/x'\n]".into();
    event.programs.clear();
    let line = event.to_string();
    assert!(line.ends_with(r" Next: halfopen inspect 'a[/x'\''\x0a]'; man halfopen-event-4226."), "{line}");
}

#[test]
fn where_named_addresses_count_too_they_are_not_said_to_be_untouched() {
    let dialled =
        NewAddresses { dialled: 9, answered: 0, port: None, and_other_ports: false, strangers: false };
    for (audited, said) in [
        (false, " Its calls to new addresses wait for credit; known peers are untouched."),
        (true, " Its calls to new addresses would wait for credit; known peers would be untouched."),
    ] {
        assert_eq!((who_waits(Some(&dialled), audited), who_waits(None, audited)), (said, said));
    }
}

#[test]
fn the_unit_or_container_is_named() {
    let mut event = scanned();
    event.programs[0].cgroup = Some("/system.slice/scan.service".into());
    event.programs[0].runs_in = RunsIn::of_path("/system.slice/scan.service");
    assert!(
        event.to_string().contains("cgroup /system.slice/scan.service, user root, unit scan.service): "),
        "{event}"
    );
}
