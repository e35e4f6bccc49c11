//! Where connections are tracked, `doctor`, `status` and the log say how full that is.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::commands::Doctor;
use halfopen::conntrack::NamespaceEntries;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, ask_well, program, said, until};
use testkit::{Cgroup, Dialer, Lab, Limiter, Mix, require_lab};

const TRACKED: &str =
    "table inet tracked { chain out { type filter hook output priority 0; ct state new counter; }; }\n";
const TRACKED_ON_THE_WAY_IN: &str =
    "table inet tracked { chain in { type filter hook input priority 0; ct state new counter; }; }\n";

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

#[test]
fn whose_entries_they_are() {
    require_lab!();
    let lab = Lab::new().unwrap();
    lab.client().nft(TRACKED).unwrap();
    let netns = fs::metadata(lab.client().path()).unwrap().ino();
    let tracked_in = |netns: u64| -> Option<NamespaceEntries> {
        let found = Command::new(program())
            .args(["doctor", "--json", "--cgroup"])
            .arg(lab.cgroup().path())
            .output()
            .unwrap();
        let doctor: Doctor = serde_json::from_slice(&found.stdout).unwrap();
        doctor.conntrack.into_iter().find(|found| found.netns == netns)
    };
    let tracked = || tracked_in(netns);
    assert_eq!(tracked(), None, "a namespace without an entry is not listed");

    let (many, few) = (lab.new_cgroup("many").unwrap(), lab.new_cgroup("few").unwrap());
    let dead = lab.draw(&Mix { dead: 12, ..Mix::default() }).unwrap();
    let destinations = dead.destinations();
    let (of_many, of_few) = destinations.split_at(9);
    let _many = Dialer::new(&lab).cgroup(&many).destinations(of_many.to_vec()).spawn().unwrap();
    let few_dialling = Dialer::new(&lab).cgroup(&few).destinations(of_few.to_vec()).spawn().unwrap();
    let of = |cgroup: &Cgroup, found: &NamespaceEntries| {
        let name = cgroup.path().file_name().unwrap().to_str().unwrap();
        found.cgroups.iter().find(|of| of.cgroup.ends_with(name)).map(|of| of.entries)
    };
    until("the entries of both", PATIENCE, || {
        let found = tracked()?;
        (of(&many, &found) == Some(9) && of(&few, &found) == Some(3) && found.no_socket == 0).then_some(())
    });
    let found = tracked().unwrap();
    assert_eq!(of(&many, &found), found.cgroups.first().map(|of| of.entries), "most first: {found:?}");
    let text = said(Command::new(program()).arg("doctor").arg("--cgroup").arg(lab.cgroup().path())).out;
    let line = text.lines().find(|line| line.contains(&format!("of net:[{netns}]: "))).unwrap();
    assert!(line.starts_with("note      connection tracking of net:["), "{line}");
    assert!(line.contains(&format!("{} 9, ", found.cgroups[0].cgroup)), "{line}");

    // Its sockets are gone, its entries stay.
    drop(few_dialling);
    until("entries without a socket", PATIENCE, || {
        let found = tracked()?;
        (of(&few, &found).is_none() && found.no_socket == 3).then_some(())
    });

    // As on a host whose containers have namespaces of their own: the socket that dials is in another one.
    lab.world().nft(TRACKED_ON_THE_WAY_IN).unwrap();
    let world = fs::metadata(lab.world().path()).unwrap().ino();
    let answering = lab.draw(&Mix { live: 4, ..Mix::default() }).unwrap();
    let _connected = Dialer::new(&lab).cgroup(&few).destinations(answering.destinations()).spawn().unwrap();
    until("the entries of the far side", PATIENCE, || {
        (of(&few, &tracked_in(world)?) == Some(4)).then_some(())
    });
}
