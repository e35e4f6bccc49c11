//! Where connections are tracked, `doctor`, `status` and the log say how full that is.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, ask_well, program, said, until};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

const TRACKED: &str =
    "table inet tracked { chain out { type filter hook output priority 0; ct state new counter; }; }\n";

/// The program as in a host whose first network namespace the client's is, with room for `most` connections. A
/// namespace that is not the first cannot change that, so the file is replaced.
fn with_room_for(most: u32, lab: &Lab, directory: &Path) -> PathBuf {
    let (path, room) = (directory.join("halfopen-elsewhere"), directory.join("room"));
    fs::write(&room, format!("{most}\n")).unwrap();
    let text = format!(
        "#!/bin/sh\nexec nsenter --net={} -- unshare --mount -- sh -e -c \
         'mount --bind {} /proc/sys/net/netfilter/nf_conntrack_max\nexec \"$0\" \"$@\"' {} \"$@\"\n",
        lab.client().path().display(),
        room.display(),
        program().display()
    );
    install(text.as_bytes(), &path);
    path
}

#[test]
fn how_full_it_is() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    lab.client().nft(TRACKED).unwrap();
    let elsewhere = with_room_for(1_000, &lab, directory.path());
    let limiter = Limiter::builder(&lab).program(elsewhere.clone()).start().unwrap();
    let dead = lab.draw(&Mix { dead: 80, ..Mix::default() }).unwrap();
    let _dialling = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    // Ten are out, and those that wait have entries too.
    limiter.await_status("70 to wait", PATIENCE, |status| status.host.queued == 70).unwrap();
    let tracked = || -> serde_json::Value {
        let status: serde_json::Value =
            serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
        status["conntrack"].clone()
    };
    assert_eq!(tracked()["most"], 1_000);
    assert!(tracked()["entries"].as_u64().unwrap() >= 80, "{}", tracked());
    assert!(!ask_well(&limiter, &["status"]).contains("connection tracking is nearly full"));
    assert!(!limiter.stderr().contains("connection tracking"), "{}", limiter.stderr());

    let doctor = || said(Command::new(&elsewhere).arg("doctor").arg("--cgroup").arg(lab.cgroup().path())).out;
    let line = |out: &str| {
        out.lines().find(|line| line.contains("connection tracking")).map(ToOwned::to_owned).unwrap()
    };
    assert!(line(&doctor()).starts_with("good      connection tracking: "), "{}", doctor());

    // What is there now is four fifths of the room.
    fs::write(directory.path().join("room"), "100\n").unwrap();
    let told = line(&doctor());
    assert!(told.starts_with("degraded  connection tracking: a held attempt takes an entry too"), "{told}");
    assert!(told.contains(" of 100 entries; ") && told.contains("nf_conntrack_max"), "{told}");
    assert!(ask_well(&limiter, &["status"]).contains("degraded: connection tracking is nearly full: "));
    until("the log to say so", PATIENCE, || limiter.stderr().contains(" of 100 entries").then_some(()));
}
