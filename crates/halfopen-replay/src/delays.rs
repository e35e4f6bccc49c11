//! How long attempts waited, in bounded memory.

/// Waits are told apart to an eighth of an octave, so a quantile is right to 9 %.
const STEPS: u32 = 8;
const OCTAVES: u32 = 22;
const BUCKETS: usize = (STEPS * OCTAVES) as usize;
const MS: u64 = 1_000_000;

/// A histogram of waits from a millisecond to an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delays {
    buckets: Option<Box<[u32; BUCKETS]>>,
    /// Nanoseconds.
    pub longest: u64,
    pub count: u64,
    pub over_1s: u64,
    pub over_10s: u64,
}

/// The bucket of a wait in milliseconds: its octave, and the three bits below the highest.
fn bucket(ms: u64) -> usize {
    let ms = ms.max(1);
    let octave = ms.ilog2();
    let step = ((ms << 3) >> octave) as u32 & (STEPS - 1);
    ((octave * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The middle of a bucket, in milliseconds.
fn middle(bucket: usize) -> u64 {
    let (octave, step) = (bucket as u32 / STEPS, bucket as u64 % u64::from(STEPS));
    ((2 * u64::from(STEPS) + 2 * step + 1) << octave) / (2 * u64::from(STEPS))
}

/// What the waits of a bucket do not exceed, in milliseconds.
fn end(bucket: usize) -> u64 {
    let (octave, step) = (bucket as u32 / STEPS, bucket as u64 % u64::from(STEPS));
    ((u64::from(STEPS) + step + 1) << octave) / u64::from(STEPS)
}

impl Delays {
    pub fn add(&mut self, wait: u64) {
        let buckets = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
        buckets[bucket(wait / MS)] += 1;
        self.count += 1;
        self.longest = self.longest.max(wait);
        self.over_1s += u64::from(wait > 1_000 * MS);
        self.over_10s += u64::from(wait > 10_000 * MS);
    }

    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.buckets {
            let ours = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
            for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                *ours = ours.saturating_add(*theirs);
            }
        }
        self.longest = self.longest.max(other.longest);
        self.count += other.count;
        self.over_1s += other.over_1s;
        self.over_10s += other.over_10s;
    }

    /// How many waits there are up to each length in milliseconds, where there are any.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        let longest = self.longest.div_ceil(MS);
        let all = self.buckets.iter().flat_map(|buckets| buckets.iter().enumerate());
        all.filter(|(_, count)| **count > 0).map(move |(at, count)| (end(at).min(longest), u64::from(*count)))
    }

    /// The wait in milliseconds that this share of the waits, in thousandths, does not exceed; 0 without waits.
    pub fn quantile(&self, in_a_thousand: u64) -> u64 {
        let Some(buckets) = &self.buckets else { return 0 };
        let rank = (self.count * in_a_thousand).div_ceil(1000).max(1);
        let mut seen = 0;
        let found = buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map_or(0, middle).min(self.longest / MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_nine_percent() {
        let mut delays = Delays::default();
        for ms in 1..=10_000 {
            delays.add(ms * MS);
        }
        for (in_a_thousand, right) in [(10, 100), (500, 5_000), (990, 9_900), (1000, 10_000)] {
            let told = delays.quantile(in_a_thousand);
            assert!(told.abs_diff(right) * 100 < right * 9, "{in_a_thousand}: {told} instead of {right}");
        }
        assert_eq!((delays.count, delays.over_1s, delays.over_10s), (10_000, 9_000, 0));
        let mut twice = delays.clone();
        twice.merge(&delays);
        assert_eq!((twice.quantile(500), twice.count), (delays.quantile(500), 20_000));
    }
}
