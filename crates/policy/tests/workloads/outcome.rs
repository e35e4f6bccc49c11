//! What came of a workload.

use halfopen_workload::{Dial, Peer};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A dial that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    pub cgroup: &'static str,
    pub peer: Peer,
    /// From connect() to the answer.
    pub took: Duration,
    /// Distinct dead addresses that had been reached by then.
    pub dead_before: usize,
}

#[derive(Debug, Default)]
pub struct Outcome {
    dead: HashSet<Ipv4Addr>,
    pub connected: Vec<Connected>,
    /// Live ones dialled.
    pub live_dialled: usize,
    /// When the first account became a suspect.
    pub suspect: Option<Duration>,
    /// When the last dial ended, if all did.
    pub over: Option<Duration>,
}

impl Outcome {
    pub fn reach(&mut self, dial: Dial) {
        if !dial.peer.is_live() {
            self.dead.insert(dial.to);
        }
    }

    /// How many distinct dead addresses were sent a SYN.
    pub fn dead(&self) -> usize {
        self.dead.len()
    }

    /// The waits of those that were answered, sorted.
    pub fn waits(&self, wanted: impl Fn(&Connected) -> bool) -> Vec<Duration> {
        let mut waits: Vec<_> = self.connected.iter().filter(|one| wanted(one)).map(|one| one.took).collect();
        waits.sort_unstable();
        waits
    }
}

/// How many live ones were connected, on average, by the time so many dead ones had been reached.
pub fn live_by(outcomes: &[Outcome], dead: usize) -> f64 {
    let by_then =
        outcomes.iter().flat_map(|outcome| &outcome.connected).filter(|one| one.dead_before <= dead);
    by_then.count() as f64 / outcomes.len() as f64
}

/// The middle one of sorted waits.
pub fn median(waits: &[Duration]) -> Duration {
    waits.get(waits.len() / 2).copied().unwrap_or_default()
}

/// The longest of sorted waits.
pub fn longest(waits: &[Duration]) -> Duration {
    waits.last().copied().unwrap_or_default()
}
