//! What comes of programs of whose peers some are dead, and of scanners of whose addresses some answer, for people to
//! read.
//!
//! `DRAWS=200 cargo test -p halfopen-policy --test workloads peers_table -- --ignored --nocapture`

use crate::draws::{HOUR, SCAN, Times, all, draws, draws_of_an_hour, of_an_hour};
use crate::limiter::{self, Limiter};
use crate::outcome::Outcome;
use std::time::Duration;
use testkit::workload::{PEERS, Probe, SCANS, Workload, dense_network, named, probe, sasser, two_ports};

fn limiters() -> [Limiter; 2] {
    [limiter::none(), limiter::adaptive()]
}

#[test]
#[ignore = "for people to read"]
fn programs() {
    println!("{} draws; times: draws that got there, median / 95th percentile, s", draws());
    for name in PEERS {
        for limiter in limiters() {
            print!("{name:20} {:9}", limiter.name);
            let outcomes = all(name, &limiter);
            let workload = named(name, 0).unwrap();
            if workload.interval().is_some() {
                rounds(&workload, &outcomes);
            } else if let Some(peers) = workload.wanted() {
                times(&format!("{peers} peers"), outcomes.iter().map(|one| one.when_connected(peers)));
            } else {
                times("all live", outcomes.iter().map(|one| one.when_connected(one.live_listed)));
            }
            live(&outcomes);
            dead_and_suspects(&outcomes, &[SCAN]);
        }
    }
}

#[test]
#[ignore = "for people to read"]
fn scans() {
    for name in SCANS {
        for limiter in limiters() {
            print!("{name:20} {:9}", limiter.name);
            let outcomes = all(name, &limiter);
            live(&outcomes);
            dead_and_suspects(&outcomes, &[SCAN, Duration::from_mins(30)]);
        }
    }
}

#[test]
#[ignore = "for people to read"]
fn scans_of_an_hour() {
    println!("{} draws of an hour", draws_of_an_hour());
    let row = |draw: &dyn Fn(u64) -> Workload| {
        print!("{:20} {:9}", draw(0).name, limiter::adaptive().name);
        let outcomes = of_an_hour(&limiter::adaptive(), draw);
        live(&outcomes);
        dead_and_suspects(&outcomes, &[SCAN, HOUR]);
    };
    for live_percent in [0, 1, 2] {
        for how in Probe::ALL {
            row(&|seed| probe(seed, live_percent, how, HOUR));
        }
    }
    for (live, dead) in [(1, 2), (2, 3), (1, 1)] {
        row(&|seed| two_ports(seed, live, dead, HOUR));
    }
    row(&|seed| sasser(seed, HOUR));
    row(&|seed| dense_network(seed, HOUR));
}

fn times(what: &str, times: impl Iterator<Item = Option<Duration>>) {
    let times = Times::of(times);
    let (median, late) = (times.seconds(50), times.seconds(95));
    print!("  {what} {:3} of {}: {median:6.1} / {late:6.1}", times.had(), times.draws());
}

fn rounds(workload: &Workload, outcomes: &[Outcome]) {
    let listed = workload.live().len();
    times("all seen", outcomes.iter().map(|one| one.when_all_seen(listed)));
    let full: Vec<_> = outcomes.iter().filter_map(|one| one.full_round(listed)).collect();
    print!("  full in {}", full.len());
    if let Some(last) = full.iter().max() {
        print!(" by round {last}");
    }
    print!("  up in rounds");
    let mean = |round| {
        outcomes.iter().map(|one| one.up_in_rounds().get(&round).copied().unwrap_or(0)).sum::<usize>()
            / outcomes.len()
    };
    for round in 0..8 {
        print!(" {}", mean(round));
    }
}

fn live(outcomes: &[Outcome]) {
    let connected: usize = outcomes.iter().map(|one| one.connected.len()).sum();
    let dialled: usize = outcomes.iter().map(|one| one.live_dialled).sum();
    print!("  live {} of {}", connected / outcomes.len(), dialled / outcomes.len());
}

fn dead_and_suspects(outcomes: &[Outcome], within: &[Duration]) {
    print!("  dead, median / most:");
    for time in within {
        let mut dead: Vec<_> = outcomes.iter().map(|one| one.dead_within(*time)).collect();
        dead.sort_unstable();
        print!(" {} / {} in {time:?},", dead[dead.len() / 2], dead[dead.len() - 1]);
    }
    let suspects = Times::of(outcomes.iter().filter_map(|one| one.suspect).map(Some));
    print!("  suspect in {}", suspects.had());
    if suspects.had() > 0 {
        print!(", median at {:.0} s, last at {:.0} s", suspects.seconds(50), suspects.seconds(100));
    }
    println!();
}
