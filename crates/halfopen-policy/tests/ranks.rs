//! Who yields to whom: each kind of contact beside each other, in an account of its own and in its part at the host.

use halfopen_policy::{
    Accounting, AttemptId, Ending, FirstContact, Limits, Mode, Origin, Party, Rate, ScopeId, Verdict,
};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Known,
    Named,
    Stranger,
    Foreign,
}

use Kind::{Foreign, Known, Named, Stranger};

const ALL: [Kind; 4] = [Known, Named, Stranger, Foreign];

impl Kind {
    fn origin(self) -> Origin {
        Origin {
            first: self != Known,
            named: self == Named,
            foreign: self == Foreign,
            port: 443,
            party: Party { top: 1, part: 1 },
            ..Origin::default()
        }
    }

    /// A newcomer of this kind waits behind waiters of these kinds of its own account.
    fn newcomer_yields_to(self) -> &'static [Kind] {
        match self {
            Known => &[Known],
            Named => &[Known, Named],
            Stranger => &[Known, Named, Stranger],
            Foreign => &[Known, Named, Foreign],
        }
    }

    /// ... and one of its own part at the host, where no credit is asked for.
    fn newcomer_yields_at_host_to(self) -> &'static [Kind] {
        match self {
            Known => &[Known],
            Named | Foreign => &[Known, Named],
            Stranger => &ALL,
        }
    }

    /// A waiter of this kind lets waiters of these go first.
    fn waiter_yields_to(self) -> &'static [Kind] {
        match self {
            Known => &[],
            Named => &[Known],
            Stranger | Foreign => &[Known, Named],
        }
    }
}

/// So much credit that nobody waits for it.
fn plenty() -> FirstContact {
    FirstContact { credit: FirstContact::MOST, ..FirstContact::adaptive() }
}

fn slots(half_open: Option<u32>) -> Limits {
    Limits { half_open, drain: None, ..Limits::xp_sp2() }
}

/// Two scopes: one with a single slot, which is free again while somebody waits there, and one that only asks for credit.
struct Beside {
    accounting: Accounting,
    own: Option<ScopeId>,
}

impl Beside {
    fn new(at_host: bool) -> (Self, AttemptId) {
        let (full, asks) = (slots(Some(1)), Limits { first_contact: Some(plenty()), ..slots(None) });
        let mut accounting = Accounting::new(Mode::Enforce, if at_host { full } else { asks });
        let own = Some(accounting.open_scope(if at_host { asks } else { full }));
        let mut beside = Self { accounting, own };
        let (first, verdict) = beside.begin(Known);
        assert_eq!(verdict, Verdict::Go);
        (beside, first)
    }

    fn begin(&mut self, kind: Kind) -> (AttemptId, Verdict) {
        self.accounting.begin(SECOND, Origin { own: self.own, ..kind.origin() })
    }
}

#[test]
fn a_newcomer_yields_to_waiters_of_its_own_and_of_better_rank() {
    for (at_host, waits, comes) in [true, false]
        .into_iter()
        .flat_map(|at| ALL.into_iter().flat_map(move |one| ALL.map(|other| (at, one, other))))
    {
        let (mut beside, first) = Beside::new(at_host);
        assert_eq!(beside.begin(waits).1, Verdict::Hold);
        beside.accounting.end(SECOND, first, Ending::Established, 0);
        let yields = if at_host { comes.newcomer_yields_at_host_to() } else { comes.newcomer_yields_to() };
        let verdict = if yields.contains(&waits) { Verdict::Hold } else { Verdict::Go };
        assert_eq!(beside.begin(comes).1, verdict, "{comes:?} while {waits:?} waits, at the host: {at_host}");
    }
}

#[test]
fn a_waiter_yields_to_waiters_of_better_rank() {
    for (at_host, waits, asks) in [true, false]
        .into_iter()
        .flat_map(|at| ALL.into_iter().flat_map(move |one| ALL.map(|other| (at, one, other))))
    {
        let (mut beside, first) = Beside::new(at_host);
        let [(other, _), (asking, _)] = [waits, asks].map(|kind| beside.begin(kind));
        beside.accounting.end(SECOND, first, Ending::Established, 0);
        let verdict = if asks.waiter_yields_to().contains(&waits) { Verdict::Hold } else { Verdict::Go };
        let said = beside.accounting.recheck(SECOND, asking);
        assert_eq!(said, verdict, "{asks:?} while {waits:?} waits, at the host: {at_host}");
        if said == Verdict::Hold {
            assert_eq!(beside.accounting.recheck(SECOND, other), Verdict::Go);
            beside.accounting.end(SECOND, other, Ending::Established, 0);
            assert_eq!(beside.accounting.recheck(SECOND, asking), Verdict::Go);
        }
    }
}

/// Where a first contact costs credit, named ones that wait for theirs are in no stranger's way.
#[test]
fn named_ones_without_credit_are_in_nobody_s_way() {
    let rules = FirstContact {
        credit: 1,
        rate: Rate::of_interval(Duration::from_mins(10)),
        ..FirstContact::adaptive()
    };
    for at_host in [true, false] {
        let asks = Limits { first_contact: Some(rules), ..slots(None) };
        let mut accounting = Accounting::new(Mode::Enforce, if at_host { asks } else { slots(None) });
        let own = accounting.open_scope(if at_host { slots(None) } else { asks });
        let begin = |accounting: &mut Accounting, now, kind: Kind| {
            accounting.begin(now, Origin { own: Some(own), ..kind.origin() })
        };
        // Two, and 18.9 for an answer: they have less than one left, and more than none.
        let (first, _) = begin(&mut accounting, SECOND, Named);
        accounting.end(SECOND, first, Ending::Established, 0);
        for _ in 0..19 {
            assert_eq!(begin(&mut accounting, SECOND, Named).1, Verdict::Go);
        }
        assert_eq!(begin(&mut accounting, SECOND, Named).1, Verdict::Hold);
        assert_eq!(begin(&mut accounting, SECOND, Stranger).1, Verdict::Go, "at the host: {at_host}");
        assert_eq!(begin(&mut accounting, SECOND, Foreign).1, Verdict::Go, "at the host: {at_host}");
        let [stranger, foreign] = [Stranger, Foreign].map(|kind| begin(&mut accounting, SECOND, kind).0);
        assert_eq!(accounting.recheck(SECOND, stranger), Verdict::Hold, "it has none itself");
        // Now all have some: the named one first.
        let later = SECOND + 601 * SECOND;
        for id in [stranger, foreign] {
            assert_eq!(accounting.clone().recheck(later, id), Verdict::Go, "at the host: {at_host}");
        }
        let known = begin(&mut accounting, later, Known);
        assert_eq!(known.1, Verdict::Go);
    }
}

/// ... and ones with credit that wait for a slot are.
#[test]
fn named_ones_with_credit_go_first() {
    for at_host in [true, false] {
        let asks = Limits { first_contact: Some(plenty()), ..slots(Some(1)) };
        let mut accounting = Accounting::new(Mode::Enforce, if at_host { asks } else { slots(None) });
        let own = accounting.open_scope(if at_host { slots(None) } else { asks });
        let begin = |accounting: &mut Accounting, kind: Kind| {
            accounting.begin(SECOND, Origin { own: Some(own), ..kind.origin() })
        };
        let (first, _) = begin(&mut accounting, Known);
        let [stranger, foreign, named] =
            [Stranger, Foreign, Named].map(|kind| begin(&mut accounting, kind).0);
        accounting.end(SECOND, first, Ending::Established, 0);
        for kind in [Stranger, Foreign] {
            assert_eq!(begin(&mut accounting.clone(), kind).1, Verdict::Hold, "at the host: {at_host}");
        }
        for id in [stranger, foreign] {
            assert_eq!(accounting.recheck(SECOND, id), Verdict::Hold, "at the host: {at_host}");
        }
        assert_eq!(accounting.recheck(SECOND, named), Verdict::Go);
    }
}

/// Its own account lets it out, the host does not; and the other way round.
#[test]
fn what_holds_an_attempt_back_is_said_and_changes() {
    let mut accounting = Accounting::new(Mode::Enforce, slots(Some(2)));
    let own = accounting.open_scope(slots(Some(1)));
    let interface = accounting.open_scope(slots(Some(1)));
    let of = |own, interface| Origin { own, interface, ..Origin::default() };
    let begin = |accounting: &mut Accounting, origin| accounting.begin(SECOND, origin);
    let (in_own, _) = begin(&mut accounting, of(Some(own), None));
    let (by_interface, _) = begin(&mut accounting, of(None, Some(interface)));
    let (waiting, verdict) = begin(&mut accounting, of(Some(own), Some(interface)));
    assert_eq!((verdict, accounting.held_back_by(waiting)), (Verdict::Hold, Some(own)));
    let here =
        |accounting: &Accounting| [ScopeId::HOST, own, interface].map(|scope| accounting.waiting_at(scope));
    assert_eq!(here(&accounting), [0, 1, 0]);
    accounting.end(SECOND, in_own, Ending::Established, 0);
    assert_eq!(accounting.recheck(SECOND, waiting), Verdict::Hold);
    assert_eq!((accounting.held_back_by(waiting), here(&accounting)), (Some(interface), [0, 0, 1]));
    let others = [(); 2]
        .map(|()| begin(&mut accounting, Origin { party: Party { top: 2, part: 1 }, ..Origin::default() }));
    assert_eq!(others.map(|(_, verdict)| verdict), [Verdict::Go, Verdict::Hold]);
    accounting.end(SECOND, by_interface, Ending::Established, 0);
    accounting.end(SECOND, others[1].0, Ending::Other, 0);
    let (third, _) = begin(&mut accounting, Origin { party: Party { top: 2, part: 1 }, ..Origin::default() });
    assert_eq!(accounting.recheck(SECOND, waiting), Verdict::Hold);
    assert_eq!((accounting.held_back_by(waiting), here(&accounting)), (Some(ScopeId::HOST), [1, 0, 0]));
    accounting.end(SECOND, third, Ending::Other, 0);
    assert_eq!(accounting.recheck(SECOND, waiting), Verdict::Go);
    assert_eq!(here(&accounting), [0; 3]);
    accounting.end(SECOND, waiting, Ending::Other, 0);
    accounting.end(SECOND, others[0].0, Ending::Other, 0);
    assert!(accounting.parties_are_empty());
}
