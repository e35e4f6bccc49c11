//! One policy, and what becomes of the recorded attempts under it.
//!
//! All that was recorded of an attempt happens the same time after its SYN as in the recording: if the policy holds the
//! SYN back for two seconds, its answer comes two seconds later.

mod turns;

use crate::attempts::{Attempt, Attempts, Outcome, Place, Ticket};
use crate::host::{Host, SPARE, queue_of};
use crate::hosts::Hosts;
use crate::known::Novelty;
use crate::known::{Contact, Known, Whose};
use crate::policy::Policy;
use crate::sources::SourceId;
use crate::tally::{Suspect, Tally};
use crate::trace::Program;
use foldhash::quality::FixedState;
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::{Contact as Charge, CreditBucket, Ending, Origin, ScopeId, Timeline, Verdict};
use std::collections::VecDeque;
use std::hash::BuildHasher;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// TCP re-sends a SYN no further apart.
const LAST_GAP: u32 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Looks whose turn it is on a host.
    Look(SourceId),
    /// TCP re-sends a SYN that has waited.
    Resend(Ticket, u32),
    /// The outcome of an attempt that has waited.
    Outcome(Ticket, Outcome),
}

#[derive(Debug)]
pub(crate) struct Trial {
    policy: Policy,
    patience: u64,
    known: Option<Known>,
    hosts: Hosts,
    attempts: Attempts,
    timeline: Timeline<Event>,
    /// When those that wait give up, the first one first.
    give_up: VecDeque<(u64, Ticket)>,
    /// How many wait.
    asleep: usize,
    hash: FixedState,
    pub tallies: Vec<Tally>,
}

impl Trial {
    pub fn new(policy: Policy) -> Self {
        let policy = policy.without_open_connections();
        Self {
            patience: nanos(policy.patience()),
            known: policy.goes_by_first_contacts().then(|| Known::new(policy.known_for)),
            hosts: Hosts::of(&policy),
            policy,
            attempts: Attempts::default(),
            timeline: Timeline::default(),
            give_up: VecDeque::new(),
            asleep: 0,
            hash: FixedState::default(),
            tallies: Vec::new(),
        }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How often what neighbourhoods had answered was forgotten for want of room.
    pub fn forgotten(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.forgotten)
    }

    /// Makes room for a source.
    pub fn admit(&mut self, source: SourceId, program: Option<&Program>) {
        let needed = source.index() + 1;
        if self.tallies.len() < needed {
            self.tallies.resize_with(needed, Tally::default);
        }
        self.hosts.admit(source, program, &self.policy);
    }

    /// Whether an attempt of the source is in the accounting.
    pub fn is_busy(&self, source: SourceId) -> bool {
        self.hosts.get(source).is_some_and(|host| host.live > 0)
    }

    /// Forgets the state of the source's accounting.
    pub fn forget(&mut self, source: SourceId) {
        self.hosts.forget(source);
    }

    /// A SYN is seen that is the attempt's first.
    pub fn begin(&mut self, now: u64, source: SourceId, mut contact: Contact) -> Ticket {
        if self.policy.host.is_none() || self.policy.exempts(contact.to) {
            return Ticket::NONE;
        }
        if let Some(account) = self.hosts.account(source) {
            contact.from = Whose::Account(account.number);
        }
        let novelty = self.known.as_ref().map_or(Novelty::Known, |known| known.novelty(contact, now));
        let Some((host, own)) = self.hosts.open(source, &self.policy) else { return Ticket::NONE };
        let tally = &mut self.tallies[source.index()];
        let mut origin = Origin {
            own,
            first: novelty == Novelty::First,
            tried: novelty == Novelty::Tried,
            address: self.hash.hash_one(contact.to) | 1,
            port: contact.port,
            ..Origin::default()
        };
        let mut attempt = Attempt {
            source,
            contact,
            place: Place::Refused,
            id: None,
            began: now,
            novelty,
            waited: false,
            outcome: None,
        };
        if host.accounting.refuses(now, origin).is_some() {
            tally.refused += 1;
            return self.attempts.put(attempt);
        }
        if origin.first && self.known.as_mut().is_some_and(|known| known.is_let_out(contact, now)) {
            origin.first = false;
            attempt.novelty = Novelty::LetOut;
        }
        let (id, verdict) = host.accounting.begin(now, origin);
        host.live += 1;
        attempt.id = Some(id);
        if verdict == Verdict::Hold {
            attempt.place = Place::Waits;
            attempt.waited = true;
            let ticket = self.attempts.put(attempt);
            self.wait(now, ticket, origin);
            return ticket;
        }
        attempt.place = Place::Out(now);
        Self::reach(self.known.as_ref(), host, tally, &attempt, now);
        self.attempts.put(attempt)
    }

    /// An attempt goes out.
    fn reach(known: Option<&Known>, host: &mut Host, tally: &mut Tally, attempt: &Attempt, now: u64) {
        let is_first = attempt.novelty == Novelty::First;
        if let Some(known) = known.filter(|_| is_first || attempt.novelty == Novelty::LetOut) {
            known.tried(attempt.contact, is_first, now);
        }
        if is_first {
            tally.first_contacts += 1;
            host.count_port(attempt.contact.port);
        }
    }

    fn wait(&mut self, now: u64, ticket: Ticket, origin: Origin) {
        let Some(attempt) = self.attempts.get(ticket) else { return };
        let source = attempt.source;
        let address = self.hash.hash_one(attempt.contact.to);
        let Some(host) = self.hosts.get_mut(source) else { return };
        let contact = if origin.first { Charge::First(origin.bucket()) } else { Charge::Known };
        host.asleep += 1;
        self.asleep += 1;
        host.enqueue(queue_of(contact), ticket, origin.first.then_some(address), &self.attempts);
        self.give_up.push_back((now + self.patience, ticket));
        if self.give_up.len() > 2 * self.asleep + SPARE {
            self.give_up.retain(|(_, ticket)| self.attempts.waits(*ticket));
        }
        if host.look_at.is_none() {
            self.look(now, source);
        }
    }

    /// The SYN is seen again.
    pub fn resent(&mut self, now: u64, ticket: Ticket) {
        let Some(attempt) = self.attempts.get(ticket) else { return };
        // One that has waited has timers of its own.
        if !attempt.waited {
            self.resend(now, ticket);
        }
    }

    fn resend(&mut self, now: u64, ticket: Ticket) {
        let Some(attempt) = self.attempts.get(ticket) else { return };
        let (source, Some(id), Place::Out(_)) = (attempt.source, attempt.id, attempt.place) else { return };
        let Some(host) = self.hosts.get_mut(source) else { return };
        host.accounting.resend(now, id);
        self.suspect(source);
        self.look_if_asleep(now, source);
    }

    /// The recording has the outcome of an attempt, so long after its SYN.
    pub fn outcome(&mut self, now: u64, ticket: Ticket, after: u64, outcome: Outcome) {
        let Some(attempt) = self.attempts.get(ticket) else { return };
        match attempt.place {
            Place::Out(since) if since.saturating_add(after) <= now => self.end(now, ticket, outcome),
            Place::Out(since) => {
                self.timeline.plan(since.saturating_add(after), Event::Outcome(ticket, outcome));
            }
            // Nothing tells how long its program would have waited for an answer that came in time.
            Place::Waits if outcome != Outcome::Silent => attempt.outcome = Some((after, outcome)),
            Place::Waits => self.leave(now, ticket, Ending::Cancelled),
            Place::Refused | Place::GaveUp => self.note_loss(ticket, outcome),
        }
    }

    /// An attempt that never went out would have been answered, or not.
    fn note_loss(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(attempt) = self.attempts.take(ticket) else { return };
        let tally = &mut self.tallies[attempt.source.index()];
        let lost = u64::from(outcome == Outcome::Answered);
        match attempt.place {
            Place::Refused => tally.answered_refused += lost,
            _ => tally.answered_gave_up += lost,
        }
    }

    /// A waiter gives up. It has held nothing that another waits for.
    fn leave(&mut self, now: u64, ticket: Ticket, ending: Ending) {
        let Some(attempt) = self.attempts.get(ticket).filter(|attempt| attempt.place == Place::Waits) else {
            return;
        };
        attempt.place = Place::GaveUp;
        let (source, id, outcome) = (attempt.source, attempt.id, attempt.outcome);
        let tally = &mut self.tallies[source.index()];
        tally.gave_up += 1;
        tally.delayed.add(now - attempt.began);
        if let (Some(host), Some(id)) = (self.hosts.get_mut(source), id) {
            host.accounting.end(now, id, ending, 0);
            host.asleep -= 1;
            self.asleep -= 1;
            host.live -= 1;
        }
        match outcome {
            Some((_, outcome)) => self.note_loss(ticket, outcome),
            // It is not yet known what came of it.
            None if ending == Ending::TimedOut => {}
            None => self.note_loss(ticket, Outcome::Silent),
        }
    }

    /// A waiter goes out.
    fn go_out(&mut self, now: u64, ticket: Ticket) {
        let Some(attempt) = self.attempts.get(ticket) else { return };
        attempt.place = Place::Out(now);
        let source = attempt.source;
        let tally = &mut self.tallies[source.index()];
        tally.delayed.add(now - attempt.began);
        let Some(host) = self.hosts.get_mut(source) else { return };
        host.asleep -= 1;
        self.asleep -= 1;
        Self::reach(self.known.as_ref(), host, tally, attempt, now);
        if let Some((after, outcome)) = attempt.outcome {
            self.timeline.plan(now + after, Event::Outcome(ticket, outcome));
        }
        self.timeline.plan(now + SECOND, Event::Resend(ticket, 1));
    }

    /// The outcome of an attempt that is out comes now.
    fn end(&mut self, now: u64, ticket: Ticket, outcome: Outcome) {
        let Some(attempt) = self.attempts.take(ticket) else { return };
        let source = attempt.source;
        let tally = &mut self.tallies[source.index()];
        let mut neighbours = 0;
        if outcome == Outcome::Answered {
            if attempt.waited
                && let Place::Out(since) = attempt.place
            {
                tally.answered_delayed.add(since - attempt.began);
            }
            tally.first_answered += u64::from(attempt.novelty == Novelty::First);
            if let Some(known) = &mut self.known
                && known.answered(attempt.contact, now)
                && attempt.novelty != Novelty::Known
            {
                neighbours = known.earns(attempt.contact, now);
            }
        }
        let ending = match outcome {
            Outcome::Answered => Ending::Established,
            Outcome::TurnedDown => Ending::Other,
            Outcome::Silent => Ending::TimedOut,
        };
        if let (Some(host), Some(id)) = (self.hosts.get_mut(source), attempt.id) {
            host.accounting.end(now, id, ending, neighbours);
            host.live -= 1;
        }
        if outcome != Outcome::Answered {
            self.suspect(source);
        }
        self.look_if_asleep(now, source);
    }

    /// Notes when silence has made the source a suspect.
    fn suspect(&mut self, source: SourceId) {
        let (Some(host), tally) = (self.hosts.get(source), &mut self.tallies[source.index()]) else {
            return;
        };
        if self.known.is_none() || tally.suspect.is_some() {
            return;
        }
        let repute = |scope| host.accounting.repute(scope, CreditBucket::Strangers).suspect_since;
        let own = self.hosts.own(source);
        if let Some(since) = own.into_iter().chain([ScopeId::HOST]).filter_map(repute).min() {
            tally.suspects = 1;
            tally.suspect = Some(Box::new(Suspect {
                since,
                first_contacts: tally.first_contacts,
                answered: tally.first_answered,
                port: host.port(),
            }));
        }
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<u64> {
        let gives_up = self.give_up.front().map(|(at, _)| *at);
        [gives_up, self.timeline.next_at()].into_iter().flatten().min()
    }

    /// Lets happen what happens until then.
    pub fn advance(&mut self, until: u64) {
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            if let Some((gives_up, ticket)) =
                self.give_up.front().copied().filter(|(gives_up, _)| *gives_up == at)
            {
                self.give_up.pop_front();
                self.leave(gives_up, ticket, Ending::TimedOut);
                continue;
            }
            let Some((at, event)) = self.timeline.next(at) else { return };
            match event {
                Event::Look(source) => {
                    if let Some(host) = self.hosts.get_mut(source)
                        && host.look_at == Some(at)
                    {
                        host.look_at = None;
                        self.look(at, source);
                    }
                }
                Event::Resend(ticket, number) => {
                    if self.attempts.get(ticket).is_some() {
                        self.resend(at, ticket);
                        let gap = SECOND << number.min(LAST_GAP);
                        self.timeline.plan(at + gap, Event::Resend(ticket, number + 1));
                    }
                }
                Event::Outcome(ticket, outcome) => self.end(at, ticket, outcome),
            }
        }
    }
}
