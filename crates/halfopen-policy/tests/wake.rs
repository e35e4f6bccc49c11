//! What waking waiters at their turn is worth, on a virtual clock: the accounting decides as ever, and the timers are TCP's.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::wake::{AccountId, CreditReading, Credits, Ended, Lane, Reading, WaiterId, Wakes};
use halfopen_policy::{
    Accounting, AttemptId, Contact, CreditBucket, Ending, Limits, Mode, Origin, Party, PortCell, Rate,
    ScopeId, Verdict,
};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

fn account(scope: u32) -> AccountId {
    AccountId { scope, id: 0 }
}

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// At 250 ticks a second.
const TICK: u64 = 4 * MS;
/// How far behind what happens the one who wakes is.
const DELAY: u64 = MS / 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Timer(usize),
    Answer(usize),
    /// A look at what is due.
    Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits,
    Out,
    Ended,
}

struct Socket {
    id: AttemptId,
    stage: Stage,
    asked: u32,
    timer: u64,
    out_at: u64,
    /// Until its peer answers; `None` = never.
    answers_in: Option<u64>,
}

/// Sockets under the accounting's rules, and one who wakes them.
struct Run {
    accounting: Accounting,
    limits: Limits,
    sockets: Vec<Socket>,
    events: BTreeSet<(u64, Event)>,
    told: Vec<(u64, usize, Option<Ended>)>,
    wakes: Wakes,
    woken: HashMap<WaiterId, u32>,
    next_turn: u64,
    outs: Vec<u64>,
    now: u64,
}

impl Run {
    fn new(limits: Limits) -> Self {
        Self {
            accounting: Accounting::new(Mode::Enforce, limits),
            limits,
            sockets: Vec::new(),
            events: BTreeSet::new(),
            told: Vec::new(),
            wakes: Wakes::default(),
            woken: HashMap::new(),
            next_turn: 0,
            outs: Vec::new(),
            now: 0,
        }
    }

    fn dial(&mut self, first_timer: u64, answers_in: Option<u64>) {
        let (id, verdict) = self.accounting.begin(self.now, Origin::default());
        let number = self.sockets.len();
        let timer = (self.now + first_timer).next_multiple_of(TICK);
        self.sockets.push(Socket { id, stage: Stage::Waits, asked: 0, timer, out_at: 0, answers_in });
        if verdict == Verdict::Go {
            self.goes_out(number);
        } else {
            self.next_turn = self.next_turn.max(self.now);
            self.events.insert((timer, Event::Timer(number)));
            self.wakes.began(number as WaiterId, Lane::default());
        }
        self.look_soon();
    }

    fn look_soon(&mut self) {
        self.events.insert((self.now + DELAY, Event::Look));
    }

    fn goes_out(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        socket.stage = Stage::Out;
        socket.out_at = self.now;
        self.outs.push(self.now);
        if let Some(in_time) = socket.answers_in {
            self.events.insert((self.now + in_time, Event::Answer(number)));
        }
    }

    fn timer(&mut self, number: usize) {
        let now = self.now;
        let socket = &mut self.sockets[number];
        if socket.stage != Stage::Waits || socket.timer != now {
            return;
        }
        socket.asked += 1;
        let (id, asked) = (socket.id, socket.asked);
        if self.accounting.recheck(now, id) == Verdict::Go {
            if let Some(rate) = self.limits.drain {
                self.next_turn = self.next_turn.max(now.saturating_sub(640 * MS)) + rate.interval_ns();
            }
            self.goes_out(number);
            self.told.push((now, number, None));
        } else {
            let timer = (now + 512 * MS).next_multiple_of(8 * TICK);
            self.sockets[number].timer = timer;
            self.events.insert((timer, Event::Timer(number)));
            if asked == 1 {
                self.wakes.asked(now, number as WaiterId);
            }
        }
        self.look_soon();
    }

    fn answer(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        socket.stage = Stage::Ended;
        let how = Ended { out_at: socket.out_at, established: true, host_slot: true, own_slot: false };
        self.accounting.end(self.now, socket.id, Ending::Established, 0);
        self.told.push((self.now, number, Some(how)));
        self.look_soon();
    }

    fn look(&mut self) {
        for (at, number, how) in std::mem::take(&mut self.told) {
            match how {
                None => self.wakes.went_out(at, number as WaiterId, AccountId::HOST, true),
                Some(how) => self.wakes.ended(at, number as WaiterId, AccountId::HOST, how),
            }
        }
        for id in self.wakes.unread(self.now) {
            let in_use = self.accounting.ledger(ScopeId::HOST, self.now).half_open as u32;
            let reading = Reading {
                at: self.now,
                limits: self.limits,
                in_use,
                next_turn: self.next_turn,
                open: 0,
                next_connection: 0,
                credit: None,
            };
            self.wakes.read(id, reading);
        }
        for waiter in self.wakes.due(self.now, usize::MAX) {
            *self.woken.entry(waiter).or_default() += 1;
            let socket = &mut self.sockets[waiter as usize];
            if socket.stage == Stage::Waits && socket.asked == 0 {
                // Two ticks, and the one that has begun.
                socket.timer = (self.now / TICK + 3) * TICK;
                self.events.insert((socket.timer, Event::Timer(waiter as usize)));
            }
        }
        if let Some(next) = self.wakes.next(self.now) {
            self.events.insert((next.next_multiple_of(MS), Event::Look));
        }
    }

    fn run_until(&mut self, end: u64) {
        while let Some((at, event)) = self.events.pop_first() {
            if at > end {
                self.events.insert((at, event));
                break;
            }
            self.now = at;
            match event {
                Event::Timer(number) => self.timer(number),
                Event::Answer(number) => self.answer(number),
                Event::Look => self.look(),
            }
        }
        self.now = end;
    }

    fn wakes_sent(&self) -> u32 {
        self.woken.values().sum()
    }
}

fn limits(half_open: u32, drain: Option<u32>) -> Limits {
    let drain = drain.and_then(|rate| Rate::new(rate, Duration::from_secs(1)));
    Limits { half_open: Some(half_open), drain, ..Limits::xp_sp2() }
}

/// Between -1 and 1 ms, the same in each run.
fn jitter(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 43
}

#[test]
fn slots_hardly_idle_while_live_ones_wait() {
    let mut run = Run::new(limits(10, None));
    for number in 0..500 {
        run.dial(8 * S, Some(50 * MS + jitter(number) % MS));
    }
    run.run_until(5 * S);
    let last = run.sockets.iter().map(|socket| socket.out_at).max().unwrap() + 50 * MS;
    assert!(run.sockets.iter().all(|socket| socket.stage == Stage::Ended));
    let (ratio, sent) = (last as f64 / (2_500 * MS) as f64, run.wakes_sent());
    println!("{ratio:.3} of the ideal time, {sent} wakes");
    assert!(ratio < 1.12, "{ratio}");
    assert!(sent <= 520, "{sent} wakes");
}

#[test]
fn a_rate_holds_by_wakes_alone() {
    for rate in [1, 10, 100] {
        let mut run = Run::new(limits(1_000_000, Some(rate)));
        run.limits.strict = false;
        run.limits.half_open = Some(1);
        run.accounting = Accounting::new(Mode::Enforce, run.limits);
        for _ in 0..40 * rate {
            run.dial(200 * S, None);
        }
        run.run_until(31 * S);
        let in_time = run.outs.iter().filter(|at| **at >= S).count();
        assert!(in_time.abs_diff(30 * rate as usize) <= 1, "{in_time} in 30 s at {rate}/s");
        assert!(run.wakes_sent() <= 32 * rate + 4, "{} wakes at {rate}/s", run.wakes_sent());
    }
}

#[test]
fn dead_peers_wake_nobody_in_vain() {
    let mut run = Run::new(limits(10, None));
    for number in 0..200 {
        let answers_in = (number < 100).then_some(20 * MS);
        run.dial(100 * S, answers_in);
    }
    run.run_until(20 * S);
    let in_vain = run.sockets.iter().filter(|socket| socket.stage == Stage::Waits && socket.asked > 0);
    let in_vain = in_vain.count();
    // Each slot's first dead one, and those until the share of answers has fallen.
    assert!(in_vain <= 12, "{in_vain} were woken in vain");
}

/// A party's first wake is a canary; it had an effect. No slot is free afterwards.
fn had_an_effect(wakes: &mut Wakes, lane: Lane) {
    let one = WaiterId::MAX;
    let read = |in_use| Reading {
        at: 0,
        limits: limits(1, None),
        in_use,
        next_turn: 0,
        open: 0,
        next_connection: 0,
        credit: None,
    };
    wakes.began(one, lane);
    wakes.read(AccountId::HOST, read(0));
    assert_eq!(wakes.due(0, 1), [one]);
    wakes.asked(0, one);
    wakes.read(AccountId::HOST, read(1));
}

#[test]
fn the_oldest_whose_scopes_have_room_goes_first() {
    let mut wakes = Wakes::default();
    had_an_effect(&mut wakes, Lane::default());
    let read = |half_open, in_use| Reading {
        at: 1,
        limits: limits(half_open, None),
        in_use,
        next_turn: 0,
        open: 0,
        next_connection: 0,
        credit: None,
    };
    for (waiter, own) in [(1, 7), (2, 0), (3, 9), (4, 0), (5, 9)] {
        wakes.began(waiter, Lane { own: account(own), ..Lane::default() });
    }
    assert_eq!(wakes.unread(200 * MS), [0, 7, 9].map(account));
    assert!(wakes.due(2, 10).is_empty(), "nothing is known of the scopes");
    wakes.read(AccountId::HOST, read(10, 7));
    wakes.read(account(7), read(2, 2));
    wakes.read(account(9), read(5, 4));
    assert_eq!(wakes.due(2, 10), [2, 3, 4]);
    assert!(wakes.due(2, 10).is_empty(), "three are on their way to three slots");
    wakes.asked(2, 3);
    wakes.left(2, 1);
    assert_eq!(wakes.due(3, 10), [5]);
    assert!(wakes.is_idle());
}

#[test]
fn whose_address_has_become_known_needs_no_credit() {
    let mut wakes = Wakes::default();
    let none = CreditReading { credits: 0, recovers_at: None, newest: false };
    let credit = Some(Credits {
        named: none,
        strangers: none,
        ports: [none; PortCell::COUNT as usize],
        foreign: none,
    });
    let first = Lane { contact: Contact::First(CreditBucket::Port(PortCell::of(0, 80))), ..Lane::default() };
    (0..3).for_each(|waiter| wakes.began(waiter, first));
    wakes.read(
        AccountId::HOST,
        Reading {
            at: 1,
            limits: limits(10, None),
            in_use: 0,
            next_turn: 0,
            open: 0,
            next_connection: 0,
            credit,
        },
    );
    assert!(wakes.due(2, 10).is_empty(), "there is no credit");
    wakes.known(1);
    wakes.known(7);
    assert_eq!(wakes.due(2, 10), [1]);
    wakes.known(1);
    assert!(wakes.due(2, 10).is_empty(), "it was woken already");
}

proptest! {
    /// Whatever happens: nobody is woken twice, and at one moment no more than there are turns.
    #[test]
    fn never_more_than_there_are_turns(
        half_open in 1..5u32,
        steps in proptest::collection::vec((0..6u8, 0..40u64, 0..30u64), 1..200),
    ) {
        let mut wakes = Wakes::default();
        let mut now = S;
        let mut in_use = 0;
        let mut undecided: HashMap<u64, u64> = HashMap::new();
        let mut ever = BTreeSet::new();
        wakes.read(AccountId::HOST, Reading { at: now, limits: limits(half_open, None), in_use, next_turn: 0, open: 0, next_connection: 0, credit: None });
        for (number, (what, waiter, pause)) in steps.into_iter().enumerate() {
            now += pause * MS + 1;
            undecided.retain(|_, at| *at + 60 * MS > now);
            match what {
                0 | 1 => wakes.began(1_000 + number as u64, Lane::default()),
                2 if undecided.contains_key(&waiter) => {
                    undecided.remove(&waiter);
                    wakes.asked(now, waiter);
                }
                3 => {
                    let Some(&waiter) = undecided.keys().min() else { continue };
                    undecided.remove(&waiter);
                    in_use += 1;
                    wakes.went_out(now, waiter, AccountId::HOST, true);
                }
                4 if in_use > 0 => {
                    in_use -= 1;
                    let how = Ended { out_at: now - MS, established: false, host_slot: true, own_slot: false };
                    wakes.ended(now, waiter, AccountId::HOST, how);
                }
                _ => wakes.read(AccountId::HOST, Reading { at: now, limits: limits(half_open, None), in_use, next_turn: 0, open: 0, next_connection: 0, credit: None }),
            }
            for waiter in wakes.due(now, usize::MAX) {
                prop_assert!(ever.insert(waiter), "{waiter} was woken twice");
                undecided.insert(waiter, now);
            }
            prop_assert!(in_use + undecided.len() as u32 <= half_open.max(in_use));
        }
    }
}

#[test]
fn the_round_comes_before_rank_and_age() {
    let mut wakes = Wakes::default();
    let of = |top, contact| Lane { contact, party: Party { top, part: 7 }, ..Lane::default() };
    (1..3).for_each(|top| had_an_effect(&mut wakes, of(top, Contact::Known)));
    let stranger = Contact::First(CreditBucket::Port(PortCell::of(0, 80)));
    wakes.began(1, of(1, stranger));
    (2..5).for_each(|waiter| wakes.began(waiter, of(1, Contact::Known)));
    wakes.began(5, of(2, stranger));
    let read = |in_use| Reading {
        at: 1,
        limits: limits(10, None),
        in_use,
        next_turn: 0,
        open: 0,
        next_connection: 0,
        credit: None,
    };
    wakes.read(AccountId::HOST, read(7));
    assert_eq!(
        wakes.due(2, 10),
        [5, 2, 3],
        "who came last has waited for nobody; of one party the known go first"
    );
    wakes.began(6, of(2, stranger));
    wakes.read(AccountId::HOST, read(4));
    assert_eq!(wakes.due(3, 10)[..1], [6]);
}
