//! An event says why attempts wait, what they did, what happens now, and what to do next.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use std::fs;
use std::process::Command;
use testkit::desk::{PATIENCE, ask_well, limit, program, said, until};
use testkit::{Dialer, Dialling, Lab, Limiter, LimiterBuilder, Mix, require_lab};

const DEAD: usize = 50;

fn scan(lab: &Lab) -> Dialling {
    let dead = lab.draw(&Mix { dead: DEAD, ..Mix::default() }).unwrap();
    Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap()
}

/// The first event of this number and state, as JSON and as a line.
fn await_event(limiter: &Limiter, id: u64, state: &str) -> (Value, String) {
    until("the event", PATIENCE, || {
        let events = ask_well(limiter, &["events", "--json"]);
        let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let at = events.iter().position(|event| event["id"] == id && event["state"] == state)?;
        let line = ask_well(limiter, &["events"]).lines().nth(at).unwrap().to_owned();
        Some((events[at].clone(), line))
    })
}

fn reached(builder: LimiterBuilder<'_>, lab: &Lab) -> (Value, String) {
    let limiter = builder.start().unwrap();
    let _scan = scan(lab);
    await_event(&limiter, 4226, "reached")
}

#[test]
fn the_reason_is_a_slot_where_all_are_taken() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let (event, line) = reached(limit(&lab, 5), &lab);
    assert_eq!((&event["reason"], &event["programs"][0]["waiting"]), (&"slot".into(), &45.into()), "{event}");
    assert!(line.contains(" In all, 45 wait now. Reason: slot: at most 5 may be half-open"), "{line}");
    let pid = &event["programs"][0]["pid"];
    assert!(line.ends_with(&format!(" Next: halfopen inspect {pid}; man halfopen-event-4226.")), "{line}");
}

#[test]
fn the_reason_is_the_rate_where_that_is_spent() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let builder = Limiter::builder(&lab).set("half_open", 1).set("strict", false).set("drain", "1/5s");
    let (event, line) = reached(builder, &lab);
    assert_eq!((&event["reason"], &event["limit"]), (&"rate".into(), &1.into()), "{event}");
    assert!(line.contains("Further calls wait for their turn."), "{line}");
}

#[test]
fn the_reason_is_the_queue_where_most_were_refused() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let (event, line) = reached(limit(&lab, 1).set("queue", 8), &lab);
    assert_eq!((&event["reason"], &event["queued"]), (&"queue".into(), &8.into()), "{event}");
    assert_eq!(event["programs"][0]["refused"], DEAD - 9, "{event}");
    assert!(line.contains(", and 41 refused. In all, 8 wait now. Reason: queue: it is full."), "{line}");
    assert!(line.contains(" Further calls fail with ENOBUFS."), "{line}");
}

/// An account for the lab, whose first contacts cost credit.
fn with_credit<'a>(lab: &'a Lab, directory: &tempfile::TempDir, more: &str) -> (LimiterBuilder<'a>, String) {
    let config = directory.path().join("halfopen.toml");
    let path = lab.cgroup().path();
    let root = path.ancestors().find(|above| !above.join("cgroup.events").exists()).unwrap();
    let path = format!("/{}", path.strip_prefix(root).unwrap().display());
    let rule = format!(
        "{more}\n[host]\nhalf_open = \"unlimited\"\ndrain = \"unlimited\"\n[[scope]]\nname = \"each\"\nmatch = {{ \
         cgroup = \"{path}\" }}\nper = \"cgroup\"\nfirst_contacts = 40\n"
    );
    fs::write(&config, rule).unwrap();
    (Limiter::builder(lab).program(program()).config(&config), format!("each[{path}]"))
}

#[test]
fn the_reason_is_credit_where_nobody_answers() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (builder, account) = with_credit(&lab, &directory, "");
    let limiter = builder.start().unwrap();
    let _scan = scan(&lab);
    let (event, line) = await_event(&limiter, 4226, "reached");
    assert_eq!(
        (&event["reason"], &event["programs"][0]["account"]),
        (&"credit".into(), &account.as_str().into()),
        "{event}"
    );
    assert!(
        line.contains("Its calls to strangers wait for credit; known and named peers are untouched."),
        "{line}"
    );
    let commands = format!(
        "halfopen inspect '{account}'; if it is a scan, halfopen block '{account}' --for 1h; man halfopen-event-4226."
    );
    assert!(line.contains(&commands), "{line}");

    let (event, line) = await_event(&limiter, 4227, "suspect");
    let (dialled, answered) = (&event["new_addresses"]["dialled"], &event["new_addresses"]["answered"]);
    assert!(dialled.as_u64().unwrap() > 0 && *answered == 0, "{event}");
    assert!(
        line.contains(&format!(" Lately: {dialled} new addresses on port")) && line.contains(", 0 answered."),
        "{line}"
    );
    assert!(
        line.contains("Its calls to strangers wait for credit; known and named peers are untouched."),
        "{line}"
    );
    assert!(line.contains(&format!("halfopen release '{account}'")), "{line}");
}

#[test]
fn in_audit_mode_everything_would() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (builder, _) = with_credit(&lab, &directory, "mode = \"audit\"");
    let limiter = builder.start().unwrap();
    let _scan = scan(&lab);
    let (event, line) = await_event(&limiter, 4226, "reached");
    assert_eq!((&event["reason"], &event["audited"]), (&"credit".into(), &true.into()), "{event}");
    assert!(
        line.contains(
            "Its calls to strangers would wait for credit; known and named peers would be untouched."
        ),
        "{line}"
    );
    let (event, line) = await_event(&limiter, 4227, "suspect");
    // Audit mode refuses to block.
    assert!(!line.contains("halfopen block") && line.contains("halfopen enforce --for 1h; "), "{line}");
    assert_eq!(event["audited"], true, "{event}");
    assert!(
        line.contains("Audit mode: nothing is held. Its calls to strangers would wait for credit;"),
        "{line}"
    );
}

/// Whoever names a cgroup may hope that an operator copies what the event says.
#[test]
fn the_commands_are_what_they_look_like_whatever_the_cgroup_is_called() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (builder, own) = with_credit(&lab, &directory, "");
    let config = directory.path().join("halfopen.toml");
    let path = own.strip_prefix("each[").unwrap().strip_suffix(']').unwrap();
    let rule = fs::read_to_string(&config).unwrap();
    fs::write(&config, rule.replace(path, &format!("{path}/*"))).unwrap();
    let limiter = builder.start().unwrap();
    let name = "a'; touch copied; $(touch copied) `touch copied` '";
    let service = lab.cgroup().child(name).unwrap();
    let dead = lab.draw(&Mix { dead: DEAD, ..Mix::default() }).unwrap();
    let scan = Dialer::new(&lab).cgroup(&service).destinations(dead.destinations());
    let _scan = scan.spawn().unwrap();
    let (event, line) = await_event(&limiter, 4227, "suspect");
    let account = format!("each[{path}/{name}]");
    assert_eq!(event["scope"], account.as_str(), "{event}");
    let next = line
        .split(" Next: ")
        .nth(1)
        .unwrap()
        .replace("if it may do so, ", "")
        .replace("if it is a scan, ", "");
    let commands = next.split("; man halfopen-event-4227.").next().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("halfopen() {{ printf '%s|' \"$@\"; }}\n{commands}")])
        .current_dir(directory.path());
    let run = said(&mut shell);
    let words = format!("inspect|{account}|release|{account}|block|{account}|--for|1h|");
    assert_eq!((run.code, run.out, run.error), (Some(0), words, String::new()), "{commands}");
    assert!(!directory.path().join("copied").exists(), "{commands}");
}
