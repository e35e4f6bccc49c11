//! `block` and `release`: both can be asked for again, by the name in the event, also when the cgroup is gone.

use crate::scene::{CREDIT, Host, MUCH_CREDIT, account, dial, path_of, scanner};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use testkit::desk::{PATIENCE, ask, ask_well, said, unbroken, until};
use testkit::dial::Outcome;
use testkit::{Cgroup, Dialer, HostKind, Mix, require_lab};

const NOTHING: &str = "nothing to release: it is neither a suspect nor blocked";

/// Whether a process in this cgroup connects to a new host that answers.
fn connects(host: &Host, cgroup: &Cgroup) -> bool {
    let live = host.lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&host.lab).cgroup(cgroup).destinations(live.destinations());
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    reports.iter().all(|report| report.outcome == Outcome::Connected)
}

fn status(host: &Host) -> Value {
    serde_json::from_str(&ask_well(&host.limiter, &["status", "--json"])).unwrap()
}

fn block(host: &Host, name: &str, time: &str) -> String {
    ask_well(&host.limiter, &["block", name, "--for", time])
}

#[test]
fn a_blocked_account_reaches_nobody_until_it_is_released() {
    require_lab!();
    let host = Host::new(CREDIT, "");
    let (scan, other) = (host.lab.cgroup().child("scan").unwrap(), host.lab.cgroup().child("other").unwrap());
    let (name, other_name) = (account(&host, "scan"), account(&host, "other"));
    assert!(connects(&host, &scan) && connects(&host, &other));
    let mut program = scanner(&host, &scan);
    dial(&mut program, &host.draw(HostKind::Dead, 40, 22));
    until("attempts to wait", PATIENCE, || {
        (status(&host)["host"]["queued"].as_u64() > Some(20)).then_some(())
    });

    let told = block(&host, &name, "1h");
    assert!(told.starts_with(&format!("blocked {name} until 2")), "{told}");
    let out = |status: &Value| {
        let count = |key: &str| status["host"][key].as_u64().unwrap();
        count("admitted") + count("released")
    };
    // What was let out before the kernel part knew has been counted by now.
    let before = out(&status(&host));
    assert!(!connects(&host, &scan), "it is blocked");
    assert!(connects(&host, &other), "others are not");
    let after = until("the waiting attempts to end", PATIENCE, || {
        Some(status(&host)).filter(|status| status["host"]["queued"] == 0)
    });
    assert_eq!(out(&after), before + 1, "only the other's attempt went out: {after}");
    let of_account = &host.inspect(&name)["accounts"][0]["status"];
    assert!(of_account["refused_blocked"].as_u64() > Some(0) && of_account["blocked_until"].is_string());
    assert!(host.inspect(&other_name)["accounts"][0]["status"]["blocked_until"].is_null());
    assert_eq!(after["blocked"][0]["account"], name);
    let table = unbroken(&ask_well(&host.limiter, &["status"]));
    assert!(table.contains(&format!("{name}: blocked by hand until ")), "{table}");
    assert!(host.limiter.stderr().contains(&format!("{name} is blocked by hand until ")));

    // Again, with the cgroup alone and another time.
    let again = block(&host, &format!("{}/scan", path_of(host.lab.cgroup())), "2h");
    assert!(
        again.starts_with(&format!("blocked {name} until ")) && again.contains(" (was blocked until "),
        "{again}"
    );
    assert!(!connects(&host, &scan));
    assert_eq!(ask_well(&host.limiter, &["release", &name]), format!("released {name}"));
    assert!(connects(&host, &scan), "it is released");
    assert_eq!(ask_well(&host.limiter, &["release", &name]), NOTHING);
    assert_eq!(status(&host)["blocked"], json!([]));
    for whom in ["each", "--all"] {
        block(&host, &name, "1h");
        assert_eq!(ask_well(&host.limiter, &["release", whom]), format!("released {name}"), "{whom}");
    }
}

#[test]
fn a_block_outlives_the_cgroup_and_the_daemon() {
    require_lab!();
    let mut host = Host::started(MUCH_CREDIT, "", true);
    let name = account(&host, "scan");
    let cgroup = host.lab.cgroup().child("scan").unwrap();
    let mut program = scanner(&host, &cgroup);
    dial(&mut program, &host.draw(HostKind::Dead, 60, 22));
    host.until_suspect(&name);
    program.kill();
    drop(cgroup);
    block(&host, &name, "1h");
    let again = host.lab.cgroup().child("scan").unwrap();
    assert!(!connects(&host, &again), "the unit was started again");
    host.limiter.kill();
    assert!(!connects(&host, &again), "no daemon runs");
    let unwatched: Value = serde_json::from_str(&ask(&host.limiter, &["status", "--json"]).out).unwrap();
    assert!(unwatched["blocked"][0]["until"].is_string(), "read from the pins: {unwatched}");
    drop(again);
    host.limiter.start_again().unwrap();
    // The new daemon has never seen the cgroup.
    let status = status(&host);
    assert_eq!(status["blocked"][0]["account"], name, "known from the events: {status}");
    let released = ask_well(&host.limiter, &["release", &name]);
    assert_eq!(released, format!("released {name}"));
    // Asked for again, it is no failure.
    ask_well(&host.limiter, &["release", &name]);
    let again = host.lab.cgroup().child("scan").unwrap();
    assert!(connects(&host, &again));
}

#[test]
fn a_block_ends_on_time_and_audit_withholds_nothing() {
    require_lab!();
    let host = Host::new(CREDIT, "");
    let cgroup = host.lab.cgroup().child("some").unwrap();
    let name = account(&host, "some");
    assert!(connects(&host, &cgroup));
    block(&host, &name, "3s");
    assert!(!connects(&host, &cgroup));
    until("the block to end by itself", PATIENCE, || connects(&host, &cgroup).then_some(()));
    assert_eq!(status(&host)["blocked"], json!([]));
    assert_eq!(ask_well(&host.limiter, &["release", &name]), NOTHING);

    block(&host, &name, "1h");
    host.limiter.set("mode", "audit").unwrap();
    assert!(connects(&host, &cgroup), "audit mode");
    let refused = ask(&host.limiter, &["block", &name, "--for", "1h"]);
    assert!(
        refused.code == Some(1) && refused.error.contains("mode is audit, which refuses nothing"),
        "{refused:?}"
    );
    host.limiter.set("mode", "enforce").unwrap();
    assert!(!connects(&host, &cgroup), "the hour is not over");
}

#[test]
fn what_is_no_single_account_is_not_blocked() {
    require_lab!();
    let host = Host::new(CREDIT, "[[interface]]\nname = \"nowhere0\"\nhalf_open = 5\n");
    let cgroup = host.lab.cgroup().child("some").unwrap();
    assert!(connects(&host, &cgroup));
    for (whom, told) in [
        ("host", "host is every program of this machine"),
        ("each", "each has an account for each cgroup"),
        ("nowhere0", "nowhere0 is an interface"),
        ("eech", "there is no scope eech: the names most like it are 'each'"),
        ("each[/nobody]", "there is no account each[/nobody]"),
    ] {
        let refused = ask(&host.limiter, &["block", whom, "--for", "1h"]);
        assert!(refused.code == Some(1) && refused.error.contains(told), "{whom}: {refused:?}");
    }
    let wrong = ask(&host.limiter, &["block", &account(&host, "some"), "--for", "2d"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(connects(&host, &cgroup), "nothing is blocked");
}

/// Other ways to begin a connection than connect() on a TCP socket, tried as a plain user.
const OTHER_WAYS: &str = "
import os, socket, sys, threading
os.setresuid(4711, 4711, 4711)
to = (sys.argv[1], int(sys.argv[2]))
def fast_open():
    socket.socket().sendto(b'x', 0x20000000, to)
def multipath():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(to)
def mapped():
    socket.socket(socket.AF_INET6).connect(('::ffff:' + to[0], to[1]))
def second_thread():
    failed = []
    def dial():
        try: socket.socket().connect(to)
        except OSError as e: failed.append(e)
    thread = threading.Thread(target=dial); thread.start(); thread.join()
    if failed: raise failed[0]
for way in [fast_open, multipath, mapped, second_thread]:
    try:
        way()
        print(way.__name__)
    except OSError:
        pass
";

#[test]
fn a_blocked_program_finds_no_other_way() {
    require_lab!();
    let host = Host::new(CREDIT, "");
    let cgroup = host.lab.cgroup().child("some").unwrap();
    let below = cgroup.child("below").unwrap();
    assert!(connects(&host, &cgroup));
    let other_ways = || {
        let live = host.draw(HostKind::Live, 1, 0)[0];
        let mut program: Command = host.lab.client().command_in(&below, "python3");
        program.args(["-c", OTHER_WAYS, &live.ip().to_string(), &live.port().to_string()]);
        program.stdin(Stdio::null());
        let said = said(&mut program);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    assert_eq!(other_ways().lines().count(), 4, "they work");
    block(&host, &account(&host, "some"), "1h");
    assert_eq!(other_ways(), "");
}
