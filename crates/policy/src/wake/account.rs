//! What is known of one scope's slots and turns: the last reading of its books, and what has happened since.

use super::Reading;
use crate::Rate;
use crate::scope::TURN_TOLERANCE_NS;

/// Faster turns are taken by those that ask by themselves: so many do then that none has to be woken.
const FASTEST: u64 = 10_000_000;

#[derive(Debug)]
pub(super) struct Account {
    read: Reading,
    in_use: u32,
    next_turn: u64,
}

impl Account {
    pub fn new(read: Reading) -> Self {
        Self { read, in_use: read.in_use, next_turn: read.next_turn }
    }

    pub fn read_at(&self) -> u64 {
        self.read.at
    }

    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    fn interval(&self) -> Option<u64> {
        self.read.limits.drain.map(Rate::interval_ns)
    }

    pub fn went_out(&mut self, at: u64, had_waited: bool) {
        // What came before is in the reading.
        if at <= self.read.at {
            return;
        }
        self.in_use = self.in_use.saturating_add(1);
        if let Some(interval) = self.interval().filter(|_| had_waited) {
            self.next_turn = self.next_turn.max(at.saturating_sub(TURN_TOLERANCE_NS)) + interval;
        }
    }

    pub fn gave_slot_back(&mut self, at: u64) {
        if at > self.read.at {
            self.in_use = self.in_use.saturating_sub(1);
        }
    }

    /// When the next turn falls due, where there is a rate.
    pub fn next_turn(&self) -> Option<u64> {
        self.interval().map(|_| self.next_turn)
    }

    /// How many may go out at `at`, when `to_come` slots of those in use will be free.
    pub fn open_turns(&self, at: u64, to_come: u64) -> u64 {
        let limits = &self.read.limits;
        let Some(half_open) = limits.half_open else { return u64::MAX };
        let slots = if limits.strict {
            u64::from(half_open.saturating_sub(self.in_use)) + to_come.min(self.in_use.min(half_open).into())
        } else {
            u64::MAX
        };
        let turns = match self.interval() {
            None => u64::MAX,
            Some(interval) if interval < FASTEST => 0,
            Some(interval) => {
                let due = self.next_turn.max(at.saturating_sub(TURN_TOLERANCE_NS));
                at.checked_sub(due).map_or(0, |late| late / interval + 1)
            }
        };
        slots.min(turns)
    }
}
