//! The rules of credit and of turns, one by one: what each is for is in docs/internals/decisions/0019 and 0020.

use halfopen_policy::{
    Accounting, AttemptId, CreditBucket, Ending, FirstContact, Limits, Mode, OnSuspect, Origin, Party, Rate,
    ScopeId, Verdict,
};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 7 * SECOND;

fn stranger(address: u64) -> Origin {
    Origin { first: true, address, ..Origin::default() }
}

fn asking(rules: FirstContact) -> Accounting {
    let limits =
        Limits { first_contact: Some(rules), half_open: Some(1_000), drain: None, ..Limits::xp_sp2() };
    Accounting::new(Mode::Enforce, limits)
}

fn one_a_second() -> FirstContact {
    FirstContact { credit: 1, rate: Rate::of_interval(Duration::from_secs(1)), ..FirstContact::adaptive() }
}

fn go(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, Verdict::Go);
    id
}

fn hold(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, Verdict::Hold);
    id
}

#[test]
fn what_an_answer_earns_above_its_cost_halves_with_each_answered_neighbour() {
    for (neighbours, credit) in [(0, 46), (1, 37), (2, 32), (6, 29)] {
        let mut accounting = asking(FirstContact::adaptive());
        let contacts: Vec<_> = (0..4).map(|address| go(&mut accounting, START, stranger(address))).collect();
        assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).credit, 28);
        accounting.end(START, contacts[0], Ending::Established, neighbours);
        assert_eq!(
            accounting.repute(ScopeId::HOST, CreditBucket::Strangers).credit,
            credit,
            "{neighbours} neighbours"
        );
    }
}

#[test]
fn to_a_throttled_suspect_credit_comes_back_as_slowly_as_it_can() {
    // One after half a second, for there was no silence yet. Then 43 steps: each after 6.3 s, or 512 s.
    for (on_suspect, credit) in [(OnSuspect::Notify, 57 + 1 + 15), (OnSuspect::Throttle, 57 + 1)] {
        let mut accounting = asking(FirstContact { credit: 100, on_suspect, ..FirstContact::adaptive() });
        for address in 0..43 {
            let id = go(&mut accounting, START, stranger(address));
            accounting.end(START, id, Ending::TimedOut, 0);
        }
        assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since, Some(START));
        let bucket = stranger(0).bucket();
        let offer = accounting.offer(ScopeId::HOST, bucket, START + 100 * SECOND);
        assert_eq!(offer.map(|offer| offer.credit), Some(credit), "{on_suspect:?}");
    }
}

/// Each is worth less; what it is worth at least is its own cost, and no step back.
#[test]
fn many_answers_of_one_network_take_no_steps_back() {
    let mut accounting = asking(FirstContact { credit: 1_000, ..FirstContact::adaptive() });
    let mut now = START;
    for address in 0..200 {
        let dead = go(&mut accounting, now, stranger(address));
        accounting.end(now, dead, Ending::TimedOut, 0);
        if accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since.is_some() {
            return;
        }
        let live = go(&mut accounting, now, stranger(1_000 + address));
        accounting.end(now, live, Ending::Established, 31);
        now += 10 * SECOND;
    }
    panic!("it is not a suspect");
}

#[test]
fn a_working_set_is_of_the_addresses_contacted_last() {
    let mut accounting = asking(FirstContact::virus_throttle());
    let mut now = START;
    for address in 1..=5 {
        go(&mut accounting, now, stranger(address));
        now += 2 * SECOND;
    }
    // One of them again and again drives out no other.
    for _ in 0..10 {
        go(&mut accounting, now, stranger(5));
    }
    go(&mut accounting, now, stranger(1));
    assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).first_contacts, 5);
    go(&mut accounting, now, stranger(6));
    go(&mut accounting, now, stranger(1));
    hold(&mut accounting, now, stranger(2));
    assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).first_contacts, 6);
}

#[test]
fn one_who_becomes_known_leaves_its_place_among_those_who_wait_for_credit() {
    let mut accounting = asking(one_a_second());
    go(&mut accounting, START, stranger(1));
    let other = hold(&mut accounting, START, stranger(2));
    let newest = hold(&mut accounting, START, stranger(3));
    accounting.knows(START, newest);
    assert_eq!(accounting.recheck(START, newest), Verdict::Go);
    assert_eq!(accounting.recheck(START + SECOND, other), Verdict::Go, "it is the newest now");
}

#[test]
fn silence_turns_to_the_other_end_of_the_queue() {
    let mut accounting = asking(one_a_second());
    go(&mut accounting, START, stranger(1));
    let [oldest, middle, newest] = [2, 3, 4].map(|address| hold(&mut accounting, START, stranger(address)));
    let now = START + SECOND;
    assert_eq!(accounting.recheck(now, oldest), Verdict::Hold);
    assert_eq!(accounting.recheck(now, newest), Verdict::Go);
    accounting.end(now, newest, Ending::TimedOut, 0);
    let now = now + SECOND;
    assert_eq!(accounting.recheck(now, middle), Verdict::Hold);
    assert_eq!(accounting.recheck(now, oldest), Verdict::Go);
}

#[test]
fn who_waits_for_credit_does_not_wait_for_the_slots_of_those_who_resend() {
    let mut accounting = asking(one_a_second());
    go(&mut accounting, START, stranger(1));
    hold(&mut accounting, START, stranger(2));
    let known = go(&mut accounting, START, Origin::default());
    assert_eq!(accounting.resend(START + 15 * SECOND, known), Verdict::Go);
}

#[test]
fn a_turn_that_its_party_does_not_take_is_open_to_all_after_a_while() {
    const STEP: u64 = SECOND / 100;
    let mut accounting = Accounting::new(
        Mode::Enforce,
        Limits {
            half_open: Some(1),
            slot_life: Duration::from_millis(100),
            drain: Rate::new(10, Duration::from_secs(1)),
            ..Limits::xp_sp2()
        },
    );
    let of = |top| Origin { party: Party { top, part: 0 }, ..Origin::default() };
    let first = go(&mut accounting, START, of(1));
    hold(&mut accounting, START, of(2));
    let asks = [0; 2].map(|_| hold(&mut accounting, START, of(1)));
    accounting.end(START, first, Ending::Established, 0);
    let mut now = START + SECOND;
    assert_eq!(accounting.recheck(now, asks[0]), Verdict::Go);
    accounting.end(now, asks[0], Ending::Established, 0);
    let since = now;
    while accounting.recheck(now, asks[1]) == Verdict::Hold && now < since + 5 * SECOND {
        now += STEP;
    }
    let waited = now - since;
    assert!((640_000_000..=900_000_000).contains(&waited), "after {waited} ns");
}

fn foreign(address: u64) -> Origin {
    Origin { foreign: true, ..stranger(address) }
}

/// Credit, first contacts, silence: each namespace's kind keeps to its own.
#[test]
fn what_foreign_namespaces_spend_is_a_credit_bucket_of_their_own() {
    let mut accounting = asking(FirstContact::adaptive());
    for address in 0..32 {
        go(&mut accounting, START, foreign(address));
    }
    hold(&mut accounting, START, Origin { named: true, ..foreign(32) });
    assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Foreign).credit, 0);
    for bucket in [CreditBucket::Named, CreditBucket::Strangers] {
        assert_eq!(accounting.repute(ScopeId::HOST, bucket).pending, 0, "{bucket:?}");
    }
    // Who waits there is in nobody's way.
    for address in 100..132 {
        go(&mut accounting, START, stranger(address));
    }
    hold(&mut accounting, START, stranger(132));
}

#[test]
fn an_answer_that_proves_nothing_gives_back_its_cost_and_absolves_of_nothing() {
    for origin in [stranger, foreign] {
        let bucket = origin(0).bucket();
        let mut accounting = asking(FirstContact::adaptive());
        for address in 0..1_000 {
            let id = go(&mut accounting, START, origin(address));
            accounting.end(START, id, Ending::Neutral, 0);
            let repute = accounting.repute(ScopeId::HOST, bucket);
            assert_eq!((repute.credit, repute.pending), (32, 0));
        }
        // So many silences make a suspect, whatever came between.
        let mut now = START;
        for address in 1_000..1_050 {
            let id = go(&mut accounting, now, origin(address));
            accounting.end(now, id, Ending::TimedOut, 0);
            let id = go(&mut accounting, now + 20 * SECOND, origin(address + 1_000));
            accounting.end(now + 20 * SECOND, id, Ending::Neutral, 0);
            now += 20 * SECOND;
        }
        assert!(accounting.repute(ScopeId::HOST, bucket).suspect_since.is_some());
    }
}

#[test]
fn an_address_whose_answer_proved_nothing_is_in_no_working_set() {
    let mut accounting = asking(FirstContact { credit: 3, ..FirstContact::virus_throttle() });
    let id = go(&mut accounting, START, stranger(1));
    accounting.end(START, id, Ending::Neutral, 0);
    go(&mut accounting, START, stranger(1));
    assert_eq!(accounting.repute(ScopeId::HOST, CreditBucket::Strangers).first_contacts, 2);
}

/// A scan of so many, of whom nobody answers.
fn silent(accounting: &mut Accounting, now: u64, addresses: std::ops::Range<u64>) {
    for address in addresses {
        let id = go(accounting, now, stranger(address));
        accounting.end(now, id, Ending::TimedOut, 0);
    }
}

fn suspect_since(accounting: &Accounting) -> Option<u64> {
    accounting.repute(ScopeId::HOST, CreditBucket::Strangers).suspect_since
}

/// A step is taken back wherever the clock passes a multiple of so much.
const FORGET: u64 = 1 << 39;

#[test]
fn time_takes_a_step_back_every_nine_minutes() {
    // 43 steps make a suspect.
    for (multiples, is_suspect) in [(0, true), (1, false), (2, false)] {
        let mut accounting = asking(FirstContact { credit: 1_000, ..FirstContact::adaptive() });
        silent(&mut accounting, START, 0..42);
        let now = START + multiples * FORGET + 2 * SECOND;
        silent(&mut accounting, now, 42..43);
        assert_eq!(suspect_since(&accounting).is_some(), is_suspect, "{multiples} of nine minutes");
        silent(&mut accounting, now, 43..43 + multiples);
        assert_eq!(suspect_since(&accounting), Some(now), "{multiples} more silences");
    }
}

#[test]
fn who_is_answered_is_a_suspect_no_more_once_no_step_is_left() {
    let mut accounting = asking(FirstContact { credit: 1_000, ..FirstContact::adaptive() });
    silent(&mut accounting, START, 0..43);
    let steps_left = (0..4).map(|answer| {
        let id = go(&mut accounting, START, stranger(100 + answer));
        accounting.end(START, id, Ending::Established, 0);
        suspect_since(&accounting).is_some()
    });
    // An answer outweighs 19 silences.
    assert_eq!(steps_left.collect::<Vec<_>>(), [true, true, false, false]);
}

#[test]
fn a_block_ends_by_itself_and_another_begins_as_the_first_did() {
    const BLOCK: u64 = 60 * SECOND;
    let on_suspect = OnSuspect::Block(Duration::from_nanos(BLOCK));
    let mut accounting = asking(FirstContact { credit: 1_000, on_suspect, ..FirstContact::adaptive() });
    for round in 0..3 {
        let now = START + round * BLOCK;
        silent(&mut accounting, now, 0..42);
        assert_eq!(suspect_since(&accounting), None, "round {round}: it begins anew");
        silent(&mut accounting, now, 42..43);
        assert_eq!(suspect_since(&accounting), Some(now));
    }
    // Answers shorten no block.
    let now = START + 2 * BLOCK;
    for answer in 0..4 {
        let id = go(&mut accounting, now, stranger(100 + answer));
        accounting.end(now, id, Ending::Established, 0);
    }
    assert_eq!(suspect_since(&accounting), Some(now));
}

/// An answer is no silence as well: three of them put the suspicion off by 38 silences, from the 43rd to the 81st.
#[test]
fn answers_of_a_moment_ago_speak_for_an_account() {
    let mut accounting = asking(FirstContact { credit: 1_000, ..FirstContact::adaptive() });
    for address in 1_000..1_003 {
        let id = go(&mut accounting, START, stranger(address));
        accounting.end(START, id, Ending::Established, 0);
    }
    silent(&mut accounting, START, 0..78);
    assert_eq!(suspect_since(&accounting), None);
    silent(&mut accounting, START, 78..84);
    assert_eq!(suspect_since(&accounting), Some(START));
}
