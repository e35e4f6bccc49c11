//! Limits on connections, by the deciding headers.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::destinations::DestinationSet;
use halfopen_policy::{
    Accounting, AttemptId, ConnectRate, Connections, Ending, FirstContact, Limits, Mode, Origin, Overflow,
    Party, PerDestination, Rate, ScopeId, Standing, Verdict,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const START: u64 = 1_000 * S;

fn open() -> Limits {
    Limits { half_open: None, drain: None, strict: false, overflow: Overflow::Wait, ..Limits::xp_sp2() }
}

fn limited(connections: Connections) -> Limits {
    Limits { connections, ..open() }
}

#[allow(clippy::unnecessary_wraps, reason = "it is what a limit is written as")]
fn rate(count: u32, seconds: u64, burst: u32) -> Option<ConnectRate> {
    Some(ConnectRate { rate: Rate::new(count, Duration::from_secs(seconds)).unwrap(), burst: Some(burst) })
}

/// An accounting in which everything is charged to one account, and its account.
fn account(limits: Limits) -> (Accounting, ScopeId) {
    let mut accounting = Accounting::new(Mode::Enforce, open());
    let own = accounting.open_scope(limits);
    (accounting, own)
}

fn to(own: ScopeId, address: u64) -> Origin {
    Origin { own: Some(own), address, port: 443, ..Origin::default() }
}

fn connect(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, Verdict::Go);
    accounting.end(now, id, Ending::Established, 0);
    id
}

#[test]
fn the_burst_goes_at_once_and_the_rest_in_the_order_of_their_asking() {
    let (mut accounting, own) =
        account(limited(Connections { rate: rate(10, 1, 3), ..Connections::default() }));
    let verdicts: Vec<Verdict> = (0..6).map(|n| accounting.begin(START, to(own, n)).1).collect();
    assert_eq!(
        verdicts,
        [Verdict::Go, Verdict::Go, Verdict::Go, Verdict::Hold, Verdict::Hold, Verdict::Hold]
    );
    let waiting = accounting.ledger(own, START).queued;
    assert_eq!(waiting, 3);
}

#[test]
fn a_newcomer_does_not_pass_waiters_whatever_its_rank() {
    let limits = Limits {
        first_contact: Some(FirstContact::adaptive()),
        ..limited(Connections { rate: rate(10, 1, 1), ..Connections::default() })
    };
    let (mut accounting, own) = account(limits);
    connect(&mut accounting, START, to(own, 1));
    let (stranger, held) = accounting.begin(START, Origin { first: true, ..to(own, 2) });
    assert_eq!(held, Verdict::Hold);
    // A turn is due, but the stranger has not asked yet.
    let later = START + 150 * MS;
    let (known, verdict) = accounting.begin(later, to(own, 3));
    assert_eq!(verdict, Verdict::Hold);
    assert_eq!(accounting.recheck(later, stranger), Verdict::Go);
    assert_eq!(accounting.recheck(later, known), Verdict::Hold);
    assert_eq!(accounting.recheck(later + 100 * MS, known), Verdict::Go);
}

#[test]
fn a_connection_counts_from_its_syn_until_it_is_closed() {
    let (mut accounting, own) =
        account(limited(Connections { established: Some(2), ..Connections::default() }));
    let (half_open, _) = accounting.begin(START, to(own, 1));
    let connected = connect(&mut accounting, START, to(own, 2));
    let (waiting, verdict) = accounting.begin(START, to(own, 3));
    assert_eq!((verdict, accounting.ledger(own, START).connections.open), (Verdict::Hold, 2));
    assert_eq!(accounting.recheck(START, waiting), Verdict::Hold);
    accounting.close(START + S, connected);
    assert_eq!(accounting.recheck(START + S, waiting), Verdict::Go);
    // One that is never answered ends with its attempt.
    let (next, _) = accounting.begin(START + S, to(own, 4));
    accounting.end(START + 2 * S, half_open, Ending::TimedOut, 0);
    assert_eq!(accounting.recheck(START + 2 * S, next), Verdict::Go);
    let counts = accounting.ledger(own, START + 2 * S).connections;
    assert_eq!((counts.open, counts.closed, counts.waited_to_open), (2, 2, 2));
}

#[test]
fn an_ended_connection_counts_for_time_wait() {
    let connections = Connections {
        established: Some(1),
        time_wait: Some(Duration::from_mins(2)),
        ..Connections::default()
    };
    let (mut accounting, own) = account(limited(connections));
    let connected = connect(&mut accounting, START, to(own, 1));
    accounting.close(START, connected);
    let counts = accounting.ledger(own, START).connections;
    assert_eq!((counts.open, counts.ended), (0, 1));
    let (waiting, verdict) = accounting.begin(START, to(own, 2));
    assert_eq!(verdict, Verdict::Hold);
    assert_eq!(accounting.recheck(START + 120 * S - 1, waiting), Verdict::Hold);
    // A tick is 8.6 s, and it ends after the time, never before.
    assert_eq!(accounting.recheck(START + 138 * S, waiting), Verdict::Go);
}

#[test]
fn one_full_destination_holds_no_other_back() {
    let per_destination = PerDestination { established: Some(1), ..PerDestination::default() };
    let (mut accounting, own) = account(limited(Connections { per_destination, ..Connections::default() }));
    let first = connect(&mut accounting, START, to(own, 1));
    let (waiting, verdict) = accounting.begin(START, to(own, 1));
    assert_eq!(verdict, Verdict::Hold);
    connect(&mut accounting, START, to(own, 2));
    assert_eq!(accounting.recheck(START, waiting), Verdict::Hold);
    accounting.close(START, first);
    assert_eq!(accounting.recheck(START, waiting), Verdict::Go);
    let counts = accounting.ledger(own, START).connections;
    assert_eq!((counts.waited_to_open, counts.waited_to_reach), (0, 1));
}

#[test]
fn a_destination_has_its_own_rate_and_half_open_attempts() {
    let per_destination = PerDestination { half_open: Some(2), rate: rate(1, 1, 3), established: None };
    let (mut accounting, own) = account(limited(Connections { per_destination, ..Connections::default() }));
    let out: Vec<_> = (0..3).map(|_| accounting.begin(START, to(own, 1))).collect();
    assert_eq!(
        out.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(),
        [Verdict::Go, Verdict::Go, Verdict::Hold]
    );
    accounting.end(START, out[0].0, Ending::Established, 0);
    assert_eq!(accounting.recheck(START, out[2].0), Verdict::Go, "its burst is three");
    accounting.end(START, out[1].0, Ending::Established, 0);
    let (fourth, verdict) = accounting.begin(START, to(own, 1));
    assert_eq!(verdict, Verdict::Hold, "the burst is over");
    assert_eq!(accounting.recheck(START + S, fourth), Verdict::Go);
}

#[test]
fn audit_counts_and_never_hold_goes_out() {
    let (mut accounting, own) =
        account(limited(Connections { rate: rate(1, 1, 1), ..Connections::default() }));
    connect(&mut accounting, START, to(own, 1));
    let favoured = Origin { standing: Standing::NeverHold, ..to(own, 2) };
    assert_eq!(accounting.begin(START, favoured).1, Verdict::Go);
    accounting.set_mode(Mode::Audit);
    assert_eq!(accounting.begin(START, to(own, 3)).1, Verdict::GoAudited);
    assert_eq!(accounting.ledger(own, START).would_have_waited, 1);
    // What went out although it was not due leaves a debt of one turn at most.
    accounting.set_mode(Mode::Enforce);
    assert_eq!(accounting.begin(START + S, to(own, 4)).1, Verdict::Go);
}

#[test]
fn a_raised_rate_takes_effect_at_once() {
    let (mut accounting, own) =
        account(limited(Connections { rate: rate(1, 3_600, 1), ..Connections::default() }));
    connect(&mut accounting, START, to(own, 1));
    let (waiting, _) = accounting.begin(START, to(own, 2));
    accounting.set_limits(own, limited(Connections { rate: rate(10, 1, 1), ..Connections::default() }));
    assert_eq!(accounting.recheck(START + 50 * MS, waiting), Verdict::Hold);
    assert_eq!(accounting.recheck(START + 150 * MS, waiting), Verdict::Go);
}

#[test]
fn an_account_uses_half_of_a_set_of_destinations() {
    let mut set = DestinationSet::default();
    let (places, of_one) = DestinationSet::PLACES;
    let own: Vec<_> = (1..=8).map(|id| set.bind(id, 7, START)).collect();
    assert_eq!(own.iter().flatten().count(), of_one as usize);
    assert_eq!(set.bind(1, 7, START), own[0], "a destination keeps its place");
    let others: Vec<_> = (11..=18).map(|id| set.bind(id, id, START)).collect();
    assert_eq!(others.iter().flatten().count(), (places - of_one) as usize);
    set.unbind(others[0].unwrap());
    assert!(set.bind(21, 9, START).is_some());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin { address: u64 },
    Recheck { which: usize },
    Answer { which: usize },
    Fail { which: usize },
    Close { which: usize },
    Wait { ms: u64 },
    Walk,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = || 0..64_usize;
    let step = prop_oneof![
        4 => (0..4_u64).prop_map(|address| Step::Begin { address }),
        4 => which().prop_map(|which| Step::Recheck { which }),
        3 => which().prop_map(|which| Step::Answer { which }),
        1 => which().prop_map(|which| Step::Fail { which }),
        3 => which().prop_map(|which| Step::Close { which }),
        3 => (0..400_u64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Walk),
    ];
    prop::collection::vec(step, 1..200)
}

/// What the test itself counts.
#[derive(Debug, Default)]
struct Model {
    queued: Vec<(AttemptId, u64)>,
    out: Vec<(AttemptId, u64)>,
    open: Vec<(AttemptId, u64)>,
    went_out: Vec<u64>,
}

impl Model {
    fn towards(&self, address: u64) -> usize {
        self.out.iter().chain(&self.open).filter(|(_, to)| *to == address).count()
    }

    fn goes_out(&mut self, now: u64, id: AttemptId, address: u64) {
        self.out.push((id, address));
        self.went_out.push(now);
    }
}

fn take<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(which % from.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Never more open than allowed, in all and to each destination; never more in a time than rate and burst; and a
    /// recount finds what was counted.
    #[test]
    fn the_limits_hold_whatever_happens(steps in steps()) {
        let limits = Connections {
            rate: rate(10, 1, 4),
            established: Some(6),
            time_wait: None,
            per_destination: PerDestination { established: Some(3), ..PerDestination::default() },
        };
        let (mut accounting, own) = account(limited(limits));
        let (mut now, mut model) = (START, Model::default());
        for step in steps {
            match step {
                Step::Begin { address } => {
                    let (id, verdict) = accounting.begin(now, to(own, address));
                    match verdict {
                        Verdict::Go => model.goes_out(now, id, address),
                        _ => model.queued.push((id, address)),
                    }
                }
                Step::Recheck { which } => {
                    if let Some((id, address)) = take(&mut model.queued, which) {
                        match accounting.recheck(now, id) {
                            Verdict::Go => model.goes_out(now, id, address),
                            _ => model.queued.push((id, address)),
                        }
                    }
                }
                Step::Answer { which } => {
                    if let Some((id, address)) = take(&mut model.out, which) {
                        accounting.end(now, id, Ending::Established, 0);
                        model.open.push((id, address));
                    }
                }
                Step::Fail { which } => {
                    if let Some((id, _)) = take(&mut model.out, which) {
                        accounting.end(now, id, Ending::Other, 0);
                    }
                }
                Step::Close { which } => {
                    if let Some((id, _)) = take(&mut model.open, which) {
                        accounting.close(now, id);
                    }
                }
                Step::Wait { ms } => now += ms * MS,
                Step::Walk => {
                    accounting.walk_begins();
                    for (id, _) in model.queued.iter().chain(&model.out) {
                        accounting.walk_sees(*id);
                    }
                    for (id, _) in &model.open {
                        accounting.walk_sees_connection(*id);
                    }
                    prop_assert_eq!(accounting.walk_ends(), vec![]);
                }
            }
            let counts = accounting.ledger(own, now).connections;
            prop_assert_eq!(counts.open as usize, model.out.len() + model.open.len());
            prop_assert!(counts.open <= 6);
            for address in 0..4 {
                prop_assert!(model.towards(address) <= 3);
            }
            let last_second = model.went_out.iter().filter(|at| **at + S > now).count();
            prop_assert!(last_second <= 14, "{} in a second", last_second);
        }
        for (id, _) in model.queued.drain(..).chain(model.out.drain(..)) {
            accounting.end(now, id, Ending::Cancelled, 0);
        }
        for (id, _) in model.open.drain(..) {
            accounting.close(now, id);
        }
        prop_assert_eq!(accounting.ledger(own, now).connections.open, 0);
    }

    /// A recount replaces counts that have drifted.
    #[test]
    fn a_recount_corrects(missed in 1..5_usize, kept in 0..5_usize) {
        let limits = Connections { established: Some(100), ..Connections::default() };
        let (mut accounting, own) = account(limited(limits));
        let ids: BTreeMap<usize, AttemptId> =
            (0..missed + kept).map(|n| (n, connect(&mut accounting, START, to(own, n as u64)))).collect();
        accounting.walk_begins();
        for id in ids.range(missed..).map(|(_, id)| id) {
            accounting.walk_sees_connection(*id);
        }
        prop_assert_eq!(accounting.walk_ends(), vec![own]);
        prop_assert_eq!(accounting.ledger(own, START).connections.open as usize, kept);
    }
}

/// A hundred accounts that all have more to connect than the host's rate allows get as many turns each.
#[test]
fn the_host_s_rate_is_shared_between_accounts() {
    const ACCOUNTS: u64 = 100;
    const RECHECK: u64 = 512 * MS;
    let host = limited(Connections { rate: rate(200, 1, 1), ..Connections::default() });
    let mut accounting = Accounting::new(Mode::Enforce, host);
    let mut timers: BTreeMap<(u64, AttemptId), u64> = BTreeMap::new();
    let mut turns = vec![0_u64; ACCOUNTS as usize];
    // The first has ten times as many that wait as each of the others.
    for account in 0..ACCOUNTS {
        for n in 0..if account == 0 { 500 } else { 50 } {
            let origin = Origin { party: Party { top: account + 2, part: 7 }, ..Origin::default() };
            let (id, verdict) = accounting.begin(START, origin);
            if verdict == Verdict::Hold {
                timers.insert((START + (account * 53 + n * 101) % 512 * MS, id), account);
            }
        }
    }
    while let Some(((now, id), account)) = timers.pop_first()
        && now < START + 10 * S
    {
        if accounting.recheck(now, id) == Verdict::Go {
            turns[account as usize] += 1;
        } else {
            timers.insert((now + RECHECK, id), account);
        }
    }
    let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
    let all: u64 = turns.iter().sum();
    // With a burst of one, a turn that nobody takes before the next one is lost.
    assert!(all > 1_850, "{all}: {turns:?}");
    assert!(*least >= 17 && *most <= 23, "{least} to {most}: {turns:?}");
}

#[test]
fn who_came_first_goes_first_unless_it_is_late() {
    let (mut accounting, own) =
        account(limited(Connections { rate: rate(10, 1, 1), ..Connections::default() }));
    connect(&mut accounting, START, to(own, 0));
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|n| accounting.begin(START, to(own, n)).0);
    let due = START + 100 * MS;
    assert_eq!(accounting.recheck(due, second), Verdict::Hold);
    assert_eq!(accounting.recheck(due, first), Verdict::Go);
    // The second does not ask in time: its turn passes on.
    let due = due + 100 * MS;
    assert_eq!(accounting.recheck(due + MS, third), Verdict::Hold);
    assert_eq!(accounting.recheck(due + 5 * MS, third), Verdict::Go);
    // One that is gone leaves no gap behind.
    accounting.end(due + 10 * MS, second, Ending::Cancelled, 0);
    assert_eq!(accounting.recheck(due + 200 * MS, fourth), Verdict::Go);
}
