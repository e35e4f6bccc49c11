//! The host's slots, turns and places are shared between accounts before anything else is asked.

use halfopen_policy::{
    Accounting, AttemptId, Ending, FirstContact, Limits, Mode, Origin, Party, Rate, Refusal, ScopeId, Verdict,
};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// One turn each 100 ms, by a rate or by a slot that is held for so long.
fn full(by_rate: bool) -> Limits {
    Limits {
        half_open: Some(1),
        slot_life: Duration::from_millis(100),
        drain: if by_rate { Rate::new(10, Duration::from_secs(1)) } else { None },
        queue: 1_000_000,
        ..Limits::xp_sp2()
    }
}

fn of(top: u64, part: u64) -> Origin {
    Origin { party: Party { top, part }, ..Origin::default() }
}

fn stranger(origin: Origin) -> Origin {
    Origin { first: true, ..origin }
}

/// A host whose waiters ask again and again, always in the same order.
struct Host {
    accounting: Accounting,
    now: u64,
    waiting: Vec<AttemptId>,
    /// Of those that went out.
    turns: u32,
}

impl Host {
    fn new(limits: Limits) -> Self {
        let mut accounting = Accounting::new(Mode::Enforce, limits);
        accounting.begin(SECOND, Origin::default());
        Self { accounting, now: SECOND, waiting: Vec::new(), turns: 0 }
    }

    fn queue(&mut self, origin: Origin) {
        let (id, verdict) = self.accounting.begin(self.now, origin);
        assert_eq!(verdict, Verdict::Hold);
        self.waiting.push(id);
    }

    /// Time passes, and all ask.
    fn pass(&mut self, step: u64) {
        self.now += step;
        let Self { accounting, now, waiting, turns } = self;
        waiting.retain(|&id| {
            let goes = accounting.recheck(*now, id) == Verdict::Go;
            *turns += u32::from(goes);
            !goes
        });
    }

    /// How many of the others' go out before this one, which asks last.
    fn turns_until_out(&mut self, origin: Origin) -> u32 {
        self.turns_until_out_of(origin, 50)
    }

    fn turns_until_out_of(&mut self, origin: Origin, most: u32) -> u32 {
        let (id, verdict) = self.accounting.begin(self.now, origin);
        let before = self.turns;
        if verdict == Verdict::Hold {
            loop {
                self.pass(20 * MS);
                if self.accounting.recheck(self.now, id) == Verdict::Go {
                    break;
                }
                assert!(self.turns - before < most, "it waits and waits");
            }
        }
        self.accounting.end(self.now, id, Ending::Established, 0);
        self.turns - before
    }
}

/// An attacker's accounts, below one top, keep thousands of waiters of better rank; somebody dials one stranger a second.
#[test]
fn one_stranger_a_second_waits_for_two_turns_whatever_others_have_waiting() {
    for accounts in [1, 100, 10_000] {
        for (by_rate, top) in [(true, 1), (false, 1), (true, 2), (false, 2)] {
            let mut host = Host::new(full(by_rate));
            for attempt in 0..10_000 {
                host.queue(of(1, 100 + attempt % accounts));
            }
            host.pass(SECOND);
            for second in 0..5 {
                let turns = host.turns_until_out(stranger(of(top, 7)));
                assert!(turns <= 2, "{accounts} accounts, top {top}, {second}: {turns} turns");
                for _ in 0..25 {
                    host.pass(40 * MS);
                }
            }
            assert!(host.turns >= 35, "the others had {} turns", host.turns);
        }
    }
}

/// ... and if it asks for more, it has its share and no more.
#[test]
fn a_newcomer_has_every_other_turn_at_most() {
    let mut host = Host::new(full(true));
    for attempt in 0..2_000 {
        host.queue(of(1, 100 + attempt % 100));
    }
    let (before, since) = (host.turns, host.now);
    let mut dialled = 0;
    while host.now < since + 10 * SECOND {
        // Another user each time, none of which has waited before.
        dialled += 1;
        host.turns_until_out(of(1, 100_000 + dialled));
        host.now += MS;
    }
    let others = host.turns - before;
    assert!(others >= 45, "{others} turns of about 100, {dialled} of newcomers");
}

#[test]
fn rank_orders_within_one_part_only() {
    let first = Some(FirstContact::adaptive());
    let mut host = Host::new(full(true));
    let own =
        host.accounting.open_scope(Limits { half_open: None, first_contact: first, ..Limits::xp_sp2() });
    let charged = |origin| Origin { own: Some(own), ..origin };
    let mut begin = |origin| {
        let (id, verdict) = host.accounting.begin(SECOND, charged(origin));
        assert_eq!(verdict, Verdict::Hold);
        id
    };
    let named = |origin| Origin { first: true, named: true, port: 443, ..origin };
    let [a, b] = [of(1, 7), of(2, 7)];
    let waiters = [stranger(a), named(a), a, stranger(b)].map(&mut begin);
    let mut order = Vec::new();
    let mut now = 2 * SECOND;
    while order.len() < 4 {
        now += 10 * MS;
        for (number, id) in waiters.iter().enumerate() {
            if !order.contains(&number) && host.accounting.recheck(now, *id) == Verdict::Go {
                host.accounting.end(now, *id, Ending::Established, 0);
                order.push(number);
            }
        }
        assert!(now < 10 * SECOND, "{order:?}");
    }
    let of_a: Vec<_> = order.iter().filter(|number| **number < 3).collect();
    assert_eq!(of_a, [&2, &1, &0], "known, named, strangers");
    assert!(order[..2].contains(&3), "the other's stranger goes with its own turn: {order:?}");
}

#[test]
fn a_newcomer_goes_out_past_others_with_a_turn_that_is_due() {
    let begin = |host: &mut Host, origin| host.accounting.begin(host.now, origin).1;
    let mut host = Host::new(full(true));
    host.queue(of(1, 1));
    host.queue(of(1, 1));
    assert_eq!(begin(&mut host, of(2, 1)), Verdict::Hold, "there is no slot");
    let mut host = Host::new(full(true));
    host.queue(of(1, 1));
    host.queue(of(1, 1));
    host.now += SECOND;
    assert_eq!(begin(&mut host, of(1, 1)), Verdict::Hold, "its own wait");
    assert_eq!(begin(&mut host, stranger(of(2, 1))), Verdict::Go);
    host.pass(0);
    assert_eq!(host.turns, 0, "it took the slot");
    let mut host = Host::new(Limits { half_open: Some(9), ..full(true) });
    for _ in 0..9 {
        host.queue_or_out(of(1, 1));
    }
    host.queue(of(1, 1));
    host.now += SECOND / 2;
    assert_eq!(begin(&mut host, of(2, 1)), Verdict::Go);
    assert_eq!(begin(&mut host, of(2, 1)), Verdict::Hold, "the round's next turn is another's");
    host.pass(0);
    assert!(host.turns >= 1);
}

impl Host {
    fn queue_or_out(&mut self, origin: Origin) {
        let (id, verdict) = self.accounting.begin(self.now, origin);
        if verdict == Verdict::Hold {
            self.waiting.push(id);
        }
    }
}

/// Where the host itself asks for credit, who waits for that keeps no turn from another's known ones.
#[test]
fn who_waits_for_the_host_s_credit_blocks_nobody_s_known_ones() {
    let first_contact = Some(FirstContact {
        credit: 1,
        rate: Rate::of_interval(Duration::from_mins(10)),
        ..FirstContact::adaptive()
    });
    let mut host = Host::new(Limits { first_contact, half_open: Some(2), ..full(false) });
    host.accounting.begin(host.now, stranger(of(1, 1)));
    for _ in 0..100 {
        host.queue(stranger(of(1, 1)));
    }
    let known = [0; 2].map(|_| {
        let (id, verdict) = host.accounting.begin(host.now, of(2, 1));
        assert_eq!(verdict, Verdict::Hold, "there is no slot");
        id
    });
    let (stranger, verdict) = host.accounting.begin(host.now, stranger(of(2, 1)));
    assert_eq!(verdict, Verdict::Hold, "there is no credit");
    host.now += 200 * MS;
    assert_eq!(host.accounting.recheck(host.now, stranger), Verdict::Hold);
    for id in known {
        assert_eq!(host.accounting.recheck(host.now, id), Verdict::Go);
    }
}

#[test]
fn a_repeated_syn_yields_to_its_own_part_s_waiters_only() {
    let mut host =
        Host::new(Limits { half_open: Some(2), slot_life: Duration::from_secs(21), ..full(false) });
    let (out, verdict) = host.accounting.begin(host.now, of(2, 1));
    assert_eq!(verdict, Verdict::Go);
    (0..100).for_each(|_| host.queue(of(1, 1)));
    assert_eq!(host.accounting.resend(host.now + 15 * SECOND, out), Verdict::Go);
    host.queue(of(2, 1));
    assert_eq!(host.accounting.resend(host.now + 18 * SECOND, out), Verdict::Hold);
}

#[test]
fn a_full_queue_has_room_for_a_few_of_each_part() {
    let mut host = Host::new(Limits { queue: 1_000, ..full(true) });
    let busy =
        host.accounting.open_scope(Limits { half_open: Some(0), queue: 1_000_000, ..Limits::xp_sp2() });
    let in_account = Origin { own: Some(busy), ..of(1, 1) };
    for attempt in 0..1_000 {
        assert_eq!(host.accounting.refuses(host.now, in_account), None, "{attempt}");
        host.queue(in_account);
    }
    assert_eq!(
        host.accounting.refuses(host.now, in_account),
        Some(Refusal::QueueFull),
        "they wait in their account"
    );
    for attempt in 0..8 {
        assert_eq!(host.accounting.refuses(host.now, of(1, 2)), None, "{attempt}");
        host.queue(of(1, 2));
    }
    assert_eq!(host.accounting.refuses(host.now, of(1, 2)), Some(Refusal::QueueFull));
    assert_eq!(host.accounting.refuses(host.now, of(2, 2)), None);
}

/// Begins and cancels; returns how many began to wait.
fn churn(host: &mut Host, origin: Origin, each: u64, times: u32) -> u32 {
    let mut begun = 0;
    for _ in 0..times {
        host.now += each;
        if host.accounting.refuses(host.now, origin).is_some() {
            continue;
        }
        let (id, verdict) = host.accounting.begin(host.now, origin);
        assert_eq!(verdict, Verdict::Hold);
        host.accounting.end(host.now, id, Ending::Cancelled, 0);
        begun += 1;
    }
    begun
}

fn held() -> Host {
    let mut host = Host::new(Limits { half_open: Some(0), ..full(true) });
    host.queue(of(9, 9));
    host
}

#[test]
fn a_loop_of_connect_and_close_begins_few() {
    let mut host = held();
    let begun = churn(&mut host, of(1, 1), 50_000, 80_000);
    assert!((1_040..=1_050).contains(&begun), "{begun} in 4 s");
    assert_eq!(host.accounting.refuses(host.now, of(1, 1)), Some(Refusal::Churn));
    assert_eq!(host.accounting.refuses(host.now, of(1, 2)), None, "it is that part's alone");
    assert!(host.accounting.ledger(ScopeId::HOST, host.now).refused_overflow >= 78_900);
}

#[test]
fn who_cancels_thousands_at_once_begins_one_at_a_time_for_two_minutes() {
    let mut host = held();
    let begin = |host: &mut Host| host.accounting.begin(host.now, of(1, 1)).0;
    let many: Vec<_> = (0..5_000).map(|_| begin(&mut host)).collect();
    for id in many {
        host.accounting.end(host.now, id, Ending::Cancelled, 0);
    }
    for seconds in [2, 60, 118] {
        host.now = 2 * SECOND + seconds * SECOND;
        assert_eq!(host.accounting.refuses(host.now, of(1, 1)), None, "after {seconds} s");
        let one = begin(&mut host);
        assert_eq!(host.accounting.refuses(host.now, of(1, 1)), Some(Refusal::Churn), "after {seconds} s");
        host.accounting.end(host.now, one, Ending::TimedOut, 0);
    }
    host.now += 10 * SECOND;
    begin(&mut host);
    assert_eq!(host.accounting.refuses(host.now, of(1, 1)), None);
}

proptest! {
    /// As happy eyeballs do: six a second for as long as it likes, up to twenty at a time; and whatever times out or is
    /// let out does not count.
    #[test]
    fn who_cancels_a_handful_a_second_is_never_refused(
        steps in proptest::collection::vec((0..4 * SECOND, 1..20u32, any::<bool>()), 1..60),
    ) {
        let mut host = held();
        for (pause, number, cancelled) in steps {
            host.now += pause;
            let waiting: Vec<_> = (0..number).map(|_| {
                assert_eq!(host.accounting.refuses(host.now, of(1, 1)), None);
                host.accounting.begin(host.now, of(1, 1)).0
            }).collect();
            for id in waiting {
                host.accounting.end(host.now, id, if cancelled { Ending::Cancelled } else { Ending::TimedOut }, 0);
            }
            if cancelled {
                host.now += u64::from(number) * SECOND / 6;
            }
        }
    }
}

/// All slots are taken at one moment, and come back at one moment each second.
#[test]
fn slots_that_come_back_all_at_once_keep_no_newcomer_waiting() {
    for (top, slots) in [(1, 256), (2, 256), (2, 64)] {
        let mut host = Host::new(Limits {
            half_open: Some(slots),
            slot_life: Duration::from_secs(1),
            drain: None,
            ..full(false)
        });
        (1..slots).for_each(|_| host.queue_or_out(of(1, 1)));
        (0..3_000).for_each(|_| host.queue(of(1, 1)));
        let mut waits = Vec::new();
        for _ in 0..20 {
            (0..25).for_each(|_| host.pass(10 * MS));
            let began = host.now;
            host.turns_until_out_of(stranger(of(top, 7)), u32::MAX);
            waits.push((host.now - began) / MS);
        }
        assert!(waits[1..].iter().all(|wait| *wait <= 20), "{waits:?} ms");
        assert!(host.turns >= 4 * (slots - slots / 16), "all but a few go round: {}", host.turns);
    }
}

/// Its own account held it back, so that it was not in the round; it takes a turn of the host all the same.
#[test]
fn who_waited_elsewhere_takes_its_party_s_turn() {
    let slots = |half_open| Limits { half_open: Some(half_open), drain: None, ..full(false) };
    let mut accounting = Accounting::new(Mode::Enforce, slots(0));
    let own = accounting.open_scope(slots(0));
    let begin = |accounting: &mut Accounting, origin| accounting.begin(SECOND, origin);
    // A round is over.
    let before = [(); 2].map(|()| begin(&mut accounting, of(9, 1)).0);
    let (elsewhere, _) = begin(&mut accounting, Origin { own: Some(own), ..of(1, 1) });
    accounting.set_limits(ScopeId::HOST, slots(10));
    for id in before {
        assert_eq!(accounting.recheck(SECOND, id), Verdict::Go);
    }
    accounting.set_limits(ScopeId::HOST, slots(2));
    let (other, _) = begin(&mut accounting, of(2, 1));
    accounting.set_limits(ScopeId::HOST, slots(10));
    accounting.set_limits(own, slots(10));
    assert_eq!(accounting.recheck(SECOND, elsewhere), Verdict::Go);
    assert_eq!(begin(&mut accounting, of(1, 2)).1, Verdict::Hold, "the other's turn is next");
    assert_eq!(accounting.recheck(SECOND, other), Verdict::Go);
}
