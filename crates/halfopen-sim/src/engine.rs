//! What an outbreak is run by.

use crate::course::Course;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs one case of a scenario. Two engines do: [`crate::exact::Exact`] and [`crate::scaled::Scaled`].
pub trait Engine: Sync {
    /// The run with this number. The same seed and number give the same course, bit for bit, on any number of threads.
    /// `None` if it was stopped.
    fn run(&self, number: u32, stop: &Stop) -> Option<Course>;
}

/// Says that no more is wanted.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// From now on no run goes on.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Which limiter each host has: the number of one of the case's, counted from 1, or 0 for none.
pub(crate) fn limiter_of(shares: &[f64], drawn: f64) -> u8 {
    let mut sum = 0.0;
    for (number, share) in shares.iter().enumerate() {
        sum += share;
        if drawn < sum {
            return number as u8 + 1;
        }
    }
    0
}
