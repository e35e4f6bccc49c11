//! What `set` and SIGHUP change is in force at the next re-check for attempts that wait, at once for new ones.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::desk::{NEXT_RECHECK, PATIENCE, ask, ask_well, limit, until, waiting};
use testkit::invariant::{attempts, destinations};
use testkit::{Capture, Dialer, Dialling, Lab, Limiter, Mix, Scope, Side, Status, require_lab};

const DIALLED: u32 = 80;
const LIMIT: u32 = 5;

/// A limiter with all its slots taken by the dead, and attempts that wait.
struct Saturated {
    capture: Capture,
    dialling: Dialling,
    limiter: Limiter,
    _directory: tempfile::TempDir,
    config: PathBuf,
    lab: Lab,
}

impl Saturated {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        fs::write(&config, configuration(LIMIT)).unwrap();
        let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
        let capture = lab.capture(Side::Client).unwrap();
        let dialling = dial_dead(&lab, DIALLED);
        let saturated = Self { capture, dialling, limiter, _directory: directory, config, lab };
        saturated.until("the rest to wait", |host| {
            host.half_open == i64::from(LIMIT) && host.queued == i64::from(DIALLED - LIMIT)
        });
        saturated
    }

    fn until(&self, what: &str, wanted: impl Fn(&Scope) -> bool) -> Status {
        self.limiter.await_status(what, PATIENCE, |status| wanted(&status.host)).unwrap()
    }

    /// How many have been asked so far.
    fn asked(&mut self) -> u32 {
        destinations(&attempts(self.capture.segments().unwrap(), &[])).len() as u32
    }

    /// Makes a change and waits until so many have been asked in all; they must have been soon.
    fn lets_out(&mut self, in_all: u32, change: impl FnOnce(&Limiter)) {
        assert_eq!(self.asked(), LIMIT, "before the change");
        let changed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        change(&self.limiter);
        until(&format!("{in_all} to be asked"), PATIENCE, || (self.asked() >= in_all).then_some(()));
        let segments = self.capture.segments().unwrap();
        let out = attempts(segments, &[]);
        let last = out.iter().map(|attempt| attempt.syns[0]).max().unwrap();
        let late = last.saturating_sub(changed);
        assert!(late < NEXT_RECHECK, "the last SYN left {late:?} after the change");
    }
}

fn configuration(half_open: u32) -> String {
    format!("# the house's\n[host]\nhalf_open = {half_open}\ndrain = \"unlimited\"\n")
}

fn dial_dead(lab: &Lab, count: u32) -> Dialling {
    let dead = lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    dialling
}

/// The hash and the numbers that tell whether anything has changed.
fn in_force(limiter: &Limiter) -> (String, String, Option<u64>) {
    let status = limiter.status().unwrap();
    (status.config_hash, status.mode, status.host.half_open_limit)
}

#[test]
fn a_higher_limit_lets_so_many_more_out_and_no_more() {
    require_lab!();
    let mut held = Saturated::new();
    held.lets_out(50, |limiter| limiter.set("half_open", 50).unwrap());
    let status = held.until("30 to wait", |host| host.half_open == 50 && host.queued == 30);
    assert_eq!((status.host.half_open_limit, status.host.released), (Some(50), 45));
    assert_eq!(held.limiter.get("TcpNumConnections").unwrap(), "50");
    let before = waiting(&held.limiter, held.dialling.pid());
    assert_eq!(before.len(), 30);
    until("each of the others to ask again, twice", PATIENCE, || {
        let now = waiting(&held.limiter, held.dialling.pid());
        before.iter().all(|(to, asked)| now.get(to).is_some_and(|now| *now >= asked + 2)).then_some(())
    });
    assert_eq!(held.asked(), 50);
}

#[test]
fn a_new_limit_holds_for_new_attempts_at_once() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    let _first = dial_dead(&lab, 3);
    limiter.await_status("all slots taken", PATIENCE, |status| status.host.half_open == 3).unwrap();
    limiter.set("host.half_open", 10).unwrap();
    let _second = dial_dead(&lab, 8);
    let host = limiter.await_status("one to wait", PATIENCE, |status| status.host.queued == 1).unwrap().host;
    assert_eq!((host.admitted, host.released), (10, 0), "seven without any wait");
    limiter.set("half_open", 2).unwrap();
    let _third = dial_dead(&lab, 4);
    let host = limiter.await_status("five to wait", PATIENCE, |status| status.host.queued == 5).unwrap().host;
    assert_eq!((host.half_open, host.half_open_limit), (10, Some(2)), "who is out stays out");
}

#[test]
fn the_original_s_number_for_unlimited_lets_all_out() {
    require_lab!();
    let mut held = Saturated::new();
    held.lets_out(DIALLED, |limiter| limiter.set("TcpNumConnections", "0xfffffe").unwrap());
    let host = held.until("none to wait", |host| host.queued == 0).host;
    assert_eq!((host.half_open_limit, host.half_open), (None, i64::from(DIALLED)));
    assert_eq!(held.limiter.get("half_open").unwrap(), "unlimited");
}

#[test]
fn audit_lets_all_out_and_counts_what_would_have_waited() {
    require_lab!();
    let mut held = Saturated::new();
    held.lets_out(DIALLED, |limiter| limiter.set("mode", "audit").unwrap());
    held.until("none to wait", |host| host.queued == 0);
    let _more = dial_dead(&held.lab, 7);
    let text = ask_well(&held.limiter, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&status["mode"], &status["degraded"][0]["reason"]), (&"audit".into(), &"audit".into()));
    assert_eq!((&status["host"]["would_have_waited"], &status["host"]["queued"]), (&7.into(), &0.into()));
    let asked = ask(&held.limiter, &["why", &held.dialling.pid().to_string()]);
    assert!(asked.out.starts_with("mode is audit: nothing is held"), "{asked:?}");
}

#[test]
fn a_changed_file_is_in_force_after_sighup() {
    require_lab!();
    let mut held = Saturated::new();
    let before = in_force(&held.limiter);
    let config = held.config.clone();
    held.lets_out(20, |limiter| {
        fs::write(&config, configuration(20)).unwrap();
        limiter.signal(Signal::HUP).unwrap();
    });
    held.until("60 to wait", |host| host.half_open == 20 && host.queued == 60);
    assert_ne!(in_force(&held.limiter), before);
    fs::write(&config, configuration(LIMIT)).unwrap();
    held.limiter.signal(Signal::HUP).unwrap();
    until("the old file's hash", PATIENCE, || (in_force(&held.limiter) == before).then_some(()));
}

#[test]
fn a_wrong_value_changes_nothing_and_names_the_right_ones() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, LIMIT).start().unwrap();
    let numbers = "from 1 to 4294967295, or \"unlimited\"";
    let original = "from 1 to 16777213, decimal or as 0x32, or 0xfffffe for unlimited";
    let before = in_force(&limiter);
    for (name, value, named) in [
        ("half_open", "0", numbers),
        ("half_open", "-1", numbers),
        ("host.half_open", "18446744073709551616", numbers),
        ("half_open", "ten", numbers),
        ("half_open", "", numbers),
        ("scope.host.half_open", "0", numbers),
        ("scope.nobody.half_open", "3", "the scopes are host"),
        ("TcpNumConnections", "0", original),
        ("TcpNumConnections", "-1", original),
        ("TcpNumConnections", "0x1000000", original),
        ("TcpNumConnections", "18446744073709551616", original),
        ("TcpNumConnections", "ten", original),
        (r"Interfaces\eth0\TcpNumConnections", "0", original),
        (r"Interfaces\eth0", "3", r"as Interfaces\eth0\TcpNumConnections"),
        ("mode", "on", "\"enforce\" or \"audit\" or \"off\""),
        ("raw_tcp", "drop", "\"refuse\" or \"count\" or \"allow\""),
        ("slot_life", "1ms", "from 100ms to 1h"),
        ("drain", "0/s", "\"10/s\" or \"1/4s\", or \"unlimited\""),
        ("strict", "maybe", "true or false"),
        ("queue", "0", "from 1 to 4294967295"),
        ("overflow", "drop", "\"refuse\" or \"wait\""),
        ("max_wait", "0s", "\"30s\", or \"program\""),
        ("exempt", "10.0.0.0/33", "\"10.0.0.0/8\""),
        ("preset", "vista", "\"xp-sp2\""),
        ("half_opne", "3", "did you mean half_open?"),
    ] {
        for save in [&[][..], &["--save"]] {
            let said = ask(&limiter, &[&["set"], save, &["--", name, value]].concat());
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{name} = {value}: {said:?}");
            let passing = save.len() == 1 && name.starts_with("scope.exec-");
            let named = if passing { "without --save" } else { named };
            assert!(said.error.contains(named), "{name} = {value}: {said:?}");
            assert_eq!(said.error.lines().count(), 1, "{said:?}");
        }
        assert_eq!(in_force(&limiter), before, "{name} = {value}");
    }
}

#[test]
fn persist_can_be_saved_for_the_next_daemon_only() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, configuration(LIMIT)).unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let refused = ask(&limiter, &["set", "persist", "true"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    assert!(refused.error.contains("when the daemon starts"), "{refused:?}");
    let saved = ask(&limiter, &["set", "--save", "persist", "true"]);
    assert!(saved.code == Some(0) && saved.out.contains(", saved to "), "{saved:?}");
    assert!(saved.error.contains("restart it to apply the change"), "{saved:?}");
}

#[test]
fn saving_changes_one_value_and_no_other_byte() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    let local = directory.path().join("conf.d/90-local.toml");
    let file = |half_open: &str| {
        format!(
            "# ours,  kept as it is\nmode   =   \"enforce\"\t# not audit\n\n[host]\n\n# raised for the mirror\n\
             half_open = {half_open}   # was 10\nqueue=77 #narrow\n# the end"
        )
    };
    fs::write(&config, "# main\n[host]\nhalf_open = 4\n").unwrap();
    fs::create_dir(local.parent().unwrap()).unwrap();
    fs::write(&local, file("12")).unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();

    let out = ask_well(&limiter, &["set", "--save", "half_open", "50"]);
    assert!(out.contains("half_open = 50 (was 12)") && out.contains("90-local.toml"), "{out}");
    assert_eq!(read(&local), file("50"));
    ask_well(&limiter, &["set", "--save", "TcpNumConnections", "0xfffffe"]);
    assert_eq!(read(&local), file("\"unlimited\""));
    ask_well(&limiter, &["set", "half_open", "9"]);
    assert_eq!(read(&local), file("\"unlimited\""), "not saved");
    assert_eq!(read(&config), "# main\n[host]\nhalf_open = 4\n");

    limiter.signal(Signal::HUP).unwrap();
    until("what was saved", PATIENCE, || (limiter.get("half_open").unwrap() == "unlimited").then_some(()));
    let left: Vec<_> = fs::read_dir(local.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// As the package leaves it, with a printed preset in each of the two places.
#[test]
fn a_printed_preset_leaves_the_mode_alone_and_a_changed_mode_is_logged() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (config, dropped_in) = (directory.path().join("halfopen.toml"), directory.path().join("conf.d"));
    fs::create_dir(&dropped_in).unwrap();
    fs::write(&config, "mode = \"audit\"\n").unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let preset = ask_well(&limiter, &["preset", "adaptive"]);
    let reload = |times: usize| {
        limiter.signal(Signal::HUP).unwrap();
        let all = || (limiter.stderr().matches("reloaded ").count() == times).then_some(());
        until("the files to be read", PATIENCE, all);
        limiter.stderr()
    };
    fs::write(dropped_in.join("10-preset.toml"), &preset).unwrap();
    assert!(!reload(1).contains("(was audit)"));
    assert_eq!(limiter.get("mode").unwrap(), "audit");

    fs::write(&config, &preset).unwrap();
    let log = reload(2);
    assert!(log.lines().any(|line| line.ends_with("mode = enforce (was audit)")), "{log}");
    assert_eq!(limiter.get("mode").unwrap(), "enforce");

    limiter.set("mode", "audit").unwrap();
    let is_logged = || limiter.stderr().lines().any(|line| line.ends_with("mode = audit (was enforce)"));
    until("the change to be logged", PATIENCE, || is_logged().then_some(()));
}

/// What the kernel part reads only once is not said to have changed.
#[test]
fn records_are_not_set_live() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, "").unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let refused = ask(&limiter, &["set", "records", "65536"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    assert!(refused.error.contains("takes effect only after `halfopen off` and a start"), "{refused:?}");
    assert_eq!(limiter.get("records").unwrap(), "32768");
    assert_eq!(ask_well(&limiter, &["set", "records", "32768"]), "records = 32768 (was 32768)");
    let saved = ask(&limiter, &["set", "--save", "records", "65536"]);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    assert!(saved.error.contains("takes effect only after `halfopen off` and a start"), "{saved:?}");
}
