//! A host on a virtual clock: TCP's timers, the peers' answers, and a daemon that wakes waiters.

use crate::known::{HowKnown, Known};
use crate::limiter::Limiter;
use halfopen_policy::{
    Accounting, AttemptId, Contact, CreditBucket, Ending, Offer, Origin, ScopeId, Verdict,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use testkit::workload::Dial;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// From the wakeup to the question.
const WAKE: u64 = 12 * MS;
/// TCP asks again this long after a SYN that did not leave; after `SHORT_STEPS` a tenth of the time held.
const RECHECK: u64 = 512 * MS;
const SHORT_STEPS: u64 = 30 * SECOND;
/// How often the daemon looks by itself.
const LOOK: u64 = 100 * MS;
/// A wire is not faster.
const QUICKEST: u64 = 200_000;

/// Names a dial under way.
pub type Number = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The caller's own.
    Begin {
        job: usize,
        worker: usize,
    },
    Ask(Number),
    Resend(Number, u32),
    Answer(Number),
    GiveUp(Number),
    Look,
}

#[derive(Debug)]
struct Live {
    id: AttemptId,
    origin: Origin,
    dial: Dial,
    began: u64,
    /// A first contact, one to an address that was tried, or let out by others near it.
    new: bool,
    place: Place,
}

/// Where a dial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Asleep,
    /// The daemon has woken it, and it has not asked since.
    Woken,
    Out,
}

/// What the host tells whoever dials.
pub enum Told {
    Reached(Dial),
    /// Established if so told, after this time.
    Ended(Number, bool, Duration),
}

pub struct Host {
    pub now: u64,
    accounting: Accounting,
    limiter: Limiter,
    known: Known,
    accounts: HashMap<&'static str, ScopeId>,
    live: HashMap<Number, Live>,
    numbers: Number,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    planned: u64,
    round_trip: u64,
    /// Those who wait and have not been woken, by who holds them back.
    asleep: BTreeMap<(ScopeId, CreditBucket), BTreeSet<Number>>,
    /// Woken, and not yet asked: all, and by the credit that they would cost.
    woken: usize,
    waking: HashMap<(ScopeId, CreditBucket), usize>,
    /// Addresses that a DNS answer has named.
    pub named: HashSet<Ipv4Addr>,
    next_look: Option<u64>,
    pub told: Vec<Told>,
}

impl Host {
    pub fn new(limiter: &Limiter, round_trip: Duration) -> Self {
        Self {
            now: 10_000 * SECOND,
            accounting: Accounting::new(limiter.mode, limiter.host),
            limiter: *limiter,
            known: Known::default(),
            accounts: HashMap::new(),
            live: HashMap::new(),
            numbers: 0,
            events: BinaryHeap::new(),
            planned: 0,
            round_trip: (round_trip.as_nanos() as u64).max(QUICKEST),
            asleep: BTreeMap::new(),
            woken: 0,
            waking: HashMap::new(),
            named: HashSet::new(),
            next_look: None,
            told: Vec::new(),
        }
    }

    pub fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((at, self.planned, event)));
    }

    /// The next event, which is handled already unless it is the caller's.
    pub fn step(&mut self, until: u64) -> Option<Event> {
        let Reverse((at, _, _)) = self.events.peek()?;
        if *at > until {
            return None;
        }
        let Reverse((at, _, event)) = self.events.pop()?;
        self.now = at;
        match event {
            Event::Begin { .. } => {}
            Event::Ask(number) => self.ask(number),
            Event::Resend(number, sent) => self.resend(number, sent),
            Event::Answer(number) => self.end(number, Ending::Established),
            Event::GiveUp(number) => self.end(number, Ending::Cancelled),
            Event::Look => {
                self.next_look = self.next_look.filter(|next| *next != at);
                self.wake();
            }
        }
        Some(event)
    }

    /// The account of a cgroup and of all below it.
    fn account(&mut self, cgroup: &'static str) -> Option<ScopeId> {
        let limits = self.limiter.own?;
        let accounting = &mut self.accounting;
        Some(*self.accounts.entry(cgroup).or_insert_with(|| accounting.open_scope(limits)))
    }

    /// Since when a scope of this host has been a suspect.
    pub fn suspect_since(&self) -> Option<u64> {
        let scopes = self.accounts.values().chain([&ScopeId::HOST]);
        scopes.filter_map(|scope| self.accounting.repute(*scope, CreditBucket::Strangers).suspect_since).min()
    }

    /// What a dial, with its address and port, is to the policy.
    fn origin(&mut self, cgroup: &'static str, dial: Dial) -> Origin {
        Origin {
            own: self.account(cgroup),
            first: self.known.how(dial, self.now) == HowKnown::Not,
            tried: self.known.how(dial, self.now) == HowKnown::Tried,
            named: self.named.contains(&dial.to),
            address: dial.to.to_bits().into(),
            port: dial.port,
            party: halfopen_policy::Party { top: cgroup.len() as u64, part: 0 },
            ..Origin::default()
        }
    }

    pub fn connect(&mut self, cgroup: &'static str, dial: Dial, patience: Option<Duration>) -> Number {
        self.numbers += 1;
        let number = self.numbers;
        let origin = self.origin(cgroup, dial);
        if let Some(refusal) = self.accounting.refuses(self.now, origin) {
            assert_eq!(refusal, halfopen_policy::Refusal::Churn, "the queue is long enough");
            self.told.push(Told::Ended(number, false, Duration::ZERO));
            return number;
        }
        let new = origin.first || origin.tried;
        let let_out = origin.first && !origin.named && self.known.is_let_out(dial);
        let origin = Origin { first: origin.first && !let_out, ..origin };
        let (id, verdict) = self.accounting.begin(self.now, origin);
        let live = Live { id, origin, dial, began: self.now, new, place: Place::Asleep };
        self.live.insert(number, live);
        if let Some(patience) = patience {
            self.plan(self.now + patience.as_nanos() as u64, Event::GiveUp(number));
        }
        if verdict != Verdict::Hold {
            self.go_out(number);
        } else if self.limiter.wakes {
            let at = self.accounting.held_back_by(id).unwrap_or(ScopeId::HOST);
            self.asleep.entry((at, origin.bucket())).or_default().insert(number);
            self.wake();
        } else {
            let spread = number * 331_804_129 % (488 * MS);
            self.plan(self.now + WAKE + spread, Event::Ask(number));
        }
        number
    }

    fn go_out(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(&number) else { return };
        live.place = Place::Out;
        let (dial, new, first, tried) = (live.dial, live.new, live.origin.first, live.origin.tried);
        if new && !tried {
            self.known.contact(dial, first, self.now);
        }
        self.told.push(Told::Reached(dial));
        self.plan(self.now + SECOND, Event::Resend(number, 1));
        if dial.peer.is_live() {
            self.plan(self.now + self.round_trip, Event::Answer(number));
        }
    }

    fn ask(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(&number) else { return };
        let (id, began) = (live.id, live.began);
        if live.place == Place::Woken {
            live.place = Place::Asleep;
            let origin = live.origin;
            self.count_woken(&origin, -1);
        }
        self.look_around(number);
        if self.accounting.recheck(self.now, id) == Verdict::Go {
            self.go_out(number);
        } else {
            let held = self.now - began;
            let step = if held < SHORT_STEPS { RECHECK } else { held / 10 };
            self.plan(self.now + step, Event::Ask(number));
        }
        self.wake();
    }

    fn resend(&mut self, number: Number, sent: u32) {
        let Some(live) = self.live.get_mut(&number) else { return };
        let id = live.id;
        let next = if self.accounting.resend(self.now, id) == Verdict::Go {
            let gap = SECOND << sent.saturating_sub(4).min(5);
            (self.now + gap, Event::Resend(number, sent + 1))
        } else {
            (self.now + RECHECK, Event::Resend(number, sent))
        };
        self.plan(next.0, next.1);
        self.wake();
    }

    fn end(&mut self, number: Number, ending: Ending) {
        let Some(live) = self.live.remove(&number) else { return };
        let established = ending == Ending::Established;
        let mut neighbours = 0;
        if established && self.known.answer(live.dial, self.now) && live.new {
            neighbours = self.known.answer_of_new(live.dial, live.origin.named, self.now);
        }
        if live.place != Place::Out {
            for asleep in self.asleep.values_mut() {
                asleep.remove(&number);
            }
        }
        if live.place == Place::Woken {
            self.count_woken(&live.origin, -1);
        }
        self.accounting.end(self.now, live.id, ending, neighbours);
        let took = Duration::from_nanos(self.now - live.began);
        self.told.push(Told::Ended(number, established, took));
        self.wake();
    }

    /// Whether the address of one that waits has become known, or others near it let it out.
    fn look_around(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(&number).filter(|live| live.origin.first) else { return };
        let how = self.known.how(live.dial, self.now);
        if how != HowKnown::Not || (!live.origin.named && self.known.is_let_out(live.dial)) {
            self.accounting.knows(self.now, live.id);
            live.origin.first = false;
            live.new = how == HowKnown::Not;
        }
    }

    /// One more is woken, or one less.
    fn count_woken(&mut self, origin: &Origin, one: isize) {
        self.woken = self.woken.saturating_add_signed(one);
        for scope in origin.own.into_iter().chain([ScopeId::HOST]) {
            for bucket in Contact::First(origin.bucket()).buckets() {
                let waking = self.waking.entry((scope, bucket)).or_default();
                *waking = waking.saturating_add_signed(one);
            }
        }
    }

    /// Wakes as many as there are credits and slots for, from the end whose turn it is.
    fn wake(&mut self) {
        if self.asleep.values().all(BTreeSet::is_empty) {
            return;
        }
        let slots = self.limiter.host.half_open.map_or(usize::MAX, |limit| {
            let in_use = self.accounting.ledger(ScopeId::HOST, self.now).half_open as usize;
            (limit as usize).saturating_sub(in_use)
        });
        let mut look = self.limiter.host.half_open.map(|_| self.now + LOOK);
        let queues: Vec<_> = self.asleep.keys().copied().collect();
        for queue @ (scope, bucket) in queues {
            let offer = |bucket| Some((bucket, self.accounting.offer(scope, bucket, self.now)?));
            let offers: Vec<_> = Contact::First(bucket).buckets().filter_map(offer).collect();
            let newest = offers.first().is_some_and(|(_, offer)| offer.newest_first);
            let has_credit = |waking: &HashMap<_, usize>, (bucket, offer): &(CreditBucket, Offer)| {
                waking.get(&(scope, *bucket)).copied().unwrap_or(0) < offer.credit as usize
            };
            while slots > self.woken && offers.iter().all(|offer| has_credit(&self.waking, offer)) {
                let Some(asleep) = self.asleep.get_mut(&queue) else { break };
                let chosen = if newest { asleep.pop_last() } else { asleep.pop_first() };
                let Some(number) = chosen else { break };
                let Some(live) = self.live.get_mut(&number) else { continue };
                live.place = Place::Woken;
                let origin = live.origin;
                self.count_woken(&origin, 1);
                self.plan(self.now + WAKE, Event::Ask(number));
            }
            if !self.asleep[&queue].is_empty() {
                look = look.into_iter().chain(offers.iter().filter_map(|(_, offer)| offer.recovers_at)).min();
            }
        }
        if let Some(at) = look.map(|at| at.max(self.now + MS))
            && self.next_look.is_none_or(|next| at < next)
        {
            self.next_look = Some(at);
            self.plan(at, Event::Look);
        }
    }
}
