//! The built-in scenarios held against what was observed.

use crate::engine::Stop;
use crate::scenario::{Scenario, ScenarioError};
use crate::study::{CaseResult, EngineKind, Plan, Study};

fn study(name: &str, cases: usize, engine: EngineKind, runs: u32) -> Result<Study, ScenarioError> {
    let mut scenario = Scenario::named(name)?;
    scenario.cases.truncate(cases);
    Study::of(&scenario, Plan { engine, seed: 1, runs }, &Stop::default(), &|_, _| ())
}

/// The median time until so many percent are infected, in seconds; infinite if never.
fn when(case: &CaseResult, percent: usize) -> f64 {
    case.course.get(percent).and_then(|point| point.seconds.median).unwrap_or(f64::INFINITY)
}

/// Hours until Code Red v2 has 99 % of its hosts. Observed: some 359,000 hosts in less than 14 hours (Moore, Shannon,
/// Brown, IMW 2002).
///
/// # Errors
/// None for a built-in scenario.
pub fn code_red_hours(runs: u32) -> Result<f64, ScenarioError> {
    let study = study("code-red-v2", 1, EngineKind::Scaled, runs)?;
    Ok(study.cases.first().map_or(f64::INFINITY, |case| when(case, 99) / 3_600.0))
}

/// For each case of Slammer, which no limit on TCP touches: its name, seconds in which it doubles, and until it has nine
/// in ten. Observed: 8.5 s, and 10 minutes (Moore, Paxson, Savage, Shannon, Staniford, Weaver, IEEE S&P magazine 2003).
///
/// # Errors
/// None for a built-in scenario.
pub fn slammer_seconds(runs: u32) -> Result<Vec<(String, f64, f64)>, ScenarioError> {
    let study = study("slammer", usize::MAX, EngineKind::Scaled, runs)?;
    let logit = |share: f64| (share / (1.0 - share)).ln();
    let of = |case: &CaseResult| {
        let growth = (logit(0.20) - logit(0.02)) / (when(case, 20) - when(case, 2));
        (case.name.clone(), 2_f64.ln() / growth, when(case, 90))
    };
    Ok(study.cases.iter().map(of).collect())
}

/// Minutes in the trial of 16 machines with Nimda: until 15 are infected without a limit, and until the second and third
/// are with HP's throttle. Observed: 12, 13 and 30 (Twycross, Williamson, Security 2003). The last number: until the
/// third is infected without a limit.
///
/// # Errors
/// None for a built-in scenario.
pub fn nimda_minutes(runs: u32) -> Result<[f64; 4], ScenarioError> {
    let study = study("nimda-trial", 2, EngineKind::Exact, runs)?;
    let of = |case: usize, machines: usize| {
        let percent = (machines * 100).div_ceil(16) - 1;
        study.cases.get(case).map_or(f64::INFINITY, |case| when(case, percent) / 60.0)
    };
    Ok([of(0, 15), of(1, 2), of(1, 3), of(0, 3)])
}
