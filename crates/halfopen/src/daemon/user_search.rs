//! When the daemon looks again for users whom nobody knew. Pure: the caller passes the time.

use std::time::Duration;

/// The first pause before they are looked for again. Each is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// When to look for users again.
#[derive(Debug)]
pub struct Search {
    next: Duration,
    pause: Duration,
}

impl Search {
    /// A search for the users of a configuration that was read at `now`.
    pub fn from(now: Duration) -> Self {
        Self { next: now + FIRST_PAUSE, pause: FIRST_PAUSE }
    }

    /// Whether it is time; the next pause then begins.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.next = now + self.pause;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_double_up_to_an_hour() {
        let mut search = Search::from(Duration::ZERO);
        let seconds = (0..10_000).filter(|second| search.is_due(Duration::from_secs(*second)));
        assert_eq!(seconds.collect::<Vec<_>>(), [10, 30, 70, 150, 310, 630, 1_270, 2_550, 5_110, 8_710]);
    }
}
