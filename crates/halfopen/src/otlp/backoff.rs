//! When a failed try is repeated: later each time, unless the collector says when. Pure: the caller passes what is random.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// As long as a collector can ask to be left alone.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// How long the tries have failed.
#[derive(Debug, Default)]
pub struct Backoff {
    failed: u32,
}

impl Backoff {
    /// A try has not failed.
    pub fn over(&mut self) {
        self.failed = 0;
    }

    /// A try has failed: how long to wait. `asked` is what the collector asks for; `chance`, from 0 to 1, spreads the
    /// tries of hosts that fail together over the second half of the wait.
    pub fn next(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failed.min(16)).min(LONGEST);
        self.failed = self.failed.saturating_add(1);
        asked.map_or_else(|| longest.mul_f64(0.5 + chance / 2.0), |asked| asked.min(LONGEST_ASKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<f64> = (0..8).map(|_| backoff.next(None, 1.0).as_secs_f64()).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff.next(None, 0.0), LONGEST / 2);
        backoff.over();
        assert_eq!(backoff.next(None, 0.0), FIRST / 2);
    }

    #[test]
    fn the_collector_says_when_within_bounds() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Some(Duration::from_secs(7)), 0.3), Duration::from_secs(7));
        assert_eq!(backoff.next(Some(Duration::from_hours(9)), 0.3), LONGEST_ASKED);
    }
}
