//! What is pinned is ended by a signal, by `halfopen off` with or without a daemon, and by removing its directory.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::desk::kernel_objects::KernelObjects;
use testkit::desk::own_options::{OwnOptions, SYN_COUNT, USER_TIMEOUT_MS, arguments};
use testkit::desk::{PATIENCE, ask, has, limit, until};
use testkit::invariant::{attempts, destinations};
use testkit::{Capture, Lab, Limiter, Mix, Side, require_lab};

const LIMIT: u32 = 4;
const DIALLED: u32 = 30;
/// The daemon looks for its pins every second.
const NOTICED: Duration = Duration::from_secs(5);

/// A pinned limit with attempts that wait, whose sockets have options of their own.
struct Pinned {
    capture: Capture,
    dialer: OwnOptions,
    objects: KernelObjects,
    limiter: Limiter,
    dead: Vec<SocketAddr>,
    lab: Lab,
}

impl Pinned {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let limiter = limit(&lab, LIMIT).set("slot_life", "10m").persist().start().unwrap();
        let objects = KernelObjects::of(limiter.pid());
        let capture = lab.capture(Side::Client).unwrap();
        let dead = lab.draw(&Mix { dead: DIALLED as usize, ..Mix::default() }).unwrap().destinations();
        let mut dialer = lab.client().command_in(lab.cgroup(), "python3");
        dialer.args(arguments(&dead));
        let dialer = OwnOptions::start(dialer);
        let waiting = i64::from(DIALLED - LIMIT);
        limiter.await_status("the rest to wait", PATIENCE, |now| now.host.queued == waiting).unwrap();
        Self { capture, dialer, objects, limiter, dead, lab }
    }

    fn asked(&mut self) -> usize {
        destinations(&attempts(self.capture.segments().unwrap(), &[])).len()
    }

    /// Waits until all are out and nothing is left of ours.
    fn is_over(&mut self) {
        let all = self.dead.len();
        until("all to be out", PATIENCE, || (self.asked() == all).then_some(()));
        assert!(!self.lab.pins().exists());
        self.objects.await_gone();
    }

    /// Every socket has options of its own again.
    fn options_are_restored(&mut self) {
        for (user_timeout, syn_count) in self.dialer.options() {
            assert_eq!(user_timeout, USER_TIMEOUT_MS);
            // The kernel counts the re-checks of a hold: the program is left its own number besides.
            assert!((SYN_COUNT..127).contains(&syn_count), "{syn_count}");
        }
    }
}

#[test]
fn sigterm_lets_all_go_and_removes_the_pins() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let mut pinned = Pinned::new();
    pinned.limiter.signal(Signal::TERM).unwrap();
    assert_eq!(pinned.limiter.await_end(PATIENCE).unwrap().code(), Some(0));
    let said = pinned.limiter.stderr();
    assert!(said.contains(&format!("held attempts let go: {}", DIALLED - LIMIT)), "{said}");
    pinned.is_over();
    pinned.options_are_restored();
}

#[test]
fn off_lets_all_go_with_a_daemon_and_without_one() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    for killed in [false, true] {
        let mut pinned = Pinned::new();
        if killed {
            pinned.limiter.kill();
            assert_eq!(pinned.asked() as u32, LIMIT);
        }
        let said = ask(&pinned.limiter, &["off"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("nothing is limited any more"), "{said:?}");
        if killed {
            assert!(said.out.contains(&format!("let go: {}", DIALLED - LIMIT)), "{said:?}");
        } else {
            assert_eq!(pinned.limiter.await_end(PATIENCE).unwrap().code(), Some(0));
        }
        let again = ask(&pinned.limiter, &["off"]);
        assert_eq!(again.code, Some(0), "{again:?}");
        assert!(again.out.contains("nothing is pinned: nothing is limited"), "{again:?}");
        pinned.is_over();
        pinned.options_are_restored();
    }
}

#[test]
fn removing_the_directory_ends_the_limit_and_the_daemon_says_so() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let mut pinned = Pinned::new();
    std::fs::remove_dir_all(pinned.lab.pins()).unwrap();
    let removed = Instant::now();
    assert_eq!(pinned.limiter.await_end(PATIENCE).unwrap().code(), Some(0));
    assert!(removed.elapsed() < NOTICED, "noticed after {:?}", removed.elapsed());
    let said = pinned.limiter.stderr();
    assert!(said.contains("somebody removed ") && said.contains(": the limit has ended"), "{said}");
    // Until the daemon has noticed, TCP alone decides, at the pace of a hold: some have given up.
    pinned.is_over();
}

fn bpftool(arguments: &[&str]) -> Value {
    let output = Command::new("bpftool").arg("-j").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Writes another number of the layout into what is pinned, as another version would have.
fn change_layout(pins: &Path, layout: u8) {
    let keeper = pins.join("keeper");
    let keeper = keeper.to_str().unwrap();
    let key = ["key", "0", "0", "0", "0"];
    let found = bpftool(&[&["map", "lookup", "pinned", keeper][..], &key].concat());
    let mut bytes: Vec<String> =
        found["value"].as_array().unwrap().iter().map(|byte| byte.as_str().unwrap().to_owned()).collect();
    bytes[..4].clone_from_slice(&[layout.to_string(), "0".into(), "0".into(), "0".into()]);
    let mut update = vec!["map", "update", "pinned", keeper];
    update.extend(key);
    update.push("value");
    update.extend(bytes.iter().map(String::as_str));
    bpftool(&update);
}

#[test]
fn another_layout_is_ended_and_the_start_is_a_fresh_one() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    // An older version's and a newer one's.
    for layout in [0, 99] {
        let mut pinned = Pinned::new();
        pinned.limiter.kill();
        change_layout(pinned.lab.pins(), layout);
        pinned.limiter.start_again().unwrap();
        let said = pinned.limiter.stderr();
        assert!(said.contains(&format!("with another layout ({layout}, this version has")), "{said}");
        assert!(pinned.lab.pins().exists(), "the limit is pinned anew");
        let all = pinned.dead.len();
        until("all that were held to be out", PATIENCE, || (pinned.asked() == all).then_some(()));
        pinned.options_are_restored();
    }
}
