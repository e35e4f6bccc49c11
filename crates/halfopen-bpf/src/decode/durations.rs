//! Histograms of durations.

use crate::abi::{
    DURATION_BUCKETS, DURATION_ENTRIES, SHORTEST_DURATION_NS, TIMED_HANDSHAKE, TIMED_WAIT, plain, timed,
};
use crate::error::{KernelError, bpf};
use libbpf_rs::MapCore;
use std::time::Duration;

/// How often something took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    /// All durations together.
    pub sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; DURATION_BUCKETS as usize], sum: Duration::ZERO }
    }
}

/// The bound of the first bucket is two to this power, in seconds.
const SHORTEST: i32 = -14;

impl Histogram {
    /// The bound of each bucket in seconds, which is above all that it counts, and how many durations it counts. The last
    /// one has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = (SHORTEST..).map(|power| 2_f64.powi(power)).take(self.buckets.len().saturating_sub(1));
        bounds.chain([f64::INFINITY]).zip(self.buckets.iter().copied())
    }

    /// Counts one more duration, as the kernel part does.
    pub fn add(&mut self, duration: Duration) {
        let units = duration.as_nanos() / u128::from(SHORTEST_DURATION_NS);
        let bucket = (u128::BITS - units.leading_zeros()).min(DURATION_BUCKETS - 1);
        self.buckets[bucket as usize] += 1;
        self.sum += duration;
    }
}

/// What the kernel part has timed since the accounting began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations {
    /// Waits that ended with a SYN that left.
    pub waits: Histogram,
    /// From the first SYN that left to its answer.
    pub handshakes: Histogram,
}

pub(crate) fn read(durations: &impl MapCore) -> Result<Durations, KernelError> {
    Ok(Durations {
        waits: histogram(durations, TIMED_WAIT)?,
        handshakes: histogram(durations, TIMED_HANDSHAKE)?,
    })
}

fn histogram(durations: &impl MapCore, of: timed) -> Result<Histogram, KernelError> {
    let entry = |number: u32| {
        let sum = plain::sum_of_cpus(durations, of * DURATION_ENTRIES + number);
        sum.map_err(|error| bpf("reading the histograms of durations", error))
    };
    let buckets = (0..DURATION_BUCKETS).map(entry).collect::<Result<_, _>>()?;
    Ok(Histogram { buckets, sum: Duration::from_nanos(entry(DURATION_BUCKETS)?) })
}
