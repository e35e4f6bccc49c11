//! A pinned limit goes on without its daemon, and every command says so first, with the numbers of the pins.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, Said, ask, ask_well, limit, program, said, unbroken, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

const LIMIT: u32 = 5;
const DIALLED: u32 = 30;

fn dial_dead(lab: &Lab, count: u32) -> Dialling {
    let dead = lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    dialling
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e} in {said:?}"))
}

fn holds(lab: &Lab) -> String {
    format!("No daemon answers, but the limit pinned in {} holds.", lab.pins().display())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What does not change while nothing happens.
fn still(mut scope: Value) -> Value {
    for moving in ["longest_wait_ms", "credit", "suspect_since"] {
        scope.as_object_mut().unwrap().remove(moving);
    }
    scope
}

#[test]
fn every_command_tells_that_the_limit_holds_and_reads_it() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).set("slot_life", "10m").persist().start().unwrap();
    let dialling = dial_dead(&lab, DIALLED);
    let waiting = i64::from(DIALLED - LIMIT);
    limiter.await_status("the rest to wait", PATIENCE, |status| status.host.queued == waiting).unwrap();
    let event =
        until("the event", PATIENCE, || Some(limiter.events().unwrap()).filter(|found| !found.is_empty()));
    let before: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    assert!(before["unwatched"].is_null(), "{before}");
    limiter.kill();

    let unwatched = |json: &Value| {
        assert_eq!(json["unwatched"]["explanation"], holds(&lab).as_str(), "{json}");
        assert_eq!(json["unwatched"]["pins"], lab.pins().to_str().unwrap());
        assert_eq!(json["unwatched"]["version"], env!("CARGO_PKG_VERSION"));
    };
    // On standard output where that is text, otherwise beside it.
    let tells = |arguments: &[&str]| {
        let said = ask(&limiter, arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        let first =
            if said.out.starts_with("No daemon") { first_line(&said.out) } else { first_line(&said.error) };
        assert_eq!(first.trim_start_matches("halfopen: "), holds(&lab), "{arguments:?}: {said:?}");
        said
    };
    let text = tells(&["status"]).out;
    assert!(text.contains("mode enforce") && text.contains("halfopen off"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("queued ") && line.ends_with(" 25")), "{text}");
    let status = json(&tells(&["status", "--json"]));
    unwatched(&status);
    assert_eq!(still(status["host"].clone()), still(before["host"].clone()));
    assert_eq!(status["programs"][0]["exe"], before["programs"][0]["exe"]);
    assert_eq!((&status["mode"], &status["persist"]), (&before["mode"], &before["persist"]));

    assert!(tells(&["report"]).out.contains("25"), "what waits is told");
    unwatched(&json(&tells(&["report", "--json"])));

    let pid = dialling.pid().to_string();
    let text = tells(&["why", &pid]).out;
    assert!(text.contains("waits for a slot of host: 5 of 5 are in use, 25 attempts wait"), "{text}");
    let why = json(&tells(&["why", &pid, "--json"]));
    unwatched(&why);
    let in_state = |state: &str| {
        why["attempts"].as_array().unwrap().iter().filter(|attempt| attempt["state"] == state).count()
    };
    assert_eq!((in_state("queued"), in_state("half_open")), (25, 5), "{why}");

    for (name, value) in [("half_open", "5"), ("host.slot_life", "10m"), ("mode", "enforce")] {
        assert_eq!(tells(&["get", name]).out, value, "{name}");
    }
    let said = ask(&limiter, &["get", "never_hold"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.error.contains("halfopen check"), "{said:?}");

    let told = tells(&["events", "--json"]);
    let told: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), event.len(), "{told:?}");
    assert_eq!(told[0]["id"], 4226);

    for changes in [&["set", "half_open", "50"][..], &["enforce", "--for", "10m"], &["release", "--all"]] {
        let said = tells(changes);
        assert!(said.error.contains("Start one to take the limit over"), "{said:?}");
        assert!(said.error.contains("Nothing was done"), "{said:?}");
    }
    let doctor = ask(&limiter, &["doctor", "--cgroup", lab.cgroup().path().to_str().unwrap()]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(first_line(&doctor.out).starts_with(&format!("degraded  daemon: {}", holds(&lab))), "{doctor:?}");

    limiter.start_again().unwrap();
    let after: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    assert_eq!(still(after["host"].clone()), still(before["host"].clone()));
    assert!(after["unwatched"].is_null(), "{after}");
}

#[test]
fn accounts_have_the_names_that_the_daemon_gives_them() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = Limiter::builder(&lab).set("preset", "adaptive").persist().start().unwrap();
    let dialling = dial_dead(&lab, 200);
    let wait = |status: &testkit::Status| status.scopes.iter().any(|scope| scope.queued > 100);
    limiter.await_status("an account with waiters", PATIENCE, wait).unwrap();
    let names = |said: &Said| -> Vec<String> {
        let scopes = json(said)["scopes"].as_array().unwrap().clone();
        let mut names: Vec<String> =
            scopes.iter().map(|scope| format!("{} {}", scope["name"], scope["kind"])).collect();
        names.sort();
        names
    };
    let before = names(&ask(&limiter, &["status", "--json"]));
    assert!(before.iter().any(|name| name.contains("account")), "{before:?}");
    limiter.kill();
    assert_eq!(names(&ask(&limiter, &["status", "--json"])), before);
    let why = json(&ask(&limiter, &["why", &dialling.pid().to_string(), "--json"]));
    let waits =
        |attempt: &Value| attempt["waits_for"].as_str().is_some_and(|text| text.starts_with("credit: "));
    assert!(why["attempts"].as_array().unwrap().iter().any(waits), "{why}");
}

#[test]
fn what_holds_nothing_is_not_said_to_hold() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).set("mode", "audit").persist().start().unwrap();
    limiter.kill();
    let said = ask(&limiter, &["status"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(unbroken(&said.out).contains(" only counts: mode is audit."), "{said:?}");
    assert!(!said.out.contains("holds"), "{said:?}");

    // A limit that has lost a hook is not one that holds.
    fs::remove_file(lab.pins().join("egress")).unwrap();
    let said = ask(&limiter, &["status"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.error.contains("egress missing") && said.error.contains("halfopen off"), "{said:?}");
    assert_eq!(ask(&limiter, &["off"]).code, Some(0));
    let said = ask(&limiter, &["status"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.error.contains("no daemon is running here"), "{said:?}");
}

#[test]
fn who_may_not_see_the_pins_is_not_told_that_there_are_none() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).persist().start().unwrap();
    limiter.kill();
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("halfopen");
    install(&fs::read(program()).unwrap(), &copy);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(&copy);
    command.env("HALFOPEN_RUN_DIR", directory.path().join("none")).env("HALFOPEN_PIN_DIR", lab.pins());
    let said = said(command.arg("status"));
    assert_eq!((said.code, said.out.as_str()), (Some(3), ""), "{said:?}");
    assert!(said.error.contains("run as root"), "{said:?}");
}

#[test]
fn a_daemon_that_is_starting_is_not_taken_for_none() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).persist().start().unwrap();
    limiter.kill();
    limiter.begin_again().unwrap();
    let lock = limiter.run_directory().join("lock");
    let own = limiter.pid().to_string();
    until("the lock", PATIENCE, || {
        fs::read_to_string(&lock).ok().filter(|text| text.trim() == own).map(drop)
    });
    limiter.signal(Signal::STOP).unwrap();
    let said = ask(&limiter, &["status"]);
    limiter.signal(Signal::CONT).unwrap();
    limiter.await_ready().unwrap();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.error.contains("does not answer yet: it is starting"), "{said:?}");
    assert!(ask_well(&limiter, &["status"]).starts_with("mode enforce"));
}

#[test]
fn what_was_denied_and_what_dns_answers_named_are_read_from_the_pins() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    let rules = "names = \"host\"\nresolvers = [\"192.0.2.53\", \"2001:db8::53\"]\n\
                 [[deny]]\nname = \"private\"\nto = [\"198.18.0.0/15\"]\n\
                 [[deny]]\nname = \"counted\"\nto = [\"203.0.113.0/24\"]\nmode = \"audit\"\n";
    fs::write(&config, rules).unwrap();
    let mut limiter = limit(&lab, LIMIT).config(&config).persist().start().unwrap();
    let dead = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_done(PATIENCE).unwrap();
    let before: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    assert_eq!(
        (&before["deny"][0]["denied"], &before["deny"][1]["mode"]),
        (&3.into(), &"audit".into()),
        "{before}"
    );
    assert_eq!(before["names"]["resolvers"].as_array().unwrap().len(), 2, "{before}");
    limiter.kill();
    let after = json(&ask(&limiter, &["status", "--json"]));
    // Its time is worked out from the kernel's clock each time.
    let without_time = |status: &Value| {
        let mut status = status.clone();
        status["deny"][0]["last"]["time"].take();
        status
    };
    for key in ["deny", "names", "gates"] {
        assert_eq!(without_time(&after)[key], without_time(&before)[key], "{key}");
    }
    let text = unbroken(&ask(&limiter, &["status"]).out);
    assert!(text.contains("deny private (enforce): 3 denied") && text.contains("names (host): "), "{text}");
    assert!(text.contains("preset, config_hash and earlier counts are not pinned"), "{text}");
}

#[test]
fn a_daemon_that_hangs_is_told_of_and_the_pins_are_read() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, LIMIT).set("slot_life", "10m").persist().start().unwrap();
    let _dialling = dial_dead(&lab, DIALLED);
    let waiting = i64::from(DIALLED - LIMIT);
    limiter.await_status("the rest to wait", PATIENCE, |status| status.host.queued == waiting).unwrap();
    limiter.signal(Signal::STOP).unwrap();
    let asked: Vec<Said> = [&["status"][..], &["status", "--json"]].map(|words| ask(&limiter, words)).into();
    limiter.signal(Signal::CONT).unwrap();
    let told = format!(
        "The daemon (pid {}) has not answered for 10 s, but the limit pinned in {} holds.",
        limiter.pid(),
        lab.pins().display()
    );
    let [text, status] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((text.code, status.code), (Some(1), Some(1)), "{asked:?}");
    assert!(unbroken(&text.out).starts_with(&told), "{text:?}");
    assert!(unbroken(&text.out).contains("systemctl restart halfopen"), "{text:?}");
    assert_eq!(first_line(&status.error), format!("halfopen: {told}"));
    let status = json(status);
    assert_eq!(status["host"]["queued"], waiting, "{status}");
    assert_eq!(status["unwatched"]["silent"]["pid"], limiter.pid(), "{status}");
    assert!(ask_well(&limiter, &["status"]).starts_with("mode enforce"), "it goes on");
}
