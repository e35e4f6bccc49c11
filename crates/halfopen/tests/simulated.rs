//! The simulator's hosts against real sockets on the running kernel: what a limit lets out of one host that scans.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_sim::curve::Curve;
use halfopen_sim::host::Stack;
use halfopen_sim::limiter::Limiter as Simulated;
use halfopen_sim::scenario::{Pace, PerSecond, Scenario, Share, Span};
use halfopen_sim::space::Space;
use std::collections::HashSet;
use std::time::Duration;
use testkit::desk::PATIENCE;
use testkit::{Dialer, Kind, Lab, Limiter, Mix, Side, require_lab};

/// Dials a second of the scanner.
const RATE: f64 = 20.0;
/// Beyond `TIME`: the head of a queue of programs that give up is let out just before or just after, which is a matter
/// of milliseconds. With ten seconds, ten slots let out 53 here, and 61 in the simulator.
const GIVES_UP: Duration = Duration::from_secs(90);
const TIME: Duration = Duration::from_mins(1);
/// How far apart the two may be: both let contacts out by steps, and real dials are late by some milliseconds.
const MOST_APART: f64 = 0.1;

/// Contacts of a host in its first `TIME`: of the simulator.
fn simulated(limiter: &Simulated) -> f64 {
    let mut scenario = Scenario::named("ssh-bot").unwrap();
    scenario.worm.pace = Pace::PerSecond(PerSecond::try_from(RATE).unwrap());
    scenario.worm.patience = Span::from(GIVES_UP);
    scenario.worm.stack = Stack::Linux;
    scenario.population.answering = Share::try_from(0.0).unwrap();
    scenario.population.refusing = Share::try_from(0.0).unwrap();
    let space = Space::of(&scenario.population, 1).unwrap();
    Curve::measure(&scenario, &space, limiter, 1).contacts_by(TIME.as_secs_f64())
}

/// The same of a real program: addresses to which a first SYN has left.
fn real(preset: &str) -> f64 {
    let lab = Lab::new().unwrap();
    #[allow(clippy::cast_sign_loss, reason = "a count")]
    let dials = (RATE * TIME.as_secs_f64()) as usize;
    let hosts = lab.draw(&Mix { dead: dials, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).set("preset", preset).start().unwrap();
    let capture = lab.capture(Side::World).unwrap();
    let dialling = Dialer::new(&lab)
        .destinations(hosts.destinations())
        .dials_per_s(RATE)
        .patience(GIVES_UP)
        .spawn()
        .unwrap();
    dialling.await_all_dialled(TIME + PATIENCE).unwrap();
    let captured = capture.finish().unwrap();
    limiter.stop().unwrap();
    let syns = captured.whole().iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    let begin = syns.clone().map(|syn| syn.at).min().unwrap();
    syns.filter(|syn| syn.at < begin + TIME).map(|syn| syn.to).collect::<HashSet<_>>().len() as f64
}

fn assert_agreement(preset: &str, limiter: &str) {
    let (real, simulated) = (real(preset), simulated(&Simulated::named(limiter).unwrap()));
    println!(
        "{preset}: {real} contacts of {} dials in {TIME:?}, {simulated:.1} simulated",
        RATE * TIME.as_secs_f64()
    );
    assert!((real / simulated - 1.0).abs() < MOST_APART, "{preset}: {real}, simulated {simulated}");
}

#[test]
fn ten_slots_let_out_what_they_do_in_the_simulator() {
    require_lab!();
    assert_agreement("xp-sp2", "xp-sp2-slots");
}

#[test]
fn a_throttle_lets_out_what_it_does_in_the_simulator() {
    require_lab!();
    assert_agreement("virus-throttle", "virus-throttle");
}

#[test]
fn credit_lets_out_what_it_does_in_the_simulator() {
    require_lab!();
    assert_agreement("adaptive", "adaptive");
}
