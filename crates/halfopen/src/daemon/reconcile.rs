//! When the kernel part counts its sockets anew. If another program has disabled our callbacks, an attempt can end
//! unnoticed, and the accounting is wrong until the next count.

use std::time::Duration;
use tokio::time::Instant;

/// The pause between two counts if nothing disturbs the callbacks.
const USUAL: Duration = Duration::from_secs(30);
/// The pause if something does.
const SOON: Duration = Duration::from_secs(5);
/// A pause is at least this many times as long as the previous count took, so that counting does not keep a host with a
/// million sockets busy.
const PART: u32 = 200;

/// The time of the next count.
#[derive(Debug)]
pub struct ReconcileTimes {
    next: Instant,
    soon: Duration,
    disturbances: u64,
}

impl ReconcileTimes {
    /// Starts at `now`.
    #[must_use]
    pub fn from(now: Instant) -> Self {
        Self { next: now + USUAL, soon: SOON, disturbances: 0 }
    }

    /// The time of the next count.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Notes that a count ended at `now` and took `took`.
    pub fn counted(&mut self, now: Instant, took: Duration) {
        self.soon = SOON.max(took * PART);
        self.next = now + USUAL.max(self.soon);
    }

    /// Notes at `now` how often our callbacks have been disturbed since the start.
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
