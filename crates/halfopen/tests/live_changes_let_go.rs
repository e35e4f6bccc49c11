//! However the limiter is ended, every held attempt goes out with its own options, and nothing of ours is left.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::desk::kernel_objects::KernelObjects;
use testkit::desk::own_options::{OwnOptions, SYN_COUNT, USER_TIMEOUT_MS, arguments};
use testkit::desk::{NEXT_RECHECK, PATIENCE, ask_well, has, limit, until};
use testkit::invariant::{attempts, destinations};
use testkit::{Lab, Limiter, Mix, Side, require_lab};

const LIMIT: u32 = 4;
const DIRECTLY: u32 = 30;
const IN_SCOPE: u32 = 12;

/// Dials dead hosts from the limited cgroup, and from a scope of `halfopen exec` within it.
fn dial(lab: &Lab, limiter: &Limiter, dead: &[SocketAddr]) -> [OwnOptions; 2] {
    let mut directly = lab.client().command_in(lab.cgroup(), "python3");
    directly.args(arguments(&dead[..DIRECTLY as usize]));
    let directly = OwnOptions::start(directly);
    let mut in_scope = limiter.command();
    let namespace = format!("--net={}", lab.client().path().display());
    in_scope.args(["exec", "--half-open", "2", "--", "nsenter", &namespace, "--", "python3"]);
    in_scope.args(arguments(&dead[DIRECTLY as usize..]));
    [directly, OwnOptions::start(in_scope)]
}

fn cgroups_below(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.cgroup().path()).unwrap().flatten();
    let directories = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    directories.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn held_attempts_go_out(stop: impl FnOnce(&Limiter)) {
    if !has("bpftool", "bpftool") {
        return;
    }
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).start().unwrap();
    let ours = KernelObjects::of(limiter.pid());
    let mut capture = lab.capture(Side::Client).unwrap();
    let dead =
        lab.draw(&Mix { dead: (DIRECTLY + IN_SCOPE) as usize, ..Mix::default() }).unwrap().destinations();
    let mut dialers = dial(&lab, &limiter, &dead);
    let waiting = i64::from(DIRECTLY + IN_SCOPE - LIMIT);
    limiter.await_status("the rest to wait", PATIENCE, |status| status.host.queued == waiting).unwrap();
    assert_eq!(cgroups_below(&lab), ["halfopen.exec"]);
    for dialer in &mut dialers {
        assert!(dialer.options().iter().all(|options| *options == (USER_TIMEOUT_MS, SYN_COUNT)));
    }
    let mut asked = || destinations(&attempts(capture.segments().unwrap(), &[]));
    assert_eq!(asked().len(), LIMIT as usize, "before the end");

    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    stop(&limiter);
    assert_eq!(limiter.await_end(PATIENCE).unwrap().code(), Some(0));
    let all: HashSet<_> = dead.iter().copied().collect();
    until("every attempt's SYN", PATIENCE, || (asked() == all).then_some(()));
    let captured = capture.finish().unwrap();
    let out = attempts(&captured.segments, &[]);
    let last = out.iter().map(|attempt| attempt.syns[0]).max().unwrap();
    let late = last.saturating_sub(before);
    assert!(late < NEXT_RECHECK, "the last SYN left {late:?} after the end");

    for dialer in &mut dialers {
        for (user_timeout, syn_count) in dialer.options() {
            assert_eq!(user_timeout, USER_TIMEOUT_MS);
            // The kernel counts the re-checks of a hold: the program is left its own number besides.
            assert!((SYN_COUNT..127).contains(&syn_count), "{syn_count}");
        }
    }
    let told = limiter.stderr();
    assert!(told.contains(&format!("held attempts let go: {waiting}")), "{told}");
    ours.await_gone();
    assert_eq!(cgroups_below(&lab), Vec::<String>::new());
    assert_eq!(fs::read_dir(limiter.run_directory()).unwrap().count(), 0, "in the run directory");
    let [directly, in_scope] = dialers;
    assert_eq!((directly.end(), in_scope.end()), (Some(0), Some(0)), "nobody was ended with the limiter");
}

#[test]
fn by_off() {
    require_lab!();
    held_attempts_go_out(|limiter| {
        let told = ask_well(limiter, &["off"]);
        assert!(told.contains("has let go and ended"), "{told}");
        let again = ask_well(limiter, &["off"]);
        assert!(again.contains("nothing is limited"), "{again}");
    });
}

#[test]
fn by_sigint() {
    require_lab!();
    held_attempts_go_out(|limiter| limiter.signal(Signal::INT).unwrap());
}

#[test]
fn by_sigterm() {
    require_lab!();
    held_attempts_go_out(|limiter| limiter.signal(Signal::TERM).unwrap());
}

#[test]
fn mode_off_lets_go_and_the_limiter_stays() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = limit(&lab, LIMIT).start().unwrap();
    let dead = lab.draw(&Mix { dead: DIRECTLY as usize, ..Mix::default() }).unwrap().destinations();
    let mut command = lab.client().command_in(lab.cgroup(), "python3");
    command.args(arguments(&dead));
    let mut dialer = OwnOptions::start(command);
    let waiting = i64::from(DIRECTLY - LIMIT);
    limiter.await_status("the rest to wait", PATIENCE, |status| status.host.queued == waiting).unwrap();
    limiter.set("mode", "off").unwrap();
    limiter.await_status("none to wait", NEXT_RECHECK, |status| status.host.queued == 0).unwrap();
    let status = ask_well(&limiter, &["status"]);
    assert!(status.contains("degraded: mode is off: nothing is held or counted"), "{status}");
    // Killed, it no longer answers in the kernel's place when programs ask for their options.
    limiter.signal(Signal::KILL).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    assert!(dialer.options().iter().all(|(user_timeout, _)| *user_timeout == USER_TIMEOUT_MS));
}
