//! What comes of each workload under each limiter, for people to read.

use crate::limiter::{self, Limiter};
use crate::outcome::{Outcome, live_by, longest, median};
use crate::run::run;
use std::time::Duration;
use testkit::workload::{INNOCENT, NAMES, Peer, VICTIM, Workload, named, scanner};

const SEEDS: u64 = 5;
const CURVE_SEEDS: u64 = 100;

#[test]
fn table() {
    println!("medians of {SEEDS} seeds (dead), all seeds together (waits: median / longest)");
    let limiters = [
        limiter::none(),
        limiter::xp_sp2(),
        limiter::virus_throttle(),
        limiter::without_daemon(&limiter::adaptive()),
        limiter::adaptive(),
    ];
    for name in NAMES {
        for limiter in limiters {
            row(name, &limiter, |seed| named(name, seed).unwrap());
        }
    }
    row("scanner, 1 h", &limiter::adaptive(), |seed| scanner(seed, Duration::from_hours(1)));
}

/// Chance is one live for ten dead.
#[test]
fn curve() {
    println!("c-shuffled, {CURVE_SEEDS} seeds: live connected by the time so many dead were reached");
    for limiter in [limiter::xp_sp2(), limiter::virus_throttle(), limiter::adaptive()] {
        let draw = |seed| named("c-shuffled", seed).unwrap();
        let outcomes: Vec<_> = (0..CURVE_SEEDS).map(|seed| run(&draw(seed), &limiter)).collect();
        print!("{:15}", limiter.name);
        for dead in [5, 10, 15, 20, 30, 40] {
            print!("  {dead}: {:.2}", live_by(&outcomes, dead));
        }
        let reached: usize = outcomes.iter().map(Outcome::dead).sum();
        println!("  dead on average {:.1}", reached as f64 / outcomes.len() as f64);
    }
}

fn row(name: &str, limiter: &Limiter, draw: impl Fn(u64) -> Workload) {
    let outcomes: Vec<Outcome> = (0..SEEDS).map(|seed| run(&draw(seed), limiter)).collect();
    let mut dead: Vec<_> = outcomes.iter().map(Outcome::dead).collect();
    dead.sort_unstable();
    print!("{name:13} {:20} dead {:4}", limiter.name, dead[dead.len() / 2]);
    let dialled: usize = outcomes.iter().map(|outcome| outcome.live_dialled).sum();
    let connected: usize = outcomes.iter().map(|outcome| outcome.connected.len()).sum();
    print!("  live {:4} of {:4}", connected as u64 / SEEDS, dialled as u64 / SEEDS);
    let kinds = [
        ("known", VICTIM, Peer::Known),
        ("strangers", VICTIM, Peer::Stranger),
        ("innocent", INNOCENT, Peer::Stranger),
    ];
    for (kind, cgroup, peer) in kinds {
        let of_kind = |outcome: &Outcome| outcome.waits(|one| one.cgroup == cgroup && one.peer == peer);
        let mut waits: Vec<_> = outcomes.iter().flat_map(of_kind).collect();
        waits.sort_unstable();
        if !waits.is_empty() {
            let (median, longest) = (median(&waits), longest(&waits));
            print!("  {kind} {}: {median:.1?} / {longest:.1?}", waits.len() as u64 / SEEDS);
        }
    }
    if let Some(over) = outcomes.iter().map(|outcome| outcome.over).collect::<Option<Vec<_>>>() {
        print!("  over by {:.1?}", over.into_iter().max().unwrap_or_default());
    }
    let suspects = outcomes.iter().filter(|outcome| outcome.suspect.is_some()).count();
    println!("  suspect in {suspects} of {SEEDS}");
}
