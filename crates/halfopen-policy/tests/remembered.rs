//! A set of a table of what is remembered: who has to leave, and what is never found.

use halfopen_policy::remembered::{
    CgroupRules, PLACES, Print, Set, named_for_ns, remembered_until, set_time, tried_for_ns,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Owners are told apart by their highest 16 bits.
fn print(owner: u64, key: u64) -> Print {
    Print::new(owner << 48, key << 16)
}

fn note(set: &Set, print: Print, now: u32, until: u32) {
    set.claim(print, now).expect("nobody else is writing").publish(now, until);
}

fn holds(set: &Set, owner: u64, keys: impl Iterator<Item = u64>, now: u32) -> Vec<u64> {
    keys.filter(|&key| set.find(print(owner, key), now).is_some()).collect()
}

const LATER: u32 = 1_000_000;

proptest! {
    /// However much one owner remembers, whoever has a single entry keeps it.
    #[test]
    fn a_flood_pushes_out_no_single_entry(
        singles in 0..u64::from(PLACES),
        flood in vec(0..1_000_u64, 1..200),
        start in any::<u32>(),
    ) {
        let set = Set::default();
        let mut now = start;
        for owner in 0..singles {
            note(&set, print(1 + owner, 7), now, now.wrapping_add(LATER));
            now = now.wrapping_add(1);
        }
        for key in flood {
            note(&set, print(99, key), now, now.wrapping_add(LATER));
            prop_assert!(set.find(print(99, key), now).is_some());
            now = now.wrapping_add(1);
        }
        for owner in 0..singles {
            prop_assert!(set.find(print(1 + owner, 7), now).is_some(), "owner {owner}");
        }
    }

    /// Two that remember as much as they can share a set.
    #[test]
    fn two_floods_have_a_half_each(turns in vec(any::<bool>(), 100..200), start in any::<u32>()) {
        let set = Set::default();
        let mut now = start;
        let (ones, others) = turns.iter().enumerate().partition::<Vec<_>, _>(|(_, turn)| **turn);
        prop_assume!(ones.len() >= 8 && others.len() >= 8);
        for (key, turn) in turns.iter().enumerate() {
            note(&set, print(if *turn { 1 } else { 2 }, key as u64), now, now.wrapping_add(LATER));
            now = now.wrapping_add(1);
        }
        for owner in [1, 2] {
            let held = holds(&set, owner, 0..turns.len() as u64, now).len();
            prop_assert!((3..=5).contains(&held), "{owner} has {held}");
        }
    }

    /// What is past makes room before anything that counts.
    #[test]
    fn what_is_past_goes_first(past in 1..=PLACES, start in any::<u32>()) {
        let set = Set::default();
        for key in 0..u64::from(PLACES) {
            // They are the youngest too.
            let (age, until) = if key < u64::from(past) { (5, 10) } else { (0, LATER) };
            note(&set, print(1, key), start.wrapping_add(age), start.wrapping_add(until));
        }
        let now = start.wrapping_add(10);
        for owner in 0..u64::from(past) {
            note(&set, print(50 + owner, 0), now, now.wrapping_add(LATER));
        }
        let kept = holds(&set, 1, 0..u64::from(PLACES), now);
        prop_assert_eq!(kept, (u64::from(past)..u64::from(PLACES)).collect::<Vec<_>>());
    }
}

#[test]
fn of_one_owner_the_oldest_goes() {
    let set = Set::default();
    for key in 0..100 {
        let now = 5 + u32::try_from(key).unwrap();
        note(&set, print(1, key), now, now + LATER);
    }
    assert_eq!(holds(&set, 1, 0..100, 105), (92..100).collect::<Vec<_>>());
}

#[test]
fn what_is_noted_again_keeps_its_place() {
    let set = Set::default();
    for now in 0..50 {
        note(&set, print(1, 1), now, now + 10);
        note(&set, print(1, 2), now, now + 20);
    }
    assert_eq!(set.find(print(1, 1), 50), Some(59));
    assert_eq!(set.find(print(1, 1), 59), None, "it is past");
    assert_eq!(set.find(print(2, 1), 50), None, "another owner's");
}

#[test]
fn an_entry_that_is_being_written_is_nobody_s() {
    let set = Set::default();
    for key in 0..u64::from(PLACES) {
        note(&set, print(1, key), 0, LATER);
    }
    let written = set.claim(print(1, 100), 1).expect("nobody else is writing");
    assert_eq!(set.find(print(1, 100), 1), None);
    assert_eq!(set.find(print(1, 0), 1), None, "the oldest has left");
    // Nor is it given to another meanwhile.
    for key in 200..300 {
        note(&set, print(1, key), 2, LATER);
    }
    written.publish(1, 77);
    assert_eq!(set.find(print(1, 100), 2), Some(77));
}

/// What is read of an entry is what was written for that key, whoever writes beside.
#[test]
fn nothing_is_found_with_another_s_time() {
    let (set, done) = (Set::default(), AtomicBool::new(false));
    let until = |key: u64| 1_000 + u32::try_from(key).unwrap() * 1_000;
    thread::scope(|scope| {
        for writer in 0..3 {
            let (set, done) = (&set, &done);
            scope.spawn(move || {
                for key in (0..60).cycle().skip(writer * 20).take(300_000) {
                    if let Some(claimed) = set.claim(print(key % 5, key), 0) {
                        claimed.publish(0, until(key));
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        while !done.load(Ordering::Relaxed) {
            for key in 0..60 {
                if let Some(found) = set.find(print(key % 5, key), 0) {
                    assert_eq!(found, until(key), "key {key}");
                }
            }
        }
    });
}

proptest! {
    /// The map gives an entry's memory to another cgroup while it is being read.
    #[test]
    fn what_was_read_in_half_is_not_believed(
        (cgroup, generation) in (1..100_u64, 0..3_u64),
        (other_cgroup, other_generation) in (1..100_u64, 0..3_u64),
        before in (0..8_u64, 0..8_u64),
        after in (0..8_u64, 0..8_u64),
        from_other in any::<[bool; 3]>(),
    ) {
        let before = CgroupRules::new(cgroup, generation, before.0, before.1);
        let after = CgroupRules::new(other_cgroup, other_generation, after.0, after.1);
        let from = |word: usize| if from_other[word] { after } else { before };
        let read = CgroupRules { seal: from(0).seal, rules: from(1).rules, never_hold: from(2).never_hold };
        let same = (cgroup, generation) == (other_cgroup, other_generation);
        prop_assert_eq!(read.is_of(cgroup, generation), read == before || (same && read == after));
    }
}

const S: u64 = 1_000_000_000;
/// Times in sets are so coarse.
const UNIT: u64 = 1 << 24;

proptest! {
    /// Known, tried, named, asked: each for as long as was said, and no longer.
    #[test]
    fn what_is_noted_is_found_for_its_time_and_not_after_it(noted: u64, for_ns in 0..24 * 3_600 * S) {
        let (set, print, start) = (Set::default(), print(1, 1), set_time(noted));
        note(&set, print, start, remembered_until(start, for_ns));
        for kept in [0, for_ns / 2, for_ns.saturating_sub(UNIT)] {
            prop_assert!(set.find(print, set_time(noted.wrapping_add(kept))).is_some(), "after {} ns", kept);
        }
        for later in [2 * UNIT, 3_600 * S, 365 * 24 * 3_600 * S] {
            prop_assert!(set.find(print, set_time(noted.wrapping_add(for_ns + later))).is_none());
        }
    }
}

#[test]
fn what_was_tried_stays_so_for_ten_minutes_or_as_long_as_what_answered() {
    assert_eq!([0, S, 600 * S, 601 * S].map(tried_for_ns), [600 * S, 600 * S, 600 * S, 601 * S]);
}

#[test]
fn a_ttl_is_believed_from_the_least_time_to_a_day() {
    const DAY_S: u32 = 24 * 3_600;
    let least = 60 * S;
    let named = [0, 59, 61, DAY_S - 1, DAY_S, DAY_S + 1, u32::MAX].map(|ttl| named_for_ns(ttl, least) / S);
    assert_eq!(named, [60, 60, 61, 86_399, 86_400, 86_400, 86_400]);
}
