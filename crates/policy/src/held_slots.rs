//! The slots of one scope: which attempt holds one, and until when.

use crate::attempt::AttemptId;
use crate::slots::{expiry_tick, grid_shift};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Nanoseconds; the slot is held before it and free from it on.
    free_from: u64,
    /// Taken on a grid that is no longer in force.
    of_old_grid: bool,
}

/// A slot is held for `slot_life`, rounded up to a tick of the grid ([`crate::slots`]) that was in force when it was
/// taken. When `slot_life` changes so much that ticks of another length are needed, the slots taken so far are kept
/// together until the last of them has expired: the kernel counts slots by tick and can not move them to
/// another grid one by one, and may only err to the side of holding one too long.
#[derive(Debug, Clone)]
pub(crate) struct HeldSlots {
    shift: u32,
    /// The latest time told; the clocks of two CPUs may differ a little, a slot once expired does not come back.
    clock: u64,
    of: BTreeMap<AttemptId, Slot>,
    by_expiry: BTreeSet<(u64, AttemptId)>,
}

fn tick_to_ns(tick: u64, shift: u32) -> u64 {
    if tick.leading_zeros() >= shift { tick << shift } else { u64::MAX }
}

impl HeldSlots {
    pub fn new(slot_life: Duration) -> Self {
        Self { shift: grid_shift(slot_life), clock: 0, of: BTreeMap::new(), by_expiry: BTreeSet::new() }
    }

    /// Frees what has expired and moves to the grid of `slot_life`.
    pub fn settle(&mut self, now: u64, slot_life: Duration) {
        self.clock = self.clock.max(now);
        while let Some(&(free_from, attempt)) = self.by_expiry.first()
            && free_from <= self.clock
        {
            self.by_expiry.pop_first();
            self.of.remove(&attempt);
        }
        let shift = grid_shift(slot_life);
        if shift != self.shift {
            self.leave_grid();
            self.shift = shift;
        }
    }

    fn leave_grid(&mut self) {
        if self.of.values().all(|slot| slot.of_old_grid) {
            return;
        }
        let free_from = self.by_expiry.last().map_or(0, |&(free_from, _)| free_from);
        for slot in self.of.values_mut() {
            *slot = Slot { free_from, of_old_grid: true };
        }
        self.by_expiry = self.of.keys().map(|&attempt| (free_from, attempt)).collect();
    }

    pub fn take(&mut self, attempt: AttemptId, now: u64, slot_life: Duration) {
        self.give_back(attempt);
        let free_from = tick_to_ns(expiry_tick(now, slot_life), self.shift);
        self.of.insert(attempt, Slot { free_from, of_old_grid: false });
        self.by_expiry.insert((free_from, attempt));
    }

    pub fn give_back(&mut self, attempt: AttemptId) {
        if let Some(slot) = self.of.remove(&attempt) {
            self.by_expiry.remove(&(slot.free_from, attempt));
        }
    }

    /// As of the last [`HeldSlots::settle`].
    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.of.contains_key(&attempt)
    }

    /// As of the last [`HeldSlots::settle`].
    pub fn count(&self) -> usize {
        self.of.len()
    }

    /// How many would be held were it settled at `now`.
    pub fn count_at(&self, now: u64) -> usize {
        let clock = self.clock.max(now);
        self.by_expiry.iter().rev().take_while(|(free_from, _)| *free_from > clock).count()
    }
}
