//! The daemon after its start, looked at from outside: it has nothing left, and all that it is for still works; its
//! privileged helper ends with it, and it goes on without one.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::desk;

use rustix::process::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::desk::kernel_objects::KernelObjects;
use testkit::desk::mounts::{OWN_USER, as_own_user, changed_for, install, users};
use testkit::desk::own_options::{OwnOptions, SYN_COUNT, USER_TIMEOUT_MS, arguments};
use testkit::desk::processes::{Helper, kill, state};
use testkit::desk::{PATIENCE, ask, ask_well, has, limit, until};
use testkit::invariant::{attempts, destinations};
use testkit::{Lab, Limiter, Mix, Side, require_lab};

/// Where nobody else pins anything.
fn pins(name: &str) -> PathBuf {
    PathBuf::from(format!("/sys/fs/bpf/halfopen-test-{}-{name}", std::process::id()))
}

/// CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_PTRACE, CAP_SYS_ADMIN.
const KEPT: &str = "0000000000283006";
const LIMIT: u32 = 3;
const DIALLED: u32 = 12;

/// A limiter in a place where there is a user for it.
fn with_own_user(lab: &Lab) -> (TempDir, PathBuf, Limiter) {
    let directory = tempfile::tempdir().unwrap();
    let program = as_own_user(directory.path());
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, format!("[host]\nhalf_open = {LIMIT}\ndrain = \"unlimited\"\n")).unwrap();
    let limiter = Limiter::builder(lab).program(program).config(&config).start().unwrap();
    (directory, config, limiter)
}

fn dead(lab: &Lab) -> Vec<SocketAddr> {
    lab.draw(&Mix { dead: DIALLED as usize, ..Mix::default() }).unwrap().destinations()
}

/// A dialer of another user, in the limited cgroup.
fn dial(lab: &Lab, dead: &[SocketAddr]) -> OwnOptions {
    let mut command = lab.client().command_in(lab.cgroup(), "python3");
    command.args(arguments(dead)).env("DIAL_AS", "65534");
    OwnOptions::start(command)
}

fn await_the_rest_held(limiter: &Limiter) {
    let (out, waiting) = (i64::from(LIMIT), i64::from(DIALLED - LIMIT));
    limiter
        .await_status("the rest to wait", PATIENCE, |status| {
            status.host.half_open == out && status.host.queued == waiting
        })
        .unwrap();
}

fn degraded(limiter: &Limiter) -> Vec<String> {
    let status: Value = serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap();
    let reasons = status["degraded"].as_array().unwrap().iter();
    reasons.map(|reason| reason["reason"].as_str().unwrap().to_owned()).collect()
}

/// The first program of the first event.
fn accused(limiter: &Limiter) -> Value {
    let line = until("an event", PATIENCE, || {
        ask_well(limiter, &["events", "--json"]).lines().next().map(ToOwned::to_owned)
    });
    serde_json::from_str::<Value>(&line).unwrap()["programs"][0].clone()
}

fn assert_nothing_left(pid: u32) {
    let state = state(pid).unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(state[set], "0000000000000000", "{set}");
    }
    assert_eq!((state["NoNewPrivs"].as_str(), state["Seccomp"].as_str()), ("1", "2"));
    assert_eq!(state["Threads"], "1", "a second one might not be sandboxed");
}

#[test]
fn all_commands_work_while_it_has_nothing_left() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let (directory, config, limiter) = with_own_user(&lab);
    let own = format!("{OWN_USER} {OWN_USER} {OWN_USER} {OWN_USER}");
    let now = state(limiter.pid()).unwrap();
    assert_eq!((&now["Uid"], &now["Gid"], now["Groups"].as_str()), (&own, &own, ""));
    assert_nothing_left(limiter.pid());
    let lacking = ["no_own_user", "no_landlock", "no_seccomp", "no_helper"];
    let degraded = degraded(&limiter);
    assert!(!degraded.iter().any(|reason| lacking.contains(&reason.as_str())), "{degraded:?}");
    let doctor = ask_well(&limiter, &["doctor", "--cgroup", lab.cgroup().path().to_str().unwrap()]);
    let line =
        format!("good      the running daemon (pid {}, uid {OWN_USER}): no capabilities", limiter.pid());
    assert!(doctor.contains(&line), "{doctor}");
    let helper = Helper::of(limiter.pid());
    for pid in [helper.keeper, helper.helper] {
        let state = state(pid).unwrap();
        assert_eq!(state["CapEff"].as_str(), KEPT, "no more than it needs");
        assert_eq!((state["CapPrm"].as_str(), state["CapBnd"].as_str()), (KEPT, KEPT));
        kill(pid, Signal::TERM);
    }

    let dead = dead(&lab);
    let dialer = dial(&lab, &dead);
    await_the_rest_held(&limiter);
    let why: Value =
        serde_json::from_str(&ask_well(&limiter, &["why", "--json", &dialer.pid().to_string()])).unwrap();
    assert_eq!(why["in_all"], DIALLED, "{why}");
    let accused = accused(&limiter);
    let exe = fs::read_link(format!("/proc/{}/exe", dialer.pid())).unwrap();
    let cgroup = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
    assert_eq!(accused["exe"].as_str(), exe.to_str());
    assert_eq!(
        (accused["cgroup"].as_str(), accused["user"].as_str()),
        (Some(cgroup.as_str()), Some("nobody"))
    );

    ask_well(&limiter, &["set", "queue", "77"]);
    assert_eq!(limiter.get("queue").unwrap(), "77");
    let local = directory.path().join("conf.d/90-local.toml");
    let saved = ask_well(&limiter, &["set", "--save", "half_open", "5"]);
    assert_eq!(saved, format!("host.half_open = 5 (was 3), saved to {}", local.display()));
    assert_eq!(fs::read_to_string(&local).unwrap(), "[host]\nhalf_open = 5\n");
    let in_scope = ask_well(&limiter, &["exec", "--half-open", "1", "--", "cat", "/proc/self/cgroup"]);
    assert!(in_scope.contains("/halfopen.exec/exec-"), "{in_scope}");
    let left = fs::read_dir(lab.cgroup().path().join("halfopen.exec")).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_type().unwrap().is_dir()).count(), 0, "its cgroup is removed");

    fs::write(&config, "[host]\nhalf_open = 4\nqueue = 99\n").unwrap();
    limiter.signal(Signal::HUP).unwrap();
    until("the files to be read again", PATIENCE, || (limiter.get("queue").unwrap() == "99").then_some(()));
    assert_eq!(limiter.get("half_open").unwrap(), "5", "what was saved");

    // Root's alone, and replaced by another file, as editors do: the privileged helper reads it all the same.
    let other = directory.path().join("other");
    fs::write(&other, "[host]\nqueue = 98\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&other, &config).unwrap();
    limiter.signal(Signal::HUP).unwrap();
    until("the files to be read again", PATIENCE, || (limiter.get("queue").unwrap() == "98").then_some(()));

    assert!(ask_well(&limiter, &["off"]).contains("has let go and ended"));
    let (ended, told) = limiter_end(limiter);
    assert_eq!(ended, Some(0), "{told}");
    assert!(!lab.cgroup().path().join("halfopen.exec").exists());
    helper.await_end();
}

fn limiter_end(mut limiter: Limiter) -> (Option<i32>, String) {
    let ended = limiter.await_end(PATIENCE).unwrap();
    let files: Vec<_> = fs::read_dir(limiter.run_directory()).unwrap().flatten().collect();
    assert!(files.is_empty(), "{files:?}");
    (ended.code(), limiter.stderr())
}

#[test]
fn without_a_user_it_says_so_and_has_nothing_left_either() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let program = changed_for(directory.path(), &users(directory.path(), false));
    let limiter = Limiter::builder(&lab).program(program).start().unwrap();
    assert_eq!(state(limiter.pid()).unwrap()["Uid"], "0 0 0 0");
    assert_nothing_left(limiter.pid());
    assert!(degraded(&limiter).contains(&"no_own_user".to_owned()));
    assert!(limiter.stderr().contains("there is no user halfopen"), "{}", limiter.stderr());
    let (status, told) = limiter.stop().unwrap();
    assert!(status.success(), "{told}");
}

#[test]
fn a_daemon_killed_takes_its_hand_and_its_programs_with_it() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let lab = Lab::new().unwrap();
    let (_directory, _, limiter) = with_own_user(&lab);
    let (helper, ours) = (Helper::of(limiter.pid()), KernelObjects::of(limiter.pid()));
    for pid in [helper.keeper, helper.helper] {
        for fd in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
            let text = fs::read_to_string(fd.path()).unwrap_or_default();
            let ours = ["link_id", "map_id", "prog_id"].iter().any(|id| text.contains(id));
            assert!(!ours, "{text}");
        }
    }
    let mut capture = lab.capture(Side::Client).unwrap();
    let dead = dead(&lab);
    let _dialer = dial(&lab, &dead);
    await_the_rest_held(&limiter);
    limiter.signal(Signal::KILL).unwrap();
    helper.await_end();
    ours.await_gone();
    until("all to be asked", PATIENCE, || {
        (destinations(&attempts(capture.segments().unwrap(), &[])).len() == dead.len()).then_some(())
    });
}

#[test]
fn without_its_hand_it_limits_on_and_lets_all_go_in_the_end() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let program = inside(&lab, directory.path());
    let limiter = limit(&lab, LIMIT).program(program).start().unwrap();
    Helper::of(limiter.pid()).kill_for_good();
    until("the loss to be noticed", PATIENCE, || {
        degraded(&limiter).contains(&"no_helper".to_owned()).then_some(())
    });
    let lines = || limiter.stderr().lines().filter(|said| said.contains("the privileged helper")).count();
    assert_eq!(lines(), 1, "{}", limiter.stderr());

    let mut capture = lab.capture(Side::Client).unwrap();
    let dead = dead(&lab);
    let mut dialer = dial(&lab, &dead);
    await_the_rest_held(&limiter);
    let accused = accused(&limiter);
    assert_eq!(accused["pid"], dialer.pid());
    assert!(accused["exe"].is_null() && accused["cgroup"].is_null(), "{accused}");
    assert_eq!(accused["user"], "65534");
    let refused = ask(&limiter, &["exec", "--", "true"]);
    assert!(refused.code == Some(1) && refused.error.contains("the privileged helper"), "{refused:?}");
    assert_eq!(destinations(&attempts(capture.segments().unwrap(), &[])).len(), LIMIT as usize);

    let (status, told) = limiter.stop().unwrap();
    assert_eq!(status.code(), Some(1), "the runtime directory cannot be tidied up: {told}");
    assert!(told.contains("nothing is limited any more") && told.contains("cannot clean up"), "{told}");
    assert!(told.contains(&format!("held attempts let go: {}", DIALLED - LIMIT)), "{told}");
    for (user_timeout, syn_count) in dialer.options() {
        assert_eq!(user_timeout, USER_TIMEOUT_MS);
        // The kernel counts the re-checks of a hold: the program is left its own number besides.
        assert!((SYN_COUNT..127).contains(&syn_count), "{syn_count}");
    }
    let all: HashSet<_> = dead.iter().copied().collect();
    until("all to be asked", PATIENCE, || {
        let asked: HashSet<_> =
            destinations(&attempts(capture.segments().unwrap(), &[])).into_iter().collect();
        (asked == all).then_some(())
    });
}

/// The program in the network namespace of the dialers, whose sockets are then those that it reaches by itself.
fn inside(lab: &Lab, directory: &Path) -> PathBuf {
    let path = directory.join("halfopen-inside");
    let (namespace, program) = (lab.client().path(), desk::program());
    let text = format!(
        "#!/bin/sh\nexec nsenter --net='{}' -- '{}' \"$@\"\n",
        namespace.display(),
        program.display()
    );
    install(text.as_bytes(), &path);
    path
}

/// What `persist` needs of the file system, too, is done by the privileged helper, or was opened before.
#[test]
fn a_confined_daemon_hands_over_takes_over_and_ends_what_is_pinned() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let pins = pins("over");
    let place = tempfile::tempdir().unwrap();
    let change = format!("{} && export HALFOPEN_PIN_DIR='{}'", users(place.path(), true), pins.display());
    let program = changed_for(place.path(), &change);
    let start = || limit(&lab, LIMIT).set("persist", true).program(program.clone()).start().unwrap();
    let mut limiter = start();
    let dialer = dial(&lab, &dead(&lab));
    await_the_rest_held(&limiter);
    let mut in_scope = limiter.command();
    in_scope.args(["exec", "--", "sleep", "600"]);
    let mut in_scope = in_scope.spawn().unwrap();
    let name = format!("exec-{}", in_scope.id());
    let scope = lab.cgroup().path().join("halfopen.exec").join(&name);
    until("the scope", PATIENCE, || scope.is_dir().then_some(()));

    limiter.signal(Signal::USR2).unwrap();
    assert_eq!(limiter.await_end(PATIENCE).unwrap().code(), Some(0), "{}", limiter.stderr());
    assert!(pins.join("egress").exists(), "handed over");
    let limiter = start();
    assert_nothing_left(limiter.pid());
    await_the_rest_held(&limiter);
    // Several looks: what it cannot see must not count as gone.
    let looked = std::time::Instant::now();
    until("some looks", PATIENCE, || (looked.elapsed().as_secs() > 3).then_some(()));
    assert_eq!(limiter.status().unwrap().scopes.len(), 1, "{}", limiter.stderr());

    in_scope.kill().unwrap();
    in_scope.wait().unwrap();
    fs::write(scope.join("cgroup.kill"), "1").unwrap();
    until("the scope to end with its last process", PATIENCE, || (!scope.exists()).then_some(()));
    drop(dialer);
    let (status, told) = limiter.stop().unwrap();
    assert!(status.success(), "{told}");
    assert!(!pins.exists(), "{told}");
    assert!(!lab.cgroup().path().join("halfopen.exec").exists());
}
