//! How often a workload is drawn, and what comes of all draws together.

use crate::limiter::Limiter;
use crate::outcome::Outcome;
use crate::run::run;
use std::time::Duration;
use testkit::workload::{Workload, named};

/// How long scans are watched.
pub const SCAN: Duration = Duration::from_secs(45);
pub const HOUR: Duration = Duration::from_hours(1);
pub const DAY: Duration = Duration::from_hours(24);
/// Unless the environment's `DRAWS` says otherwise.
const DRAWS: u64 = 40;
const MANY_DRAWS: u64 = 200;
/// Of what takes seconds each.
const DRAWS_OF_AN_HOUR: u64 = 3;

pub fn draws() -> u64 {
    std::env::var("DRAWS").map_or(DRAWS, |draws| draws.parse().unwrap())
}

pub fn draws_of_an_hour() -> u64 {
    (DRAWS_OF_AN_HOUR * draws()).div_ceil(DRAWS)
}

pub fn all(name: &str, limiter: &Limiter) -> Vec<Outcome> {
    drawn(limiter, draws(), |seed| named(name, seed).unwrap())
}

/// Of what chance decides more of.
pub fn many(name: &str, limiter: &Limiter) -> Vec<Outcome> {
    drawn(limiter, draws().max(MANY_DRAWS), |seed| named(name, seed).unwrap())
}

/// Of what takes an hour of the virtual clock.
pub fn of_an_hour(limiter: &Limiter, draw: impl Fn(u64) -> Workload) -> Vec<Outcome> {
    drawn(limiter, draws_of_an_hour(), draw)
}

pub fn drawn(limiter: &Limiter, draws: u64, draw: impl Fn(u64) -> Workload) -> Vec<Outcome> {
    (0..draws).map(|seed| run(&draw(seed), limiter)).collect()
}

/// How many dead were reached within this time, on average.
pub fn mean_dead(outcomes: &[Outcome], within: Duration) -> usize {
    outcomes.iter().map(|one| one.dead_within(within)).sum::<usize>() / outcomes.len()
}

/// Times of some draws, ascending; a draw without one counts as for ever.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(times: impl IntoIterator<Item = Option<Duration>>) -> Self {
        let mut times: Vec<_> = times.into_iter().map(|time| time.unwrap_or(Duration::MAX)).collect();
        times.sort_unstable();
        Self(times)
    }

    /// How many draws have one.
    pub fn had(&self) -> usize {
        self.0.iter().filter(|time| **time != Duration::MAX).count()
    }

    pub fn draws(&self) -> usize {
        self.0.len()
    }

    /// Infinite, if those are without.
    pub fn seconds(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len() - 1);
        let time = self.0[place];
        if time == Duration::MAX { f64::INFINITY } else { time.as_secs_f64() }
    }
}
