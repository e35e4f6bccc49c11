//! What a scanner gets that knows the rules: nineteen dead for each accomplice that it uses up on the scanned port, and
//! next to nothing without.

use crate::attacks::{RUN, accomplices, alternating, drip, on_random_ports, pulses};
use crate::limiter::adaptive;
use crate::run::run;
use std::time::Duration;
use testkit::workload::{Workload, named};

/// What any scanner reaches in these ten minutes.
const ANYBODY: usize = 95;
const ACCOMPLICES: u32 = 200;

fn dead(name: &str, attack: &Workload) -> usize {
    let dead = run(attack, &adaptive()).dead();
    println!("{name}: {dead} dead");
    dead
}

/// Cells hide nothing from the evidence of all ports, though that weighs an eighth.
#[test]
fn another_port_for_each_address_gains_a_scanner_eight_times_at_most() {
    let scanned = run(&named("scanner-0-threads", 1).unwrap(), &adaptive());
    let spread = run(&on_random_ports(), &adaptive());
    for within in [Duration::from_secs(45), RUN] {
        let (one, many) = (scanned.dead_within(within), spread.dead_within(within));
        println!("{within:?}: {one} dead on one port, {many} on many");
        assert!(many <= 8 * one, "{within:?}: {many} dead, {one} on one port");
    }
    assert!(spread.suspect.is_some());
}

#[test]
fn patience_gains_a_scanner_nothing() {
    for (at_a_time, period) in [(1, 1), (1, 5), (5, 30), (10, 5), (10, 60)] {
        let dead =
            dead(&format!("{at_a_time} each {period} s"), &drip(at_a_time, Duration::from_secs(period)));
        assert!(dead <= ANYBODY, "{at_a_time} each {period} s: {dead} dead");
    }
}

#[test]
fn an_accomplice_is_worth_nineteen_dead_at_most() {
    let own = accomplices(ACCOMPLICES, 1);
    let seconds = Duration::from_secs;
    for dead_per_live in [2, 25] {
        for (at_a_time, period) in [(1, 3), (5, 10), (20, 3), (20, 10), (200, 10)] {
            let name = format!("{at_a_time} live each {period} s, {dead_per_live} dead for each");
            let dead = dead(&name, &pulses(&own, at_a_time, dead_per_live, seconds(period)));
            assert!(dead <= 19 * ACCOMPLICES as usize + ANYBODY, "{name}: {dead}");
        }
        for (threads, patience) in [(1, 300), (16, 300), (16, 5_000), (128, 1_000)] {
            let name = format!("one live, {dead_per_live} dead, {threads} threads, {patience} ms");
            let dead =
                dead(&name, &alternating(&own, dead_per_live, threads, Duration::from_millis(patience)));
            assert!(dead <= 19 * ACCOMPLICES as usize + ANYBODY, "{name}: {dead}");
        }
    }
}

#[test]
fn neighbours_as_accomplices_are_worth_less() {
    let neighbours = accomplices(ACCOMPLICES, ACCOMPLICES);
    for (at_a_time, period) in [(1, 3), (20, 10)] {
        let name = format!("{at_a_time} of one /24 each {period} s");
        let dead = dead(&name, &pulses(&neighbours, at_a_time, 5, Duration::from_secs(period)));
        assert!(dead <= ACCOMPLICES as usize / 2, "{name}: {dead}");
    }
}
