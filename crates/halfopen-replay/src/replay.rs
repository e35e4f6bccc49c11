//! Puts the attempts of recordings to policies.

use crate::attempts::{Outcome, Ticket};
use crate::flows::{FlowId, Flows, Syn};
use crate::input::{Input, InputError};
use crate::known::{Contact, Whose};
use crate::observation::{Flow, Observation, Seen};
use crate::policy::Policy;
use crate::programs::Programs;
use crate::report::{InputReport, Overflow, Replayed, report};
use crate::sources::{Dialler, Recorded, SourceId, Sources};
use crate::tally::Tally;
use crate::trial::Trial;
use ipnet::IpNet;

/// What may be held in memory, in bytes, besides tables of fixed size: for attempts, for the accounting of sources, and
/// for what is told of sources.
const FOR_ATTEMPTS: usize = 64 << 20;
const FOR_JUDGED: usize = 48 << 20;
const FOR_SOURCES: usize = 24 << 20;
/// What one of each needs, and needs more for each policy.
const ATTEMPT: (usize, usize) = (96, 560);
const JUDGED: (usize, usize) = (0, 7_000);
const SOURCE: (usize, usize) = (120, 240);

fn fits(budget: usize, (bytes, each): (usize, usize), policies: usize) -> usize {
    budget / (bytes + each * policies)
}

/// What of a recording is replayed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only attempts from these networks; none: all attempts.
    pub sources: Vec<IpNet>,
}

/// A replay of recordings, one after the other.
#[derive(Debug)]
pub struct Replay {
    options: Options,
    trials: Vec<Trial>,
    flows: Flows,
    /// Of each attempt, one for each trial.
    tickets: Vec<Ticket>,
    sources: Sources,
    programs: Programs,
    most_judged: usize,
    /// Sources that are not told of one by one.
    others: Recorded,
    of_others: Vec<Tally>,
    others_count: u64,
    overflow: Overflow,
    first: Option<u64>,
    now: u64,
    silent: Vec<FlowId>,
    inputs: Vec<InputReport>,
}

impl Replay {
    /// A replay under these policies, side by side.
    #[must_use]
    pub fn new(policies: Vec<Policy>, options: Options) -> Self {
        let count = policies.len();
        Self {
            options,
            of_others: vec![Tally::default(); count],
            trials: policies.into_iter().map(Trial::new).collect(),
            flows: Flows::new(fits(FOR_ATTEMPTS, ATTEMPT, count)),
            tickets: Vec::new(),
            sources: Sources::new(fits(FOR_SOURCES, SOURCE, count)),
            programs: Programs::default(),
            most_judged: fits(FOR_JUDGED, JUDGED, count.max(1)),
            others: Recorded::default(),
            others_count: 0,
            overflow: Overflow::default(),
            first: None,
            now: 0,
            silent: Vec::new(),
            inputs: Vec::new(),
        }
    }

    /// Replays a recording. It goes on where the last one has ended.
    ///
    /// # Errors
    /// [`InputError::Unreadable`]; what was read before has been replayed.
    pub fn read(&mut self, mut input: Input) -> Result<(), InputError> {
        let read = loop {
            match input.observation() {
                Ok(Some(mut observation)) => {
                    if let Seen::SynOf(isn, number) = observation.seen {
                        let program = input.program(number).and_then(|program| self.programs.number(program));
                        observation.seen =
                            program.map_or(Seen::Syn(isn), |program| Seen::SynOf(isn, program));
                    }
                    self.observe(&observation);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.inputs.push(InputReport::new(input.path(), input.counts()));
        read
    }

    /// Replays one observation.
    pub fn observe(&mut self, observation: &Observation) {
        let Observation { at, flow, seen } = observation;
        if let Seen::Syn(_) | Seen::SynOf(..) = seen
            && !self.is_wanted(flow)
        {
            return;
        }
        self.first.get_or_insert(*at);
        if *at < self.now {
            self.overflow.out_of_order += 1;
        }
        self.advance(*at);
        match seen {
            Seen::Syn(isn) => self.syn(flow, *isn, Dialler::Host(flow.from)),
            Seen::SynOf(isn, program) => self.syn(flow, *isn, Dialler::Program(*program)),
            Seen::Answer => self.outcome(flow, Outcome::Answered),
            Seen::Refusal(_) => self.outcome(flow, Outcome::TurnedDown),
            Seen::GivenUp => self.outcome(flow, Outcome::Silent),
        }
    }

    fn is_wanted(&self, flow: &Flow) -> bool {
        self.options.sources.is_empty() || {
            let from = flow.from.as_ip();
            self.options.sources.iter().any(|net| net.contains(&from))
        }
    }

    /// Lets happen what happens until then. Time does not go back: packets of several processors may be a little out of
    /// order.
    fn advance(&mut self, at: u64) {
        while self.flows.next_at() <= at {
            self.turn(at, false);
        }
        self.now = self.now.max(at);
        for trial in &mut self.trials {
            trial.advance(self.now);
        }
    }

    /// Attempts that nothing came back to have met silence.
    fn turn(&mut self, at: u64, all: bool) {
        let until = self.flows.next_at().min(at.max(self.now)).max(self.now);
        self.now = until;
        for trial in &mut self.trials {
            trial.advance(until);
        }
        let mut silent = std::mem::take(&mut self.silent);
        self.flows.turn(at, all, &mut silent);
        for id in silent.drain(..) {
            self.overflow.hurried += u64::from(all);
            self.end(id, Outcome::Silent);
        }
        self.silent = silent;
    }

    fn syn(&mut self, flow: &Flow, isn: u32, dialler: Dialler) {
        match self.flows.syn(flow, isn, self.now) {
            Syn::Twice => self.overflow.seen_twice += 1,
            Syn::Again(id) => {
                let tickets = tickets_of(&self.tickets, id, self.trials.len());
                for (trial, ticket) in self.trials.iter_mut().zip(tickets) {
                    trial.resent(self.now, *ticket);
                }
            }
            Syn::New { replaces } => {
                if let Some(id) = replaces {
                    let is_open = self.flows.unanswered(flow).is_some();
                    self.flows.replace(id);
                    if is_open {
                        self.end(id, Outcome::Silent);
                    }
                }
                self.begin(flow, isn, dialler);
            }
        }
    }

    fn begin(&mut self, flow: &Flow, isn: u32, dialler: Dialler) {
        while self.flows.is_full() {
            self.turn(self.now, true);
        }
        let Some(source) = self.source(flow, dialler) else {
            self.others.attempts += 1;
            self.overflow.unjudged += 1;
            for tally in &mut self.of_others {
                tally.unjudged += 1;
            }
            return;
        };
        let is_judged = self.is_judged(source);
        let of_source = self.sources.touch(source);
        of_source.recorded.attempts += 1;
        of_source.pending += 1;
        let id = self.flows.add(flow, isn, source, self.now);
        let needed = (id as usize + 1) * self.trials.len();
        if self.tickets.len() < needed {
            self.tickets.resize(needed, Ticket::NONE);
        }
        let contact = Contact { from: Whose::Host(flow.from), to: flow.to, port: flow.to_port };
        let count = self.trials.len();
        for (trial, ticket) in self.trials.iter_mut().zip(&mut self.tickets[needed - count..needed]) {
            *ticket = if is_judged {
                trial.begin(self.now, source, contact)
            } else {
                trial.tallies[source.index()].unjudged += 1;
                Ticket::NONE
            };
        }
        self.overflow.unjudged += u64::from(!is_judged);
    }

    /// The source of an attempt; `None` if there is no room for one more.
    fn source(&mut self, flow: &Flow, dialler: Dialler) -> Option<SourceId> {
        if let Some(id) = self.sources.find(dialler) {
            return Some(id);
        }
        if self.sources.is_full() {
            let trials = &self.trials;
            let busy = |id: SourceId| trials.iter().any(|trial| trial.is_busy(id));
            let (id, source) = self.sources.give_up_one(busy)?;
            self.others.merge(&source.recorded);
            self.others_count += 1;
            for (trial, others) in self.trials.iter_mut().zip(&mut self.of_others) {
                trial.forget(id);
                others.merge(&std::mem::take(&mut trial.tallies[id.index()]));
            }
        }
        let id = self.sources.add(dialler, flow.from);
        let program = match dialler {
            Dialler::Host(_) => None,
            Dialler::Program(number) => self.programs.get(number),
        };
        for trial in &mut self.trials {
            trial.admit(id, program);
        }
        Some(id)
    }

    /// Whether there is accounting for the source, or room for it.
    fn is_judged(&mut self, source: SourceId) -> bool {
        if self.sources.get(source).is_judged {
            return true;
        }
        if self.sources.judged() >= self.most_judged {
            let trials = &self.trials;
            let busy = |id: SourceId| trials.iter().any(|trial| trial.is_busy(id));
            let Some(idle) = self.sources.forget_one(busy) else { return false };
            self.overflow.begun_anew += 1;
            for trial in &mut self.trials {
                trial.forget(idle);
            }
        }
        self.sources.judge(source);
        true
    }

    /// Something came back.
    fn outcome(&mut self, flow: &Flow, outcome: Outcome) {
        if let Some(id) = self.flows.unanswered(flow) {
            self.flows.is_over(id);
            self.end(id, outcome);
        }
    }

    fn end(&mut self, id: FlowId, outcome: Outcome) {
        let pending = *self.flows.get(id);
        let after = self.now.saturating_sub(pending.began);
        let source = self.sources.get(pending.source);
        source.pending -= 1;
        match outcome {
            Outcome::Answered => source.recorded.answered += 1,
            Outcome::TurnedDown => source.recorded.turned_down += 1,
            Outcome::Silent => source.recorded.silent += 1,
        }
        let tickets = tickets_of(&self.tickets, id, self.trials.len());
        for (trial, ticket) in self.trials.iter_mut().zip(tickets) {
            trial.outcome(self.now, *ticket, after, outcome);
        }
    }

    /// Lets all attempts come to their end, and says what came of them.
    #[must_use]
    pub fn finish(mut self) -> Replayed {
        let last = self.now;
        self.overflow.open_at_the_end =
            self.sources.iter().map(|(_, source)| u64::from(source.pending)).sum();
        while !self.flows.is_empty() {
            self.advance(self.flows.next_at());
        }
        while let Some(at) = self.trials.iter().filter_map(Trial::next_at).min() {
            self.trials.iter_mut().for_each(|trial| trial.advance(at));
        }
        self.overflow.forgotten_neighbourhoods = self.trials.iter().map(Trial::forgotten).sum();
        let span = self.first.map(|first| (first, last));
        let others = (self.others, self.others_count, self.of_others);
        report(self.inputs, span, &self.trials, (&self.sources, &self.programs), others, self.overflow)
    }
}

/// The tickets of an attempt, one for each trial.
fn tickets_of(tickets: &[Ticket], id: FlowId, trials: usize) -> &[Ticket] {
    let at = id as usize * trials;
    tickets.get(at..at + trials).unwrap_or_default()
}
