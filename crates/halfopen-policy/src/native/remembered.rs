//! One set of a table of what is remembered: `bpf/remembered.h`.

use super::calls;
use crate::abi;
use std::cell::UnsafeCell;

/// How many entries a set has.
pub const PLACES: u32 = abi::SET_PLACES;

/// A moment of the kernel's clock (nanoseconds) as sets have it, in units of 17 ms.
#[must_use]
pub fn set_time(ns: u64) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_set_time(ns) }
}

/// When what is noted `now` expires, in the time of sets, if it is remembered for `for_ns` nanoseconds.
#[must_use]
pub fn remembered_until(now: u32, for_ns: u64) -> u32 {
    // SAFETY: as in set_time().
    unsafe { calls::native_remembered_until(now, for_ns) }
}

/// For how long an address counts as tried, where one that answered is known for `known_for_ns`. All in
/// nanoseconds.
#[must_use]
pub fn tried_for_ns(known_for_ns: u64) -> u64 {
    // SAFETY: as in set_time().
    unsafe { calls::native_tried_for_ns(known_for_ns) }
}

/// For how long, in nanoseconds, an answer with this TTL (seconds) names an address; `least_ns` is the least.
#[must_use]
pub fn named_for_ns(ttl_s: u32, least_ns: u64) -> u64 {
    // SAFETY: as in set_time().
    unsafe { calls::native_named_for_ns(ttl_s, least_ns) }
}

/// `struct known_set`. Times are in any unit, and wrap around.
#[derive(Debug, Default)]
pub struct Set(UnsafeCell<abi::known_set>);

// SAFETY: the C code writes an entry only after it has claimed it by an atomic exchange.
unsafe impl Sync for Set {}

/// An entry's fingerprint, from its owner's hash and its key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print(u64);

impl Print {
    /// The fingerprint of these hashes.
    #[must_use]
    pub fn new(owner: u64, key: u64) -> Self {
        // SAFETY: it takes and returns numbers.
        Self(unsafe { calls::native_print(owner, key) })
    }
}

/// An entry that no reader finds until it is published.
#[derive(Debug)]
pub struct Claimed<'a> {
    set: &'a Set,
    print: Print,
    place: u32,
}

impl Set {
    /// When the entry with this fingerprint expires; `None` if there is none, or it has expired at `now`.
    #[must_use]
    pub fn find(&self, print: Print, now: u32) -> Option<u32> {
        let mut until = 0;
        // SAFETY: the set is the value's own.
        let found = unsafe { calls::native_set_find(self.0.get(), print.0, now, &raw mut until) };
        (found != 0).then_some(until)
    }

    /// Claims a place for an entry with this fingerprint; `None` if another thread is writing there.
    #[must_use]
    pub fn claim(&self, print: Print, now: u32) -> Option<Claimed<'_>> {
        // SAFETY: the set is the value's own.
        let place = unsafe { calls::native_set_claim(self.0.get(), print.0, now) };
        (place < PLACES).then_some(Claimed { set: self, print, place })
    }
}

impl Claimed<'_> {
    /// Publishes the entry: it is remembered from `now` to `until`.
    pub fn publish(self, now: u32, until: u32) {
        let (Print(print), place) = (self.print, self.place);
        // SAFETY: the set is the value's own, the place within it and this claim's.
        unsafe { calls::native_set_publish(self.set.0.get(), place, print, now, until) }
    }
}

/// `struct cgroup_rules`: what is cached of a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupRules {
    /// The checksum of the other members, the cgroup and the generation of the rules.
    pub seal: u64,
    /// The rules of `[[scope]]` that name the cgroup.
    pub rules: u64,
    /// The rules of `never_hold` that name the cgroup.
    pub never_hold: u64,
}

impl CgroupRules {
    /// The rules of this generation that name the cgroup with this id.
    #[must_use]
    pub fn new(cgroup: u64, generation: u64, rules: u64, never_hold: u64) -> Self {
        // SAFETY: it takes and returns numbers.
        let seal = unsafe { calls::native_seal(cgroup, generation, rules, never_hold) };
        Self { seal, rules, never_hold }
    }

    /// Whether the checksum says that this belongs to that cgroup, under that generation.
    #[must_use]
    pub fn is_of(self, cgroup: u64, generation: u64) -> bool {
        self == Self::new(cgroup, generation, self.rules, self.never_hold)
    }
}
