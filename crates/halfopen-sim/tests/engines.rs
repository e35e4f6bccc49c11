//! The two engines against each other, and a run against itself.

#![allow(clippy::unwrap_used)]

use halfopen_sim::engine::Stop;
use halfopen_sim::scenario::{Count, Scenario, SpaceBits, Span};
use halfopen_sim::study::{EngineKind, Plan, Study};
use std::time::Duration;

fn study(scenario: &Scenario, engine: EngineKind, seed: u64, runs: u32) -> Study {
    Study::of(scenario, Plan { engine, seed, runs }, &Stop::default(), &|_, _| ()).unwrap()
}

/// As dense as the scenario "lan", and a quarter of it.
fn small_lan() -> Scenario {
    let mut scenario = Scenario::named("lan").unwrap();
    scenario.population.vulnerable = Count::try_from(125).unwrap();
    scenario.population.space_bits = SpaceBits::try_from(12).unwrap();
    scenario.population.start = Count::try_from(20).unwrap();
    scenario
}

/// The medians of each lie in the band of the other's runs.
fn assert_agreement(scenario: &Scenario) {
    let exact = study(scenario, EngineKind::Exact, 1, 16);
    let scaled = study(scenario, EngineKind::Scaled, 1, 200);
    for (exact, scaled) in exact.cases.iter().zip(&scaled.cases) {
        for percent in [20, 50, 90] {
            let [a, b] = [exact, scaled].map(|case| case.course[percent].seconds);
            let lies_in = |value: Option<f64>, band: halfopen_sim::band::Band| {
                (band.low.unwrap()..=band.high.unwrap()).contains(&value.unwrap())
            };
            assert!(
                lies_in(a.median, b) && lies_in(b.median, a),
                "{}, {percent} %: exact {a:?}, scaled {b:?}",
                exact.name
            );
        }
    }
}

#[test]
fn the_engines_agree_where_both_run() {
    let mut scenario = small_lan();
    scenario.cases.retain(|case| ["none", "xp-sp2-slots", "adaptive"].contains(&case.name.as_str()));
    assert_eq!(scenario.cases.len(), 3);
    assert_agreement(&scenario);
}

#[test]
#[ignore = "minutes without optimization: cargo test --release -p halfopen-sim --test engines -- --ignored"]
fn the_engines_agree_on_the_whole_lan() {
    let mut scenario = Scenario::named("lan").unwrap();
    // The last of 500 hosts is not compared; under "adaptive" the others would scan for days until it is found.
    scenario.until = Span::from(Duration::from_mins(5));
    assert_agreement(&scenario);
}

#[test]
fn a_seed_repeats_a_study_bit_for_bit_on_any_number_of_threads() {
    let mut scenario = Scenario::named("sasser").unwrap();
    scenario.population.vulnerable = Count::try_from(5_000).unwrap();
    let mut lan = small_lan();
    lan.cases.truncate(2);
    for (scenario, engine) in [(&scenario, EngineKind::Scaled), (&lan, EngineKind::Exact)] {
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| study(scenario, engine, seed, 3))
        };
        let one = on(1, 7);
        assert_eq!(one, on(3, 7));
        assert_ne!(one.cases[0].half, on(3, 8).cases[0].half);
    }
}

#[test]
fn what_is_done_before_a_stop_is_kept() {
    let scenario = Scenario::named("lan").unwrap();
    let stop = Stop::default();
    let plan = Plan { engine: EngineKind::Scaled, seed: 1, runs: 1_000_000 };
    let study = Study::of(&scenario, plan, &stop, &|done, _| {
        if done > 100 {
            stop.now();
        }
    });
    let study = study.unwrap();
    assert!(study.stopped);
    let runs = study.cases[0].runs;
    assert!((50..1_000_000).contains(&runs), "{runs} runs");
    assert!(study.cases[0].half.median.is_some());
}
