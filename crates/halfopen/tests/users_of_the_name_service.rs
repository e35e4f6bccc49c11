//! Users whom /etc/passwd does not list are found through the host's name service: here nss_extrausers, whose users are
//! in a file of its own.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use testkit::desk::mounts::changed_for;
use testkit::desk::own_options::{OwnOptions, arguments};
use testkit::desk::{PATIENCE, ask_well, has, limit, program, until};
use testkit::{Lab, Limiter, Mix, require_lab};

const ALICE: u32 = 474_711;
const BOB: u32 = 474_712;
const CAROL: u32 = 474_713;

fn listed(directory: &Path, users: &[(&str, u32)]) {
    let line = |(name, uid): &(&str, u32)| format!("{name}:x:{uid}:{uid}::/:/bin/sh\n");
    fs::write(directory.join("users/passwd"), users.iter().map(line).collect::<String>()).unwrap();
}

/// What a host does whose name service has users in `directory`.
fn with_users(directory: &Path) -> String {
    fs::create_dir(directory.join("users")).unwrap();
    fs::write(directory.join("nsswitch.conf"), "passwd: files extrausers\n").unwrap();
    let directory = directory.display();
    format!(
        "mount --bind {directory}/nsswitch.conf /etc/nsswitch.conf\nmount --bind {directory}/users /var/lib/extrausers"
    )
}

fn rule(name: &str) -> String {
    format!(
        "[[scope]]\nname = \"{name}\"\nmatch = {{ user = \"{name}@example\" }}\nper = \"user\"\nhalf_open = 1\n"
    )
}

fn status(limiter: &Limiter) -> Value {
    serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap()
}

/// A user's program dials: it is held in an account that has the user's name.
fn is_held_by_name(lab: &Lab, limiter: &Limiter, uid: u32, name: &str) {
    let dead = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap().destinations();
    let mut command = lab.client().command_in(lab.cgroup(), "python3");
    command.args(arguments(&dead)).env("DIAL_AS", uid.to_string());
    let dialling = OwnOptions::start(command);
    let account = format!("{name}[user {name}@example]");
    until(&format!("two attempts to wait in {account}"), PATIENCE, || {
        let status = status(limiter);
        let mut scopes = status["scopes"].as_array().unwrap().iter();
        scopes.any(|scope| scope["name"] == *account && scope["queued"] == 2).then_some(())
    });
    let status = status(limiter);
    let mut programs = status["programs"].as_array().unwrap().iter();
    assert!(programs.any(|program| program["user"] == format!("{name}@example")), "{status}");
    drop(dialling);
}

#[test]
fn a_rule_is_for_them_and_they_are_shown_by_name() {
    require_lab!();
    if !has("/usr/lib/libnss_extrausers.so.2", "libnss-extrausers") {
        return;
    }
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let changed = changed_for(directory.path(), &with_users(directory.path()));
    listed(directory.path(), &[("alice@example", ALICE)]);
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, rule("alice") + &rule("bob") + &rule("carol")).unwrap();
    let limiter = limit(&lab, 100).program(changed).own_mounts(program()).config(&config).start().unwrap();
    let unmet = |status: &Value| {
        let degraded = status["degraded"].as_array().unwrap().clone();
        degraded.into_iter().filter(|found| found["reason"] == "unmet_scope").collect::<Vec<_>>()
    };
    // The daemon finds alice before its sandbox.
    let found = unmet(&status(&limiter));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0]["explanation"].as_str().unwrap().contains("no user bob@example"), "{found:?}");
    is_held_by_name(&lab, &limiter, ALICE, "alice");

    // Sandboxed, it looks for bob again by itself, through the privileged helper.
    listed(directory.path(), &[("alice@example", ALICE), ("bob@example", BOB)]);
    until("bob to be found", PATIENCE, || (unmet(&status(&limiter)).len() == 1).then_some(()));
    is_held_by_name(&lab, &limiter, BOB, "bob");

    // Files that say something else are read at SIGHUP only, and carol is looked for then.
    listed(directory.path(), &[("alice@example", ALICE), ("bob@example", BOB), ("carol@example", CAROL)]);
    fs::write(&config, rule("alice") + &rule("carol")).unwrap();
    limiter.signal(Signal::HUP).unwrap();
    until("carol to be found", PATIENCE, || unmet(&status(&limiter)).is_empty().then_some(()));
    is_held_by_name(&lab, &limiter, CAROL, "carol");
}
