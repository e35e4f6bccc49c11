//! The same random lives of many attempts in both forms of the policy: same verdicts, same books after every step.

use super::{Kernel, Life};
use halfopen_policy::{
    AttemptId, Books, Ending, FirstContact, Limits, Mode, OnSuspect, Order, Origin, Overflow, Party, Purse,
    Rate, Repute, ScopeId, Standing, Verdict, slots,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::time::Duration;

/// Grids whose slots the kernel part can still tell apart; who changes the grid more often while slots of the first
/// are held gets them back only when they expire.
const GRIDS_TOLD_APART: usize = 4;

/// One attempt, in a socket of the kernel's and in the books of the policy.
struct Twin {
    socket: usize,
    id: AttemptId,
    /// Its socket's lock keeps its own times in order.
    last: u64,
}

/// Both forms, fed alike.
pub(super) struct Pair {
    pub kernel: Kernel,
    pub books: Books,
    scopes: Vec<ScopeId>,
    limits: Vec<Limits>,
    twins: Vec<Twin>,
    pub clock: u64,
    grids: Vec<usize>,
    /// Sockets that the walk under way has still to see; `None` between walks.
    unseen: Option<Vec<usize>>,
}

impl Pair {
    pub fn new(mode: Mode, limits: &[Limits]) -> Self {
        let mut books = Books::new(mode, limits[0]);
        let own = limits[1..].iter().map(|&limits| books.open_scope(limits));
        let scopes = [ScopeId::HOST].into_iter().chain(own.collect::<Vec<_>>()).collect();
        Self {
            kernel: Kernel::new(mode, limits),
            books,
            scopes,
            limits: limits.to_vec(),
            twins: Vec::new(),
            clock: 7_000_000_000,
            grids: vec![0; limits.len()],
            unseen: None,
        }
    }

    pub fn pass(&mut self, nanos: u64) {
        self.clock += nanos;
    }

    /// Begins an attempt in `socket` or a new one.
    pub fn begin(&mut self, now: u64, life: &Life, socket: Option<usize>) -> (usize, Verdict) {
        let socket = socket.unwrap_or_else(|| self.kernel.socket());
        let native = self.kernel.begin(now, socket, life);
        let scope = |number: usize| (number > 0).then(|| self.scopes[number]);
        let origin = Origin {
            standing: life.standing,
            own: scope(life.own),
            interface: scope(life.interface),
            party: life.party,
            first: life.first,
            named: life.named,
            address: life.address,
        };
        let (id, verdict) = self.books.begin(now, origin);
        assert_eq!(native, verdict, "begin");
        if self.kernel.is_live(socket) {
            self.twins.push(Twin { socket, id, last: now });
        }
        self.compare_barrier(socket, id, verdict);
        (socket, verdict)
    }

    fn compare_barrier(&self, socket: usize, id: AttemptId, verdict: Verdict) {
        if matches!(verdict, Verdict::Hold | Verdict::GoAudited) {
            let attempt = &self.kernel.sockets[socket];
            let scope = [0, attempt.scope, attempt.interface][usize::from(attempt.blocked_on)] as usize;
            assert_eq!(self.books.held_back_by(id), Some(self.scopes[scope]), "which scope held it back");
        }
    }

    fn place(&self, socket: usize) -> usize {
        self.twins.iter().position(|twin| twin.socket == socket).expect("this socket has a live attempt")
    }

    fn at(&mut self, now: u64, socket: usize) -> (u64, AttemptId) {
        let place = self.place(socket);
        let twin = &mut self.twins[place];
        twin.last = twin.last.max(now);
        (twin.last, twin.id)
    }

    /// The attempt's timer runs.
    pub fn timer(&mut self, now: u64, socket: usize) -> Verdict {
        self.timer_of_known(now, socket, false)
    }

    /// The same where its address has become known while it waited, or not.
    pub fn timer_of_known(&mut self, now: u64, socket: usize, known: bool) -> Verdict {
        let (now, id) = self.at(now, socket);
        let queued = self.kernel.sockets[socket].state == super::QUEUED;
        let (native, verdict) = if queued {
            {
                if known {
                    self.books.knows(id);
                }
                (self.kernel.recheck(now, socket, known), self.books.recheck(now, id))
            }
        } else {
            (self.kernel.resend(now, socket), self.books.resend(now, id))
        };
        assert_eq!(native, verdict, "{} of {socket} at {now}", if queued { "recheck" } else { "resend" });
        if queued {
            self.compare_barrier(socket, id, verdict);
        }
        verdict
    }

    pub fn end(&mut self, now: u64, socket: usize, ending: Ending, neighbours: u32) {
        let (now, id) = self.at(now, socket);
        self.kernel.end(now, socket, ending, neighbours);
        self.books.end(now, id, ending, neighbours);
        let place = self.place(socket);
        self.twins.swap_remove(place);
    }

    pub fn set_mode(&mut self, mode: Mode) {
        self.kernel.mode = mode;
        self.books.set_mode(mode);
    }

    pub fn set_limits(&mut self, scope: usize, limits: Limits) {
        let changes_grid =
            slots::grid_shift(limits.slot_life) != slots::grid_shift(self.limits[scope].slot_life);
        if changes_grid {
            if self.books.ledger(self.scopes[scope], self.clock).half_open == 0 {
                self.grids[scope] = 0;
            }
            if self.grids[scope] == GRIDS_TOLD_APART {
                return;
            }
            self.grids[scope] += 1;
        }
        self.limits[scope] = limits;
        self.kernel.limits[scope] = crate::settings::limits(&limits);
        self.books.set_limits(self.scopes[scope], limits);
    }

    fn walk(&mut self, step: Walk) {
        match (step, &mut self.unseen) {
            (Walk::Begins, unseen) => {
                *unseen = Some(self.kernel.live().collect());
                self.kernel.walk_begins();
            }
            (Walk::Sees(at), Some(unseen)) if !unseen.is_empty() => {
                let socket = unseen.swap_remove(at.index(unseen.len()));
                self.kernel.walk_sees(socket);
            }
            (Walk::SeesAgain(at), Some(_)) if !self.kernel.sockets.is_empty() => {
                let socket = at.index(self.kernel.sockets.len());
                self.kernel.walk_sees(socket);
            }
            (Walk::Ends, unseen @ Some(_)) => {
                for socket in unseen.take().unwrap_or_default() {
                    self.kernel.walk_sees(socket);
                }
                assert_eq!(self.kernel.walk_ends(), [0; 0], "scopes whose correct books a recount changed");
            }
            _ => {}
        }
    }

    pub fn compare(&self, now: u64) {
        for (at, &scope) in self.scopes.iter().enumerate() {
            assert_eq!(self.kernel.ledger(at, now), self.books.ledger(scope, now), "the books of scope {at}");
            let waiting = self.kernel.scopes[at].waiting_here as usize;
            assert_eq!(waiting, self.books.waiting_at(scope), "the waiters of scope {at}");
            let purses = [Purse::Strangers, Purse::Named].into_iter().zip(&self.kernel.scopes[at].trust);
            for (purse, trust) in purses {
                let repute = Repute {
                    credit: trust.credit / 16,
                    first_contacts: trust.first_contacts,
                    pending: trust.pending,
                    suspect_since: (trust.suspect_ns != 0).then_some(trust.suspect_ns),
                };
                assert_eq!(repute, self.books.repute(scope, purse), "the trust in scope {at}, {purse:?}");
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Walk {
    Begins,
    Sees(Index),
    SeesAgain(Index),
    Ends,
}

#[derive(Debug, Clone)]
enum Act {
    /// In a new socket, or in one whose last attempt has ended.
    Begin {
        standing: Standing,
        own: Index,
        interface: Index,
        party: Party,
        first: bool,
        named: bool,
        address: u64,
        reused: Option<Index>,
    },
    Timer(Index),
    /// Of an attempt whose address has become known.
    TimerOfKnown(Index),
    /// Every live attempt's timer runs.
    AllTimers,
    End(Index, Ending, u32),
    SetLimits(Index, Limits),
    SetMode(Mode),
    Walk(Walk),
}

pub(super) fn some_limits() -> impl Strategy<Value = Limits> {
    let half_open = prop_oneof![9 => (0..8u32).prop_map(Some), 1 => Just(None)];
    let slot_life = select(&[100, 130, 1_000, 1_500, 3_000, 21_000, 22_000, 60_000, 3_600_000][..]);
    let interval = select(&[None, Some(1), Some(100), Some(1_000), Some(10_000), Some(3_600_000)][..]);
    let first_contact = proptest::option::of(some_first_contact());
    let numbers = (half_open, slot_life, interval, any::<bool>(), first_contact);
    numbers.prop_map(|(half_open, slot_life, interval, strict, first_contact)| Limits {
        half_open,
        slot_life: Duration::from_millis(slot_life),
        drain: interval.and_then(|millis| Rate::new(1, Duration::from_millis(millis))),
        strict,
        queue: 10_000,
        overflow: Overflow::Refuse,
        max_wait: None,
        first_contact,
        datagrams: None,
    })
}

pub(super) fn some_ending() -> impl Strategy<Value = Ending> {
    select(&[Ending::Established, Ending::TimedOut, Ending::Other][..])
}

fn some_act() -> impl Strategy<Value = Act> {
    let walk = prop_oneof![
        1 => Just(Walk::Begins),
        6 => any::<Index>().prop_map(Walk::Sees),
        1 => any::<Index>().prop_map(Walk::SeesAgain),
        1 => Just(Walk::Ends),
    ];
    prop_oneof![
        8 => (some_standing(), any::<[Index; 2]>(), some_party(), any::<[bool; 2]>(), 1..12u64, any::<Option<Index>>())
            .prop_map(|(standing, [own, interface], party, [first, named], address, reused)| {
                Act::Begin { standing, own, interface, party, first, named, address, reused }
            }),
        10 => any::<Index>().prop_map(Act::Timer),
        1 => any::<Index>().prop_map(Act::TimerOfKnown),
        2 => Just(Act::AllTimers),
        4 => (any::<Index>(), some_ending(), 0..5u32).prop_map(|(at, ending, near)| Act::End(at, ending, near)),
        1 => (any::<Index>(), some_limits()).prop_map(|(scope, limits)| Act::SetLimits(scope, limits)),
        1 => select(&[Mode::Enforce, Mode::Enforce, Mode::Audit, Mode::Off][..]).prop_map(Act::SetMode),
        5 => walk.prop_map(Act::Walk),
    ]
}

fn some_party() -> impl Strategy<Value = Party> {
    (1..4u64, 0..3u32).prop_map(|(top, user)| Party { top, user })
}

fn some_first_contact() -> impl Strategy<Value = FirstContact> {
    let pauses = select(&[(10, 10), (250, 512_000), (1_000, 1_000), (4_000, 60_000)][..]);
    let sets = prop_oneof![2 => Just(0), 1 => 1..9u32];
    let reactions = select(vec![
        OnSuspect::Notify,
        OnSuspect::Throttle,
        OnSuspect::Block(Duration::from_secs(5)),
        OnSuspect::Block(Duration::from_mins(10)),
    ]);
    let order = select(&[Order::Oldest, Order::Either, Order::Either][..]);
    (1..12u32, 0..6u32, pauses, sets, order, reactions).prop_map(
        |(credit, reward, (recover, most), working_set, order, on_suspect)| FirstContact {
            credit,
            reward,
            recover: Duration::from_millis(recover),
            recover_most: Duration::from_millis(most),
            working_set,
            order,
            on_suspect,
        },
    )
}

fn some_standing() -> impl Strategy<Value = Standing> {
    prop_oneof![4 => Just(Standing::Bound), 1 => Just(Standing::Essential)]
}

/// From no time at all to minutes.
fn some_step() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0),
        3 => 0..1_000_000u64,
        6 => 0..600_000_000u64,
        5 => 900_000_000..1_100_000_000u64,
        3 => 0..25_000_000_000u64,
        1 => 0..600_000_000_000u64,
    ]
}

fn run(limits: &[Limits], acts: Vec<(u64, u64, Act)>) {
    let mut pair = Pair::new(Mode::Enforce, limits);
    for (step, back, act) in acts {
        pair.pass(step);
        let now = pair.clock - back;
        let chosen = |pair: &Pair, at: Index| {
            (!pair.twins.is_empty()).then(|| pair.twins[at.index(pair.twins.len())].socket)
        };
        match act {
            Act::Begin { standing, own, interface, party, first, named, address, reused } => {
                let idle: Vec<_> =
                    (0..pair.kernel.sockets.len()).filter(|&socket| !pair.kernel.is_live(socket)).collect();
                let reused = reused.filter(|_| !idle.is_empty()).map(|at| *at.get(&idle));
                let own = own.index(limits.len());
                let interface = interface.index(limits.len());
                // One scope is never charged twice.
                let interface = if interface == own { 0 } else { interface };
                pair.begin(now, &Life { standing, own, interface, party, first, named, address }, reused);
            }
            Act::Timer(at) => {
                if let Some(socket) = chosen(&pair, at) {
                    pair.timer(now, socket);
                }
            }
            Act::TimerOfKnown(at) => {
                if let Some(socket) = chosen(&pair, at) {
                    pair.timer_of_known(now, socket, true);
                }
            }
            Act::AllTimers => {
                for socket in pair.kernel.live().collect::<Vec<_>>() {
                    pair.timer(now, socket);
                }
            }
            Act::End(at, ending, neighbours) => {
                if let Some(socket) = chosen(&pair, at) {
                    pair.end(now, socket, ending, neighbours);
                }
            }
            Act::SetLimits(scope, limits) => pair.set_limits(scope.index(pair.scopes.len()), limits),
            Act::SetMode(mode) => pair.set_mode(mode),
            Act::Walk(step) => pair.walk(step),
        }
        pair.compare(now);
    }
    for socket in pair.kernel.live().collect::<Vec<_>>() {
        pair.end(pair.clock, socket, Ending::Other, 0);
    }
    pair.compare(pair.clock);
}

proptest! {
    #[test]
    fn the_host_alone_decides_the_same(
        limits in some_limits(),
        acts in vec((some_step(), 0..1_000_000u64, some_act()), 1..200),
    ) {
        run(&[limits], acts);
    }

    #[test]
    fn host_and_own_scopes_decide_the_same(
        limits in vec(some_limits(), 4),
        acts in vec((some_step(), 0..1_000_000u64, some_act()), 1..200),
    ) {
        run(&limits, acts);
    }
}
