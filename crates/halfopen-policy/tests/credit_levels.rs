//! How much credit there is, to the credit: what comes back and when, what answers add, and who takes it.

use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Limits, Mode, Order, Origin, PortCell, Rate,
    ScopeId, Verdict,
};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const START: u64 = 7 * SECOND;

fn asking(rules: FirstContact) -> Accounting {
    let limits = Limits { first_contact: Some(rules), half_open: None, drain: None, ..Limits::xp_sp2() };
    Accounting::new(Mode::Enforce, limits)
}

fn every(rate: Duration) -> FirstContact {
    FirstContact { rate: Rate::of_interval(rate), ..FirstContact::adaptive() }
}

fn stranger(port: u16) -> Origin {
    Origin { first: true, port, ..Origin::default() }
}

fn begin(accounting: &mut Accounting, now: u64, origin: Origin, expected: Verdict) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, expected, "{origin:?}");
    id
}

fn go(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    begin(accounting, now, origin, Verdict::Go)
}

fn hold(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    begin(accounting, now, origin, Verdict::Hold)
}

fn all_end(accounting: &mut Accounting, now: u64, number: u32, ending: Ending) {
    let out: Vec<_> = (0..number).map(|_| go(accounting, now, stranger(0))).collect();
    for id in out {
        accounting.end(now, id, ending, 0);
    }
}

fn credit(accounting: &Accounting, now: u64, bucket: CreditBucket) -> u32 {
    accounting.offer(ScopeId::HOST, bucket, now).expect("first contacts cost credit").credit
}

fn recovers_at(accounting: &Accounting, now: u64) -> Option<u64> {
    accounting.offer(ScopeId::HOST, stranger(0).bucket(), now).and_then(|offer| offer.recovers_at)
}

#[test]
fn credit_comes_back_one_by_one_and_to_its_rest_only() {
    let second = Duration::from_secs(1);
    for most in [3, 32, FirstContact::MOST] {
        let mut accounting = asking(FirstContact { credit: most, ..every(second) });
        go(&mut accounting, START, stranger(0));
        go(&mut accounting, START + SECOND / 2, stranger(0));
        go(&mut accounting, START + SECOND / 2, stranger(0));
        for (millis, missing, next) in [
            (500, 3, 1),
            (999, 3, 1),
            (1_000, 2, 2),
            (1_999, 2, 2),
            (2_000, 1, 3),
            (3_000, 0, 0),
            (3_600_000, 0, 0),
        ] {
            let now = START + millis * MS;
            for bucket in [stranger(0).bucket(), CreditBucket::Strangers] {
                assert_eq!(credit(&accounting, now, bucket), most - missing, "{most}: {millis} ms");
            }
            let at = (next != 0).then_some(START + next * SECOND);
            assert_eq!(recovers_at(&accounting, now), at, "{most}: {millis} ms");
        }
        // Asked again and again, it is the same.
        for step in 1..=40 {
            let known = go(&mut accounting, START + step * SECOND / 10, Origin::default());
            accounting.end(START + step * SECOND / 10, known, Ending::Established, 0);
        }
        let offer = accounting.offer(ScopeId::HOST, stranger(0).bucket(), START + 4 * SECOND);
        assert_eq!(offer.map(|offer| (offer.credit, offer.recovers_at)), Some((most, None)));
    }
}

#[test]
fn all_that_was_spent_comes_back_in_time() {
    for most in [1, 500, FirstContact::MOST] {
        let mut accounting = asking(FirstContact { credit: most, ..every(Duration::from_millis(1)) });
        for _ in 0..most {
            go(&mut accounting, START, stranger(0));
        }
        hold(&mut accounting, START, stranger(0));
        let each = u64::from(most) * MS;
        for (after, there) in
            [(0, 0), (each / 2, most / 2), (each - 1, most - 1), (each, most), (9 * each, most)]
        {
            assert_eq!(
                credit(&accounting, START + after, stranger(0).bucket()),
                there,
                "{after} ns of {most}"
            );
        }
    }
}

/// In nanoseconds, after so many silences that no answer outweighs.
#[test]
fn twelve_silences_double_the_time_after_which_credit_comes_back() {
    let of_test = every(Duration::from_millis(500));
    let without = FirstContact { answers_of_a_scan: None, ..of_test };
    let slow = every(Duration::from_mins(10));
    let cases = [
        (of_test, 0, 500 * MS),
        (of_test, 1, 541_666_656),
        (of_test, 6, 749_999_936),
        (of_test, 12, SECOND),
        (of_test, 18, 1_499_999_968),
        (of_test, 24, 2 * SECOND),
        (of_test, 119, 490_666_666_608),
        (of_test, 120, 512 * SECOND),
        (of_test, 121, 512 * SECOND),
        (of_test, 500, 512 * SECOND),
        (without, 40, 500 * MS),
        (slow, 0, 600 * SECOND),
        (slow, 40, 600 * SECOND),
    ];
    for (rules, silences, pause) in cases {
        let mut accounting = asking(FirstContact { credit: 1_000, ..rules });
        all_end(&mut accounting, START, silences + 1, Ending::Neutral);
        all_end(&mut accounting, START, silences, Ending::TimedOut);
        // The first of them comes back as if there were none.
        go(&mut accounting, START, stranger(0));
        let first = START + rules.rate.interval_ns();
        assert_eq!(recovers_at(&accounting, START), Some(first));
        if silences > 0 {
            let next = recovers_at(&accounting, first).expect("more are missing") - first;
            assert!(next.abs_diff(pause) < 1_000, "{silences}: {next} ns, not {pause}");
        }
    }
}

/// The bucket for all ports: an eighth of each silence, and of what time takes back.
#[test]
fn silences_on_many_ports_weigh_an_eighth() {
    const FORGET: u64 = 1 << 39;
    let ports: BTreeMap<_, _> = (1_000..9_000_u16).map(|port| (PortCell::of(0, port), port)).collect();
    let ports: Vec<_> = ports.into_values().collect();
    // 43 silences make a suspect of one port's bucket, eight times as many of that for all.
    for (forgotten, most) in [(0, 344), (1, 345), (3, 347)] {
        let mut accounting = asking(FirstContact { credit: 10_000, ..FirstContact::adaptive() });
        let mut silent = |number: u64, now| {
            for turn in 0..number {
                let id = go(&mut accounting, now, stranger(ports[turn as usize % ports.len()]));
                accounting.end(now, id, Ending::TimedOut, 0);
            }
            accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since
        };
        assert_eq!(silent(200, START), None);
        let later = START + forgotten * FORGET + 2 * SECOND;
        assert_eq!(silent(most - 201, later), None, "{forgotten}");
        assert_eq!(silent(1, later), Some(later), "{forgotten}");
    }
}

/// Of each kind one: it spends from its own bucket, and a stranger also from that for all ports.
#[test]
fn each_kind_of_contact_spends_from_its_own_bucket() {
    let mut origins: Vec<Origin> = (1_000..9_000)
        .chain([443, 80, 25, 22, 23, 445, 3389, 5432, 8080])
        .map(|port| (PortCell::of(0, port), port))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .map(stranger)
        .collect();
    assert_eq!(origins.len(), usize::from(PortCell::COUNT));
    origins.push(Origin { named: true, ..stranger(443) });
    origins.push(Origin { foreign: true, ..stranger(443) });
    let buckets: Vec<_> = origins.iter().map(Origin::bucket).chain([CreditBucket::Strangers]).collect();
    for origin in origins {
        for ending in [None, Some(Ending::Established)] {
            let mut accounting = asking(FirstContact { credit: 10, ..FirstContact::adaptive() });
            let id = go(&mut accounting, START, origin);
            if let Some(ending) = ending {
                accounting.end(START, id, ending, 0);
            }
            for bucket in &buckets {
                let is_port = matches!(origin.bucket(), CreditBucket::Port(_));
                let spends = *bucket == origin.bucket() || (is_port && *bucket == CreditBucket::Strangers);
                let rest = if *bucket == CreditBucket::Named { 20 } else { 10 };
                let credit = credit(&accounting, START, *bucket);
                // An answer is worth 18.9, less one.
                let expected = rest
                    + if !spends {
                        0
                    } else if ending.is_some() {
                        17
                    } else {
                        -1
                    };
                assert_eq!(i64::from(credit), expected, "{origin:?} {ending:?} {bucket:?}");
            }
        }
    }
}

#[test]
fn who_has_no_credit_on_a_port_waits_though_there_is_some_on_others() {
    let mut accounting = asking(FirstContact { credit: 3, ..every(Duration::from_mins(10)) });
    let [port, other] = [443, 445].map(stranger);
    let _two = [(); 2].map(|()| go(&mut accounting, START, port));
    let answered = go(&mut accounting, START, other);
    accounting.end(START, answered, Ending::Established, 0);
    go(&mut accounting, START, port);
    let waiting = hold(&mut accounting, START, port);
    assert!(credit(&accounting, START, CreditBucket::Strangers) > 10);
    assert_eq!(accounting.recheck(START, waiting), Verdict::Hold);
    go(&mut accounting, START, other);
}

#[test]
fn who_has_credit_on_a_port_waits_where_there_is_none_for_all() {
    let mut accounting = asking(FirstContact { credit: 3, ..every(Duration::from_mins(10)) });
    for port in [443, 445, 22] {
        go(&mut accounting, START, stranger(port));
    }
    let waiting = hold(&mut accounting, START, stranger(80));
    assert_eq!(accounting.recheck(START + SECOND, waiting), Verdict::Hold);
    assert_eq!(accounting.recheck(START + 600 * SECOND, waiting), Verdict::Go);
}

/// What they are worth in one second, then in each of many, and how it goes when none comes any more.
#[test]
fn what_answers_add_lasts_up_to_two_and_one_more_for_each_second_with_an_answer() {
    let rules = every(Duration::from_secs(1));
    let mut accounting = asking(rules);
    let mut levels = Vec::new();
    for second in 0..12 {
        let now = START + second * SECOND;
        all_end(&mut accounting, now, 20, Ending::Established);
        levels.push(credit(&accounting, now, stranger(0).bucket()));
    }
    // 32, and 18.9 for each.
    assert_eq!(levels, [69, 88, 107, 126, 145, 164, 183, 201, 220, 220, 220, 220]);
    let last = START + 11 * SECOND;
    let left =
        |accounting: &Accounting, seconds| credit(accounting, last + seconds * SECOND, stranger(0).bucket());
    let after = [0, 1, 2, 3, 5, 60, 100_000].map(|seconds| left(&accounting, seconds));
    assert_eq!(after, [220, 220, 164, 121, 74, 69, 69], "the rest of what is too much halves each second");
    // It lasts a little longer where somebody asks each second.
    let asked = [1, 2, 3, 4, 5, 6].map(|seconds| {
        let known = go(&mut accounting, last + seconds * SECOND, Origin::default());
        accounting.end(last + seconds * SECOND, known, Ending::Established, 0);
        left(&accounting, seconds)
    });
    assert_eq!(asked, [220, 183, 145, 116, 93, 81]);
}

#[test]
fn a_host_that_is_answered_has_as_much_credit_as_it_had_answers_in_the_last_second() {
    let mut accounting = asking(FirstContact::adaptive());
    let mut levels = Vec::new();
    for _ in 0..4 {
        let number = credit(&accounting, START, stranger(0).bucket());
        all_end(&mut accounting, START, number, Ending::Established);
        levels.push(credit(&accounting, START, stranger(0).bucket()));
    }
    assert_eq!(levels, [69, 101, 202, 404]);
    // Those that are out and not answered count against it.
    for _ in 0..100 {
        go(&mut accounting, START, stranger(0));
    }
    let one = go(&mut accounting, START, stranger(0));
    accounting.end(START, one, Ending::Established, 0);
    assert_eq!(credit(&accounting, START, stranger(0).bucket()), 305);
}

/// They halve where they are more than 128.
#[test]
fn answers_speak_for_an_account_until_a_hundred_more_were_heard() {
    let mut accounting = asking(FirstContact { credit: 1_000, ..FirstContact::adaptive() });
    all_end(&mut accounting, START, 20, Ending::Established);
    let suspect =
        |accounting: &Accounting| accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since;
    all_end(&mut accounting, START, 220, Ending::TimedOut);
    assert_eq!(suspect(&accounting), None);
    all_end(&mut accounting, START, 1, Ending::TimedOut);
    assert_eq!(suspect(&accounting), Some(START));
}

fn one_a_second(order: Order) -> FirstContact {
    FirstContact { credit: 1, answers_of_a_scan: None, order, ..every(Duration::from_secs(1)) }
}

#[test]
fn the_newest_goes_past_those_that_wait_where_it_is_its_turn() {
    for (order, verdict) in [(Order::Either, Verdict::Go), (Order::Oldest, Verdict::Hold)] {
        let mut accounting = asking(one_a_second(order));
        go(&mut accounting, START, stranger(0));
        hold(&mut accounting, START, stranger(0));
        let offer = accounting.offer(ScopeId::HOST, stranger(0).bucket(), START + SECOND);
        assert_eq!(offer.map(|offer| (offer.credit, offer.newest_first)), Some((1, verdict == Verdict::Go)));
        begin(&mut accounting, START + SECOND, stranger(0), verdict);
    }
}

/// Of one that has not waited, an answer speaks for the oldest.
#[test]
fn who_is_answered_turns_the_order_to_its_own_side_and_silence_to_the_other() {
    // Who has gone out as the newest (or has not waited), what has become of it, and who goes next.
    for (waited, ending, newest_goes) in [
        (true, Ending::Established, true),
        (true, Ending::TimedOut, false),
        (false, Ending::Established, false),
        (false, Ending::TimedOut, true),
    ] {
        let mut accounting = asking(one_a_second(Order::Either));
        let mut out = go(&mut accounting, START, stranger(0));
        let waiting: Vec<_> = (0..6).map(|_| hold(&mut accounting, START, stranger(0))).collect();
        let (mut now, mut newest) = (START, 5);
        if waited {
            now += SECOND;
            assert_eq!(accounting.recheck(now, waiting[5]), Verdict::Go);
            (out, newest) = (waiting[5], 4);
        }
        accounting.end(now, out, ending, 0);
        now += SECOND;
        let (goes, waits) = if newest_goes { (newest, 0) } else { (0, newest) };
        assert_eq!(accounting.recheck(now, waiting[waits]), Verdict::Hold, "{waited} {ending:?}");
        assert_eq!(accounting.recheck(now, waiting[goes]), Verdict::Go, "{waited} {ending:?}");
    }
}

/// In milliseconds since the credit is there; a step is 33.6 ms, and each doubles the number of those who may.
#[test]
fn credit_that_nobody_takes_is_open_to_more_and_more_on_both_sides() {
    for (order, side) in [(Order::Either, true), (Order::Oldest, false)] {
        let mut accounting = asking(one_a_second(order));
        let first = go(&mut accounting, START, stranger(0));
        let waiting: Vec<_> = (0..1_000).map(|_| hold(&mut accounting, START, stranger(0))).collect();
        if !side {
            // The oldest's turn.
            accounting.end(START, first, Ending::Established, 0);
        }
        let there = START + SECOND;
        assert_eq!(accounting.recheck(there, waiting[500]), Verdict::Hold);
        let at = |from_end: usize| if side { 999 - from_end } else { from_end };
        let from_other_end = |from_end: usize| 999 - at(from_end);
        for (waiter, millis) in [
            (at(0), 0),
            (at(1), 34),
            (at(2), 68),
            (at(3), 68),
            (at(4), 101),
            (at(7), 101),
            (at(8), 135),
            (from_other_end(0), 34),
            (from_other_end(1), 68),
            (from_other_end(2), 68),
            (from_other_end(3), 101),
            (from_other_end(6), 101),
            (from_other_end(7), 135),
            (500, 303),
        ] {
            if millis > 0 {
                let early = there + millis * MS - 2 * MS;
                assert_eq!(
                    accounting.clone().recheck(early, waiting[waiter]),
                    Verdict::Hold,
                    "{order:?} {waiter}"
                );
            }
            let due = there + millis * MS;
            assert_eq!(accounting.clone().recheck(due, waiting[waiter]), Verdict::Go, "{order:?} {waiter}");
        }
        // As long as it takes: sixteen steps are the most.
        assert_eq!(accounting.clone().recheck(there + 100_000 * SECOND, waiting[501]), Verdict::Go);
    }
}

#[test]
fn who_leaves_in_between_moves_no_mark_and_who_leaves_at_an_end_does() {
    for order in [Order::Either, Order::Oldest] {
        let mut accounting = asking(one_a_second(order));
        let first = go(&mut accounting, START, stranger(0));
        let waiting: Vec<_> = (0..20).map(|_| hold(&mut accounting, START, stranger(0))).collect();
        if order == Order::Oldest {
            accounting.end(START, first, Ending::Established, 0);
        }
        let at = |from_end: usize| waiting[if order == Order::Either { 19 - from_end } else { from_end }];
        // One in between, then the two at the end.
        for from_end in [5, 0, 1] {
            accounting.end(START, at(from_end), Ending::Cancelled, 0);
        }
        let mut now = START + SECOND;
        assert_eq!(accounting.recheck(now, at(3)), Verdict::Hold, "{order:?}");
        assert_eq!(accounting.recheck(now, at(2)), Verdict::Go, "{order:?}");
        // Out of order: the credit lies unused until the fifth may take it.
        now += SECOND;
        assert_eq!(accounting.recheck(now, at(10)), Verdict::Hold, "{order:?}");
        now += 200 * MS;
        assert_eq!(accounting.recheck(now, at(6)), Verdict::Go, "{order:?}");
        // Those before it have lost nothing but their place: all may ask at once now, one after the other.
        now += SECOND;
        assert_eq!(accounting.recheck(now, at(8)), Verdict::Hold, "{order:?}");
        assert_eq!(accounting.recheck(now, at(7)), Verdict::Go, "{order:?}");
    }
}

#[test]
fn without_a_test_answers_earn_nothing() {
    for ending in [Ending::Established, Ending::Neutral, Ending::TimedOut] {
        let rules = FirstContact { credit: 60, answers_of_a_scan: None, ..every(Duration::from_secs(1)) };
        let mut accounting = asking(rules);
        all_end(&mut accounting, START, 40, ending);
        assert_eq!(credit(&accounting, START, stranger(0).bucket()), 20, "{ending:?}");
        assert_eq!(
            accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since,
            None,
            "{ending:?}"
        );
    }
}
