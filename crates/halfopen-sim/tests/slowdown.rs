//! What limits do to Sasser, with fewer hosts in less space than it had.

#![allow(clippy::unwrap_used)]

use halfopen_sim::engine::Stop;
use halfopen_sim::limiter::Limiter;
use halfopen_sim::scenario::{Case, Count, Scenario, SpaceBits};
use halfopen_sim::study::{EngineKind, Plan, Study};

fn slowdowns(cases: impl IntoIterator<Item = Case>) -> Vec<f64> {
    let mut scenario = Scenario::named("sasser").unwrap();
    scenario.population.vulnerable = Count::try_from(30_000).unwrap();
    scenario.population.space_bits = SpaceBits::try_from(28).unwrap();
    scenario.population.start = Count::try_from(100).unwrap();
    scenario.cases = std::iter::once(Case::unlimited()).chain(cases).collect();
    let plan = Plan { engine: EngineKind::Scaled, seed: 1, runs: 15 };
    let study = Study::of(&scenario, plan, &Stop::default(), &|_, _| ()).unwrap();
    study.cases.iter().map(|case| case.slowdown.median.unwrap_or(f64::INFINITY)).collect()
}

fn all(name: &str) -> Case {
    Case::of(name, Limiter::named(name).unwrap(), 1.0)
}

/// Threads that wait for 21 s at dead addresses dial six a second: ten a second do not touch them, ten slots do.
#[test]
fn the_readings_of_the_original_are_an_order_of_magnitude_apart() {
    let [_, rate, slots, credit] = slowdowns(["xp-sp2-rate", "xp-sp2-slots", "adaptive"].map(all))[..] else {
        panic!("not four cases")
    };
    assert!((0.9..1.5).contains(&rate), "{rate}");
    assert!((5.0..30.0).contains(&slots), "{slots}");
    assert!(credit > 10.0 * slots, "{credit} and {slots}");
}

/// Limiting at hosts slows an epidemic in the share of hosts that have it: what is not limited sets the pace (Wong et
/// al. 2004).
#[test]
fn hosts_without_the_limit_set_the_pace() {
    let adaptive = Limiter::named("adaptive").unwrap();
    let shares = [0.25, 0.5, 0.75];
    let slower = slowdowns(shares.map(|share| Case::of("adaptive", adaptive, share)));
    for (slower, share) in slower[1..].iter().zip(shares) {
        let linear = 1.0 / (1.0 - share);
        assert!((0.8 * linear..1.5 * linear).contains(slower), "{share}: {slower}, not {linear}");
    }
}
