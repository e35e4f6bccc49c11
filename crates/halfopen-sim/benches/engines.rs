//! How fast the engines are, and how much memory hosts take; with ratios, since machines differ.
//!
//! `cargo bench -p halfopen-sim`, and after `--` a part of the names of rows of the exact engine

#![allow(clippy::unwrap_used)]

use halfopen_sim::carrier::Carrier;
use halfopen_sim::curve::Curve;
use halfopen_sim::engine::{Engine, Stop};
use halfopen_sim::limiter::{self, Limiter};
use halfopen_sim::scaled::Scaled;
use halfopen_sim::scenario::{Case, Count, Scenario, SpaceBits, Span};
use halfopen_sim::space::Space;
use halfopen_sim::streams::Stream;
use std::time::{Duration, Instant};

/// What EoN 1.1 (Kiss, Miller, Simon 2017) takes for SI on a complete graph of so many hosts, as the project's issue 17
/// has it.
const EON: (u64, f64) = (3_000, 7.0);

fn main() {
    // First: it looks at how the process grows.
    exact(std::env::args().skip(1).find(|word| !word.starts_with('-')).as_deref());
    scaled();
    complete_graph();
}

fn time(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn scaled() {
    let mut scenario = Scenario::named("sasser").unwrap();
    scenario.until = Span::from(Duration::from_hours(24));
    let space = Space::of(&scenario.population, 1).unwrap();
    let unlimited = Curve::measure(&scenario, &space, &limiter::none(), 1);
    for name in ["none", "xp-sp2-slots", "adaptive"] {
        let limiter = Limiter::named(name).unwrap();
        let mut curve = None;
        let measured = time(|| curve = Some(Curve::measure(&scenario, &space, &limiter, 1)));
        let curve = curve.unwrap();
        let case = Case::of(name, limiter, 1.0);
        let engine = Scaled::new(&scenario, &space, &case, &unlimited, &[&curve], 1);
        let mut ever = 0;
        let ran = time(|| ever = engine.run(0, &Stop::default()).unwrap().ever);
        println!(
            "scaled, a million hosts, 24 h, {name}: {ran:.2} s a run on one core, {ever} infected; rates measured in \
             {measured:.2} s; {} bytes a host and {:.1} of its address",
            engine.bytes_a_host(),
            4.0
        );
    }
}

/// Everybody can reach everybody: SI on a complete graph.
fn complete_graph() {
    for (hosts, bits, runs) in [(EON.0, 12, 2_000_u32), (1_000_000, 20, 4)] {
        let mut scenario = Scenario::named("lan").unwrap();
        scenario.population.space_bits = SpaceBits::try_from(bits + 1).unwrap();
        scenario.population.vulnerable = Count::try_from(hosts).unwrap();
        scenario.population.start = Count::try_from(1).unwrap();
        let space = Space::of(&scenario.population, 1).unwrap();
        let unlimited = Curve::measure(&scenario, &space, &limiter::none(), 1);
        let engine = Scaled::new(&scenario, &space, &Case::unlimited(), &unlimited, &[], 1);
        let all = time(|| {
            for run in 0..runs {
                assert_eq!(engine.run(run, &Stop::default()).unwrap().ever as u64, hosts);
            }
        });
        let each = all / f64::from(runs);
        let of_eon = if hosts == EON.0 {
            format!(": EoN's published {} s is {:.0} times as long", EON.1, EON.1 / each)
        } else {
            String::new()
        };
        println!("SI on a complete graph of {hosts} hosts: {:.3} ms a run{of_eon}", each * 1e3);
    }
}

fn exact(wanted: Option<&str>) {
    let sasser = Scenario::named("sasser").unwrap();
    let space = Space::of(&sasser.population, 1).unwrap();
    let scenarios = ["sasser", "ssh-bot"].map(|worm| {
        let worm = Scenario::named(worm).unwrap().worm;
        Scenario { worm, ..sasser.clone() }
    });
    // The memory of no row is used again by the next.
    let mut all = Vec::new();
    for (worm, name) in ["none", "xp-sp2-slots", "adaptive"]
        .into_iter()
        .flat_map(|name| [("sasser", name), ("ssh-bot", name)])
    {
        let row = format!("exact, {worm}, {name}");
        if wanted.is_some_and(|wanted| !row.contains(wanted)) {
            continue;
        }
        let scenario = &scenarios[usize::from(worm == "ssh-bot")];
        let limiter = Limiter::named(name).unwrap();
        let mut attempts = 0;
        let before = resident();
        let mut hosts: Vec<_> = (0..200)
            .map(|host| {
                let random = Stream::Host(0, host).random(1);
                Carrier::new(scenario, &space, &limiter, space.address(host), 0..0, random)
            })
            .collect();
        let took = time(|| {
            for host in &mut hosts {
                host.go_on(600_000_000_000);
                attempts += host.attempts();
                host.contacts = Vec::new();
            }
        });
        println!(
            "{row}: {:.2} million attempts a second on one core; {:.1} KiB a host after 10 min",
            attempts as f64 / took / 1e6,
            resident().saturating_sub(before) as f64 / 1024.0 / hosts.len() as f64
        );
        all.push(hosts);
    }
}

/// Resident memory, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}
