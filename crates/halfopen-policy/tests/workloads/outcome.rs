//! What came of a workload.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use testkit::workload::{Dial, Peer, Workload};

/// A dial that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    pub cgroup: &'static str,
    pub to: Ipv4Addr,
    pub peer: Peer,
    /// Of the dial, where there are rounds; else 0.
    pub round: u32,
    /// Since time zero.
    pub at: Duration,
    /// From connect() to the answer.
    pub took: Duration,
    /// Distinct dead addresses that had been reached by then.
    pub dead_before: usize,
}

#[derive(Debug, Default)]
pub struct Outcome {
    /// When each was reached first, since time zero.
    dead: HashMap<Ipv4Addr, Duration>,
    pub connected: Vec<Connected>,
    /// Live ones that the workload lists.
    pub live_listed: usize,
    /// Live ones dialled.
    pub live_dialled: usize,
    /// When the first account became a suspect.
    pub suspect: Option<Duration>,
    /// When the last dial ended, if all did.
    pub over: Option<Duration>,
}

impl Outcome {
    pub fn of(workload: &Workload) -> Self {
        let live_listed = workload.dials().filter(|(_, dial)| dial.peer.is_live()).count();
        Self { live_listed, ..Self::default() }
    }

    pub fn reach(&mut self, dial: Dial, at: Duration) {
        if !dial.peer.is_live() {
            self.dead.entry(dial.to).or_insert(at);
        }
    }

    /// How many distinct dead addresses were sent a SYN.
    pub fn dead(&self) -> usize {
        self.dead.len()
    }

    /// How many of them within this time.
    pub fn dead_within(&self, time: Duration) -> usize {
        self.dead.values().filter(|at| **at <= time).count()
    }

    /// The waits of those that were answered, sorted.
    pub fn waits(&self, wanted: impl Fn(&Connected) -> bool) -> Vec<Duration> {
        let mut waits: Vec<_> = self.connected.iter().filter(|one| wanted(one)).map(|one| one.took).collect();
        waits.sort_unstable();
        waits
    }

    /// When so many had been connected to, if ever.
    pub fn when_connected(&self, peers: usize) -> Option<Duration> {
        self.connected.get(peers.checked_sub(1)?).map(|one| one.at)
    }

    /// How many targets were up in each round in which any was.
    pub fn up_in_rounds(&self) -> BTreeMap<u32, usize> {
        let mut rounds = BTreeMap::new();
        for one in &self.connected {
            *rounds.entry(one.round).or_default() += 1;
        }
        rounds
    }

    /// The first round in which so many were up.
    pub fn full_round(&self, live: usize) -> Option<u32> {
        self.up_in_rounds().into_iter().find(|(_, up)| *up >= live).map(|(round, _)| round)
    }

    /// When so many distinct ones had been up once, if ever.
    pub fn when_all_seen(&self, live: usize) -> Option<Duration> {
        let mut seen = HashSet::new();
        self.connected.iter().find(|one| seen.insert(one.to) && seen.len() == live).map(|one| one.at)
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
