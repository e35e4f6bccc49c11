//! A host on a virtual clock: TCP's timers, the peers' answers, and a daemon that wakes waiters.

mod dial;
mod known;
mod wakeups;
mod window;

pub use dial::{Dial, Reply, Stack};

use crate::limiter::Limiter;
use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, Mode, Origin, ScopeId, Timeline, Verdict,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use known::{HowKnown, Known, Peer};
use wakeups::Asleep;
pub(crate) use window::Window;

/// Where a host's clock begins, in nanoseconds.
pub const START: u64 = 10_000 * SECOND;
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

/// Names a dial; counts up.
pub type Number = u64;

/// What the host's clock has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The caller's own, with the caller's number.
    Caller(u64),
    /// A queued attempt's timer.
    Ask(Number),
    /// The timer of an attempt that is out.
    Resend(Number),
    /// The peer accepts.
    Answer(Number),
    /// The peer refuses.
    Refuse(Number),
    /// The program closes its socket.
    GiveUp(Number),
    /// The daemon looks for whom to wake.
    Look,
}

#[derive(Debug)]
struct Live {
    id: AttemptId,
    own: Option<ScopeId>,
    bucket: CreditBucket,
    peer: Peer,
    reply: Reply,
    began: u64,
    /// When its program closes the socket.
    gives_up: u64,
    named: bool,
    novelty: Novelty,
    place: Place,
    /// SYNs that are out.
    sent: u32,
}

/// What the host knows of a dial's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Novelty {
    Known,
    /// It was tried lately.
    Tried,
    /// Nothing, but others near it let it out.
    LetOut,
    /// Nothing: a first contact.
    First,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The first SYN of this dial has left.
    Reached(Number),
    /// The dial has ended like this, so long after connect().
    Ended(Number, Ending, Duration),
}

/// A host with its limiter.
#[derive(Debug)]
pub struct Host {
    /// Nanoseconds; begins at [`START`].
    pub now: u64,
    accounting: Accounting,
    limiter: Limiter,
    known: Known,
    accounts: FxHashMap<&'static str, ScopeId>,
    live: Window<Live>,
    events: Timeline<Event>,
    round_trip: u64,
    stack: Stack,
    /// Those who wait and have not been woken, by who holds them back.
    asleep: Vec<Asleep>,
    /// Woken, and not yet asked: all, and by the credit that they would cost.
    woken: usize,
    waking: FxHashMap<(ScopeId, CreditBucket), usize>,
    /// Addresses that a DNS answer has named.
    pub named: FxHashSet<Ipv4Addr>,
    next_look: Option<u64>,
    /// What has happened to dials; for the caller to take.
    pub told: Vec<Told>,
}

impl Host {
    /// A host on which nothing has dialled. `round_trip`: to every peer; a wire's at least.
    #[must_use]
    pub fn new(limiter: &Limiter, round_trip: Duration, stack: Stack) -> Self {
        Self {
            now: START,
            accounting: Accounting::new(limiter.mode, limiter.host),
            limiter: *limiter,
            known: Known::default(),
            accounts: FxHashMap::default(),
            live: Window::default(),
            events: Timeline::default(),
            round_trip: (round_trip.as_nanos() as u64).max(QUICKEST),
            stack,
            asleep: Vec::new(),
            woken: 0,
            waking: FxHashMap::default(),
            named: FxHashSet::default(),
            next_look: None,
            told: Vec::new(),
        }
    }

    /// Has [`Host::step`] return `event` at `at`, after what was planned for then before.
    pub fn plan(&mut self, at: u64, event: Event) {
        self.events.plan(at, event);
    }

    /// When the next event is due.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.events.next_at()
    }

    /// The next event that is due by `until`, which is handled already unless it is the caller's.
    pub fn step(&mut self, until: u64) -> Option<Event> {
        let (at, event) = self.events.next(until)?;
        self.now = at;
        match event {
            Event::Caller(_) => {}
            Event::Ask(number) => self.ask(number),
            Event::Resend(number) => self.resend(number),
            Event::Answer(number) => self.end(number, Ending::Established),
            Event::Refuse(number) => self.end(number, Ending::Other),
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

    /// Whether an answer to a SYN that leaves now finds the dial's socket open.
    pub fn has_time(&mut self, number: Number) -> bool {
        let answered = self.now + self.round_trip;
        self.live.get_mut(number).is_some_and(|live| answered < live.gives_up)
    }

    /// The policy's own books.
    #[must_use]
    pub fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    /// Since when a scope of this host has been a suspect.
    #[must_use]
    pub fn suspect_since(&self) -> Option<u64> {
        let scopes = self.accounts.values().chain([&ScopeId::HOST]);
        scopes.filter_map(|scope| self.accounting.repute(*scope, CreditBucket::Strangers).suspect_since).min()
    }

    /// Where nothing is held, nothing is remembered.
    fn remembers(&self) -> bool {
        self.limiter.mode != Mode::Off
    }

    /// What a dial, with its address and port, is to the policy.
    fn origin(&mut self, cgroup: &'static str, dial: Dial, peer: Peer) -> Origin {
        let how = if self.remembers() { self.known.how(peer, self.now) } else { HowKnown::Not };
        Origin {
            own: self.account(cgroup),
            first: how == HowKnown::Not,
            tried: how == HowKnown::Tried,
            named: self.named.contains(&dial.to),
            address: dial.to.to_bits().into(),
            port: dial.port,
            party: halfopen_policy::Party { top: cgroup.len() as u64, part: 0 },
            ..Origin::default()
        }
    }

    /// A program in this cgroup dials, and closes the socket after its patience.
    pub fn connect(&mut self, cgroup: &'static str, dial: Dial, patience: Option<Duration>) -> Number {
        let peer = Peer::of(dial);
        let origin = self.origin(cgroup, dial, peer);
        if self.accounting.refuses(self.now, origin).is_some() {
            let number = self.live.skip();
            self.told.push(Told::Ended(number, Ending::Other, Duration::ZERO));
            return number;
        }
        let novelty = match (origin.first, origin.tried) {
            (true, _) if !origin.named && self.known.is_let_out(peer) => Novelty::LetOut,
            (true, _) => Novelty::First,
            (_, true) => Novelty::Tried,
            _ => Novelty::Known,
        };
        let origin = Origin { first: novelty == Novelty::First, ..origin };
        let (id, verdict) = self.accounting.begin(self.now, origin);
        let live = Live {
            id,
            own: origin.own,
            bucket: origin.bucket(),
            peer,
            reply: dial.reply,
            began: self.now,
            gives_up: patience.map_or(u64::MAX, |patience| self.now + patience.as_nanos() as u64),
            named: origin.named,
            novelty,
            place: Place::Asleep,
            sent: 0,
        };
        let gives_up = live.gives_up;
        let number = self.live.push(live);
        if patience.is_some() {
            self.plan(gives_up, Event::GiveUp(number));
        }
        if verdict != Verdict::Hold {
            self.go_out(number);
        } else if self.limiter.wakes {
            let at = self.accounting.held_back_by(id).unwrap_or(ScopeId::HOST);
            // If others wait, the next look is planned.
            if self.fall_asleep((at, origin.bucket()), number) {
                self.wake();
            }
        } else {
            let spread = number * 331_804_129 % (488 * MS);
            self.plan(self.now + WAKE + spread, Event::Ask(number));
        }
        number
    }

    fn go_out(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(number) else { return };
        live.place = Place::Out;
        live.sent = 1;
        let (reply, peer, novelty) = (live.reply, live.peer, live.novelty);
        if matches!(novelty, Novelty::First | Novelty::LetOut) && self.remembers() {
            self.known.contact(peer, novelty == Novelty::First, self.now);
        }
        self.told.push(Told::Reached(number));
        match reply {
            Reply::Answer => self.plan(self.now + self.round_trip, Event::Answer(number)),
            Reply::Refusal => {
                let after = self.round_trip + self.stack.refused_after();
                self.plan(self.now + after, Event::Refuse(number));
            }
            Reply::Silence => {}
        }
        if let Some(gap) = self.stack.gap(1).filter(|_| self.remembers()) {
            self.plan(self.now + gap, Event::Resend(number));
        }
    }

    fn ask(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(number) else { return };
        let (id, began) = (live.id, live.began);
        if live.place == Place::Woken {
            live.place = Place::Asleep;
            let (own, bucket) = (live.own, live.bucket);
            self.count_woken(own, bucket, -1);
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

    fn resend(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(number) else { return };
        let after = if self.accounting.resend(self.now, live.id) == Verdict::Go {
            live.sent += 1;
            let Some(gap) = self.stack.gap(live.sent) else { return };
            gap
        } else {
            RECHECK
        };
        self.plan(self.now + after, Event::Resend(number));
        self.wake();
    }

    fn end(&mut self, number: Number, ending: Ending) {
        let Some(live) = self.live.remove(number) else { return };
        let established = ending == Ending::Established;
        let mut neighbours = 0;
        if established
            && self.remembers()
            && self.known.answer(live.peer, self.now)
            && live.novelty != Novelty::Known
        {
            neighbours = self.known.answer_of_new(live.peer, live.named, self.now);
        }
        if live.place == Place::Asleep {
            self.sleeps_no_more(number);
        }
        if live.place == Place::Woken {
            self.count_woken(live.own, live.bucket, -1);
        }
        self.accounting.end(self.now, live.id, ending, neighbours);
        let took = Duration::from_nanos(self.now - live.began);
        self.told.push(Told::Ended(number, ending, took));
        // One that slept had nothing that another could get.
        if live.place != Place::Asleep {
            self.wake();
        }
    }

    /// Whether the address of one that waits has become known, or others near it let it out.
    fn look_around(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(number).filter(|live| live.novelty == Novelty::First) else {
            return;
        };
        let how = self.known.how(live.peer, self.now);
        if how != HowKnown::Not || (!live.named && self.known.is_let_out(live.peer)) {
            self.accounting.knows(self.now, live.id);
            live.novelty = if how == HowKnown::Not { Novelty::LetOut } else { Novelty::Known };
        }
    }
}
