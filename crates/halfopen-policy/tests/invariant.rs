//! What holds of the accounting under any sequence of attempts, whatever their timers do.

use halfopen_policy::{
    Accounting, AttemptId, Ending, FirstContact, Ledger, Limits, Mode, Origin, Party, Rate, ScopeId, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Queued,
    /// When its last SYN left.
    Out(u64),
}

struct Live {
    own: Option<ScopeId>,
    party: Party,
    state: State,
    /// TCP repeats a SYN that was never held once, at once, after a RST of its own.
    may_repeat_early: bool,
}

#[derive(Debug, Clone)]
enum Act {
    Begin { own: bool, first: bool, party: Party },
    Timer(Index),
    AllTimers,
    End(Index, Ending),
    SetHalfOpen(Option<u32>),
    SetMode(Mode),
}

/// The accounting and what a capture beside them would have seen.
struct Watched {
    now: u64,
    mode: Mode,
    accounting: Accounting,
    limits: Limits,
    /// Whether credit is asked for, so that some pass those who wait for it.
    ranks: bool,
    own: ScopeId,
    live: BTreeMap<AttemptId, Live>,
    begun: u64,
    ended: u64,
}

const SCOPES_ASKED: usize = 2;
/// A slot may be held for two ticks of the wheel longer than `slot_life`, each a 32nd of it at most (`bpf/slots.h`).
const GRID_PART: u32 = 16;

impl Watched {
    fn new(mode: Mode, limits: Limits, own_limits: Limits) -> Self {
        let mut accounting = Accounting::new(mode, limits);
        let own = accounting.open_scope(own_limits);
        let ranks = limits.first_contact.or(own_limits.first_contact).is_some();
        Self { now: 0, mode, accounting, limits, ranks, own, live: BTreeMap::new(), begun: 0, ended: 0 }
    }

    fn scopes(&self) -> [ScopeId; SCOPES_ASKED] {
        [ScopeId::HOST, self.own]
    }

    fn charged_to(&self, scope: ScopeId) -> impl Iterator<Item = &Live> {
        self.live.values().filter(move |live| scope == ScopeId::HOST || live.own == Some(scope))
    }

    fn begin(&mut self, own: bool, first: bool, party: Party) {
        let own = own.then_some(self.own);
        // At the host only those of its own party; and an unlimited one lets everybody go, waiters at their next re-check.
        let of_its_own = |(id, live): &(&AttemptId, &Live)| {
            live.party == party
                && live.state == State::Queued
                && self.accounting.held_back_by(**id) == Some(ScopeId::HOST)
        };
        let at_host =
            if self.limits.half_open.is_some() { self.live.iter().filter(of_its_own).count() } else { 0 };
        let waited = own.map_or(0, |own| self.accounting.waiting_at(own)) + at_host;
        let (id, verdict) =
            self.accounting.begin(self.now, Origin { own, first, party, ..Origin::default() });
        assert!(
            verdict != Verdict::Go || waited == 0 || self.ranks || self.mode == Mode::Off,
            "admitted past {waited} waiters"
        );
        assert!(verdict != Verdict::Hold || self.mode == Mode::Enforce, "held in {:?}", self.mode);
        if self.mode != Mode::Off {
            let state = if verdict == Verdict::Hold { State::Queued } else { State::Out(self.now) };
            let may_repeat_early = verdict != Verdict::Hold;
            self.live.insert(id, Live { own, party, state, may_repeat_early });
            self.begun += 1;
        }
    }

    fn timer(&mut self, id: AttemptId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let verdict = match live.state {
            State::Queued => self.accounting.recheck(self.now, id),
            State::Out(last_syn) => {
                let verdict = self.accounting.resend(self.now, id);
                let early = self.now - last_syn < 980_000_000;
                assert_eq!(verdict == Verdict::TooEarly, early && !live.may_repeat_early);
                live.may_repeat_early = false;
                verdict
            }
        };
        assert!(verdict != Verdict::Hold || self.mode == Mode::Enforce, "held in {:?}", self.mode);
        if verdict == Verdict::Go {
            live.state = State::Out(self.now);
        }
    }

    fn chosen(&self, at: Index) -> Option<AttemptId> {
        (!self.live.is_empty()).then(|| self.live.keys().nth(at.index(self.live.len())).copied())?
    }

    fn end(&mut self, id: AttemptId, ending: Ending) {
        self.accounting.end(self.now, id, ending, 0);
        self.live.remove(&id);
        self.ended += 1;
    }

    fn act(&mut self, step: u64, act: &Act) {
        self.now += step;
        assert!(self.accounting.settles_exactly(self.now));
        match *act {
            Act::Begin { own, first, party } => self.begin(own, first, party),
            Act::Timer(at) => self.chosen(at).into_iter().for_each(|id| self.timer(id)),
            Act::AllTimers => {
                for id in self.live.keys().copied().collect::<Vec<_>>() {
                    self.timer(id);
                }
            }
            Act::End(at, ending) => self.chosen(at).into_iter().for_each(|id| self.end(id, ending)),
            Act::SetHalfOpen(half_open) => {
                self.limits.half_open = half_open;
                self.accounting.set_limits(ScopeId::HOST, self.limits);
            }
            Act::SetMode(mode) => {
                self.mode = mode;
                self.accounting.set_mode(mode);
            }
        }
        self.balance();
    }

    /// Senders that DESIGN's invariant counts: live, unanswered, and a SYN within the last `slot_life`.
    fn senders(&self, scope: ScopeId, slot_life: Duration) -> usize {
        let sent_lately = |live: &&Live| match live.state {
            State::Out(last_syn) => u128::from(self.now - last_syn) < slot_life.as_nanos(),
            State::Queued => false,
        };
        self.charged_to(scope).filter(sent_lately).count()
    }

    fn balance(&self) {
        for scope in self.scopes() {
            let ledger = self.accounting.ledger(scope, self.now);
            let out = self.charged_to(scope).filter(|live| live.state != State::Queued).count() as u64;
            let queued = self.charged_to(scope).filter(|live| live.state == State::Queued).count() as u64;
            assert_eq!((ledger.half_open + ledger.aged, ledger.queued), (out, queued), "{ledger:?}");
            assert_eq!(
                ledger.admitted + ledger.released,
                ledger.established + ledger.failed + out,
                "{ledger:?}"
            );
        }
        let host = self.accounting.ledger(ScopeId::HOST, self.now);
        let ended = host.established + host.failed + host.cancelled + host.gave_up_while_queued;
        assert_eq!((self.begun - self.live.len() as u64, self.ended), (ended, ended), "{host:?}");
    }
}

fn some_life(acts: usize, changes: u32) -> impl Strategy<Value = Vec<(u64, Act)>> {
    let step = prop_oneof![
        4 => Just(0),
        4 => 0..600_000_000u64,
        4 => 980_000_000..1_100_000_000u64,
        2 => 0..30_000_000_000u64,
    ];
    let ending = select(&[Ending::Established, Ending::TimedOut, Ending::Other][..]);
    let act = prop_oneof![
        60 => (any::<bool>(), any::<bool>(), 0..3u64, 0..3u64)
            .prop_map(|(own, first, top, part)| Act::Begin { own, first, party: Party { top, part } }),
        80 => any::<Index>().prop_map(Act::Timer),
        20 => Just(Act::AllTimers),
        30 => (any::<Index>(), ending).prop_map(|(at, ending)| Act::End(at, ending)),
        changes => prop::option::weighted(0.9, 0..9u32).prop_map(Act::SetHalfOpen),
        changes => select(&[Mode::Enforce, Mode::Audit, Mode::Off][..]).prop_map(Act::SetMode),
    ];
    vec((step, act), 1..acts)
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let drain = select(&[None, Some(1), Some(10), Some(1_000)][..]);
    let slot_life = select(&[100, 1_000, 5_000, 21_000][..]);
    (0..8u32, slot_life, drain).prop_map(|(half_open, slot_life, drain)| Limits {
        half_open: Some(half_open),
        slot_life: Duration::from_millis(slot_life),
        drain: drain.and_then(|releases| Rate::new(releases, Duration::from_secs(1))),
        ..Limits::xp_sp2()
    })
}

fn some_featured() -> impl Strategy<Value = Limits> {
    let rules = prop_oneof![Just(FirstContact::adaptive()), Just(FirstContact::virus_throttle())];
    let half_open = prop::option::weighted(0.8, 0..8u32);
    (some_limits(), half_open, prop::option::weighted(0.7, rules))
        .prop_map(|(limits, half_open, first_contact)| Limits { half_open, first_contact, ..limits })
}

/// Lives through it, and looks after each step that no scope has more senders within its `slot_life` than it allows, and
/// that each of them, but nobody for longer than the grid of slots makes of it, holds a slot.
fn never_more_senders(host: Limits, own: Limits, life: &[(u64, Act)]) -> Result<Watched, TestCaseError> {
    let mut watched = Watched::new(Mode::Enforce, host, own);
    for (step, act) in life {
        watched.act(*step, act);
        for (scope, limits) in watched.scopes().into_iter().zip([host, own]) {
            let senders = watched.senders(scope, limits.slot_life);
            prop_assert!(senders <= limits.half_open.unwrap_or(u32::MAX) as usize, "{senders} at {scope:?}");
            let held = watched.accounting.ledger(scope, watched.now).half_open as usize;
            let most = watched.senders(scope, limits.slot_life + limits.slot_life / GRID_PART);
            prop_assert!(
                (senders..=most).contains(&held),
                "{held} slots of {senders} to {most} at {scope:?}"
            );
        }
    }
    Ok(watched)
}

proptest! {
    #[test]
    fn with_every_feature_on_there_are_never_more_senders_and_the_books_balance(
        host in some_featured(),
        own in some_featured(),
        life in some_life(250, 0),
    ) {
        let mut watched = never_more_senders(host, own, &life)?;
        while let Some(&id) = watched.live.keys().next() {
            watched.end(id, Ending::Other);
        }
        for scope in watched.scopes() {
            let Ledger { half_open, aged, queued, .. } = watched.accounting.ledger(scope, watched.now);
            prop_assert_eq!([half_open, aged, queued, watched.accounting.waiting_at(scope) as u64], [0; 4]);
        }
    }

    #[test]
    fn never_more_senders_within_a_slot_life_than_half_open(
        host in some_limits(),
        own in some_limits(),
        life in some_life(250, 0),
    ) {
        never_more_senders(host, own, &life)?;
    }

    #[test]
    fn books_balance_under_any_change_and_end_at_zero(
        host in some_limits(),
        own in some_limits(),
        life in some_life(250, 6),
    ) {
        let mut watched = Watched::new(Mode::Enforce, host, own);
        for (step, act) in &life {
            watched.act(*step, act);
        }
        while let Some(&id) = watched.live.keys().next() {
            watched.end(id, Ending::Other);
        }
        for scope in watched.scopes() {
            let Ledger { half_open, aged, queued, .. } = watched.accounting.ledger(scope, watched.now);
            prop_assert_eq!([half_open, aged, queued, watched.accounting.waiting_at(scope) as u64], [0; 4]);
        }
    }

    /// Those of one party, where no rate is set and no credit asked for.
    #[test]
    fn who_asks_goes_out_unless_every_slot_of_a_scope_is_taken(
        host in some_limits(),
        own in some_limits(),
        life in some_life(120, 0),
    ) {
        let unpaced = |limits| Limits { drain: None, ..limits };
        let mut watched = Watched::new(Mode::Enforce, unpaced(host), unpaced(own));
        for (step, act) in &life {
            let mut act = act.clone();
            if let Act::Begin { party, .. } = &mut act {
                *party = Party::default();
            }
            watched.act(*step, &act);
            watched.act(0, &Act::AllTimers);
            for live in watched.live.values().filter(|live| live.state == State::Queued) {
                let full = [(ScopeId::HOST, host)].into_iter().chain(live.own.map(|scope| (scope, own))).any(
                    |(scope, limits)| {
                        let within = limits.slot_life + limits.slot_life / GRID_PART;
                        watched.senders(scope, within) >= limits.half_open.unwrap_or(u32::MAX) as usize
                    },
                );
                prop_assert!(full, "held although no scope is full");
            }
        }
    }

    #[test]
    fn audit_never_holds_and_counts_what_it_would_have_held(host in some_limits(), attempts in 1..100u32) {
        let mut accounting = Accounting::new(Mode::Audit, host);
        let mut audited = 0;
        for _ in 0..attempts {
            let (id, verdict) = accounting.begin(5, Origin::default());
            prop_assert_ne!(verdict, Verdict::Hold);
            audited += u32::from(verdict == Verdict::GoAudited);
            prop_assert_eq!(accounting.resend(1_000_000_005, id), Verdict::Go);
        }
        let over = attempts.saturating_sub(host.half_open.unwrap_or(u32::MAX));
        prop_assert_eq!(audited, over);
        prop_assert_eq!(accounting.ledger(ScopeId::HOST, 5).would_have_waited, u64::from(over));
    }

    #[test]
    fn no_time_and_no_limit_makes_it_panic(
        half_open in any::<Option<u32>>(),
        slot_lives in vec(any::<Duration>(), 1..4),
        times in vec(any::<u64>(), 1..40),
    ) {
        let limits = |slot_life| Limits { half_open, slot_life, ..Limits::xp_sp2() };
        let mut accounting = Accounting::new(Mode::Enforce, limits(Duration::ZERO));
        let mut ids = Vec::new();
        for (turn, now) in times.into_iter().enumerate() {
            accounting.set_limits(ScopeId::HOST, limits(slot_lives[turn % slot_lives.len()]));
            ids.push(accounting.begin(now, Origin::default()).0);
            for &id in &ids {
                accounting.recheck(now, id);
                accounting.resend(now.wrapping_add(turn as u64), id);
            }
            prop_assert!(accounting.ledger(ScopeId::HOST, now).half_open <= ids.len() as u64);
        }
        for id in ids {
            accounting.end(u64::MAX, id, Ending::Other, 0);
        }
        prop_assert_eq!(accounting.ledger(ScopeId::HOST, u64::MAX).half_open, 0);
    }
}
