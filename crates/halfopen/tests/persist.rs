//! With `persist = true` the limit outlives its daemon, and the next one takes over all that is known.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::net::SocketAddr;
use testkit::desk::own_options::{OwnOptions, SYN_COUNT, USER_TIMEOUT_MS, arguments};
use testkit::desk::{PATIENCE, ask, ask_well, limit, until, waiting};
use testkit::invariant::{attempts, destinations};
use testkit::{Dialer, Dialling, Lab, LabError, Limiter, LimiterBuilder, Mix, Side, Status, require_lab};

const LIMIT: u32 = 5;
const DIALLED: u32 = 30;
/// Records of 112 bytes and a header of 8 fit into the ring buffer of 2 MiB.
const FIT: u64 = (2 << 20) / 120;
const UNWATCHED: u64 = 19_000;
/// Where nothing is to be let out during a test.
const FOR_EVER: &str = "10m";

fn persistent(lab: &Lab) -> LimiterBuilder<'_> {
    limit(lab, LIMIT).set("slot_life", FOR_EVER).persist()
}

fn dial_dead(lab: &Lab, count: u32) -> Dialling {
    let dead = lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    dialling
}

fn until_waiting(limiter: &Limiter, queued: u32) -> Status {
    let wanted = |status: &Status| status.host.queued == i64::from(queued);
    limiter.await_status("the rest to wait", PATIENCE, wanted).unwrap()
}

/// The code that a start ended with, and what it said.
fn refused<T>(start: Result<T, LabError>) -> (Option<i32>, String) {
    match start {
        Err(LabError::NotReady { status, stderr, .. }) => (status.code(), stderr),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn counts_waiting_attempts_and_scopes_are_taken_over() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).start().unwrap();
    let dialling = dial_dead(&lab, DIALLED);
    until_waiting(&limiter, DIALLED - LIMIT);
    let dead: Vec<SocketAddr> = lab.draw(&Mix { dead: 6, ..Mix::default() }).unwrap().destinations();
    let mut in_scope = limiter.command();
    let namespace = format!("--net={}", lab.client().path().display());
    in_scope.args([
        "exec",
        "--half-open",
        "2",
        "--drain",
        "3/s",
        "--",
        "nsenter",
        &namespace,
        "--",
        "python3",
    ]);
    in_scope.args(arguments(&dead));
    let mut in_scope = OwnOptions::start(in_scope);
    let before = until_waiting(&limiter, DIALLED - LIMIT + 6);
    assert_eq!(before.scopes.len(), 1, "{before:?}");
    let asked = waiting(&limiter, dialling.pid());

    let said = limiter.kill();
    assert!(!said.contains("ended"), "{said}");
    assert_eq!(ask(&limiter, &["status"]).code, Some(1));
    limiter.start_again().unwrap();

    let after = limiter.status().unwrap();
    assert!(after.persist);
    assert_eq!(after.host, testkit::Scope { longest_wait_ms: after.host.longest_wait_ms, ..before.host });
    assert_eq!(after.scopes, before.scopes);
    assert_eq!(waiting(&limiter, dialling.pid()).keys().len(), asked.len());
    assert!(in_scope.options().iter().all(|options| *options == (USER_TIMEOUT_MS, SYN_COUNT)));
    let said = limiter.stderr();
    assert!(
        said.contains("took over the limit that halfopen") && said.contains("no daemon has watched it for"),
        "{said}"
    );

    // No client is left whose end would end the scope: it ends with the last process in it.
    drop(in_scope);
    let ended =
        |status: &Status| status.scopes.is_empty() && status.host.queued == i64::from(DIALLED - LIMIT);
    limiter.await_status("the scope to end", PATIENCE, ended).unwrap();
    drop(dialling);
    limiter
        .await_status("empty accounting", PATIENCE, |status| status.host.half_open + status.host.queued == 0)
        .unwrap();
}

/// The number after `what` in what a limiter has said.
fn said_number(limiter: &Limiter, what: &str) -> u64 {
    until(what, PATIENCE, || {
        let said = limiter.stderr();
        let (_, after) = said.split_once(what)?;
        after.lines().next()?.trim().parse().ok()
    })
}

#[test]
fn attempts_that_began_to_wait_unwatched_are_counted_and_said() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).start().unwrap();
    let _watched = dial_dead(&lab, DIALLED);
    until_waiting(&limiter, DIALLED - LIMIT);
    let before =
        until("the event", PATIENCE, || Some(limiter.events().unwrap()).filter(|found| !found.is_empty()));
    limiter.kill();
    let _unwatched = dial_dead(&lab, 17);
    limiter.start_again().unwrap();
    assert_eq!(said_number(&limiter, "attempts that began to wait meanwhile:"), 17);
    until_waiting(&limiter, DIALLED - LIMIT + 17);
    // The episode goes on: it is not announced again.
    assert_eq!(limiter.events().unwrap(), before);
}

#[test]
fn what_did_not_fit_into_the_ring_meanwhile_is_said() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).set("queue", 100_000).start().unwrap();
    let _blockers = dial_dead(&lab, LIMIT);
    limiter.kill();
    let dead = lab.draw(&Mix { dead: 50, ..Mix::default() }).unwrap().destinations();
    let many = Dialer::new(&lab).destinations(dead.into_iter().cycle().take(UNWATCHED as usize));
    let many = many.spawn().unwrap();
    many.await_all_dialled(PATIENCE).unwrap();
    limiter.start_again().unwrap();
    assert_eq!(said_number(&limiter, "attempts that began to wait meanwhile:"), UNWATCHED);
    let said = until("the count of what is missing", PATIENCE, || {
        limiter.stderr().lines().find(|line| line.contains("missing from the events")).map(ToOwned::to_owned)
    });
    let lost = said.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap();
    assert!((UNWATCHED - FIT..UNWATCHED).contains(&lost), "{said}");
    let text = ask_well(&limiter, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    let faults = status["faults"].as_array().unwrap();
    let counted = faults.iter().find(|fault| fault["fault"] == "event_lost").unwrap();
    assert_eq!(counted["count"].as_u64(), Some(lost), "{status}");
    assert_eq!(status["host"]["queued"].as_u64(), Some(UNWATCHED), "the limit itself holds");
}

#[test]
fn another_cgroup_is_refused() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let other = lab.new_cgroup("other").unwrap();
    let mut limiter = persistent(&lab).start().unwrap();
    limiter.kill();
    let (code, said) = refused(persistent(&lab).limited(&other).start());
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&name(lab.cgroup().path())) && said.contains(&name(other.path())), "{said}");
    assert!(said.contains("halfopen off"), "{said}");
    limiter.start_again().unwrap();
}

#[test]
fn two_daemons_on_one_limit_are_refused() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = persistent(&lab).start().unwrap();
    let _dialling = dial_dead(&lab, DIALLED);
    until_waiting(&limiter, DIALLED - LIMIT);
    // It has a run directory of its own: the lock there says nothing.
    let (code, said) = refused(persistent(&lab).start());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another halfopen daemon has its programs pinned there"), "{said}");
    let (code, said) = refused(persistent(&lab).set("persist", false).start());
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(limiter.status().unwrap().host.queued, i64::from(DIALLED - LIMIT));
}

#[test]
fn without_persist_the_next_run_takes_over_and_removes_the_pins() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).start().unwrap();
    let mut capture = lab.capture(Side::Client).unwrap();
    let _dialling = dial_dead(&lab, DIALLED);
    let before = until_waiting(&limiter, DIALLED - LIMIT);
    limiter.kill();
    limiter.set_for_next_run("persist", false);
    limiter.start_again().unwrap();
    assert!(!lab.pins().exists());
    let after = limiter.status().unwrap();
    assert!(!after.persist);
    assert_eq!((after.host.queued, after.host.admitted), (before.host.queued, before.host.admitted));
    let mut asked = || destinations(&attempts(capture.segments().unwrap(), &[])).len() as u32;
    assert_eq!(asked(), LIMIT);
    // Nothing outlives it now, a kill included.
    limiter.kill();
    until("all to be out", PATIENCE, || (asked() == DIALLED).then_some(()));
}

#[test]
fn after_a_hand_over_the_limit_goes_on() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).start().unwrap();
    let mut capture = lab.capture(Side::Client).unwrap();
    let _first = dial_dead(&lab, DIALLED);
    until_waiting(&limiter, DIALLED - LIMIT);
    let (status, said) = limiter.hand_over().unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("handed over") && said.contains("stays in force"), "{said}");
    assert!(lab.pins().join("egress").exists());
    let _second = dial_dead(&lab, DIALLED);
    let asked = destinations(&attempts(capture.segments().unwrap(), &[])).len();
    assert_eq!(asked as u32, LIMIT);
    limiter.start_again().unwrap();
    until_waiting(&limiter, 2 * DIALLED - LIMIT);
}

#[test]
fn what_a_daemon_that_died_while_it_pinned_has_left_holds_nothing_back() {
    require_lab!();
    for missing in ["connect6", "restore", "keeper", "state"] {
        let lab = Lab::new().unwrap();
        let mut limiter = persistent(&lab).start().unwrap();
        let _first = dial_dead(&lab, LIMIT);
        limiter.kill();
        std::fs::remove_file(lab.pins().join(missing)).unwrap();
        limiter.start_again().unwrap();
        let said = limiter.stderr();
        assert!(said.contains(&format!("incomplete, {missing} missing: removed")), "{said}");
        assert!(!said.contains("took over"), "{said}");
        let _second = dial_dead(&lab, DIALLED);
        let status = until_waiting(&limiter, DIALLED - LIMIT);
        assert_eq!((status.persist, status.host.admitted), (true, i64::from(LIMIT)), "{status:?}");
        // It is whole again.
        limiter.kill();
        limiter.start_again().unwrap();
        until_waiting(&limiter, DIALLED - LIMIT);
    }
}

#[test]
fn a_mode_other_than_the_pinned_one_is_logged() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = persistent(&lab).set("mode", "audit").start().unwrap();
    assert!(!limiter.stderr().contains("(was "), "{}", limiter.stderr());
    let mut next = |mode: &str| {
        limiter.kill();
        limiter.set_for_next_run("mode", mode);
        limiter.start_again().unwrap();
        let said = limiter.stderr();
        said.lines().find_map(|line| line.split_once("mode = ").map(|(_, changed)| changed.to_owned()))
    };
    assert_eq!(next("enforce").as_deref(), Some("enforce (was audit)"));
    assert_eq!(next("enforce"), None);
    assert_eq!(next("off").as_deref(), Some("off (was enforce)"));
}
