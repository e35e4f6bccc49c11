//! What audit counted and what enforcing did, told by program, the harm first.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::{Value, json};
use std::time::Duration;
use testkit::desk::{PATIENCE, ask_well, limit, unbroken};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

const LIMIT: u32 = 2;

fn dial(lab: &Lab, count: u32) -> Dialling {
    let dead = lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    dialling
}

fn told(limiter: &Limiter) -> (Value, String) {
    let report = serde_json::from_str(&ask_well(limiter, &["report", "--json"])).unwrap();
    let text = ask_well(limiter, &["report"]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    (report, unbroken(&text))
}

fn steps(report: &Value) -> Vec<&str> {
    report["advice"].as_array().unwrap().iter().map(|advice| advice["step"].as_str().unwrap()).collect()
}

#[test]
fn what_audit_counted_is_told_by_program() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, LIMIT).set("mode", "audit").start().unwrap();
    let (report, text) = told(&limiter);
    assert_eq!(steps(&report), ["watch_on"]);
    assert!(text.contains("there is nothing to judge by yet"), "{text}");

    let few = dial(&lab, LIMIT);
    limiter.await_status("all to be counted", PATIENCE, |status| status.host.admitted == 2).unwrap();
    drop(few);
    limiter.await_status("all gone", PATIENCE, |status| status.host.half_open == 0).unwrap();
    let (report, text) = told(&limiter);
    assert_eq!(steps(&report), ["try_enforcing", "watch_on"]);
    assert!(text.contains("enforcing is safe so far"), "{text}");

    let dialling = dial(&lab, 10);
    limiter.await_status("all to be counted", PATIENCE, |status| status.host.admitted == 12).unwrap();
    let (report, text) = told(&limiter);
    // The slots of those that have just ended are held for a moment.
    let would_have_waited = report["would_have_waited"].as_u64().unwrap();
    assert!((8..=10).contains(&would_have_waited), "{report}");
    assert_eq!(report["attempts"], 12);
    let program = &report["programs"][0];
    let expected = json!({ "comm": "lab-dial", "user": "root", "would_have_waited": would_have_waited, "held": 0, "pid": dialling.pid() });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&program[name], value, "{name}");
    }
    assert!(program["exe"].as_str().unwrap().ends_with("/lab-dial"), "{program}");
    let cgroup = program["cgroup"].as_str().unwrap();
    assert!(lab.cgroup().path().ends_with(cgroup.trim_start_matches('/')), "{cgroup}");
    assert_eq!(
        (report["programs"].as_array().unwrap().len(), &report["others"]["would_have_waited"]),
        (1, &0.into())
    );
    assert!(text.starts_with("gave up while queued: 0 of 12 attempts of this host"), "{text}");
    assert!(text.contains(&format!("audit: {would_have_waited} attempts found every slot taken")), "{text}");
    assert_eq!(steps(&report), ["know_the_programs", "raise_half_open", "try_enforcing", "watch_on"]);
}

#[test]
fn who_was_harmed_comes_first() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, LIMIT).set("slot_life", "5m").start().unwrap();
    let _blockers = dial(&lab, LIMIT);
    let harmed = lab.cgroup().child("harmed").unwrap();
    let dead = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap();
    let impatient = Dialer::new(&lab).cgroup(&harmed).user_timeout(Duration::from_secs(2));
    let dialling = impatient.destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_done(PATIENCE).unwrap();
    let held = dial(&lab, 20);
    limiter.await_status("20 to wait", PATIENCE, |status| status.host.queued == 20).unwrap();
    let (report, text) = told(&limiter);
    assert!(text.starts_with("gave up while queued: 3 of 25 attempts"), "{text}");
    let program = |at: usize, name: &str| report["programs"][at][name].clone();
    assert!(program(0, "cgroup").as_str().unwrap().ends_with("/harmed"), "{report}");
    assert_eq!((program(0, "gave_up_while_queued"), program(0, "held")), (3.into(), 3.into()));
    assert!(program(0, "longest_wait_ms").as_u64().unwrap() >= 900, "{report}");
    assert!(program(0, "waited_ms").as_u64() >= program(0, "longest_wait_ms").as_u64().map(|ms| 2 * ms));
    assert_eq!((program(1, "held"), program(1, "released")), (20.into(), 0.into()));
    assert_eq!(steps(&report)[..2], ["know_the_programs", "raise_half_open"]);
    let status = unbroken(&ask_well(&limiter, &["status"]));
    let table: Vec<&str> = status.lines().skip_while(|line| !line.contains("gave up   refused")).collect();
    assert!(status.lines().nth(2).unwrap().starts_with("gave up while queued"), "{status}");
    assert!(table[1].trim_start().starts_with("3 ") && table[1].contains("/harmed"), "{status}");

    drop(held);
    limiter.await_status("all gone", PATIENCE, |status| status.host.queued == 0).unwrap();
    let (report, _) = told(&limiter);
    assert_eq!((&report["programs"][1]["cancelled"], &report["others"]["held"]), (&20.into(), &0.into()));
}
