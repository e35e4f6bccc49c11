//! A walk over all live attempts repairs counters that have drifted, also while attempts begin, change and
//! end.

use crate::{Accounting, AttemptId, Ending, FirstContact, Limits, Mode, Origin, Rate, ScopeId, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Act {
    /// In which scope, and whether its address is unknown.
    Begin(Index, bool),
    Timer(Index),
    End(Index, Ending),
    See(Index),
}

fn some_act() -> impl Strategy<Value = Act> {
    let ending = select(&[Ending::Established, Ending::TimedOut, Ending::Other][..]);
    prop_oneof![
        4 => any::<(Index, bool)>().prop_map(|(at, first)| Act::Begin(at, first)),
        3 => any::<Index>().prop_map(Act::Timer),
        2 => (any::<Index>(), ending).prop_map(|(at, ending)| Act::End(at, ending)),
        4 => any::<Index>().prop_map(Act::See),
    ]
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let slot_life = select(&[100, 1_000, 1_500, 21_000][..]);
    let drain = select(&[None, Some(1), Some(10), Some(1_000)][..]);
    let credit = select(&[None, Some(1), Some(4)][..]);
    (0..8u32, slot_life, drain, any::<bool>(), credit).prop_map(
        |(half_open, slot_life, drain, strict, credit)| Limits {
            half_open: Some(half_open),
            slot_life: Duration::from_millis(slot_life),
            drain: drain.and_then(|releases| Rate::new(releases, Duration::from_secs(1))),
            strict,
            first_contact: credit.map(|credit| FirstContact { credit, ..FirstContact::adaptive() }),
            ..Limits::xp_sp2()
        },
    )
}

const SCOPES: usize = 3;

/// The accounting, and the attempts that it should have.
struct Host {
    accounting: Accounting,
    now: u64,
    /// The scope of each live attempt, and whether its SYN is out.
    live: BTreeMap<AttemptId, (ScopeId, bool)>,
}

impl Host {
    fn grown(limits: &[Limits], acts: &[Act]) -> Self {
        let mut accounting = Accounting::new(Mode::Enforce, limits[0]);
        for limits in &limits[1..] {
            accounting.open_scope(*limits);
        }
        let mut host = Self { accounting, now: 1_000_000_000, live: BTreeMap::new() };
        host.live_on(acts);
        host
    }

    fn live_on(&mut self, acts: &[Act]) {
        for act in acts {
            self.now += 100_000_000;
            let ids: Vec<_> = self.live.keys().copied().collect();
            match *act {
                Act::Begin(scope, first) => {
                    let scope = ScopeId(scope.index(SCOPES));
                    let own = Some(scope).filter(|scope| *scope != ScopeId::HOST);
                    let (id, verdict) =
                        self.accounting.begin(self.now, Origin { own, first, ..Origin::default() });
                    self.live.insert(id, (scope, verdict == Verdict::Go));
                }
                _ if ids.is_empty() => {}
                Act::Timer(at) => {
                    let id = *at.get(&ids);
                    let Some((_, out)) = self.live.get_mut(&id) else { continue };
                    if *out {
                        self.accounting.resend(self.now, id);
                    } else {
                        *out = self.accounting.recheck(self.now, id) == Verdict::Go;
                    }
                }
                Act::End(at, ending) => {
                    let id = *at.get(&ids);
                    self.accounting.end(self.now, id, ending, 0);
                    self.live.remove(&id);
                }
                Act::See(at) => self.accounting.walk_sees(*at.get(&ids)),
            }
        }
    }

    /// Queued, waiting here and out, counted one by one.
    fn counted(&self) -> Vec<[usize; 3]> {
        let scopes = (0..SCOPES).map(ScopeId);
        let counts = scopes.map(|scope| {
            let here = |that: bool| {
                let charged =
                    |(of, out): &&(ScopeId, bool)| *out == that && (scope == ScopeId::HOST || *of == scope);
                self.live.values().filter(charged).count()
            };
            let held_back = |(id, (_, out)): &(&AttemptId, &(ScopeId, bool))| {
                !out && self.accounting.held_back_by(**id) == Some(scope)
            };
            [here(false), self.live.iter().filter(held_back).count(), here(true)]
        });
        counts.collect()
    }

    fn written(&self) -> Vec<[usize; 3]> {
        let scopes = (0..SCOPES).map(ScopeId);
        let counts = scopes.map(|scope| {
            let ledger = self.accounting.ledger(scope, self.now);
            let out = ledger.half_open + ledger.aged;
            [ledger.queued as usize, self.accounting.waiting_at(scope), out as usize]
        });
        counts.collect()
    }

    /// Adds to the three counts of each scope, as far as they stay non-negative. Returns the scopes whose
    /// counters are wrong then.
    fn plant(&mut self, drift: &Drift) -> Vec<ScopeId> {
        let mut wrong = Vec::new();
        let written = self.written();
        for (at, (counts, by)) in written.iter().zip(drift).enumerate() {
            let by =
                [0, 1, 2].map(|of| i32::from(by[of]).max(-i32::try_from(counts[of]).unwrap_or(i32::MAX)));
            let [queued, waiting_here, out] = by;
            let scope: &mut crate::abi::scope = &mut self.accounting.scopes.accounts[at].scope;
            for (count, by) in
                [(&mut scope.queued, queued), (&mut scope.waiting_here, waiting_here), (&mut scope.out, out)]
            {
                *count = count.wrapping_add_signed(by);
            }
            if by != [0; 3] {
                wrong.push(ScopeId(at));
            }
        }
        wrong
    }

    fn see_all(&mut self, ids: &[AttemptId]) {
        for id in ids {
            self.accounting.walk_sees(*id);
        }
    }

    fn ids(&self) -> Vec<AttemptId> {
        self.live.keys().copied().collect()
    }
}

type Drift = [[i8; 3]; SCOPES];

fn some_drift() -> impl Strategy<Value = Drift> {
    prop::array::uniform3(prop::array::uniform3(prop_oneof![Just(0i8), -3..=3i8]))
}

proptest! {
    #[test]
    fn drift_is_found_and_repaired(
        limits in vec(some_limits(), SCOPES),
        before in vec(some_act(), 0..60),
        drift in some_drift(),
    ) {
        let mut host = Host::grown(&limits, &before);
        let wrong = host.plant(&drift);
        host.accounting.walk_begins();
        host.see_all(&host.ids());
        prop_assert_eq!(host.accounting.walk_ends(), wrong);
        prop_assert_eq!(host.written(), host.counted());
    }

    #[test]
    fn drift_is_repaired_while_life_goes_on(
        limits in vec(some_limits(), SCOPES),
        before in vec(some_act(), 0..60),
        drift in some_drift(),
        during in vec(some_act(), 0..60),
    ) {
        let mut host = Host::grown(&limits, &before);
        host.plant(&drift);
        let there = host.ids();
        host.accounting.walk_begins();
        host.live_on(&during);
        host.see_all(&there);
        host.accounting.walk_ends();
        prop_assert_eq!(host.written(), host.counted());
    }

    #[test]
    fn correct_books_are_left_alone_while_life_goes_on(
        limits in vec(some_limits(), SCOPES),
        before in vec(some_act(), 0..60),
        during in vec(some_act(), 0..60),
    ) {
        let mut host = Host::grown(&limits, &before);
        let there = host.ids();
        host.accounting.walk_begins();
        host.live_on(&during);
        host.see_all(&there);
        prop_assert_eq!(host.accounting.walk_ends(), vec![]);
    }
}
