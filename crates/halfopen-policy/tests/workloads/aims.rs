//! The aims of `adaptive`, where a daemon wakes the waiters.

use crate::limiter::{self, adaptive, without_daemon};
use crate::outcome::{Outcome, longest, median};
use crate::run::run;
use std::time::Duration;
use testkit::workload::{INNOCENT, Peer, VICTIM, named, scanner};

const SEEDS: u64 = 12;
const ORDERS: [&str; 3] = ["live-first", "shuffled", "live-last"];

fn outcomes(name: &str) -> impl Iterator<Item = Outcome> {
    (0..SEEDS).map(move |seed| run(&named(name, seed).unwrap(), &adaptive()))
}

fn of_victim(outcome: &Outcome, peer: Peer) -> Vec<Duration> {
    outcome.waits(|one| one.cgroup == VICTIM && one.peer == peer)
}

fn assert_served(waits: &[Duration], count: usize, most: Duration, longest_most: Duration) {
    assert_eq!(waits.len(), count);
    assert!(median(waits) < most && longest(waits) < longest_most, "{waits:?}");
}

/// Of workload a, whose account has had twenty answers a moment ago: one in eleven of its addresses answers, which is
/// more than a scan's, and what those are worth is spent on the dead.
const DEAD_AFTER_TWENTY_ANSWERS: usize = 90;

#[test]
fn among_two_hundred_dead_the_known_are_met_at_once() {
    for order in ORDERS {
        for outcome in outcomes(&format!("a-{order}")) {
            assert!(outcome.dead() <= DEAD_AFTER_TWENTY_ANSWERS, "{order}: {} dead", outcome.dead());
            let waits = of_victim(&outcome, Peer::Known);
            assert_served(&waits, 20, Duration::from_millis(5), Duration::from_millis(600));
        }
    }
}

/// Of workload c, likewise.
const DEAD_BESIDE_TWENTY_LIVE: usize = 135;

#[test]
fn strangers_before_or_behind_the_dead_are_met_soon() {
    for order in ["live-first", "live-last"] {
        for outcome in outcomes(&format!("c-{order}")) {
            assert!(outcome.dead() <= DEAD_BESIDE_TWENTY_LIVE, "{order}: {} dead", outcome.dead());
            let waits = of_victim(&outcome, Peer::Stranger);
            assert_served(&waits, 20, Duration::from_secs(1), Duration::from_secs(6));
        }
    }
}

/// Nothing tells them apart: so many live ones as are among any so many, 1 to 10, within the error of the draw.
#[test]
fn strangers_shuffled_among_the_dead_are_met_as_often_as_chance_has_it() {
    const MANY: u64 = 120;
    let (mut live, mut dead) = (0, 0);
    for seed in 0..MANY {
        let outcome = run(&named("c-shuffled", seed).unwrap(), &adaptive());
        live += outcome.connected.len();
        dead += outcome.dead();
    }
    let expected = dead as f64 / 10.0;
    assert!(live as f64 > expected - 3.0 * expected.sqrt(), "{live} live for {dead} dead");
}

#[test]
fn beside_a_scanner_the_known_are_met_at_once() {
    for outcome in outcomes("s") {
        let waits = of_victim(&outcome, Peer::Known);
        assert_served(&waits, waits.len().max(30), Duration::from_millis(5), Duration::from_millis(600));
    }
}

#[test]
fn another_cgroup_notices_nothing() {
    for name in ["d-a-shuffled", "d-c-shuffled", "d-s"] {
        for seed in 0..SEEDS {
            let workload = named(name, seed).unwrap();
            let [with, without] = [adaptive(), limiter::none()]
                .map(|limiter| run(&workload, &limiter).waits(|one| one.cgroup == INNOCENT));
            assert_eq!(with.len(), 20, "{name}");
            assert!(median(&with) <= median(&without) + Duration::from_millis(1), "{name}: {with:?}");
        }
    }
}

#[test]
fn two_thousand_live_strangers_are_met_within_a_second() {
    for outcome in outcomes("e") {
        assert_served(
            &of_victim(&outcome, Peer::Stranger),
            2_000,
            Duration::from_secs(1),
            Duration::from_secs(1),
        );
    }
}

#[test]
fn who_dials_as_many_dead_as_live_is_not_kept_from_the_live() {
    for seed in 0..SEEDS {
        let workload = named("f", seed).unwrap();
        let [with, without] = [adaptive(), limiter::none()].map(|limiter| run(&workload, &limiter));
        assert!(with.connected.len() >= 495, "seed {seed}: {}", with.connected.len());
        assert_eq!(with.suspect, None, "seed {seed}");
        let [with, without] = [with, without].map(|outcome| outcome.over.unwrap());
        assert!(with.as_secs_f64() <= 1.1 * without.as_secs_f64(), "seed {seed}: {with:?}, {without:?}");
    }
}

#[test]
fn a_scanner_that_forks_reaches_no_more_than_any_other() {
    for outcome in outcomes("i") {
        assert!(outcome.dead() <= 45, "{}", outcome.dead());
    }
}

/// Nothing tells who is answered on the scanned port one time in five from a program that looks for peers.
#[test]
fn who_farms_on_the_scanned_port_itself_is_served_as_a_program_with_peers_is() {
    for outcome in outcomes("h") {
        assert_eq!(outcome.connected.len(), outcome.live_dialled);
        assert_eq!(outcome.suspect, None);
    }
}

#[test]
fn a_slow_scanner_is_a_suspect_within_ten_minutes() {
    for outcome in outcomes("j") {
        assert!(outcome.suspect.is_some_and(|at| at < Duration::from_mins(10)), "{:?}", outcome.suspect);
    }
}

#[test]
fn a_scanner_reaches_few_in_an_hour_and_in_six() {
    for limiter in [adaptive(), without_daemon(&adaptive())] {
        for (hours, most) in [(1, 130), (6, 200)] {
            let dead = run(&scanner(1, Duration::from_hours(hours)), &limiter).dead();
            assert!((10..most).contains(&dead), "{}: {dead} in {hours} h", limiter.name);
        }
    }
}

/// Takes a minute; the rate is that of the sixth hour.
#[test]
#[ignore = "two million dials: cargo test -p halfopen-policy --test workloads day -- --ignored"]
fn a_scanner_reaches_few_in_a_day() {
    let dead = run(&scanner(1, Duration::from_hours(24)), &adaptive()).dead();
    assert!((10..300).contains(&dead), "{dead}");
}

/// Whose first ten contacts are nearly all dead looks like a scanner until it is answered: few draws are so unlucky.
#[test]
fn few_of_those_who_dial_as_many_dead_as_live_begin_so_badly_that_they_are_slowed() {
    const MANY: u64 = 60;
    let on_time = |seed| {
        let outcome = run(&named("f", seed).unwrap(), &adaptive());
        outcome.connected.len() >= 495
            && outcome.over.is_some_and(|over| over < Duration::from_millis(16_500))
    };
    let slowed = (0..MANY).filter(|seed| !on_time(*seed)).count();
    println!("{slowed} of {MANY} slowed");
    assert!(slowed <= 3, "{slowed} of {MANY}");
}
