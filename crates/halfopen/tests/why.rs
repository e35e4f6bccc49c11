//! `why`: whose attempts wait, asked by any name that they have.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use testkit::desk::{PATIENCE, ask_well};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

const DIALLED: usize = 60;

#[test]
fn a_name_finds_attempts_and_many_alike_are_one_line() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let (scan, other) =
        (lab.cgroup().child("scan.service").unwrap(), lab.cgroup().child("other.service").unwrap());
    let limiter = Limiter::builder(&lab).set("preset", "adaptive").start().unwrap();
    let dead = |count| lab.draw(&Mix { dead: count, ..Mix::default() }).unwrap().destinations();
    let dialling = Dialer::new(&lab).cgroup(&scan).destinations(dead(DIALLED)).spawn().unwrap();
    let _other = Dialer::new(&lab).cgroup(&other).destinations(dead(1)).spawn().unwrap();
    let all = i64::try_from(DIALLED).unwrap() + 1;
    limiter
        .await_status("attempts to wait", PATIENCE, |status| {
            status.host.queued > 0 && status.host.queued + status.host.half_open == all
        })
        .unwrap();

    let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    let names = status["scopes"].as_array().unwrap().iter().filter_map(|scope| scope["name"].as_str());
    let account = names.into_iter().find(|name| name.contains("scan.service")).unwrap();
    let path = account.trim_start_matches("adaptive[").trim_end_matches(']');
    let pid = dialling.pid().to_string();
    let how_many = |subject: &str| {
        let why: Value = serde_json::from_str(&ask_well(&limiter, &["why", "--json", subject])).unwrap();
        assert_eq!(why["in_all"], why["attempts"].as_array().unwrap().len(), "{why}");
        why["in_all"].as_u64().unwrap() as usize
    };
    for subject in [account, path, "scan.service", &pid] {
        assert_eq!(how_many(subject), DIALLED, "{subject}");
        let shown = ask_well(&limiter, &["why", subject]);
        // Those that are out, and those that wait.
        assert_eq!(shown.lines().count(), 2, "{subject}: {shown}");
        assert!(
            shown.contains(" attempts to port 80, such as ") && shown.contains("; waits for "),
            "{shown}"
        );
    }
    // By its executable too, which is what a program is known by whose threads have names of their own.
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    for program in ["lab-dial", exe.to_str().unwrap()] {
        assert_eq!(how_many(program), DIALLED + 1, "{program}");
    }
    assert_eq!(how_many("other.service"), 1);
    assert_eq!(how_many("service"), 0);
    let shown = ask_well(&limiter, &["why", "nobody"]);
    assert!(shown.contains("no such attempt") && shown.contains("were searched for nobody"), "{shown}");
}
