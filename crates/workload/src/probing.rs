//! Scanners of addresses of which some answer.

use std::time::Duration;

use crate::draw::{Draw, Ports, Prefix};
use crate::scanners::{dead_within, one};
use crate::storms::alone;
use crate::{PATIENCE, Pace, Peer, Stream, THREADS, Workload};

const SMB: u16 = 445;
const SSH: u16 = 22;
const HTTPS: u16 = 443;

/// How fast a scanner dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// As fast as 128 threads get on, each waiting for 5 s.
    Threads,
    /// One address at such an interval.
    Each(Duration),
}

impl Probe {
    /// All that have a name.
    pub const ALL: [Self; 4] = [
        Self::Threads,
        Self::Each(Duration::from_millis(100)),
        Self::Each(Duration::from_secs(1)),
        Self::Each(Duration::from_secs(5)),
    ];

    /// Its part in a workload's name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Threads => "threads".to_owned(),
            Self::Each(gap) if gap.subsec_millis() == 0 => format!("{}s", gap.as_secs()),
            Self::Each(gap) => format!("{}ms", gap.as_millis()),
        }
    }

    /// How long it has to be watched to be told.
    fn run_for(self) -> Duration {
        match self {
            Self::Each(gap) if gap > Duration::from_secs(1) => Duration::from_mins(30),
            Self::Threads | Self::Each(_) => Duration::from_secs(45),
        }
    }
}

/// A scanner of one port on which so many in a hundred of the addresses answer, 0 to 99: so many addresses that none is
/// dialled twice in `run_for` and none is lacking.
#[must_use]
pub fn probe(seed: u64, live_percent: usize, how: Probe, run_for: Duration) -> Workload {
    let count = match how {
        Probe::Threads => dead_within(run_for) * 100 / (100 - live_percent) + THREADS,
        Probe::Each(gap) => run_for.as_millis().div_ceil(gap.as_millis()) as usize,
    };
    let mut draw = Draw::new(seed, Prefix::with_room_for(count)).on(Ports::One(SMB));
    let dials = draw.mixed(Peer::Stranger, count, live_percent);
    let pace = match how {
        Probe::Threads => Pace::Threads(THREADS),
        Probe::Each(gap) => Pace::At((0..count as u32).map(|number| gap * number).collect()),
    };
    let name = format!("scanner-{live_percent}-{}", how.name());
    alone(name, one(vec![Stream { dials, pace, patience: Some(PATIENCE) }]), run_for)
}

/// Workload q: a scanner of port 22, where nobody answers, that farms credit on port 443: `live` addresses that answer,
/// then `dead` that do not, and so on. The live ones have a /24 each, as long as there are such.
#[must_use]
pub fn two_ports(seed: u64, live: usize, dead: usize, run_for: Duration) -> Workload {
    let turns = dead_within(run_for).div_ceil(dead);
    let mut draw = Draw::new(seed, Prefix::with_room_for(turns * (live + dead))).on(Ports::One(HTTPS));
    let farmed = draw.dials_of_many_networks(Peer::Stranger, turns * live);
    let scanned = draw.on(Ports::One(SSH)).dials(Peer::Dead, turns * dead);
    let turns = farmed.chunks(live).zip(scanned.chunks(dead));
    let dials = turns.flat_map(|(farmed, scanned)| [farmed, scanned].concat()).collect();
    let stream = Stream { dials, pace: Pace::Threads(THREADS), patience: Some(PATIENCE) };
    alone(format!("q-{live}-{dead}"), one(vec![stream]), run_for)
}

pub(crate) fn probe_named(of: &str, seed: u64) -> Option<Workload> {
    let (percent, how) = of.split_once('-')?;
    let live_percent = percent.parse().ok().filter(|percent| *percent < 100)?;
    let how = Probe::ALL.into_iter().find(|known| known.name() == how)?;
    Some(probe(seed, live_percent, how, how.run_for()))
}

pub(crate) fn two_ports_named(of: &str, seed: u64) -> Option<Workload> {
    let (live, dead) = of.split_once('-')?;
    let [live, dead] = [live, dead].map(|count| count.parse().ok().filter(|count| (1..=10).contains(count)));
    Some(two_ports(seed, live?, dead?, Duration::from_secs(45)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_answers_and_none_is_lacking() {
        let workload = probe(1, 1, Probe::Threads, Duration::from_hours(1));
        let (live, dead) = (workload.live().len(), workload.dead().len());
        assert!(dead >= THREADS * 721 && live.abs_diff(dead / 99) < 10, "{live} live, {dead} dead");
        let slow = probe(1, 2, Probe::Each(Duration::from_secs(5)), Duration::from_hours(1));
        assert_eq!((slow.live().len(), slow.dead().len()), (14, 706));
    }

    #[test]
    fn what_is_farmed_is_live_elsewhere() {
        let workload = two_ports(2, 2, 3, Duration::from_secs(45));
        for (place, (_, dial)) in workload.dials().enumerate() {
            assert_eq!(
                (dial.port, dial.peer.is_live()),
                if place % 5 < 2 { (443, true) } else { (22, false) }
            );
        }
        assert!(workload.dead().len() >= THREADS * 10);
    }
}
