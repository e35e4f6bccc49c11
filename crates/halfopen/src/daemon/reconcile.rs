//! When the kernel's sockets are counted anew. An attempt ends unnoticed where another program has switched our
//! callbacks off; the accounting is wrong then until the next count.

use std::time::Duration;
use tokio::time::Instant;

/// The pause between two counts where nothing disturbs the callbacks.
const USUAL: Duration = Duration::from_secs(30);
/// The pause where something does.
const SOON: Duration = Duration::from_secs(5);
/// A pause is at least so many times longer than the count before it took: a host of a million sockets is not kept
/// busy with counting them.
const PART: u32 = 200;

/// The time of the next count.
#[derive(Debug)]
pub struct ReconcileTimes {
    next: Instant,
    soon: Duration,
    disturbances: u64,
}

impl ReconcileTimes {
    /// Beginning at `now`.
    #[must_use]
    pub fn from(now: Instant) -> Self {
        Self { next: now + USUAL, soon: SOON, disturbances: 0 }
    }

    /// When to count.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// A count that took `took` has ended at `now`.
    pub fn counted(&mut self, now: Instant, took: Duration) {
        self.soon = SOON.max(took * PART);
        self.next = now + USUAL.max(self.soon);
    }

    /// Takes note at `now` of how often our callbacks were found disturbed since the start.
    pub fn note(&mut self, now: Instant, disturbances: u64) {
        if disturbances > self.disturbances {
            self.disturbances = disturbances;
            self.next = self.next.min(now + self.soon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbance_brings_the_next_count_forward_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reconcile_times = ReconcileTimes::from(start);
        reconcile_times.note(at(1), 0);
        assert_eq!(reconcile_times.next(), at(30));
        reconcile_times.note(at(2), 7);
        reconcile_times.note(at(3), 7);
        assert_eq!(reconcile_times.next(), at(7));
        reconcile_times.counted(at(7), Duration::ZERO);
        reconcile_times.note(at(8), 7);
        assert_eq!(reconcile_times.next(), at(37));
    }

    #[test]
    fn counting_takes_half_a_percent_of_the_time_at_most() {
        let start = Instant::now();
        let mut reconcile_times = ReconcileTimes::from(start);
        reconcile_times.counted(start, Duration::from_secs(1));
        reconcile_times.note(start, 1);
        assert_eq!(reconcile_times.next(), start + Duration::from_secs(200));
    }
}
