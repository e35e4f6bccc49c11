//! `tune` on a history of a week.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::history::{Bounds, Lost, MinuteRow, Store};
use halfopen::runtime_dir::{STATE_VARIABLE, StateDir};
use halfopen::utc_time::UtcTime;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use testkit::desk::processes::kill;
use testkit::desk::{PATIENCE, Said, ask_well, program, said, until};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

fn row(minute: u64, account: &str, scope: &str, peak_demand: u64, answered: u64) -> MinuteRow {
    MinuteRow {
        minute,
        account: account.into(),
        scope: scope.into(),
        limit: Some(10),
        peak_demand,
        begun: answered,
        established: answered,
        ..MinuteRow::default()
    }
}

/// Each minute of two days.
fn write_minutes(directory: &Path, rows: impl Fn(u64) -> Vec<MinuteRow>) {
    let bounds = Bounds { keep_days: 7, max_mib: 16 };
    let mut store = Store::open(&StateDir::at(directory.to_owned()), bounds).unwrap();
    let now = UtcTime::now().as_ms().cast_unsigned() / 60_000;
    let rows: Vec<MinuteRow> = (now - 2 * 1_440..=now).flat_map(rows).collect();
    store.write(&[], &rows, &[], Lost::default()).unwrap();
}

/// Five connections at once in each minute; in the last one a scope wants 60, and a suspect wants 900.
fn write(directory: &Path) {
    let last = UtcTime::now().as_ms().cast_unsigned() / 60_000;
    write_minutes(directory, |minute| {
        if minute < last {
            return vec![row(minute, "host", "host", 7, 8), row(minute, "web[/a]", "web", 5, 8)];
        }
        let suspect = MinuteRow { suspect: true, ..row(minute, "web[/b]", "web", 900, 10) };
        vec![row(minute, "web[/a]", "web", 60, 30), suspect]
    });
}

fn ask(directory: &Path, arguments: &[&str]) -> Said {
    said(Command::new(program()).env(STATE_VARIABLE, directory).arg("tune").args(arguments))
}

#[test]
fn it_recommends_what_delays_one_in_a_thousand() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    let none = ask(&directory, &[]);
    assert!(none.code == Some(1) && none.error.contains("there is no history in"), "{none:?}");
    write(&directory);
    let told = ask(&directory, &["--scope", "web"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(
        told.out.contains("Recommended: half_open 60. Next: halfopen set --save scope.web.half_open 60"),
        "{told:?}"
    );
    assert!(told.out.contains("Left out: 1 minutes of suspects."), "{told:?}");
    assert!(told.out.lines().all(|line| line.len() <= 80), "{told:?}");
    let json: Value = serde_json::from_str(&ask(&directory, &["--json"]).out).unwrap();
    assert_eq!((&json["recommended"], &json["limits"][2]["half_open"]), (&7.into(), &7.into()), "{json}");
    let unknown = ask(&directory, &["--scope", "nobody"]);
    assert!(
        unknown.code == Some(2) && unknown.error.contains("no attempts in a scope nobody"),
        "{unknown:?}"
    );
}

#[test]
fn it_looks_at_limits_on_connections() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    write_minutes(&directory, |minute| {
        let open = MinuteRow {
            established_limit: Some(100),
            peak_open: 35,
            peak_open_demand: 40,
            held_by_connections: 1,
            would_have_waited: 1,
            would_wait_p50_ms: Some(250),
            would_wait_p99_ms: Some(1_500),
            ..row(minute, "web[/a]", "web", 5, 8)
        };
        vec![open, row(minute, "host", "host", 7, 8)]
    });
    let told = ask(&directory, &["--scope", "web", "--limit", "connect_rate"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let text = testkit::desk::unbroken(&told.out);
    for said in [
        "established 100: limits on connections held 2881",
        "halfopen set --save scope.web.established 40",
        "Next: halfopen set --save scope.web.connect_rate 8/m && halfopen set --save scope.web.connect_burst 16",
        "held 2881 attempts: in the worst minute half of them within 0.250 s, 99 of 100 within 1.500 s",
    ] {
        assert!(text.contains(said), "{said:?}: {text}");
    }
    let json: Value =
        serde_json::from_str(&ask(&directory, &["--limit", "established", "--json"]).out).unwrap();
    let [host] = &json["connections"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!(
        (&host["limit"], &host["recommended"]),
        (&"established".into(), &Value::Null),
        "nothing counted it"
    );
}

/// A history that recommends eight for the host, beside a daemon whose host may have three half-open.
struct Scene {
    limiter: Limiter,
    lab: Lab,
    directory: TempDir,
}

impl Scene {
    fn new(config: &str, set: &[(&str, &str)]) -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let run = directory.path().join("run");
        fs::create_dir(&run).unwrap();
        write_minutes(&directory.path().join("run-state"), |minute| vec![row(minute, "host", "host", 8, 8)]);
        let file = directory.path().join("halfopen.toml");
        fs::write(&file, config).unwrap();
        let mut limiter = Limiter::builder(&lab).set("half_open", 3).config(&file).run_directory(&run);
        for (name, value) in set {
            limiter = limiter.set(name, value);
        }
        Self { limiter: limiter.start().unwrap(), lab, directory }
    }

    fn apply(&self, watch: &str) -> Said {
        testkit::desk::ask(&self.limiter, &["tune", "--apply", "--watch", watch, "--json"])
    }

    /// The limit in force, and whether it is saved.
    fn limit(&self) -> (String, bool) {
        let saved = self.directory.path().join("conf.d/90-local.toml");
        (self.limiter.get("host.half_open").unwrap(), saved.exists())
    }
}

fn steps(told: &Said) -> Vec<(u64, String)> {
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let steps = told["steps"].as_array().unwrap().iter();
    steps
        .map(|step| (step["half_open"].as_u64().unwrap(), step["next"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_limit_is_raised_while_attempts_wait_and_no_further() {
    require_lab!();
    let scene = Scene::new("preset = \"xp-sp2\"\n", &[("slot_life", "5m"), ("drain", "unlimited")]);
    let told = scene.apply("1s");
    assert_eq!(steps(&told), [(4, "enough".to_owned())], "{told:?}");
    assert_eq!(scene.limit(), ("4".to_owned(), true));

    let dead = scene.lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&scene.lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let told = scene.apply("1s");
    let raise = |now| (now, "raise".to_owned());
    assert_eq!(steps(&told), [raise(5), raise(6), raise(7), (8, "reached".to_owned())], "{told:?}");
    assert_eq!(scene.limit(), ("8".to_owned(), true));
    let again = scene.apply("1s");
    assert!(again.code == Some(1) && again.error.contains("half_open of host is 8"), "{again:?}");
}

#[test]
fn a_step_that_lets_failures_out_is_undone() {
    require_lab!();
    let scene = Scene::new("preset = \"xp-sp2\"\n", &[("drain", "unlimited")]);
    let refusing = scene.lab.draw(&Mix { refusing: 2_000, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&scene.lab).destinations(refusing.destinations()).dials_per_s(40.0);
    let dialling = dialer.spawn().unwrap();
    dialling.await_reports(1, PATIENCE).unwrap();
    let told = scene.apply("3s");
    drop(dialling);
    assert_eq!(steps(&told), [(4, "back_for_failures".to_owned())], "{told:?}");
    assert_eq!(scene.limit(), ("3".to_owned(), false));
}

#[test]
fn nothing_is_loosened_for_a_suspect() {
    require_lab!();
    let scene = Scene::new("preset = \"adaptive\"\n", &[]);
    let dead = scene.lab.draw(&Mix { dead: 400, ..Mix::default() }).unwrap();
    let scan = Dialer::new(&scene.lab).destinations(dead.destinations()).dials_per_s(50.0).spawn().unwrap();
    until("a suspect", 4 * PATIENCE, || {
        ask_well(&scene.limiter, &["status", "--json"]).contains("\"suspect_since\":\"2").then_some(())
    });
    drop(scan);
    let told = scene.apply("1s");
    assert!(told.code == Some(1) && told.error.contains("nothing is loosened for a suspect"), "{told:?}");
    assert_eq!(scene.limit(), ("3".to_owned(), false));
}

#[test]
fn an_interrupted_step_is_undone() {
    require_lab!();
    let scene = Scene::new("preset = \"xp-sp2\"\n", &[]);
    let mut command = scene.limiter.command();
    let child = command.args(["tune", "--apply", "--watch", "10m"]).stdout(Stdio::piped()).spawn().unwrap();
    until("the step", PATIENCE, || (scene.limit().0 == "4").then_some(()));
    kill(child.id(), Signal::INT);
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("interrupted, so it is undone\nhost: half_open stays 3"), "{told}");
    assert_eq!(scene.limit(), ("3".to_owned(), false));
}
