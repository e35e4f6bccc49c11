//! The aims of `adaptive` for programs of whose peers some are dead, and for scanners of whose addresses some answer.

use crate::draws::{Times, all, draws_of_an_hour};
use crate::limiter::{self, adaptive};
use crate::outcome::Outcome;
use crate::run::run;
use halfopen_workload::{PEERS, Probe, Workload, forker, named, probe, sasser, two_ports};
use std::time::Duration;

const SCAN: Duration = Duration::from_secs(45);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const DEAD_IN_A_SCAN: usize = 45;
const DEAD_IN_AN_HOUR: usize = 130;
const DEAD_IN_A_DAY: usize = 500;

/// How long a node's start takes without a limiter and with it.
fn starts(name: &str) -> [Times; 2] {
    let peers = named(name, 0).unwrap().wanted().unwrap();
    [limiter::none(), adaptive()].map(|limiter| {
        let outcomes = all(name, &limiter);
        assert_no_suspect(name, &outcomes);
        Times::of(outcomes.iter().map(|one| one.when_connected(peers)))
    })
}

fn assert_no_suspect(name: &str, outcomes: &[Outcome]) {
    let suspects = outcomes.iter().filter(|one| one.suspect.is_some()).count();
    assert_eq!(suspects, 0, "{name}: suspects in {} draws", outcomes.len());
}

/// Every draw gets its peers; how much longer that takes at the median and at the 95th percentile.
fn assert_started(name: &str) {
    let [without, with] = starts(name);
    assert_eq!(with.had(), with.draws(), "{name}: draws that got their peers");
    for (percent, most) in [(50, 1.25), (95, 2.0)] {
        let [without, with] = [&without, &with].map(|times| times.seconds(percent));
        assert!(with <= most * without, "{name}, {percent} %: {with:.1} s, {without:.1} s without a limiter");
    }
}

/// Where one in twelve answers, a few draws may fail.
fn assert_mostly_started(name: &str) {
    let [without, with] = starts(name);
    assert!(
        with.had() * 100 >= 95 * with.draws(),
        "{name}: {} of {} got their peers",
        with.had(),
        with.draws()
    );
    let [without, with] = [&without, &with].map(|times| times.seconds(50));
    assert!(with <= 2.0 * without, "{name}: {with:.1} s, {without:.1} s without a limiter");
}

fn names(prefix: &'static str) -> impl Iterator<Item = &'static str> {
    PEERS.into_iter().filter(move |name| name.starts_with(prefix))
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_node_of_whose_addresses_thirty_in_a_hundred_answer_starts_as_without_a_limiter() {
    names("p-30-").for_each(assert_started);
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_node_of_whose_addresses_fifteen_in_a_hundred_answer_starts_as_without_a_limiter() {
    names("p-15-").for_each(assert_started);
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_node_of_whose_addresses_twelve_in_a_hundred_answer_starts_as_without_a_limiter() {
    names("p-12-").for_each(assert_started);
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_node_of_whose_addresses_eight_in_a_hundred_answer_starts_in_twice_the_time() {
    names("p-8-").filter(|name| !name.ends_with("-ports")).for_each(assert_mostly_started);
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_node_that_dials_random_ports_of_which_eight_in_a_hundred_answer_starts_as_without_a_limiter() {
    names("p-8-").filter(|name| name.ends_with("-ports")).for_each(assert_started);
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_monitor_sees_all_that_are_up_one_interval_later_at_most() {
    for name in names("m-") {
        let workload = named(name, 0).unwrap();
        let (live, every) = (workload.live().len(), workload.interval().unwrap());
        let [without, with] = [limiter::none(), adaptive()].map(|limiter| {
            let outcomes = all(name, &limiter);
            assert_no_suspect(name, &outcomes);
            outcomes
        });
        for (seed, (without, with)) in without.iter().zip(&with).enumerate() {
            let expected = without.full_round(live).unwrap() + 1;
            let full = with.full_round(live);
            assert!(full.is_some_and(|full| full <= expected), "{name}, draw {seed}: full in round {full:?}");
            let up = with.up_in_rounds();
            let last = (workload.run_for.as_nanos() / every.as_nanos()) as u32;
            for round in expected..last {
                assert_eq!(up.get(&round), Some(&live), "{name}, draw {seed}, round {round}");
            }
        }
    }
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_bitcoin_node_loses_no_peer_in_a_day() {
    let outcomes = all("b", &adaptive());
    assert_no_suspect("b", &outcomes);
    for (seed, one) in outcomes.iter().enumerate() {
        assert_eq!(one.connected.len(), one.live_dialled, "draw {seed}");
    }
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn a_client_of_a_swarm_reaches_all_that_are_alive_and_takes_a_tenth_longer_at_most() {
    let [without, with] = [limiter::none(), adaptive()].map(|limiter| all("t", &limiter));
    assert_no_suspect("t", &with);
    for (seed, (without, with)) in without.iter().zip(&with).enumerate() {
        assert_eq!(with.connected.len(), with.live_listed, "draw {seed}");
        let [without, with] =
            [without, with].map(|one| one.when_connected(one.live_listed).unwrap().as_secs_f64());
        assert!(with <= 1.1 * without, "draw {seed}: {with:.1} s, {without:.1} s without a limiter");
    }
}

#[test]
fn mail_reaches_all_that_are_alive() {
    let outcomes = all("n", &adaptive());
    assert_no_suspect("n", &outcomes);
    for (seed, one) in outcomes.iter().enumerate() {
        assert_eq!(one.connected.len(), one.live_listed, "draw {seed}");
    }
}

/// Those of an hour each.
fn of_an_hour(draw: impl Fn(u64) -> Workload) -> Vec<Outcome> {
    (0..draws_of_an_hour()).map(|seed| run(&draw(seed), &adaptive())).collect()
}

fn assert_stopped(name: &str, outcomes: &[Outcome]) {
    for one in outcomes {
        let (soon, late) = (one.dead_within(SCAN), one.dead());
        assert!(soon <= DEAD_IN_A_SCAN, "{name}: {soon} dead in 45 s");
        assert!(late <= DEAD_IN_AN_HOUR, "{name}: {late} dead in an hour");
    }
}

/// Each percentage at each pace, with how long it may take to be a suspect.
fn probes() -> impl Iterator<Item = (usize, Probe, Duration)> {
    [0, 1, 2].into_iter().flat_map(|live_percent| {
        Probe::ALL.into_iter().map(move |how| {
            let within = if how == Probe::Threads { Duration::from_mins(1) } else { Duration::from_mins(30) };
            (live_percent, how, within)
        })
    })
}

#[test]
fn a_scanner_of_whose_addresses_two_in_a_hundred_answer_reaches_few_in_an_hour() {
    for (live_percent, how, suspect_within) in probes() {
        let outcomes = of_an_hour(|seed| probe(seed, live_percent, how, HOUR));
        let name = format!("{live_percent} %, {}", how.name());
        assert_stopped(&name, &outcomes);
        for one in &outcomes {
            assert!(one.suspect.is_some_and(|at| at <= suspect_within), "{name}: suspect {:?}", one.suspect);
        }
    }
}

#[test]
fn where_a_scanner_looks_and_who_dials_for_it_makes_no_difference() {
    assert_stopped("w", &of_an_hour(|seed| sasser(seed, HOUR)));
    assert_stopped("i", &of_an_hour(|seed| forker(seed, HOUR)));
}

#[test]
#[ignore = "two million dials: cargo test -p halfopen-policy --test workloads day -- --ignored"]
fn a_scanner_of_whose_addresses_two_in_a_hundred_answer_reaches_few_in_a_day() {
    for (live_percent, how, _) in probes() {
        let dead = run(&probe(1, live_percent, how, DAY), &adaptive()).dead();
        assert!(dead <= DEAD_IN_A_DAY, "{live_percent} %, {}: {dead} dead in a day", how.name());
    }
}

#[test]
#[ignore = "the sequential test is not in yet"]
fn what_a_scanner_farms_on_another_port_gains_it_nothing() {
    let most = |outcomes: &[Outcome], within| {
        outcomes.iter().map(|one| one.dead_within(within)).max().unwrap_or_default()
    };
    let alone = of_an_hour(|seed| probe(seed, 0, Probe::Threads, HOUR));
    for (live, dead) in [(1, 2), (2, 3), (1, 1)] {
        let farming = of_an_hour(|seed| two_ports(seed, live, dead, HOUR));
        let name = format!("{live} live for {dead} dead");
        assert_stopped(&name, &farming);
        for within in [SCAN, HOUR] {
            let [farming, alone] = [&farming, &alone].map(|outcomes| most(outcomes, within));
            assert!(farming <= alone, "{name}: {farming} dead in {within:?}, {alone} alone");
        }
    }
}
