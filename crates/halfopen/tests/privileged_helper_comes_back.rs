//! The privileged helper does not end by what it is asked, and comes back where it is killed.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::desk::mounts::install;
use testkit::desk::own_options::{OwnOptions, arguments};
use testkit::desk::processes::{Helper, kill};
use testkit::desk::{PATIENCE, ask, ask_well, limit, said, until};
use testkit::{Cgroup, Lab, Limiter, Mix, require_lab};

/// A name of control characters alone: in JSON each is six bytes.
const CONTROL: &str = "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}";
/// With a path of so many such names, near the longest that there are.
const NAMES: usize = 15;

fn control_name() -> String {
    CONTROL.repeat(240 / CONTROL.len())
}

/// Dials more than the limit has room for.
fn dial(lab: &Lab, cgroup: &Cgroup, program: &Path) -> OwnOptions {
    let dead = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap().destinations();
    let mut command = lab.client().command_in(cgroup, program);
    command.args(arguments(&dead));
    OwnOptions::start(command)
}

/// The program of that process, as `status` tells of it.
fn told_of(limiter: &Limiter, pid: u32) -> Value {
    until("the program to be told of", PATIENCE, || {
        let status: Value = serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap();
        status["programs"].as_array().unwrap().iter().find(|program| program["pid"] == pid).cloned()
    })
}

fn degraded(limiter: &Limiter) -> Vec<String> {
    let status: Value = serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap();
    let reasons = status["degraded"].as_array().unwrap().iter();
    reasons.map(|reason| reason["reason"].as_str().unwrap().to_owned()).collect()
}

fn python() -> PathBuf {
    said(Command::new("python3").args(["-c", "import sys; print(sys.executable)"])).out.into()
}

#[test]
fn paths_of_control_characters_do_not_end_it() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = limit(&lab, 3).start().unwrap();
    let mut program = directory.path().to_owned();
    for _ in 0..NAMES {
        program.push(control_name());
    }
    fs::create_dir_all(&program).unwrap();
    program.push("python");
    install(&fs::read(python()).unwrap(), &program);
    let mut cgroups: Vec<Cgroup> = Vec::new();
    for _ in 0..NAMES {
        cgroups.push(cgroups.last().unwrap_or(lab.cgroup()).child(control_name()).unwrap());
    }
    let dialer = dial(&lab, cgroups.last().unwrap(), &program);
    let told = told_of(&limiter, dialer.pid());
    let shown = |field: &str| told[field].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    let (exe, cgroup) = (shown("exe"), shown("cgroup"));
    let begins = format!(r"{}/\x01\x01", directory.path().display());
    assert!(exe.starts_with(&begins) && exe.ends_with(" bytes more]"), "{exe}");
    assert!(cgroup.contains(r"/\x01\x01") && cgroup.ends_with(" bytes more]"), "{cgroup}");
    assert!(!degraded(&limiter).contains(&"no_helper".to_owned()), "{}", limiter.stderr());
    ask_well(&limiter, &["exec", "--", "true"]);
    // The inner ones go first.
    drop(dialer);
    while cgroups.pop().is_some() {}
}

#[test]
fn killed_it_comes_back_as_often_as_it_takes() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    let first = Helper::of(limiter.pid());
    let mut helper = first;
    for _ in 0..3 {
        helper.kill_helper();
        helper = until("another one", PATIENCE, || {
            Some(Helper::of(limiter.pid())).filter(|now| now.helper != helper.helper)
        });
        assert_eq!(helper.keeper, first.keeper);
    }
    let dialer = dial(&lab, lab.cgroup(), &python());
    let told = until("a program to be named", PATIENCE, || {
        Some(told_of(&limiter, dialer.pid())).filter(|told| !told["exe"].is_null())
    });
    assert!(told["cgroup"].is_string() && told["user"] == "root", "{told}");
    ask_well(&limiter, &["exec", "--", "true"]);
    until("nothing to be missing", PATIENCE, || {
        (!degraded(&limiter).contains(&"no_helper".to_owned())).then_some(())
    });
    let (status, told) = limiter.stop().unwrap();
    assert!(status.success(), "it tidies up: {told}");
    helper.await_end();
}

#[test]
fn killed_while_it_is_asked_it_is_asked_again() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    let helper = Helper::of(limiter.pid());
    kill(helper.helper, Signal::STOP);
    let mut asking = limiter.command();
    asking.args(["exec", "--", "true"]).stdin(Stdio::null());
    let mut asking = asking.spawn().unwrap();
    // The request lies in its socket once the daemon waits there.
    let waits_in = format!("/proc/{}/wchan", limiter.pid());
    until("the daemon to wait for it", PATIENCE, || {
        fs::read_to_string(&waits_in).unwrap().contains("skb").then_some(())
    });
    helper.kill_helper();
    assert!(asking.wait().unwrap().success(), "{}", limiter.stderr());
    assert_ne!(Helper::of(limiter.pid()).helper, helper.helper);
}

#[test]
fn one_that_does_not_answer_is_said_to_be_missing_until_it_does() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    let helper = Helper::of(limiter.pid());
    kill(helper.helper, Signal::STOP);
    let refused = ask(&limiter, &["exec", "--", "true"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    until("its want to be told", PATIENCE, || {
        degraded(&limiter).contains(&"no_helper".to_owned()).then_some(())
    });
    kill(helper.helper, Signal::CONT);
    until("its return to be told", PATIENCE, || {
        (!degraded(&limiter).contains(&"no_helper".to_owned())).then_some(())
    });
    assert_eq!(ask_well(&limiter, &["exec", "--", "echo", "again"]), "again");
    assert_eq!(Helper::of(limiter.pid()), helper);
}
