//! The program's own options: seen while ours are in their place, obeyed, and its own again afterwards.

use rustix::io::Errno;
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testkit::desk::PATIENCE;
use testkit::rig::calls::{TCP_SYNCNT, TCP_USER_TIMEOUT};
use testkit::rig::{AT_ONCE, Rig, until};
use testkit::{HostKind, Scope, require_lab};

/// The kernel's default of tcp_syn_retries, and no limit of time.
const UNSET: (u32, u32) = (6, 0);

#[test]
fn getsockopt_shows_them_at_every_stage() {
    require_lab!();
    let rig = Rig::new(3, &[("max_wait", "60s")]);
    let blockers = rig.block(3);
    let calls = rig.calls();
    let (slow, refusing) = (rig.host(HostKind::Slow), rig.host(HostKind::Refusing));
    for (name, to) in [("unset", slow), ("set", slow), ("refused", refusing)] {
        calls.open(name, to);
        if name != "unset" {
            calls.set(name, TCP_SYNCNT, 3);
            calls.set(name, TCP_USER_TIMEOUT, 30_000);
        }
        calls.connect_on(name, to);
    }
    let shown = || ["unset", "set", "refused"].map(|name| calls.budget(name));
    let own = [UNSET, (3, 30_000), (3, 30_000)];
    rig.until("three waiters", |scope| scope.queued == 3);
    assert_eq!(shown(), own, "when it began to wait");
    sleep(Duration::from_millis(1_500));
    assert_eq!((shown(), rig.scope().queued), (own, 3), "after some re-checks");

    drop(blockers);
    // The slow ones lose their first SYN and answer the next, a second later.
    until(&rig.limiter, "the release", AT_ONCE, |scope| scope.released == 3);
    assert_eq!(shown(), own, "after the release");
    calls.ends("refused", Err(Errno::CONNREFUSED));
    calls.ends("unset", Ok(()));
    calls.ends("set", Ok(()));
    // Ours are no longer in their place: what is shown is what the kernel has.
    rig.until("an empty ledger", |scope| scope.half_open + scope.queued == 0);
    assert_eq!(shown(), own, "after the end");
    assert_eq!(testkit::rig::faults(&rig.limiter), [].into());
}

#[test]
fn those_set_while_it_waits_are_shown_kept_and_checked() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    let blocker = rig.block(1);
    let calls = rig.calls();
    calls.dial("it", rig.host(HostKind::Live));
    rig.until("a waiter", |scope| scope.queued == 1);
    calls.set("it", TCP_SYNCNT, 2);
    calls.set("it", TCP_USER_TIMEOUT, 45_000);
    assert_eq!(calls.budget("it"), (2, 45_000));
    for (option, value) in [(TCP_SYNCNT, 0), (TCP_SYNCNT, 128), (TCP_USER_TIMEOUT, -1)] {
        let refused = calls.call("set_option", "it", &json!({"level": 6, "option": option, "value": value}));
        assert_eq!(refused, Err(Errno::INVAL), "{option} = {value}");
    }
    sleep(Duration::from_millis(1_200));
    assert_eq!((calls.budget("it"), rig.scope().queued), ((2, 45_000), 1));
    drop(blocker);
    calls.ends("it", Ok(()));
    assert_eq!(calls.budget("it"), (2, 45_000));
}

#[test]
fn they_are_its_own_again_after_a_disconnect() {
    require_lab!();
    let rig = Rig::new(1, &[]);
    let _blocker = rig.block(1);
    let calls = rig.calls();
    let dead = rig.host(HostKind::Dead);
    calls.open("it", dead);
    calls.set("it", TCP_SYNCNT, 3);
    calls.set("it", TCP_USER_TIMEOUT, 30_000);
    calls.connect_on("it", dead);
    rig.until("a waiter", |scope| scope.queued == 1);
    sleep(Duration::from_secs(1));
    calls.call("disconnect", "it", &json!({})).unwrap();
    rig.until("its place", |scope| scope.queued == 0);
    assert_eq!(calls.budget("it"), (3, 30_000));
    assert_eq!(testkit::rig::faults(&rig.limiter), [].into());
}

/// It is shorter than the wait: counted from connect() it would have ended the attempt.
#[test]
fn user_timeout_does_not_end_an_attempt_that_waited_longer() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    let blocker = rig.block(1);
    let calls = rig.calls();
    for name in ["before", "meanwhile"] {
        let live = rig.host(HostKind::Live);
        calls.open(name, live);
        if name == "before" {
            calls.set(name, TCP_USER_TIMEOUT, 1_000);
        }
        calls.connect_on(name, live);
    }
    calls.set("meanwhile", TCP_USER_TIMEOUT, 1_000);
    sleep(Duration::from_secs(4));
    assert_eq!(rig.scope().queued, 2);
    drop(blocker);
    for name in ["before", "meanwhile"] {
        calls.ends(name, Ok(()));
        assert_eq!(calls.budget(name), (6, 1_000));
    }
}

/// Where max_wait leaves the wait to the program, one that loses patience meanwhile ends it.
#[test]
fn user_timeout_set_while_it_waits_ends_the_wait() {
    require_lab!();
    let rig = Rig::new(1, &[]);
    let _blocker = rig.block(1);
    let calls = rig.calls();
    let dead = rig.host(HostKind::Dead);
    let begun = now();
    calls.dial("it", dead);
    rig.until("a waiter", |scope| scope.queued == 1);
    calls.set("it", TCP_USER_TIMEOUT, 2_000);
    let waited = calls.ends("it", Err(Errno::TIMEDOUT)).at.abs_diff(begun);
    assert!((1.95..=3.5).contains(&waited.as_secs_f64()), "{waited:?}");
    let scope = rig.until("its place", |scope| scope.queued == 0);
    assert_eq!(scope.gave_up_while_queued, 1);
}

/// SO_SNDTIMEO ends the call, not the attempt: without us as with us.
#[test]
fn send_timeout_ends_a_blocking_connect_and_the_attempt_goes_on() {
    require_lab!();
    let rig = Rig::new(2, &[]);
    let blocker = rig.block(1);
    let calls = rig.calls();
    let begin = |name: &str, kind| {
        let to = rig.host(kind);
        calls.open(name, to);
        calls.call("set_send_timeout", name, &json!({"seconds": 2})).unwrap();
        let begun = now();
        calls.connect_blocking(name, to);
        begun
    };
    let returns = |name: &str, begun| {
        let waited = calls.ends(name, Err(Errno::INPROGRESS)).at.abs_diff(begun);
        assert!((1.95..=3.5).contains(&waited.as_secs_f64()), "{name}: {waited:?}");
    };
    let unheld = begin("unheld", HostKind::Dead);
    rig.until("it to go out", |scope| scope.half_open == 2);
    let held = begin("held", HostKind::Live);
    rig.until("a waiter", |scope| scope.queued == 1);
    returns("unheld", unheld);
    returns("held", held);
    assert_eq!(rig.scope().queued, 1, "its place is kept");
    drop(blocker);
    until(&rig.limiter, "it to connect", PATIENCE, |scope: &Scope| scope.established == 1);
    calls.close("held");
    calls.close("unheld");
    rig.until("an empty ledger", |scope| scope.half_open + scope.queued == 0);
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
