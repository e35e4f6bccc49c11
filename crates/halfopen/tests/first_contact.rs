//! Enforcing on trial: it ends by itself, whatever has become of the daemon, unless it is confirmed.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::desk;

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use testkit::desk::{PATIENCE, Said, ask, ask_well, until};
use testkit::invariant::{attempts, destinations};
use testkit::{Capture, Dialer, Dialling, Lab, Limiter, LimiterBuilder, Mix, Side, Status, require_lab};

const LIMIT: u32 = 2;
const DIALLED: u32 = 12;
const WAITING: i64 = (DIALLED - LIMIT) as i64;
/// Longer than it takes to dial and ask on a busy machine.
const TRIAL: Duration = Duration::from_secs(12);

/// A host that only counts.
fn audited(lab: &Lab) -> LimiterBuilder<'_> {
    desk::limit(lab, LIMIT).set("slot_life", "5m").set("mode", "audit")
}

fn dial(lab: &Lab) -> Dialling {
    let dead = lab.draw(&Mix { dead: DIALLED as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    dialling
}

fn asked(capture: &mut Capture) -> usize {
    destinations(&attempts(capture.segments().unwrap(), &[])).len()
}

fn status(limiter: &Limiter) -> Value {
    serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap()
}

fn begin(limiter: &Limiter, time: Duration) {
    let out = ask_well(limiter, &["enforce", "--for", &format!("{}s", time.as_secs())]);
    assert!(out.starts_with("mode enforce: reverts to audit in "), "{out}");
}

fn await_waiting(limiter: &Limiter) -> Status {
    let waiting = |status: &Status| status.host.queued == WAITING && status.mode == "enforce";
    limiter.await_status("the rest to wait", PATIENCE, waiting).unwrap()
}

fn is_refused(limiter: &Limiter, arguments: &[&str], named: &str) {
    let Said { code, out, error } = ask(limiter, arguments);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
    assert!(error.contains(named), "{arguments:?}: {error}");
}

#[test]
fn it_ends_by_itself_and_lets_go() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = audited(&lab).start().unwrap();
    let mut capture = lab.capture(Side::Client).unwrap();
    let configured = status(&limiter)["config_hash"].clone();
    let began = Instant::now();
    begin(&limiter, TRIAL);
    let _dialling = dial(&lab);
    await_waiting(&limiter);
    let now = status(&limiter);
    let reverts_at: Timestamp = now["trial"]["reverts_at"].as_str().unwrap().parse().unwrap();
    let left = reverts_at.duration_since(Timestamp::now());
    assert!(left.is_positive() && left.unsigned_abs() < TRIAL, "{now}");
    assert_eq!((&now["trial"]["to"], &now["config_hash"]), (&"audit".into(), &configured));
    assert_eq!(limiter.get("mode").unwrap(), "enforce");
    let shown = ask_well(&limiter, &["status"]);
    assert!(shown.lines().nth(1).unwrap().starts_with("reverts to audit in "), "{shown}");

    // Every value but the mode may change meanwhile, and the files may be read again.
    limiter.set("queue", 500).unwrap();
    limiter.signal(Signal::HUP).unwrap();
    until("the files to be read again", PATIENCE, || {
        (limiter.get("queue").unwrap() == "10000").then_some(())
    });
    if began.elapsed() < TRIAL {
        assert!(!status(&limiter)["trial"].is_null());
        assert_eq!(asked(&mut capture), LIMIT as usize);
    }
    let host = limiter.await_status("the end", PATIENCE, |status| status.mode == "audit").unwrap().host;
    assert!(began.elapsed() >= TRIAL, "{:?}", began.elapsed());
    assert_eq!(host.cancelled + host.gave_up_while_queued, 0);
    until("all to be asked", PATIENCE, || (asked(&mut capture) == DIALLED as usize).then_some(()));
    let released = |status: &Status| status.host.queued == 0 && status.host.released == WAITING;
    limiter.await_status("all let go", PATIENCE, released).unwrap();
    until("word of it", PATIENCE, || {
        limiter.stderr().contains("nobody confirmed mode enforce in time: mode is audit again").then_some(())
    });
    assert!(status(&limiter)["trial"].is_null());
}

#[test]
fn confirmed_it_stays_and_saved_it_outlasts_a_reload() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, "mode = \"audit\"\n").unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let end = Instant::now() + Duration::from_secs(3);
    begin(&limiter, Duration::from_secs(3));
    let out = ask_well(&limiter, &["enforce", "--confirm", "--save"]);
    assert!(out.contains("mode enforce stays") && out.contains("90-local.toml"), "{out}");
    limiter.signal(Signal::HUP).unwrap();
    until("the files to be read again", PATIENCE, || limiter.stderr().contains("reloaded ").then_some(()));
    let past = || (Instant::now() > end + Duration::from_secs(2)).then_some(());
    until("the time of the trial to be over", PATIENCE, past);
    let now = status(&limiter);
    assert_eq!((&now["mode"], &now["trial"]), (&"enforce".into(), &Value::Null));
    let local = fs::read_to_string(directory.path().join("conf.d/90-local.toml")).unwrap();
    assert_eq!(local, "mode = \"enforce\"\n");
    is_refused(&limiter, &["enforce", "--for", "10m"], "there is no other mode to revert to");
}

#[test]
fn it_is_renewed_and_cancelled_and_refused_where_there_is_none() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, "").unwrap();
    let limiter = audited(&lab).config(&config).start().unwrap();
    for order in ["--confirm", "--cancel"] {
        is_refused(&limiter, &["enforce", order], "mode is audit and not on trial");
    }
    is_refused(&limiter, &["enforce"], "--for");
    is_refused(&limiter, &["enforce", "--for", "10m", "--cancel"], "cannot be used with");
    is_refused(&limiter, &["enforce", "--for", "10m", "--save"], "cannot be used with");
    is_refused(&limiter, &["enforce", "--for", "0s"], "from 1s to 24h");

    begin(&limiter, Duration::from_mins(1));
    begin(&limiter, Duration::from_hours(2));
    let left = status(&limiter)["trial"]["reverts_in_ms"].as_u64().unwrap();
    assert!(left > 7_000_000, "{left}");
    let _dialling = dial(&lab);
    await_waiting(&limiter);
    let out = ask_well(&limiter, &["enforce", "--cancel"]);
    assert!(out.contains("mode is audit again"), "{out}");
    assert!(!directory.path().join("conf.d").exists());
    let let_go = |status: &Status| status.host.queued == 0 && status.mode == "audit";
    limiter.await_status("all let go", PATIENCE, let_go).unwrap();

    begin(&limiter, Duration::from_mins(1));
    ask_well(&limiter, &["set", "mode", "off"]);
    assert_eq!((&status(&limiter)["mode"], &status(&limiter)["trial"]), (&"off".into(), &Value::Null));
}

#[test]
fn it_ends_though_the_daemon_is_killed() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = audited(&lab).persist().start().unwrap();
    let mut capture = lab.capture(Side::Client).unwrap();
    let began = Instant::now();
    begin(&limiter, TRIAL);
    let _dialling = dial(&lab);
    await_waiting(&limiter);
    let counting_since: Timestamp = status(&limiter)["counting_since"].as_str().unwrap().parse().unwrap();
    limiter.signal(Signal::KILL).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    let before = asked(&mut capture);
    assert!(began.elapsed() >= TRIAL || before == LIMIT as usize, "{before} asked with nobody to watch");
    until("all to be asked", PATIENCE, || (asked(&mut capture) == DIALLED as usize).then_some(()));
    assert!(began.elapsed() >= TRIAL, "let go after {:?}", began.elapsed());

    let next = audited(&lab).persist().start().unwrap();
    let now = status(&next);
    assert_eq!((&now["mode"], &now["trial"]), (&"audit".into(), &Value::Null));
    assert_eq!(now["host"]["released"], WAITING);
    assert!(
        next.stderr().contains("nobody confirmed mode enforce in time: the trial ended"),
        "{}",
        next.stderr()
    );
    let again: Timestamp = now["counting_since"].as_str().unwrap().parse().unwrap();
    assert!(
        again.duration_since(counting_since).unsigned_abs() < Duration::from_secs(1),
        "{counting_since} {again}"
    );
    ask_well(&next, &["off"]);
    assert!(!lab.pins().exists());
}

#[test]
fn the_next_daemon_carries_it_on() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = audited(&lab).persist().start().unwrap();
    begin(&limiter, Duration::from_hours(1));
    let _dialling = dial(&lab);
    await_waiting(&limiter);
    limiter.signal(Signal::KILL).unwrap();
    limiter.await_end(PATIENCE).unwrap();

    let next = audited(&lab).persist().start().unwrap();
    let now = status(&next);
    assert_eq!((&now["mode"], &now["trial"]["to"]), (&"enforce".into(), &"audit".into()));
    assert!(now["trial"]["reverts_in_ms"].as_u64().unwrap() < 3_600_000, "{now}");
    assert_eq!((&now["host"]["queued"], &now["host"]["released"]), (&WAITING.into(), &0.into()));
    assert!(next.stderr().contains("the trial of mode enforce goes on"), "{}", next.stderr());
    ask_well(&next, &["enforce", "--cancel"]);
    next.await_status("all let go", PATIENCE, |status| status.host.queued == 0).unwrap();
    ask_well(&next, &["off"]);
}
