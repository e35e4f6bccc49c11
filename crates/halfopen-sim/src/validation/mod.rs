//! The scaled engine held against models that were published. The tests ask for 1 %, and
//! docs/measurements/validation.md shows the curves.

pub mod models;
pub mod observed;

use crate::course::Course;
use crate::curve::Curve;
use crate::engine::{Engine, Stop};
use crate::limiter;
use crate::scaled::Scaled;
use crate::scenario::{
    Case, Count, Layout, Pace, PerSecond, Scenario, ScenarioError, Share, SpaceBits, Span,
};
use crate::space::Space;
use models::{Aawp, TwoFactor, logistic_when};
use std::time::Duration;

/// Scans of a host in a second, in all three.
const RATE: f64 = 10.0;

/// A model cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum ValidationError {
    /// Its scenario is none.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A number of it is out of range.
    #[error("{0}")]
    Number(String),
}

impl From<String> for ValidationError {
    fn from(what: String) -> Self {
        Self::Number(what)
    }
}

/// What the engine gives, and what a model gives.
#[derive(Debug)]
pub struct Comparison {
    /// What is held against what.
    pub title: &'static str,
    /// Of the engine: seconds, and the share infected by then.
    pub ours: Vec<(f64, f64)>,
    /// Of the model.
    pub theirs: Vec<(f64, f64)>,
    /// The numbers that must agree.
    pub numbers: Vec<Number>,
}

/// One number of a [`Comparison`].
#[derive(Debug)]
pub struct Number {
    /// What it is.
    pub of: String,
    /// The engine's.
    pub ours: f64,
    /// The model's.
    pub theirs: f64,
}

impl Number {
    /// How far the engine's is off, in percent of the model's.
    #[must_use]
    pub fn off_percent(&self) -> f64 {
        (self.ours / self.theirs - 1.0).abs() * 100.0
    }
}

/// All of them, the mean of so many runs each.
///
/// # Errors
/// None for numbers that are written here.
pub fn all(runs: u32) -> Result<[Comparison; 3], ValidationError> {
    Ok([random_scanner(runs)?, local_preference(runs)?, two_factor(runs)?])
}

/// A scanner of random addresses follows the logistic curve; beta = scans a second x vulnerable / addresses.
///
/// # Errors
/// As [`all`].
pub fn random_scanner(runs: u32) -> Result<Comparison, ValidationError> {
    let mut scenario = at_rate("code-red-v2")?;
    scenario.population.start = Count::try_from(3_590)?;
    let space = Space::of(&scenario.population, 1)?;
    let courses = courses(&scenario, &space, runs);
    let beta = RATE * space.hosts() as f64 / 2_f64.powi(32);
    let start = 3_590.0 / space.hosts() as f64;
    let theirs = |share: f64| logistic_when(beta, start, share);
    Ok(Comparison {
        title: "A random scanner and the logistic curve",
        ours: curve(&courses),
        theirs: (2..=99).map(|percent| of_percent(percent, theirs)).collect(),
        numbers: [10, 50, 90, 99]
            .map(|percent| Number::when(percent, &courses, of_percent(percent, theirs).0))
            .into(),
    })
}

/// Local preference follows the Analytical Active Worm Propagation model.
///
/// # Errors
/// As [`all`].
pub fn local_preference(runs: u32) -> Result<Comparison, ValidationError> {
    let mut scenario = at_rate("nimda")?;
    let space_bits = 26;
    scenario.population.space_bits = SpaceBits::try_from(space_bits)?;
    scenario.population.vulnerable = Count::try_from(200_000)?;
    scenario.population.start = Count::try_from(20_000)?;
    scenario.population.layout = Layout::Clustered { of_8: Share::ALL, of_16: Share::try_from(0.5)? };
    let space = Space::of(&scenario.population, 1)?;
    let courses = courses(&scenario, &space, runs);
    let model = Aawp {
        space_bits: i32::from(space_bits),
        hosts: space.by_group().map(f64::from).collect(),
        rates: scenario.worm.targets.shares().map(|share| share * RATE),
        tick: 0.02,
    };
    let shares = model.shares(0.1, 0.99);
    let when = |share: f64| (shares.partition_point(|at| *at < share) + 1) as f64 * model.tick;
    Ok(Comparison {
        title: "Local preference and the model AAWP",
        ours: curve(&courses),
        theirs: (11..=98).map(|percent| of_percent(percent, when)).collect(),
        numbers: [20, 50, 90]
            .map(|percent| Number::when(percent, &courses, of_percent(percent, when).0))
            .into(),
    })
}

/// Patching, cleaning and congestion follow the two-factor model, with its authors' numbers for Code Red.
///
/// # Errors
/// As [`all`].
pub fn two_factor(runs: u32) -> Result<Comparison, ValidationError> {
    const HOURS: f64 = 20.0;
    const STEP: f64 = 1e-4;
    let mut scenario = at_rate("code-red-v2")?;
    scenario.population.start = Count::try_from(3_590)?;
    scenario.until = Span::from(Duration::from_secs_f64(HOURS * 3_600.0));
    scenario.response.cleaned_per_hour = 0.05;
    scenario.response.patched_per_hour = 0.06;
    scenario.response.congestion = 3.0;
    let space = Space::of(&scenario.population, 1)?;
    let hosts = space.hosts() as f64;
    let courses = courses(&scenario, &space, runs);
    let beta = RATE * hosts / 2_f64.powi(32) * 3_600.0;
    let model = TwoFactor { beta, patched: 0.06, cleaned: 0.05, congestion: 3 };
    let shares = model.shares(3_590.0 / hosts, HOURS, STEP);
    let peak = shares.iter().map(|[infected, _]| *infected).fold(0.0, f64::max);
    let at_end = shares.last().map_or(0.0, |[infected, _]| *infected);
    let seconds = |step: usize| step as f64 * STEP * 3_600.0;
    let number = |of: &str, ours: f64, theirs: f64| Number { of: of.to_owned(), ours, theirs };
    Ok(Comparison {
        title: "Code Red v2 and the two-factor model",
        // Both: the hosts that have ever had it.
        ours: curve(&courses),
        theirs: shares.iter().enumerate().step_by(1_000).map(|(n, [_, ever])| (seconds(n), *ever)).collect(),
        numbers: vec![
            number("the most at a time", mean(&courses, |course| course.peak as f64 / hosts), peak),
            number("after 20 h", mean(&courses, |course| course.at_end as f64 / hosts), at_end),
        ],
    })
}

impl Number {
    fn when(percent: usize, courses: &[Course], theirs: f64) -> Self {
        let ours = mean(courses, |course| course.when(percent));
        Self { of: format!("{percent} % infected, in seconds"), ours, theirs }
    }
}

fn of_percent(percent: usize, when: impl Fn(f64) -> f64) -> (f64, f64) {
    let share = percent as f64 / 100.0;
    (when(share), share)
}

fn curve(courses: &[Course]) -> Vec<(f64, f64)> {
    let points =
        (1..=99).map(|percent| of_percent(percent, |_| mean(courses, |course| course.when(percent))));
    points.filter(|(seconds, _)| seconds.is_finite()).collect()
}

fn mean(courses: &[Course], of: impl Fn(&Course) -> f64) -> f64 {
    courses.iter().map(of).sum::<f64>() / courses.len() as f64
}

/// A worm with this rate, which takes over at once.
fn at_rate(worm: &str) -> Result<Scenario, ValidationError> {
    let mut scenario = Scenario::named(worm)?;
    scenario.worm.pace = Pace::PerSecond(PerSecond::try_from(RATE)?);
    scenario.worm.takes = Span::from(Duration::from_millis(1));
    scenario.population.round_trip = Span::from(Duration::from_millis(1));
    Ok(scenario)
}

fn courses(scenario: &Scenario, space: &Space, runs: u32) -> Vec<Course> {
    let unlimited = Curve::measure(scenario, space, &limiter::none(), 1);
    let engine = Scaled::new(scenario, space, &Case::unlimited(), &unlimited, &[], 1);
    (0..runs).filter_map(|run| engine.run(run, &Stop::default())).collect()
}
