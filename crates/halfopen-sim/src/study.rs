//! All cases of a scenario, each run many times.

use crate::band::Band;
use crate::carrier::Wait;
use crate::course::{Course, levels};
use crate::curve::Curve;
use crate::engine::{Engine, Stop};
use crate::exact::Exact;
use crate::limiter::{self, Limiter};
use crate::scaled::Scaled;
use crate::scenario::{Case, Scenario, ScenarioError};
use crate::space::Space;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which engine runs a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Every attempt goes through the policy.
    Exact,
    /// By the rates of one host.
    Scaled,
}

/// How a study is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The engine.
    pub engine: EngineKind,
    /// What all random numbers come from.
    pub seed: u64,
    /// How often each case is run.
    pub runs: u32,
}

/// What comes of a scenario. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Study {
    /// The scenario's name.
    pub scenario: String,
    /// What it is about.
    pub about: String,
    /// The engine.
    pub engine: EngineKind,
    /// The seed that repeats it.
    pub seed: u64,
    /// Vulnerable hosts that scans reach.
    pub hosts: usize,
    /// Vulnerable hosts that no scan reaches.
    pub unreachable: usize,
    /// When each run ends, in seconds.
    pub until: f64,
    /// Whether it was stopped before all runs were done.
    pub stopped: bool,
    /// The first one is what others are compared with.
    pub cases: Vec<CaseResult>,
}

/// What comes of a case.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// How many runs were done.
    pub runs: usize,
    /// When half of the hosts had been infected, in seconds.
    pub half: Band,
    /// When nine in ten had been, in seconds.
    pub nine_tenths: Band,
    /// How many times as long as the first case's median it takes until half have been infected.
    pub slowdown: Band,
    /// The share of hosts that had the worm at some time.
    pub ever: Band,
    /// The largest share that had it at a time.
    pub peak: Band,
    /// By limiter of the case: what one host lets out.
    pub limiters: Vec<LimiterResult>,
    /// When each share of hosts had been infected.
    pub course: Vec<CoursePoint>,
}

/// A point of a course.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct CoursePoint {
    /// The share of hosts, 0 to 1.
    pub share: f64,
    /// When it had been infected, in seconds.
    pub seconds: Band,
}

/// What a limiter lets out of a host with the worm.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LimiterResult {
    /// The limiter.
    pub name: String,
    /// Contacts in the first minute.
    pub first_minute: f64,
    /// Contacts in the first hour.
    pub first_hour: f64,
    /// Contacts in the second hour, if so much was measured, or the steady rate of an hour.
    pub later_hour: f64,
    /// How long legitimate programs waited.
    pub programs: Vec<ProgramResult>,
}

/// How long a legitimate program waited for those who answered, beyond the round trip.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProgramResult {
    /// The program.
    pub name: String,
    /// Whether the worm was on the host.
    pub with_worm: bool,
    /// Dials that were answered.
    pub answered: usize,
    /// The share of dials that got no answer, from peers or strangers.
    pub unanswered: f64,
    /// The median wait, in seconds.
    pub median: f64,
    /// Of a hundred dials, one waited longer, in seconds.
    pub one_in_a_hundred: f64,
    /// The longest wait, in seconds.
    pub longest: f64,
}

impl Study {
    /// Runs all cases on rayon's threads. `done` hears how many of how many parts are done. What is done when `stop`
    /// says so is kept.
    ///
    /// # Errors
    /// A population that cannot be laid out, or is too large for the exact engine.
    pub fn of(
        scenario: &Scenario,
        plan: Plan,
        stop: &Stop,
        done: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, ScenarioError> {
        let space = Space::of(&scenario.population, plan.seed)?;
        if plan.engine == EngineKind::Exact && space.hosts() > Exact::MOST {
            return Err(ScenarioError::TooManyForExact { hosts: space.hosts(), most: Exact::MOST });
        }
        let all = scenario.cases.len() as u64 * (1 + u64::from(plan.runs));
        let so_far = AtomicU64::new(0);
        let part = |parts: u64| done(so_far.fetch_add(parts, Ordering::Relaxed) + parts, all);
        let mut curves = Vec::<(Limiter, Curve)>::new();
        let mut measure = |limiter: Limiter| {
            if !curves.iter().any(|(known, _)| *known == limiter) && !stop.is_wanted() {
                curves.push((limiter, Curve::measure(scenario, &space, &limiter, plan.seed)));
            }
        };
        measure(limiter::none());
        for case in &scenario.cases {
            case.hosts.iter().for_each(|(limiter, _)| measure(*limiter));
            part(1);
        }
        let curve =
            |limiter: &Limiter| curves.iter().find(|(known, _)| known == limiter).map(|(_, curve)| curve);
        let mut cases = Vec::<CaseResult>::new();
        for case in &scenario.cases {
            if stop.is_wanted() {
                break;
            }
            let limited: Option<Vec<&Curve>> = case.hosts.iter().map(|(limiter, _)| curve(limiter)).collect();
            let (Some(unlimited), Some(limited)) = (curve(&limiter::none()), limited) else { break };
            let engine: Box<dyn Engine> = match plan.engine {
                EngineKind::Exact => Box::new(Exact::new(scenario, &space, case, plan.seed)),
                EngineKind::Scaled => {
                    Box::new(Scaled::new(scenario, &space, case, unlimited, &limited, plan.seed))
                }
            };
            let run = |number| {
                if stop.is_wanted() {
                    return None;
                }
                let course = engine.run(number, stop);
                part(1);
                course
            };
            let courses: Vec<Course> = (0..plan.runs).into_par_iter().filter_map(run).collect();
            let first =
                cases.first().map_or_else(|| Band::of(halves(&courses)).median, |first| first.half.median);
            let limiters = LimiterResult::of_case(scenario, case, unlimited, &limited);
            cases.push(CaseResult::of(case, &courses, &space, first, limiters));
        }
        Ok(Self {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            engine: plan.engine,
            seed: plan.seed,
            hosts: space.hosts(),
            unreachable: space.unreachable(),
            until: scenario.until.seconds(),
            stopped: stop.is_wanted(),
            cases,
        })
    }
}

fn halves(courses: &[Course]) -> impl Iterator<Item = f64> {
    courses.iter().map(|course| course.when(50))
}

impl CaseResult {
    fn of(
        case: &Case,
        courses: &[Course],
        space: &Space,
        first: Option<f64>,
        limiters: Vec<LimiterResult>,
    ) -> Self {
        let share = |hosts: usize| hosts as f64 / space.hosts() as f64;
        let by_level = |level: usize| Band::of(courses.iter().map(|course| course.reached[level]));
        Self {
            name: case.name.clone(),
            runs: courses.len(),
            half: Band::of(halves(courses)),
            nine_tenths: Band::of(courses.iter().map(|course| course.when(90))),
            slowdown: first.map_or_else(
                || Band::of([f64::INFINITY]),
                |first| Band::of(halves(courses).map(|half| half / first)),
            ),
            ever: Band::of(courses.iter().map(|course| share(course.ever))),
            peak: Band::of(courses.iter().map(|course| share(course.peak))),
            limiters,
            course: levels()
                .enumerate()
                .map(|(number, share)| CoursePoint { share, seconds: by_level(number) })
                .collect(),
        }
    }
}

impl LimiterResult {
    fn of_case(scenario: &Scenario, case: &Case, unlimited: &Curve, limited: &[&Curve]) -> Vec<Self> {
        let names = case.hosts.iter().map(|(limiter, _)| limiter.name);
        let mut all: Vec<_> = names.zip(limited.iter().copied()).collect();
        if all.is_empty() {
            all.push(("none", unlimited));
        }
        all.into_iter().map(|(name, curve)| Self::of(scenario, name, curve)).collect()
    }

    fn of(scenario: &Scenario, name: &str, curve: &Curve) -> Self {
        let [minute, hour, two] = [60.0, 3_600.0, 7_200.0].map(|age| curve.contacts_by(age));
        let programs = scenario.programs.iter().enumerate().flat_map(|(number, program)| {
            [(true, &curve.waits.with_worm), (false, &curve.waits.clean)].map(|(with_worm, waits)| {
                let of_program = waits.iter().filter(|wait| wait.program == number);
                ProgramResult::of(
                    &program.name,
                    with_worm,
                    of_program,
                    scenario.population.round_trip.nanos(),
                )
            })
        });
        Self {
            name: name.to_owned(),
            first_minute: minute,
            first_hour: hour,
            later_hour: two - hour,
            programs: programs.collect(),
        }
    }
}

impl ProgramResult {
    fn of<'a>(name: &str, with_worm: bool, waits: impl Iterator<Item = &'a Wait>, round_trip: u64) -> Self {
        let mut all = 0_usize;
        let took = waits.inspect(|_| all += 1).filter_map(|wait| wait.took);
        let mut took: Vec<u64> = took.map(|took| took.saturating_sub(round_trip)).collect();
        took.sort_unstable();
        let at = |in_a_hundred: usize| {
            let place = (took.len() * in_a_hundred / 100).min(took.len().saturating_sub(1));
            took.get(place).map_or(0.0, |nanos| *nanos as f64 / 1e9)
        };
        Self {
            name: name.to_owned(),
            with_worm,
            answered: took.len(),
            unanswered: (all - took.len()) as f64 / all.max(1) as f64,
            median: at(50),
            one_in_a_hundred: at(99),
            longest: at(100),
        }
    }
}
