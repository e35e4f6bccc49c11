//! The exact engine: every dial of every host that has the worm goes through the policy.
//!
//! Hosts touch each other only by the worm, which takes its time to begin on a new one. So time goes on in steps of that
//! length, and in each step every host goes on alone.

use crate::carrier::{Carrier, Said};
use crate::course::{Course, Recorder};
use crate::engine::{Engine, Stop, limiter_of};
use crate::limiter::{self, Limiter};
use crate::scenario::{Case, Scenario, Span};
use crate::space::Space;
use crate::streams::{Stream, hash, unit};
use rand::RngExt;
use rand_pcg::Pcg64;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// See the module.
#[derive(Debug)]
pub struct Exact<'a> {
    scenario: &'a Scenario,
    space: &'a Space,
    limiters: Vec<Limiter>,
    shares: Vec<f64>,
    seed: u64,
}

impl<'a> Exact<'a> {
    /// The most vulnerable hosts that it takes.
    pub const MOST: usize = 20_000;

    /// A case of a scenario.
    #[must_use]
    pub fn new(scenario: &'a Scenario, space: &'a Space, case: &Case, seed: u64) -> Self {
        let limited = case.hosts.iter().map(|(limiter, _)| *limiter);
        Self {
            scenario,
            space,
            limiters: std::iter::once(limiter::none()).chain(limited).collect(),
            shares: case.hosts.iter().map(|(_, share)| *share).collect(),
            seed,
        }
    }
}

impl Engine for Exact<'_> {
    fn run(&self, number: u32, stop: &Stop) -> Option<Course> {
        let mut run = Run::begin(self, number);
        while run.go_on() {
            if stop.is_wanted() {
                return None;
            }
        }
        Some(run.recorder.course())
    }
}

/// A vulnerable host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Susceptible,
    /// It has the worm, or is about to.
    Infected,
    Patched,
}

struct Run<'a> {
    of: &'a Exact<'a>,
    number: u32,
    random: Pcg64,
    limiters: Vec<u8>,
    states: Vec<State>,
    susceptible: usize,
    carriers: Vec<Option<(u64, Carrier<'a>)>>,
    alive: usize,
    /// When each carrier goes on.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Deliveries and hits of this step: when the worm begins, on which host, and who gives it.
    caught: Vec<(u64, u32, usize)>,
    cleanings: BinaryHeap<Reverse<(u64, usize)>>,
    now: u64,
    step: u64,
    until: u64,
    recorder: Recorder,
}

impl<'a> Run<'a> {
    fn begin(of: &'a Exact<'a>, number: u32) -> Self {
        let hosts = of.space.hosts();
        let mut random = Stream::Run(number).random(of.seed);
        let limiters = (0..hosts).map(|_| limiter_of(&of.shares, random.random())).collect();
        let mut run = Self {
            of,
            number,
            random,
            limiters,
            states: vec![State::Susceptible; hosts],
            susceptible: hosts,
            carriers: Vec::new(),
            alive: 0,
            due: BinaryHeap::new(),
            caught: Vec::new(),
            cleanings: BinaryHeap::new(),
            now: 0,
            step: of.scenario.worm.takes.nanos(),
            until: of.scenario.until.nanos(),
            recorder: Recorder::new(hosts),
        };
        let start = of.scenario.population.start.get().min(hosts);
        let list = of.scenario.worm.targets.hit_list.min(hosts) as u32;
        for at in 0..start as u32 {
            let host = run.random_susceptible();
            let part = list * at / start as u32..list * (at + 1) / start as u32;
            run.infect(0, host, part);
        }
        run
    }

    fn random_susceptible(&mut self) -> u32 {
        loop {
            let host = self.random.random_range(0..self.states.len());
            if self.states[host] == State::Susceptible {
                return host as u32;
            }
        }
    }

    fn infect(&mut self, at: u64, host: u32, list: Range<u32>) {
        self.states[host as usize] = State::Infected;
        self.susceptible -= 1;
        let limiter = &self.of.limiters[usize::from(self.limiters[host as usize])];
        let random = Stream::Host(self.number, host).random(self.of.seed);
        let address = self.of.space.address(host);
        let carrier = Carrier::new(self.of.scenario, self.of.space, limiter, address, list, random);
        let place = self.carriers.len();
        self.due.extend(carrier.due().map(|due| Reverse((at + due, place))));
        self.carriers.push(Some((at, carrier)));
        self.alive += 1;
        self.recorder.infected(at as f64 / 1e9);
        self.plan_cleaning(at, place);
    }

    fn plan_cleaning(&mut self, at: u64, place: usize) {
        let response = &self.of.scenario.response;
        if response.cleaned_per_hour > 0.0 {
            let drawn = -(1.0 - self.random.random::<f64>()).ln() * 3_600e9 / response.cleaned_per_hour;
            let from = response.after.map_or(0, Span::nanos).max(at);
            #[allow(clippy::cast_sign_loss, reason = "the logarithm is below zero")]
            self.cleanings.push(Reverse((from.saturating_add(drawn as u64), place)));
        }
    }

    /// One step; whether there are more.
    fn go_on(&mut self) -> bool {
        let Some(Reverse((next, _))) = self.due.peek().copied() else { return false };
        if next >= self.until || self.susceptible == 0 && self.of.scenario.response.cleaned_per_hour == 0.0 {
            return false;
        }
        let before = self.now;
        self.now = next.saturating_add(self.step).min(self.until);
        self.patch(before);
        while let Some(Reverse((due, place))) = self.due.peek().copied().filter(|one| one.0.0 < self.now) {
            self.due.pop();
            debug_assert!(due <= self.now);
            self.go_on_with(place);
        }
        self.catch();
        while let Some(Reverse((at, place))) =
            self.cleanings.peek().copied().filter(|one| one.0.0 <= self.now)
        {
            self.cleanings.pop();
            debug_assert!(at <= self.now);
            if self.carriers[place].take().is_some() {
                self.alive -= 1;
                self.recorder.cleaned();
            }
        }
        true
    }

    fn go_on_with(&mut self, place: usize) {
        let Some((since, carrier)) = self.carriers.get_mut(place).and_then(Option::as_mut) else { return };
        let since = *since;
        carrier.go_on(self.now - since - 1);
        let begins = |at: u64| since + at + self.step;
        let mut contacts = std::mem::take(&mut carrier.contacts);
        self.due.extend(carrier.due().map(|due| Reverse((since + due, place))));
        for contact in contacts.drain(..) {
            match contact.what {
                Said::Reached(host) => self.caught.push((begins(contact.at), host, place)),
                Said::Delivered => {
                    let host = self.random.random_range(0..self.states.len()) as u32;
                    self.caught.push((begins(contact.at), host, place));
                }
                Said::Sent(_) | Said::SentInVain(_) => {}
            }
        }
        if let Some((_, carrier)) = self.carriers.get_mut(place).and_then(Option::as_mut) {
            carrier.contacts = contacts;
            carrier.waits.clear();
        }
    }

    /// The worm begins on those who were reached in this step.
    fn catch(&mut self) {
        let mut caught = std::mem::take(&mut self.caught);
        caught.sort_unstable();
        let scenario = self.of.scenario;
        for (at, host, by) in caught.drain(..) {
            if self.states[host as usize] != State::Susceptible || at >= self.until {
                continue;
            }
            let infected = self.alive as f64 / self.states.len() as f64;
            let clear = (1.0 - infected).max(0.0).powf(scenario.response.congestion);
            // By the moment, so that no other draw depends on it.
            let drawn = unit(hash(self.of.seed ^ hash(at ^ u64::from(host) << 40)));
            if drawn < scenario.worm.succeeds.of_one() * clear {
                let giver = self.carriers.get_mut(by).and_then(Option::as_mut);
                let list = giver.map_or(0..0, |(_, carrier)| carrier.share_list());
                self.infect(at, host, list);
            }
        }
        self.caught = caught;
    }

    /// What people have patched since then.
    fn patch(&mut self, since: u64) {
        let response = &self.of.scenario.response;
        let from = response.after.map_or(0, Span::nanos).max(since);
        if response.patched_per_hour <= 0.0 || self.now <= from {
            return;
        }
        let hours = (self.now - from) as f64 / 3_600e9;
        let share = self.carriers.len() as f64 / self.states.len() as f64;
        let patched = 1.0 - (-response.patched_per_hour * share * hours).exp();
        for state in &mut self.states {
            if *state == State::Susceptible && self.random.random::<f64>() < patched {
                *state = State::Patched;
                self.susceptible -= 1;
            }
        }
    }
}
