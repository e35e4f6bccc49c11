//! Whose records are beside while these run short: one who takes as many as he can leaves room for others.

use halfopen_policy::beside::Held;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MOST: u32 = 8192;
const SHARE: u32 = MOST / 16;
const FEW: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    top: u32,
    part: u32,
}

const ATTACKER: u32 = 1;
const NEIGHBOUR: Owner = Owner { top: ATTACKER, part: u32::MAX };
const ELSEWHERE: Owner = Owner { top: 2, part: 7 };

/// As records.h keeps them.
struct Beside {
    most: u32,
    by_all: u32,
    by_top: BTreeMap<u32, u32>,
    by_part: BTreeMap<Owner, u32>,
}

impl Beside {
    fn of(most: u32) -> Self {
        Self { most, by_all: 0, by_top: BTreeMap::new(), by_part: BTreeMap::new() }
    }

    /// Whether it had room, and whether it counts.
    fn claim(&mut self, owner: Owner) -> Option<bool> {
        let by_top = self.by_top.entry(owner.top).or_default();
        let by_part = self.by_part.entry(owner).or_default();
        let held = Held { most: self.most, by_all: self.by_all, by_top: *by_top, by_part: *by_part };
        if !held.has_one_more() {
            return None;
        }
        self.by_all += 1;
        *by_top += u32::from(held.is_counted());
        *by_part += u32::from(held.is_counted());
        Some(held.is_counted())
    }

    fn free(&mut self, owner: Owner, counted: bool) {
        self.by_all -= 1;
        if counted {
            *self.by_top.entry(owner.top).or_default() -= 1;
            *self.by_part.entry(owner).or_default() -= 1;
        }
    }

    fn claim_all(&mut self, owner: Owner) -> u32 {
        (0..=self.most).find(|_| self.claim(owner).is_none()).unwrap_or(self.most)
    }

    /// Each part takes whatever it is given, one after the other.
    fn claim_by_parts(&mut self, parts: u32) -> u32 {
        (0..parts).map(|part| self.claim_all(Owner { top: ATTACKER, part })).sum()
    }
}

#[test]
fn one_that_is_alone_has_a_half() {
    assert_eq!(Beside::of(MOST).claim_by_parts(1), MOST / 2);
}

#[test]
fn beside_one_that_takes_all_it_can_others_have_a_share_each() {
    let mut beside = Beside::of(MOST);
    beside.claim_by_parts(1);
    for part in 100..103 {
        assert_eq!(beside.claim_all(Owner { top: ATTACKER, part }), SHARE + 1, "part {part}");
    }
    assert_eq!(beside.claim_all(ELSEWHERE), SHARE + 1);
}

#[test]
fn beside_a_hundred_parts_of_one_cgroup_each_other_has_a_few() {
    let mut beside = Beside::of(MOST);
    beside.claim_by_parts(100);
    assert_eq!(beside.claim_all(NEIGHBOUR), FEW);
    assert_eq!(beside.claim_all(ELSEWHERE), SHARE + 1);
}

#[test]
fn however_many_parts_there_are_another_cgroup_has_its_share() {
    let mut beside = Beside::of(MOST);
    assert_eq!(beside.claim_by_parts(6_000), MOST - MOST / 8);
    assert_eq!(beside.claim_all(NEIGHBOUR), 0, "a part of the same cgroup is one more of thousands");
    assert_eq!(beside.claim_all(ELSEWHERE), SHARE + 1);
    let third = Owner { top: 3, part: 1 };
    assert_eq!(beside.claim_all(third), MOST / 8 - SHARE - 1);
}

proptest! {
    /// Whatever an attacker takes and gives back, of however large a table.
    #[test]
    fn no_sequence_of_one_cgroup_s_takes_another_s_share(
        most in 32_u32..600,
        parts in 1_u32..40,
        steps in vec((any::<u32>(), any::<bool>()), 0..2_000),
    ) {
        let mut beside = Beside::of(most);
        let mut held = Vec::new();
        for (number, frees) in steps {
            if frees && number % 3 == 0 && !held.is_empty() {
                let (owner, counted) = held.swap_remove(number as usize % held.len());
                beside.free(owner, counted);
                continue;
            }
            let owner = Owner { top: ATTACKER, part: number % parts };
            held.extend(beside.claim(owner).map(|counted| (owner, counted)));
        }
        for _ in 0..=most / 16 {
            prop_assert!(beside.claim(ELSEWHERE).is_some(), "{} of {most} are taken", beside.by_all);
        }
    }

    /// The same of a single part, for another of its cgroup.
    #[test]
    fn no_sequence_of_one_part_s_takes_its_neighbour_s_share(
        most in 32_u32..600,
        steps in vec((any::<usize>(), any::<bool>()), 0..2_000),
    ) {
        let owner = Owner { top: ATTACKER, part: 1 };
        let mut beside = Beside::of(most);
        let mut held = Vec::new();
        for (number, frees) in steps {
            if frees && number % 3 == 0 && !held.is_empty() {
                beside.free(owner, held.swap_remove(number % held.len()));
                continue;
            }
            held.extend(beside.claim(owner));
        }
        for _ in 0..=most / 16 {
            prop_assert!(beside.claim(NEIGHBOUR).is_some(), "{} of {most} are taken", beside.by_all);
        }
    }

    /// Nobody is refused while half of them are free, and nobody has one where none is.
    #[test]
    fn a_half_is_anybody_s_and_none_is_nobody_s(
        most in 0..3 * MOST,
        by_top in any::<u32>(),
        by_part in any::<u32>(),
    ) {
        let with = |by_all| Held { most, by_all, by_top, by_part }.has_one_more();
        prop_assert!(most < 2 || with(most / 2 - 1));
        prop_assert!(!with(most) && !with(most + 3));
    }
}
