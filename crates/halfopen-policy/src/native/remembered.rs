//! One set of a table of what is remembered: `bpf/remembered.h`.

use super::calls;
use crate::abi;
use std::cell::UnsafeCell;

/// How many entries a set has.
pub const PLACES: u32 = abi::SET_PLACES;

/// `struct known_set`. Times are of any unit, and go round.
#[derive(Debug, Default)]
pub struct Set(UnsafeCell<abi::known_set>);

// SAFETY: the C code writes an entry only after it has claimed it by an atomic exchange.
unsafe impl Sync for Set {}

/// What an entry is known by: its owner's hash and its key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print(u64);

impl Print {
    /// Of hashes.
    #[must_use]
    pub fn new(owner: u64, key: u64) -> Self {
        // SAFETY: it takes and returns numbers.
        Self(unsafe { calls::native_print(owner, key) })
    }
}

/// An entry that nobody finds until it is published.
#[derive(Debug)]
pub struct Claimed<'a> {
    set: &'a Set,
    print: Print,
    place: u32,
}

impl Set {
    /// Until when what is remembered counts, if it does.
    #[must_use]
    pub fn find(&self, print: Print, now: u32) -> Option<u32> {
        let mut until = 0;
        // SAFETY: the set is the value's own.
        let found = unsafe { calls::native_set_find(self.0.get(), print.0, now, &raw mut until) };
        (found != 0).then_some(until)
    }

    /// A place for it; `None` where somebody else is writing there.
    #[must_use]
    pub fn claim(&self, print: Print, now: u32) -> Option<Claimed<'_>> {
        // SAFETY: the set is the value's own.
        let place = unsafe { calls::native_set_claim(self.0.get(), print.0, now) };
        (place < PLACES).then_some(Claimed { set: self, print, place })
    }
}

impl Claimed<'_> {
    /// It is remembered from `now` until then.
    pub fn publish(self, now: u32, until: u32) {
        let (Print(print), place) = (self.print, self.place);
        // SAFETY: the set is the value's own, the place within it and this claim's.
        unsafe { calls::native_set_publish(self.set.0.get(), place, print, now, until) }
    }
}

/// `struct cgroup_rules`: what is remembered of a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupRules {
    /// Of the rest, and of the cgroup and the generation of rules that it is of.
    pub seal: u64,
    /// Those of `[[scope]]` that ask for it.
    pub rules: u64,
    /// Those of `never_hold`.
    pub never_hold: u64,
}

impl CgroupRules {
    /// The rules of that generation that ask for the cgroup of that id.
    #[must_use]
    pub fn new(cgroup: u64, generation: u64, rules: u64, never_hold: u64) -> Self {
        // SAFETY: it takes and returns numbers.
        let seal = unsafe { calls::native_seal(cgroup, generation, rules, never_hold) };
        Self { seal, rules, never_hold }
    }

    /// Whether this is believed to be that cgroup's, under that generation.
    #[must_use]
    pub fn is_of(self, cgroup: u64, generation: u64) -> bool {
        self == Self::new(cgroup, generation, self.rules, self.never_hold)
    }
}
