//! How long attempts waited, counted by length: the memory is bounded, and each length is at most an eighth too high.

use std::time::Duration;

/// How many lengths there are from one power of two to the next, as a power of two.
const STEPS: u32 = 3;
/// As many lengths as reach from a millisecond to some hours.
const LENGTHS: usize = 192;

/// Waits, such as those of a minute.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Waits {
    /// Empty if there were none.
    counts: Vec<u32>,
    all: u64,
}

impl Waits {
    /// Notes one.
    pub fn note(&mut self, wait: Duration) {
        if self.counts.is_empty() {
            self.counts = vec![0; LENGTHS];
        }
        self.counts[length_of(wait.as_millis() as u64).min(LENGTHS - 1)] += 1;
        self.all += 1;
    }

    /// Whether there were any.
    pub fn any(&self) -> bool {
        self.all > 0
    }

    /// A length in milliseconds that `percent` of them did not exceed; `None` if there were none.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let enough = (self.all * percent).div_ceil(100).max(1);
        let mut below = 0;
        let length = self.counts.iter().position(|count| {
            below += u64::from(*count);
            below >= enough
        })?;
        Some(longest_of(length))
    }
}

/// The number of the length that a wait of `ms` counts as.
fn length_of(ms: u64) -> usize {
    let Some(power) = ms.checked_ilog2().and_then(|power| power.checked_sub(STEPS)) else {
        return ms as usize;
    };
    // The power, and the bits below the first one.
    (((u64::from(power) + 1) << STEPS) + (ms >> power) - (1 << STEPS)) as usize
}

/// The longest wait in milliseconds that counts as that length.
fn longest_of(length: usize) -> u64 {
    let length = length as u64;
    let Some(power) = (length >> STEPS).checked_sub(1) else { return length };
    (((1 << STEPS) + length % (1 << STEPS) + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_an_eighth_too_high() {
        let mut waits = Waits::default();
        assert_eq!(waits.percentile(50), None);
        (1..=10_000).for_each(|ms| waits.note(Duration::from_millis(ms)));
        for (percent, exact) in [(50, 5_000), (90, 9_000), (99, 9_900)] {
            let found = waits.percentile(percent).unwrap();
            assert!(found >= exact && found * 8 <= exact * 9, "{percent}: {found}");
        }
        waits.note(Duration::from_hours(10_000));
        assert!(waits.percentile(100).unwrap() > 3_600_000);
    }
}
