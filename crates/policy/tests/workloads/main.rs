//! The workloads on the virtual clock, held against the aims of the preset `adaptive`.
//!
//! `cargo test -p halfopen-policy --test workloads table -- --nocapture` prints what comes of each.

mod attacks;
mod sweep;
mod host;
mod known;
mod limiter;
mod outcome;
mod run;

use halfopen_workload::{INNOCENT, NAMES, Peer, VICTIM, Workload, named, scanner};
use limiter::Limiter;
use outcome::{Outcome, longest, median};
use run::run;
use std::time::Duration;

fn drawn(name: &str, seed: u64) -> Workload {
    named(name, seed).unwrap()
}

#[test]
#[ignore]
fn sweeps() { sweep::sweep(); }

#[test]
fn table() {
    let seeds = 5;
    let limiters = [
        limiter::none(),
        limiter::xp_sp2(),
        limiter::virus_throttle(),
        limiter::without_daemon(limiter::adaptive()),
        limiter::adaptive(),
    ];
    for name in NAMES {
        for limiter in limiters {
            row(name, limiter, seeds, |seed| drawn(name, seed));
        }
    }
    row("scanner 1 h", limiter::adaptive(), 1, |seed| scanner(seed, Duration::from_hours(1)));
}

fn row(name: &str, limiter: Limiter, seeds: u64, draw: impl Fn(u64) -> Workload) {
    let outcomes: Vec<Outcome> = (0..seeds).map(|seed| run(&draw(seed), limiter)).collect();
    let mut dead: Vec<_> = outcomes.iter().map(Outcome::dead).collect();
    dead.sort_unstable();
    let n = outcomes.len() as f64;
    let dialled: usize = outcomes.iter().map(|o| o.live_dialled).sum();
    print!("{name:13} {:21} dead {:4} ({:4})", limiter.name, dead[dead.len() / 2], dead[dead.len() - 1]);
    let connected: usize = outcomes.iter().map(|o| o.connected.len()).sum();
    print!("  live {:7.1} of {:7.1}", connected as f64 / n, dialled as f64 / n);
    for (what, cgroup, peer) in [
        ("known", VICTIM, Peer::Known),
        ("new", VICTIM, Peer::Stranger),
        ("innocent", INNOCENT, Peer::Stranger),
    ] {
        let mut waits: Vec<_> =
            outcomes.iter().flat_map(|o| o.waits(|one| one.cgroup == cgroup && one.peer == peer)).collect();
        waits.sort_unstable();
        if !waits.is_empty() {
            print!("  {what} {:.1}: {:.1?}/{:.1?}", waits.len() as f64 / n, median(&waits), longest(&waits));
        }
    }
    let over: Vec<_> = outcomes.iter().filter_map(|o| o.over).collect();
    println!(
        "  over {:.1?} suspect {:.1?}",
        over.iter().max(),
        outcomes.iter().map(|o| o.suspect).max().flatten()
    );
}
