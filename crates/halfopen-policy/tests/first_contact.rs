//! What holds of credit and of the host's turns under any sequence of attempts.

use halfopen_policy::accounting::SYN_GAP_NS;
use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Limits, Mode, OnSuspect, Order, Origin, Party,
    Rate, ScopeId, Share, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn free() -> Limits {
    Limits { half_open: None, slot_life: Duration::from_secs(1), drain: None, ..Limits::xp_sp2() }
}

fn asking(rules: FirstContact) -> Limits {
    Limits { first_contact: Some(rules), ..free() }
}

#[derive(Debug, Clone)]
enum Act {
    Begin { first: bool },
    Timer(Index),
    AllTimers,
    End(Index, Ending),
}

#[derive(Debug, Clone, Copy)]
struct Live {
    first: bool,
    out: bool,
    /// Out, a first contact, and not heard to be silent.
    pending: bool,
    last_syn: u64,
}

fn some_life() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let step = prop_oneof![
        6 => Just(0),
        4 => 0..300_000_000u64,
        4 => 980_000_000..1_100_000_000u64,
        1 => 0..600 * SECOND,
    ];
    let ending = select(&[Ending::Established, Ending::Established, Ending::TimedOut, Ending::Other][..]);
    let act = prop_oneof![
        60 => prop::bool::weighted(0.8).prop_map(|first| Act::Begin { first }),
        60 => any::<Index>().prop_map(Act::Timer),
        20 => Just(Act::AllTimers),
        50 => (any::<Index>(), ending).prop_map(|(at, ending)| Act::End(at, ending)),
    ];
    vec((step, act), 1..300)
}

fn some_rules() -> impl Strategy<Value = FirstContact> {
    let on_suspect =
        select(vec![OnSuspect::Notify, OnSuspect::Throttle, OnSuspect::Block(Duration::from_mins(1))]);
    let shares = select(vec![(0, 100), (20, 100), (1, 500)]);
    (1..30u32, shares, 10..2_000u64, select(&[Order::Oldest, Order::Either][..]), on_suspect).prop_map(
        |(credit, shares, recover, order, on_suspect)| FirstContact {
            credit,
            answers_of_a_scan: Share::new(shares.0),
            answers_of_peers: Share::new(shares.1).expect("a share"),
            rate: Rate::of_interval(Duration::from_millis(recover)),
            order,
            on_suspect,
            ..FirstContact::adaptive()
        },
    )
}

/// One account, and what whoever watches its packets counts.
struct Watched {
    now: u64,
    accounting: Accounting,
    own: ScopeId,
    live: BTreeMap<AttemptId, Live>,
    /// First contacts that have gone out, and those of them that were answered.
    out: u64,
    answered: u64,
}

impl Watched {
    fn new(rules: FirstContact) -> Self {
        let mut accounting = Accounting::new(Mode::Enforce, free());
        let own = accounting.open_scope(asking(rules));
        Self { now: 10 * SECOND, accounting, own, live: BTreeMap::new(), out: 0, answered: 0 }
    }

    fn go(&mut self, id: AttemptId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.out = true;
        live.pending = live.first;
        live.last_syn = self.now;
        self.out += u64::from(live.first);
    }

    fn timer(&mut self, id: AttemptId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.out {
            let verdict = self.accounting.resend(self.now, id);
            live.pending &= self.now - live.last_syn < SYN_GAP_NS;
            if verdict == Verdict::Go {
                live.last_syn = self.now;
            }
        } else if self.accounting.recheck(self.now, id) == Verdict::Go {
            self.go(id);
        }
    }

    fn act(&mut self, step: u64, act: &Act) {
        self.now += step;
        assert!(self.accounting.settles_exactly(self.now));
        let chosen = |at: Index| {
            (!self.live.is_empty()).then(|| *at.get(&self.live.keys().copied().collect::<Vec<_>>()))
        };
        match *act {
            Act::Begin { first } => {
                let origin = Origin { own: Some(self.own), first, ..Origin::default() };
                let (id, verdict) = self.accounting.begin(self.now, origin);
                assert!(first || verdict == Verdict::Go, "what is known does not wait for credit");
                self.live.insert(id, Live { first, out: false, pending: false, last_syn: 0 });
                if verdict == Verdict::Go {
                    self.go(id);
                }
            }
            Act::Timer(at) => chosen(at).into_iter().for_each(|id| self.timer(id)),
            Act::AllTimers => {
                for id in self.live.keys().copied().collect::<Vec<_>>() {
                    self.timer(id);
                }
            }
            Act::End(at, ending) => {
                let Some(id) = chosen(at) else { return };
                let Some(live) = self.live.remove(&id) else { return };
                let ending = if live.out { ending } else { Ending::Other };
                self.answered += u64::from(live.first && live.out && ending == Ending::Established);
                self.accounting.end(self.now, id, ending, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_more_first_contacts_go_out_than_credit_was_there_earned_and_came_back(
        rules in some_rules(),
        life in some_life(),
    ) {
        let mut watched = Watched::new(rules);
        let began = watched.now;
        for (step, act) in &life {
            watched.act(*step, act);
            let recovered = (watched.now - began) / rules.rate.interval_ns();
            let earned = (watched.answered * u64::from(rules.worth_in_parts())).div_ceil(16);
            let most = u64::from(rules.credit) + earned + recovered;
            prop_assert!(watched.out <= most, "{} of {most}", watched.out);
            prop_assert_eq!(watched.accounting.repute(watched.own, CreditBucket::Strangers).first_contacts, watched.out);
        }
    }

    #[test]
    fn credit_stays_below_what_nine_answers_earn_or_what_was_answered(
        rules in some_rules(),
        life in some_life(),
    ) {
        let mut watched = Watched::new(rules);
        for (step, act) in &life {
            watched.act(*step, act);
            let credit = u64::from(watched.accounting.repute(watched.own, CreditBucket::Strangers).credit);
            let banked = u64::from(rules.worth_in_parts()) * 9 / 16;
            let most = (u64::from(rules.credit) + banked + 1).max(watched.answered);
            prop_assert!(credit <= most, "{credit} of {most}");
        }
    }

    #[test]
    fn pending_is_what_is_out_and_has_been_neither_answered_nor_silent(
        rules in some_rules(),
        life in some_life(),
    ) {
        let mut watched = Watched::new(rules);
        for (step, act) in &life {
            watched.act(*step, act);
            let pending = watched.live.values().filter(|live| live.pending).count();
            prop_assert_eq!(watched.accounting.repute(watched.own, CreditBucket::Strangers).pending as usize, pending);
        }
    }

    /// Nothing more is begun; whatever has happened, credit comes back and whoever waits goes out.
    #[test]
    fn nobody_waits_for_ever(rules in some_rules(), life in some_life()) {
        let mut watched = Watched::new(rules);
        for (step, act) in &life {
            watched.act(*step, act);
        }
        let waiting = watched.live.values().filter(|live| !live.out).count() as u64;
        // Where the mark of the oldest is stale, nobody is near enough at the first round that finds a credit; anybody is at
        // the next.
        for _ in 0..2 * waiting + 2 {
            watched.act(513 * SECOND, &Act::AllTimers);
        }
        let starved = watched.live.values().filter(|live| !live.out).count();
        prop_assert_eq!(starved, 0, "of {}", waiting);
    }
}

/// A host with so few slots that all wait for its turns.
struct Full {
    now: u64,
    accounting: Accounting,
    waiting: BTreeMap<AttemptId, Party>,
}

impl Full {
    fn new() -> Self {
        let limits = Limits {
            half_open: Some(1),
            slot_life: Duration::from_millis(100),
            drain: Rate::new(10, Duration::from_secs(1)),
            queue: 100_000,
            ..Limits::xp_sp2()
        };
        let mut full = Self {
            now: SECOND,
            accounting: Accounting::new(Mode::Enforce, limits),
            waiting: BTreeMap::new(),
        };
        full.accounting.begin(full.now, Origin::default());
        full
    }

    /// Whether it has to wait: if not, it is answered at once.
    fn queue(&mut self, party: Party) -> bool {
        let (id, verdict) = self.accounting.begin(self.now, Origin { party, ..Origin::default() });
        if verdict == Verdict::Go {
            self.accounting.end(self.now, id, Ending::Established, 0);
            return false;
        }
        self.waiting.insert(id, party);
        true
    }

    /// All ask, those of the greedy first, until one goes out.
    fn turn(&mut self) -> Party {
        for _ in 0..1_000 {
            self.now += 1_000_000;
            let released =
                self.waiting.keys().copied().find(|id| self.accounting.recheck(self.now, *id) == Verdict::Go);
            if let Some(id) = released {
                self.accounting.end(self.now, id, Ending::Established, 0);
                let party = self.waiting[&id];
                self.waiting.remove(&id);
                return party;
            }
        }
        panic!("nobody goes out in a second");
    }
}

#[test]
fn ten_thousand_waiting_delay_anothers_first_by_one_turn() {
    let (greedy, other) = (Party { top: 1, part: 0 }, Party { top: 2, part: 0 });
    for taken_before in [0, 3] {
        let mut full = Full::new();
        for _ in 0..10_000 {
            full.queue(greedy);
        }
        for _ in 0..taken_before {
            assert_eq!(full.turn(), greedy);
        }
        if full.queue(other) {
            let turns = [full.turn(), full.turn()];
            assert!(turns.contains(&other), "after {taken_before}: {turns:?}");
        }
    }
}

#[test]
fn fifty_parts_of_one_cgroup_delay_anothers_first_by_one_turn() {
    let other = Party { top: 2, part: 7 };
    for taken_before in [0, 1, 49, 50, 51] {
        let mut full = Full::new();
        for part in 0..500 {
            full.queue(Party { top: 1, part: part % 50 });
        }
        for _ in 0..taken_before {
            full.turn();
        }
        for _ in 0..3 {
            if full.queue(other) {
                let turns = [full.turn(), full.turn()];
                assert!(turns.contains(&other), "after {taken_before}: {turns:?}");
            }
        }
    }
}

#[test]
fn parts_of_one_cgroup_take_turns() {
    let mut full = Full::new();
    for part in 0..50 {
        for _ in 0..10 {
            full.queue(Party { top: 1, part });
        }
    }
    for round in 0..3 {
        let parts: std::collections::BTreeSet<_> = (0..50).map(|_| full.turn().part).collect();
        assert_eq!(parts.len(), 50, "round {round}");
    }
}
