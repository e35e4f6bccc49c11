//! What the answer depends on: one assumption changed at a time.

use halfopen_sim::scenario::{Case, Count, Layout, Pace, Scenario, ScenarioError, Share, Span};
use halfopen_sim::study::Study;
use std::time::Duration;

const LIMITERS: [&str; 3] = ["xp-sp2-rate", "xp-sp2-slots", "adaptive"];

type Change = Box<dyn Fn(&mut Scenario)>;

/// What was changed, and what came of the unlimited case and each limiter for all.
pub fn all(runs: u32) -> Result<Vec<(&'static str, Study)>, ScenarioError> {
    let share = |share: f64| Share::try_from(share).unwrap_or_default();
    let changes: [(&str, Change); 9] = [
        ("as above", Box::new(|_| ())),
        (
            "threads close their sockets after 5 s",
            Box::new(|scenario| scenario.worm.patience = Span::from(Duration::from_secs(5))),
        ),
        (
            "1,024 threads, as Sasser.C",
            Box::new(|scenario| {
                scenario.worm.pace = Count::try_from(1_024).map_or(scenario.worm.pace, Pace::Threads);
            }),
        ),
        (
            "no local preference",
            Box::new(move |scenario| {
                let targets = &mut scenario.worm.targets;
                (targets.anywhere, targets.same_8, targets.same_16) = (share(1.0), share(0.0), share(0.0));
            }),
        ),
        (
            "hosts at random addresses, not in clusters",
            Box::new(|scenario| scenario.population.layout = Layout::Uniform),
        ),
        (
            "30 % of the hosts behind NAT",
            Box::new(move |scenario| scenario.population.behind_nat = share(0.3)),
        ),
        (
            "300,000 vulnerable hosts",
            Box::new(|scenario| {
                if let Ok(hosts) = Count::try_from(300_000) {
                    scenario.population.vulnerable = hosts;
                }
            }),
        ),
        (
            "five times as many other hosts answer",
            Box::new(move |scenario| scenario.population.answering = share(0.005)),
        ),
        (
            "nobody else answers or refuses",
            Box::new(move |scenario| {
                scenario.population.answering = share(0.0);
                scenario.population.refusing = share(0.0);
            }),
        ),
    ];
    let mut studies = Vec::new();
    for (name, change) in changes {
        let mut scenario = Scenario::named("sasser")?;
        change(&mut scenario);
        name.clone_into(&mut scenario.name);
        let limited = LIMITERS
            .iter()
            .filter_map(|name| Some(Case::of(name, halfopen_sim::limiter::Limiter::named(name)?, 1.0)));
        scenario.cases = std::iter::once(Case::unlimited()).chain(limited).collect();
        studies.push((name, super::super::study(&scenario, runs)?));
    }
    Ok(studies)
}
