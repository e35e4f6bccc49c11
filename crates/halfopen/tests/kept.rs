//! Events and counts outlive a kill, a stop and a reboot.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::mounts::changed_for;
use testkit::desk::{PATIENCE, Said, ask, ask_well, limit, program, said, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

const SLOTS: u32 = 5;
const DIALLED: usize = 30;

/// A program that has to wait.
fn scan(lab: &Lab) -> Dialling {
    let dead = lab.draw(&Mix { dead: DIALLED, ..Mix::default() }).unwrap();
    Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap()
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn await_event(limiter: &Limiter, pid: u32) -> Value {
    until("the event", PATIENCE, || {
        let mut events = events(&ask_well(limiter, &["events", "--json"])).into_iter();
        events.find(|event| event["programs"][0]["pid"] == pid)
    })
}

fn stop(limiter: &mut Limiter) {
    limiter.signal(Signal::TERM).unwrap();
    assert!(limiter.await_end(PATIENCE).unwrap().success(), "{}", limiter.stderr());
}

fn state_of(limiter: &Limiter) -> PathBuf {
    let run = limiter.run_directory();
    run.with_file_name(format!("{}-state", run.file_name().unwrap().to_str().unwrap()))
}

fn status(limiter: &Limiter) -> Value {
    serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap()
}

fn not_kept(limiter: &Limiter) -> Option<String> {
    let status = status(limiter);
    let found =
        status["degraded"].as_array().unwrap().iter().find(|found| found["reason"] == "events_not_kept");
    found.map(|found| found["explanation"].as_str().unwrap().to_owned())
}

#[test]
fn both_outlive_a_stop_and_a_reboot() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let state = tempfile::tempdir().unwrap();
    let kept = state.path().join("halfopen");
    let start = || limit(&lab, SLOTS).environment("HALFOPEN_STATE_DIR", &kept).start().unwrap();
    let limiter = start();
    let scanner = scan(&lab);
    let event = await_event(&limiter, scanner.pid());
    let asked = |limiter: &Limiter, arguments: &[&str]| -> Said {
        said(limiter.command().args(arguments).env("HALFOPEN_STATE_DIR", &kept))
    };
    // Whoever asks after the stop still has the run directory in mind.
    let mut after = limiter.command();
    limiter.stop().unwrap();
    after.env("HALFOPEN_STATE_DIR", &kept);
    let left = said(after.args(["events", "--json", "--since", "1d"]));
    assert_eq!((left.code, events(&left.out)[0].clone()), (Some(0), event.clone()), "{left:?}");
    assert!(
        left.error.contains("no daemon is running") && left.error.contains(kept.to_str().unwrap()),
        "{left:?}"
    );
    drop(scanner);

    // After a reboot /run is empty: this one has another run directory.
    let limiter = start();
    let past = asked(&limiter, &["events", "--json", "--since", "1d"]);
    assert_eq!((past.code, events(&past.out)), (Some(0), vec![event.clone()]), "{past:?}");
    assert_eq!(asked(&limiter, &["events", "--json", "--since", "0s"]).out, "");
    let time = event["time"].as_str().unwrap();
    assert_eq!(events(&asked(&limiter, &["events", "--json", "--since", time]).out).len(), 1);
    let earlier = status(&limiter)["earlier"][0].clone();
    assert_eq!((&earlier["attempts"], &earlier["mode"]), (&DIALLED.into(), &"enforce".into()), "{earlier}");
    assert_eq!(earlier["held"], DIALLED - SLOTS as usize, "{earlier}");
    assert_eq!(earlier["programs"][0]["comm"], "lab-dial", "{earlier}");
    let report = ask_well(&limiter, &["report"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, before) = report.split_once("before, ").unwrap();
    assert!(
        before.contains("30 attempts, 25 waited, 0 gave up, 0 refused; most of lab-dial (user root)"),
        "{before}"
    );
    let mut after = limiter.command();
    limiter.stop().unwrap();
    let report = said(after.arg("report").env("HALFOPEN_STATE_DIR", &kept));
    assert_eq!(report.code, Some(1), "{report:?}");
    assert!(
        report.out.starts_with("before, ") && report.error.contains("no daemon is running"),
        "{report:?}"
    );
}

#[test]
fn both_outlive_a_kill_in_the_middle_of_a_line() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, SLOTS).start().unwrap();
    let scanner = scan(&lab);
    let event = await_event(&limiter, scanner.pid());
    drop(scanner);
    limiter.kill();
    let file = state_of(&limiter).join("events-0.jsonl");
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"id\":4226,\"time\":\"20").unwrap();
    limiter.start_again().unwrap();
    let told = ask(&limiter, &["events", "--json"]);
    assert_eq!((told.code, events(&told.out)), (Some(0), vec![event.clone()]), "{told:?}");
    assert!(told.error.contains("1 earlier events are missing"), "{told:?}");
    // Whatever is in the file, nothing of it moves the reader's cursor.
    let mut forged = event.clone();
    forged["message"] = "\u{1b}[2Jnothing happened".into();
    let run = limiter.run_directory().with_file_name("forged");
    let forged_state = run.with_file_name("forged-state");
    fs::create_dir(&forged_state).unwrap();
    fs::write(forged_state.join("events-0.jsonl"), format!("{forged}\n")).unwrap();
    fs::write(forged_state.join("events-1.jsonl"), "").unwrap();
    let told = said(limiter.command().arg("events").env("HALFOPEN_RUN_DIR", &run));
    assert!(told.out.contains(r"event 4226: \x1b[2Jnothing happened") && told.code == Some(0), "{told:?}");

    let scanner = scan(&lab);
    let second = await_event(&limiter, scanner.pid());
    limiter.kill();
    limiter.start_again().unwrap();
    assert_eq!(events(&ask_well(&limiter, &["events", "--json"])), [event, second]);
}

/// The state directory is a file system of the daemon's own, which `within` changes.
fn small_disk(directory: &Path, run: &Path) -> PathBuf {
    let state = run.with_file_name("run-state");
    changed_for(
        directory,
        &format!("mkdir -p {0}\nmount -t tmpfs -o size=64k,mode=700 none {0}", state.display()),
    )
}

fn within(limiter: &Limiter, commands: &str) {
    let pid = limiter.pid().to_string();
    let mut nsenter = Command::new("nsenter");
    let nsenter = nsenter.args(["--mount", "--target", &pid, "--", "sh", "-e", "-c", commands]);
    assert!(nsenter.status().unwrap().success(), "{commands}");
}

#[test]
fn what_a_full_disk_swallows_is_counted_and_said_and_the_limit_goes_on() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir_in("/run").unwrap();
    let run = directory.path().join("run");
    fs::create_dir(&run).unwrap();
    let builder = limit(&lab, SLOTS).set("event_after", "0s").program(small_disk(directory.path(), &run));
    let mut limiter = builder.run_directory(&run).own_mounts(program()).start().unwrap();
    assert_eq!(not_kept(&limiter), None);
    let state = state_of(&limiter);
    within(&limiter, &format!("dd if=/dev/zero of={}/filler bs=4k 2>/dev/null || true", state.display()));
    let scanner = scan(&lab);
    await_event(&limiter, scanner.pid());
    let why = until("the status to say so", PATIENCE, || not_kept(&limiter));
    assert!(why.contains("lost so far: 1 events"), "{why}");
    assert!(limiter.stderr().contains("an event is lost when this daemon ends"), "{}", limiter.stderr());
    limiter.await_status("all to wait", PATIENCE, |status| status.host.queued == 25).unwrap();
    // Space is free again: the next event says what is missing.
    within(&limiter, &format!("rm {}/filler", state.display()));
    drop(scanner);
    until("an event to be kept", PATIENCE, || {
        limiter.stderr().contains("events are written again; lost when this daemon ends: 1").then_some(())
    });
    assert_eq!(not_kept(&limiter), None);
    let text = format!("cat {0}/events-0.jsonl > {1}/copy", state.display(), run.display());
    within(&limiter, &text);
    let copied = fs::read_to_string(run.join("copy")).unwrap();
    let [turn, lost, cleared] = <[Value; 3]>::try_from(events(&copied)).unwrap();
    assert_eq!((&turn["turn"], &lost["lost"], &cleared["state"]), (&1.into(), &1.into(), &"cleared".into()));
    stop(&mut limiter);
}

#[test]
fn an_adopted_limit_goes_on_counting_and_does_not_clear_what_another_reached() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, SLOTS).persist().start().unwrap();
    let scanner = scan(&lab);
    await_event(&limiter, scanner.pid());
    stop(&mut limiter);
    drop(scanner);
    limiter.start_again().unwrap();
    let before = status(&limiter)["earlier"].clone();
    assert_eq!(before.as_array().unwrap().len(), 1, "{before}");
    limiter.kill();
    limiter.start_again().unwrap();
    assert!(limiter.stderr().contains("took over"), "{}", limiter.stderr());
    assert_eq!(status(&limiter)["earlier"], before);
    // A second look has passed once another limit's event is out.
    let scanner = scan(&lab);
    await_event(&limiter, scanner.pid());
    let states: Vec<Value> = events(&ask_well(&limiter, &["events", "--json"]))
        .iter()
        .map(|event| event["state"].clone())
        .collect();
    assert_eq!(states, ["reached", "reached"], "the first one ended with its limit");
}

#[test]
fn two_daemons_do_not_share_a_state_directory_and_others_cannot_read_it() {
    require_lab!();
    let (first, second) = (Lab::new().unwrap(), Lab::new().unwrap());
    let state = tempfile::tempdir().unwrap();
    let kept = state.path().join("halfopen");
    let start = |lab| limit(lab, SLOTS).environment("HALFOPEN_STATE_DIR", &kept).start().unwrap();
    let (first, second) = (start(&first), start(&second));
    assert_eq!(not_kept(&first), None);
    let why = not_kept(&second).unwrap();
    assert!(why.contains("another daemon writes in"), "{why}");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&kept), 0o700);
    for entry in fs::read_dir(&kept).unwrap().flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
    }
}
