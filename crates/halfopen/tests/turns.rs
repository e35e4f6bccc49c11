//! A full host's turns go round: who has thousands of attempts waiting delays another's first by one turn.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::Duration;
use testkit::dial::Outcome;
use testkit::{Dialer, HostKind, Lab, Limiter, Mix, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);
/// A turn every two seconds: far enough apart for every waiter to have asked in between, woken or not.
const DRAIN: &str = "1/2s";
const CROWD: usize = 2_000;

fn others_first_attempt_waits_for_one_turn(wakeups: bool) {
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 4, dead: CROWD, ..Mix::default() }).unwrap();
    let (crowded, other) = (lab.cgroup().child("crowded").unwrap(), lab.cgroup().child("other").unwrap());
    let limiter = Limiter::builder(&lab)
        .set("host.half_open", 1)
        .set("host.slot_life", "100ms")
        .set("host.drain", DRAIN)
        .set("wakeups", wakeups)
        .start()
        .unwrap();
    let crowd = Dialer::new(&lab).cgroup(&crowded).destinations(hosts.of(HostKind::Dead)).spawn().unwrap();
    crowd.await_all_dialled(PATIENCE).unwrap();
    limiter
        .await_status("the crowd waits", PATIENCE, |status| {
            usize::try_from(status.host.queued).unwrap() >= CROWD - 10
        })
        .unwrap();

    for live in hosts.of(HostKind::Live) {
        let before = limiter.status().unwrap().host.released;
        let one = Dialer::new(&lab).cgroup(&other).destinations([live]).spawn().unwrap();
        let reports = one.await_all_done(PATIENCE).unwrap();
        let turns = limiter.status().unwrap().host.released - before;
        assert_eq!(reports[0].outcome, Outcome::Connected);
        // Its own, the one that was due when it came, and one that falls due while it is told of.
        assert!(turns <= 3, "wakeups {wakeups}: it waited for {turns} turns");
    }
}

#[test]
fn another_cgroup_s_first_attempt_waits_for_one_turn() {
    require_lab!();
    others_first_attempt_waits_for_one_turn(true);
}

#[test]
fn and_where_nobody_is_woken() {
    require_lab!();
    others_first_attempt_waits_for_one_turn(false);
}
