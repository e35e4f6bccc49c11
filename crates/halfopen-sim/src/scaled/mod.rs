//! The scaled engine: hosts of a /16 that are limited alike are alike, and each lets contacts out at the rate of its
//! limiter's [`Curve`].
//!
//! Infections come one by one, by Gillespie's direct method (1977): the time to the next one is exponential in the sum of
//! all rates at which contacts reach hosts that do not have the worm. A host's rate changes at the ages at which pieces
//! of its curve begin. Hosts get the worm in the order of time, so one cursor for each piece goes through them once.
//! Rates are whole numbers, and sums of them are exact.

mod exposure;
mod levels;

use crate::course::{Course, Recorder};
use crate::curve::Curve;
use crate::engine::{Engine, Stop, limiter_of};
use crate::scenario::{Case, Reach, Scenario, Span};
use crate::space::Space;
use crate::streams::Stream;
use exposure::Exposure;
use levels::Levels;
use rand::RngExt;
use rand_pcg::Pcg64;

/// How often a run asks whether to stop.
const STEPS_BETWEEN_LOOKS: u32 = 1 << 16;
/// Hosts come to an age together if this part of it is between them.
const TOGETHER: f64 = 1.0 / 256.0;
/// Marks a host of which the worm is gone.
const CLEANED: u8 = 0x80;

/// See the module.
#[derive(Debug)]
pub struct Scaled<'a> {
    scenario: &'a Scenario,
    space: &'a Space,
    shares: Vec<f64>,
    levels: Levels,
    seed: u64,
}

impl<'a> Scaled<'a> {
    /// A case, with the curve of an unlimited host and that of each of its limiters, in their order.
    #[must_use]
    pub fn new(
        scenario: &'a Scenario,
        space: &'a Space,
        case: &Case,
        unlimited: &Curve,
        limited: &[&Curve],
        seed: u64,
    ) -> Self {
        let curves: Vec<_> = std::iter::once(unlimited).chain(limited.iter().copied()).collect();
        let shares = case.hosts.iter().map(|(_, share)| *share).collect();
        Self { scenario, space, shares, levels: Levels::of(&curves), seed }
    }

    /// Bytes for each host.
    #[must_use]
    pub fn bytes_a_host(&self) -> usize {
        size_of::<u8>() + size_of::<Infected>() + if self.cleans() { size_of::<u32>() } else { 0 }
    }

    fn cleans(&self) -> bool {
        self.scenario.response.cleaned_per_hour > 0.0
    }
}

impl Engine for Scaled<'_> {
    fn run(&self, number: u32, stop: &Stop) -> Option<Course> {
        Run::begin(self, Stream::Run(number).random(self.seed)).go_on(stop)
    }
}

/// A host that has the worm.
#[derive(Debug, Clone, Copy)]
struct Infected {
    /// When it was reached, in seconds.
    at: f64,
    group: u16,
    limiter: u8,
}

struct Run<'a> {
    of: &'a Scaled<'a>,
    random: Pcg64,
    exposure: Exposure,
    infected: Vec<Infected>,
    /// Those of which the worm is not gone, in any order, if it ever goes.
    alive: Vec<u32>,
    /// How far each piece's cursor has come, and when it goes on.
    cursors: Vec<usize>,
    due: Vec<f64>,
    /// From the contact to the moment at which the new host scans.
    delay: f64,
    /// What is left of the hit list.
    list: usize,
    now: f64,
    recorder: Recorder,
}

/// Rates of all that can happen next, in events a second.
struct Hazards {
    list: f64,
    reach: [f64; 3],
    delivered: f64,
    cleaned: f64,
    patched: f64,
}

impl Hazards {
    fn sum(&self) -> f64 {
        self.list + self.reach.iter().sum::<f64>() + self.delivered + self.cleaned + self.patched
    }
}

impl<'a> Run<'a> {
    fn begin(of: &'a Scaled<'a>, mut random: Pcg64) -> Self {
        let (scenario, space) = (of.scenario, of.space);
        let limiters = (0..space.hosts()).map(|_| limiter_of(&of.shares, random.random())).collect();
        let delay = scenario.worm.takes.seconds() + scenario.population.round_trip.seconds();
        let pieces = of.levels.ages().len();
        let mut run = Self {
            of,
            exposure: Exposure::new(space.by_group(), limiters),
            infected: Vec::with_capacity(space.hosts()),
            alive: Vec::new(),
            cursors: vec![0; pieces],
            due: vec![f64::INFINITY; pieces],
            delay,
            list: scenario.worm.targets.hit_list.min(space.hosts()),
            now: -delay,
            recorder: Recorder::new(space.hosts()),
            random,
        };
        for _ in 0..scenario.population.start.get().min(space.hosts()) {
            let at = run.exposure.anywhere(&mut run.random);
            run.infect(at);
        }
        run
    }

    fn go_on(mut self, stop: &Stop) -> Option<Course> {
        let until = self.of.scenario.until.seconds();
        let response = self.of.scenario.response.after.map_or(0.0, Span::seconds);
        let mut budget = self.exponential();
        let mut steps = 0;
        loop {
            steps += 1;
            if steps % STEPS_BETWEEN_LOOKS == 0 && stop.is_wanted() {
                return None;
            }
            let (piece, mut change) = self
                .due
                .iter()
                .copied()
                .enumerate()
                .fold((0, f64::INFINITY), |least, one| if one.1 < least.1 { one } else { least });
            let responds = self.now >= response;
            if !responds {
                change = change.min(response);
            }
            let hazards = self.hazards(responds);
            let sum = hazards.sum();
            let spent = sum * (change - self.now);
            if spent < budget {
                if change >= until {
                    break;
                }
                budget -= spent;
                self.now = change;
                if self.due.get(piece).is_some_and(|due| *due <= change) {
                    self.next_piece(piece);
                }
                continue;
            }
            self.now += budget / sum;
            if self.now >= until || !sum.is_finite() {
                break;
            }
            budget = self.exponential();
            self.happen(&hazards, sum);
            if self.is_over() {
                break;
            }
        }
        Some(self.recorder.course())
    }

    /// Nothing more can be infected or cleaned.
    fn is_over(&self) -> bool {
        self.exposure.left() == 0 && (self.alive.is_empty() || !self.of.cleans())
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.random.random::<f64>()).ln()
    }

    fn hazards(&self, responds: bool) -> Hazards {
        let (scenario, space) = (self.of.scenario, self.of.space);
        let response = &scenario.response;
        let all = space.hosts() as f64;
        let infected = self.active();
        let clear = if response.congestion > 0.0 {
            (1.0 - infected / all).max(0.0).powf(response.congestion)
        } else {
            1.0
        };
        let through = scenario.worm.succeeds.of_one() * clear;
        let free = self.exposure.left() as f64;
        let [anywhere, same_8, same_16] = self.exposure.pressures();
        let size = |reach| (1_u64 << space.free_bits(reach)) as f64;
        let by_list = self.list > 0;
        let reach = [
            if by_list { 0.0 } else { anywhere / size(Reach::Anywhere) },
            same_8 / size(Reach::Same8),
            same_16 / size(Reach::Same16),
        ];
        let hourly = |rate: f64| if responds { rate / 3_600.0 } else { 0.0 };
        let everybody = free + infected;
        Hazards {
            list: if by_list { self.exposure.scans() * clear } else { 0.0 },
            reach: reach.map(|rate| rate * through),
            delivered: self.exposure.deliveries() * through * free / all,
            cleaned: hourly(response.cleaned_per_hour) * infected,
            patched: if everybody > 0.0 {
                hourly(response.patched_per_hour) * free * (self.infected.len() as f64 / all)
            } else {
                0.0
            },
        }
    }

    fn active(&self) -> f64 {
        if self.of.cleans() { self.alive.len() as f64 } else { self.infected.len() as f64 }
    }

    fn happen(&mut self, hazards: &Hazards, sum: f64) {
        let mut drawn = self.random.random::<f64>() * sum;
        let mut is = |rate: f64| {
            let hit = drawn < rate;
            drawn -= rate;
            hit
        };
        let at = if is(hazards.list) {
            self.list -= 1;
            if self.random.random::<f64>() >= self.of.scenario.worm.succeeds.of_one() {
                return;
            }
            self.exposure.anywhere(&mut self.random)
        } else if is(hazards.reach[0]) || is(hazards.delivered) {
            self.exposure.anywhere(&mut self.random)
        } else if is(hazards.reach[1]) {
            self.exposure.by_same_8(&mut self.random)
        } else if is(hazards.reach[2]) {
            self.exposure.by_same_16(&mut self.random)
        } else if is(hazards.cleaned) {
            return self.clean();
        } else {
            let patched = self.exposure.anywhere(&mut self.random);
            if let Some(group) = patched {
                self.exposure.take(group, &mut self.random);
            }
            return;
        };
        self.infect(at);
    }

    fn infect(&mut self, group: Option<usize>) {
        let Some((group, limiter)) =
            group.and_then(|group| Some((group, self.exposure.take(group, &mut self.random)?)))
        else {
            return;
        };
        let host = self.infected.len();
        self.infected.push(Infected { at: self.now, group: group as u16, limiter });
        if self.of.cleans() {
            self.alive.push(host as u32);
        }
        self.recorder.infected(self.now + self.delay);
        for (piece, due) in self.due.iter_mut().enumerate() {
            if self.cursors[piece] == host {
                *due = self.now + self.delay + self.of.levels.ages()[piece];
            }
        }
    }

    /// The next host comes to the age of this piece, and so do those that follow within a small part of that age.
    fn next_piece(&mut self, piece: usize) {
        let age = self.delay + self.of.levels.ages()[piece];
        let with = self.due[piece] + age * TOGETHER;
        while self.due[piece] <= with {
            let at = self.cursors[piece];
            self.cursors[piece] += 1;
            self.due[piece] = self.infected.get(at + 1).map_or(f64::INFINITY, |next| next.at + age);
            let host = self.infected[at];
            if host.limiter & CLEANED == 0 {
                let steps = self.of.levels.step(host.limiter, piece);
                self.exposure.add(host.group.into(), steps);
            }
        }
    }

    fn clean(&mut self) {
        if self.alive.is_empty() {
            return;
        }
        let chosen = self.random.random_range(0..self.alive.len());
        let number = self.alive.swap_remove(chosen) as usize;
        let host = self.infected[number];
        let pieces = self.cursors.iter().take_while(|cursor| **cursor > number).count();
        for piece in 0..pieces {
            let steps = self.of.levels.step(host.limiter, piece).map(|step| -step);
            self.exposure.add(host.group.into(), steps);
        }
        self.infected[number].limiter |= CLEANED;
        self.recorder.cleaned();
    }
}
