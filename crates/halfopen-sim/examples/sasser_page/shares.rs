//! Slower by the share of hosts that are limited: with a tenth of the hosts, so that many runs are possible.

use halfopen_sim::limiter::Limiter;
use halfopen_sim::report::Slowdowns;
use halfopen_sim::scenario::{Case, Count, Scenario, ScenarioError};

/// A tenth of Sasser's hosts in the same space.
const HOSTS: u64 = 100_000;
/// Shares in a hundred.
pub const SHARES: [f64; 8] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

pub fn by_share(runs: u32) -> Result<Vec<Slowdowns>, ScenarioError> {
    let mut lines = Vec::new();
    for name in ["xp-sp2-rate", "xp-sp2-slots", "adaptive"] {
        let Some(limiter) = Limiter::named(name) else { continue };
        let mut scenario = Scenario::named("sasser")?;
        if let Ok(hosts) = Count::try_from(HOSTS) {
            scenario.population.vulnerable = hosts;
        }
        if let Ok(start) = Count::try_from(100) {
            scenario.population.start = start;
        }
        scenario.name = format!("shares, {name}");
        let cases = SHARES.map(|share| Case::of(name, limiter, share));
        scenario.cases = std::iter::once(Case::unlimited()).chain(cases).collect();
        let study = super::super::study(&scenario, runs)?;
        let shares = std::iter::once(0.0).chain(SHARES);
        let points = study.cases.iter().zip(shares).filter_map(|(case, share)| {
            let band = case.slowdown;
            Some((share, [band.median?, band.low?, band.high?]))
        });
        lines.push((name.to_owned(), points.collect()));
    }
    Ok(lines)
}
