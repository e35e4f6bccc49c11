//! Every table that can run full does.

use crate::churn::Churn;
use crate::scene::{Scene, limiter};
use crate::table::at_length;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testkit::desk::{PATIENCE, ask, has, until};
use testkit::{Lab, require_lab};

const PREFIXES: usize = 4096;
const SCOPES: usize = 63;
const PROGRAMS: usize = 4096;
/// The same of one cgroup.
const PROGRAMS_OF_CGROUP: usize = 64;

/// A configuration that exempts `count` networks, numbered from `first` on, and those named.
fn exempting(named: &str, first: usize, count: usize) -> String {
    let networks = (first..first + count).map(|n| format!("\"10.{}.{}.0/24\"", n >> 8, n & 255));
    format!("exempt = [{named}{}]\n", networks.collect::<Vec<_>>().join(", "))
}

#[test]
fn more_prefixes_are_exempt_than_there_is_room_for() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    // Room for some more, but not for all that come.
    fs::write(&config, exempting("", 0, PREFIXES - 100)).unwrap();
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).config(&config).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let before = scene.limiter.status().unwrap().config_hash;
    // The whole world of the lab would be exempt: were any of this in force, all would go out.
    fs::write(&config, exempting("\"198.18.0.0/15\", ", 5_000, PREFIXES)).unwrap();
    scene.limiter.signal(Signal::HUP).unwrap();
    let said = until("the log to say so", PATIENCE, || {
        let said = scene.limiter.stderr();
        said.lines()
            .find(|line| line.contains("the previous configuration stays in force"))
            .map(ToOwned::to_owned)
    });
    assert!(said.contains("`exempt` has more than 4096 prefixes"), "{said}");
    assert_eq!(scene.limiter.status().unwrap().config_hash, before);
    scene.live_goes_on(3);
    // As many as there is room for, but others.
    fs::write(&config, exempting("", 1_000, PREFIXES)).unwrap();
    scene.limiter.signal(Signal::HUP).unwrap();
    until("the others to be in force", PATIENCE, || {
        scene.limiter.stderr().contains("reloaded ").then_some(())
    });
    assert_ne!(scene.limiter.status().unwrap().config_hash, before);
    scene.live_goes_on(1);
    scene.saturated();
    scene.judge_with_accounting().tell(
        "more than 4096 exempt prefixes",
        "once",
        "log: `the previous configuration stays in force: ... more than 4096 prefixes`",
    );
}

/// `halfopen exec -- sleep` at work; ended when dropped.
struct Exec(Child);

impl Drop for Exec {
    fn drop(&mut self) {
        // The command is told to end, and passes that on.
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn more_scopes_are_asked_for_than_there_is_room_for() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let exec = |_| {
        let mut exec = scene.limiter.command();
        Exec(exec.args(["exec", "--", "sleep", "600"]).stdin(Stdio::null()).spawn().unwrap())
    };
    let mut execs: Vec<Exec> = (0..SCOPES).map(exec).collect();
    scene.limiter.await_status("all scopes", PATIENCE, |now| now.scopes.len() == SCOPES).unwrap();
    let refused = ask(&scene.limiter, &["exec", "--", "true"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.error.contains("all 63 scopes are in use"), "{refused:?}");
    scene.live_goes_on(1);
    execs.pop();
    scene.limiter.await_status("one to end", PATIENCE, |now| now.scopes.len() == SCOPES - 1).unwrap();
    assert_eq!(ask(&scene.limiter, &["exec", "--", "true"]).code, Some(0));
    drop(execs);
    scene.limiter.await_status("all to end", PATIENCE, |now| now.scopes.is_empty()).unwrap();
    scene.saturated();
    scene.judge_with_accounting().tell(
        "more than 63 `halfopen exec` at once",
        "once",
        "the 64th: exit code 1, `all 63 scopes are in use`",
    );
}

#[test]
fn more_programs_wait_than_are_counted() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let count = at_length(PROGRAMS + 1_000, 10 * PROGRAMS);
    let lab = Lab::new().unwrap();
    lab.client().ip(&format!("addr add {}/32 dev lo", crate::churn::OWN)).unwrap();
    let first = limiter(&lab).persist().start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let apart = scene.lab.cgroup().child("names").unwrap();
    let command = scene.lab.client().command_in(&apart, "python3");
    let mut names = Churn::start(command, "names", count as u32, Path::new("-"));
    until("all names", 10 * PATIENCE, || names.is_done().then_some(()));
    scene.live_goes_on(1);
    let mut dump = Command::new("bpftool");
    dump.args(["-j", "map", "dump", "pinned"]).arg(scene.lab.pins().join("programs"));
    let programs: Vec<Value> = serde_json::from_slice(&dump.output().unwrap().stdout).unwrap();
    // One cgroup has so many, one that stands for its others, and those of the scene's dialers.
    assert!(
        (PROGRAMS_OF_CGROUP..PROGRAMS_OF_CGROUP + 8).contains(&programs.len()),
        "{} programs",
        programs.len()
    );
    let uncounted = scene.fault_count("program_uncounted");
    scene.saturated();
    scene.judge_with_accounting().tell(
        "more programs of one cgroup wait than the 64 that are counted",
        format!("{count} names"),
        format!("`(others)` in the table; `ProgramUncounted` {uncounted}"),
    );
}
