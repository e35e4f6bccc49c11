//! The history that the daemon's recorder writes, in its whole sandbox, and what reads it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Display, Path, PathBuf};
use testkit::desk::mounts::{as_own_user, changed_for};
use testkit::desk::processes::{child_called, kill, state};
use testkit::desk::{PATIENCE, ask, ask_well, limit, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

fn json(limiter: &Limiter, arguments: &[&str]) -> Value {
    serde_json::from_str(&ask_well(limiter, arguments)).unwrap()
}

fn events(limiter: &Limiter, arguments: &[&str]) -> Vec<Value> {
    let told = ask_well(limiter, &[&["events", "--json"], arguments].concat());
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The sum of a number over the rows of `account`.
fn sum(history: &Value, account: &str, of: &str) -> u64 {
    let rows = history["minutes"].as_array().unwrap().iter();
    rows.filter(|row| row["account"] == account).map(|row| row[of].as_u64().unwrap()).sum()
}

fn state_directory(limiter: &Limiter) -> PathBuf {
    let run = limiter.run_directory();
    let mut name = run.file_name().unwrap().to_owned();
    name.push("-state");
    run.with_file_name(name)
}

fn dial_dead(lab: &Lab, count: usize) -> Dialling {
    let dead = lab.draw(&Mix { dead: count, ..Mix::default() }).unwrap();
    Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap()
}

/// The process that writes the history of the daemon `pid`. The kernel cuts its name.
fn recorder(pid: u32) -> u32 {
    until("the recorder", PATIENCE, || child_called(pid, "halfopen-record"))
}

fn degraded(limiter: &Limiter, reason: &str) -> Option<String> {
    let status = json(limiter, &["status", "--json"]);
    let found = status["degraded"].as_array().unwrap().iter().find(|found| found["reason"] == reason)?;
    Some(found["explanation"].as_str().unwrap().to_owned())
}

#[test]
fn minutes_and_events_outlive_the_daemon() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = as_own_user(directory.path());
    let mut limiter = limit(&lab, 3).program(program).set("slot_life", "5m").start().unwrap();
    let dialling = dial_dead(&lab, 10);
    until("the event", PATIENCE, || (!events(&limiter, &["--account", "host"]).is_empty()).then_some(()));
    assert_eq!(degraded(&limiter, "history_not_kept"), None);
    limiter.signal(Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    drop(dialling);

    let history = json(&limiter, &["history", "--json"]);
    assert_eq!((sum(&history, "host", "begun"), sum(&history, "host", "established")), (10, 0), "{history}");
    let peak = |of: &str| {
        history["minutes"].as_array().unwrap().iter().filter_map(|row| row[of].as_u64()).max().unwrap()
    };
    assert_eq!((peak("peak_half_open"), peak("peak_queued"), peak("limit")), (3, 7, 3), "{history}");
    assert_eq!(peak("peak_demand"), 10);
    let shown = ask_well(&limiter, &["history"]);
    assert!(shown.contains("host: most half-open at once (limit 3), each column 1 min"), "{shown}");
    assert!(shown.contains("host: 10 attempts"), "{shown}");
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
    let kept = events(&limiter, &["--since", "1h", "--account", "host"]);
    assert_eq!(kept[0]["id"], 4226, "{kept:?}");
    assert!(events(&limiter, &["--since", "1h", "--account", "nobody"]).is_empty());
}

#[test]
fn whatever_is_killed_the_history_stays_whole() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, 3).set("slot_life", "5m").start().unwrap();
    for round in 1..=3 {
        let dialling = dial_dead(&lab, 20);
        until("an event of each daemon", PATIENCE, || {
            (events(&limiter, &["--since", "1h", "--account", "host"]).len() >= round).then_some(())
        });
        let writes = recorder(limiter.pid());
        limiter.kill();
        if round == 2 {
            kill(writes, Signal::KILL);
        }
        drop(dialling);
        until("the recorder to end", PATIENCE, || state(writes).is_none().then_some(()));
        let database = rusqlite::Connection::open(state_directory(&limiter).join("history.db")).unwrap();
        let check: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "after round {round}");
        let dials: u64 = database.query_row("SELECT count(*) FROM dials", [], |row| row.get(0)).unwrap();
        assert!(dials >= 17, "{dials} after round {round}: where held programs connected to");
        drop(database);
        limiter.start_again().unwrap();
    }
    assert_eq!(degraded(&limiter, "history_not_kept"), None);
}

#[test]
fn without_its_process_the_limit_goes_on_and_says_so() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).set("slot_life", "5m").start().unwrap();
    kill(recorder(limiter.pid()), Signal::KILL);
    let told = until("the degradation", PATIENCE, || degraded(&limiter, "history_not_kept"));
    assert!(told.contains("its process has ended"), "{told}");
    let _dialling = dial_dead(&lab, 10);
    limiter.await_status("seven to wait", PATIENCE, |status| status.host.queued == 7).unwrap();
    until("the event to be counted as lost", PATIENCE, || {
        degraded(&limiter, "history_not_kept").filter(|told| told.contains("lost so far: 1 events"))
    });
    let doctor = ask(&limiter, &["status"]);
    assert!(
        doctor.out.contains("degraded: the history in /var/lib/halfopen cannot be written"),
        "{doctor:?}"
    );
}

/// Runs shell commands in the daemon's mount namespace.
fn within(limiter: &Limiter, commands: &str) {
    let pid = limiter.pid().to_string();
    let mut nsenter = std::process::Command::new("nsenter");
    let output =
        nsenter.args(["--mount", "--target", &pid, "--", "sh", "-e", "-c", commands]).output().unwrap();
    assert!(output.status.success(), "{commands}: {output:?}");
}

#[test]
fn a_full_disk_costs_entries_and_not_the_limit() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir_in("/run").unwrap());
    let (run, state) = (directory.path().join("run"), directory.path().join("run-state"));
    fs::create_dir(&run).unwrap();
    fs::create_dir(&state).unwrap();
    // The file of events has a disk of its own: what SQLite gives back of a full one would let an event through.
    let shipped = directory.path().join("shipped");
    fs::create_dir(&shipped).unwrap();
    let disks = [state.display(), shipped.display()];
    let each =
        |command: &dyn Fn(&Display<'_>) -> String| disks.iter().map(command).collect::<Vec<_>>().join("\n");
    let changes = each(&|disk| format!("mount -t tmpfs -o size=1m,mode=700 none {disk}"));
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, format!("[events]\nfile = {:?}\n", shipped.join("events.jsonl"))).unwrap();
    let limiter = limit(&lab, 3)
        .set("slot_life", "5m")
        .config(&config)
        .run_directory(&run)
        .program(changed_for(directory.path(), &changes))
        .own_mounts(testkit::desk::program())
        .start()
        .unwrap();
    within(&limiter, &each(&|disk| format!("dd if=/dev/zero of={disk}/filler bs=1k 2>/dev/null || true")));
    let first = dial_dead(&lab, 10);
    limiter.await_status("seven to wait", PATIENCE, |status| status.host.queued == 7).unwrap();
    let told = until("the degradation", PATIENCE, || degraded(&limiter, "history_not_kept"));
    assert!(told.contains("full") && told.contains("lost so far: "), "{told}");
    let told = until("the other degradation", PATIENCE, || degraded(&limiter, "events_file_not_written"));
    assert!(told.contains("No space left on device") && told.contains("lost so far: 1 events"), "{told}");
    assert!(limiter.stderr().contains("the limit goes on"), "{}", limiter.stderr());

    within(&limiter, &each(&|disk| format!("rm {disk}/filler")));
    drop(first);
    let _second = dial_dead(&lab, 10);
    until("the history to be written again", PATIENCE, || {
        degraded(&limiter, "history_not_kept").is_none().then_some(())
    });
    let history = json(&limiter, &["history", "--json"]);
    assert!(history["lost_events"].as_u64().unwrap() >= 1, "{history}");
}

/// The lines of a file of events.
fn shipped(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_log_shipper_gets_each_event_once() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (config, file) = (directory.path().join("halfopen.toml"), directory.path().join("shipped.jsonl"));
    fs::write(&config, format!("[events]\nfile = {file:?}\n[history]\nkeep_days = \"off\"\n")).unwrap();
    let program = as_own_user(directory.path());
    let mut limiter = limit(&lab, 3).set("slot_life", "5m").config(&config).program(program).start().unwrap();
    let dialling = dial_dead(&lab, 10);
    until("the first event", PATIENCE, || (shipped(&file).len() == 1).then_some(()));
    drop(dialling);
    until("the second event", PATIENCE, || (shipped(&file).len() == 2).then_some(()));
    assert_eq!(shipped(&file), events(&limiter, &[]));
    limiter.kill();
    limiter.start_again().unwrap();
    limiter.await_status("nobody to wait", PATIENCE, |status| status.host.queued == 0).unwrap();
    assert_eq!(shipped(&file).len(), 2, "what an earlier daemon has told is not told again");
    let refused = ask(&limiter, &["history"]);
    assert!(refused.code == Some(1) && refused.error.contains("there is no history in"), "{refused:?}");
}

#[test]
fn waits_have_percentiles() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, 1).set("slot_life", "1s").set("drain", "unlimited").start().unwrap();
    let _dialling = dial_dead(&lab, 6);
    limiter.await_status("three to be let out", PATIENCE, |status| status.host.released >= 3).unwrap();
    limiter.signal(Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    let history = json(&limiter, &["history", "--json"]);
    assert!(sum(&history, "host", "released") >= 3, "{history}");
    let rows = history["minutes"].as_array().unwrap().iter();
    let waits: Vec<_> =
        rows.filter_map(|row| Some((row["wait_p50_ms"].as_u64()?, row["wait_p99_ms"].as_u64()?))).collect();
    assert!(!waits.is_empty() && waits.iter().all(|(half, most)| half <= most), "{history}");
    assert!(waits.iter().any(|(_, most)| *most >= 1_000), "{history}");
    let database = rusqlite::Connection::open(state_directory(&limiter).join("history.db")).unwrap();
    let left: u64 =
        database.query_row("SELECT count(*) FROM dials WHERE gone = 1", [], |row| row.get(0)).unwrap();
    assert!(left >= 3, "{left} SYNs that left after a wait");
}

#[test]
fn minutes_know_connections_and_what_held_them() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, "preset = \"none\"\n[host]\nestablished = 4\n").unwrap();
    let mut limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let live = lab.draw(&Mix { live: 10, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    limiter.await_status("six to wait", PATIENCE, |status| status.host.queued == 6).unwrap();
    // A look at least comes to the history.
    until("the looks", PATIENCE, || (limiter.status().unwrap().host.established == 4).then_some(()));
    limiter.signal(Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    drop(dialling);
    let history = json(&limiter, &["history", "--json"]);
    let peak = |of: &str| {
        history["minutes"].as_array().unwrap().iter().filter_map(|row| row[of].as_u64()).max().unwrap()
    };
    assert_eq!(
        (peak("peak_open"), peak("peak_open_demand"), peak("established_limit")),
        (4, 10, 4),
        "{history}"
    );
    assert_eq!(sum(&history, "host", "held_by_connections"), 6, "{history}");
    let shown = ask_well(&limiter, &["history"]);
    assert!(shown.contains("host: most connections open at once (limit 4)"), "{shown}");
}
