//! Scanners of addresses of which some answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::workload::draw::{Draw, Ports, Prefix};
use crate::workload::scanners::{dead_within, one, scan};
use crate::workload::storms::alone;
use crate::workload::{PATIENCE, Pace, Peer, Stream, THREADS, Workload};

/// The addresses of a /24 that hosts have, and how many in a hundred of a dense one answer.
const HOSTS_OF_A_NETWORK: u32 = 254;
const LIVE_PERCENT_OF_A_DENSE_NETWORK: usize = 30;
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
    alone(format!("q-{live}-{dead}"), one(vec![scan(dials)]), run_for)
}

/// Workload w: Sasser's choice of addresses: half of them anywhere, a quarter each in one /8 and in one /16 of that; one
/// in a hundred answers. On a virtual clock only.
#[must_use]
pub fn sasser(seed: u64, run_for: Duration) -> Workload {
    let quarter = (dead_within(run_for) * 100 / 99 + THREADS).div_ceil(4);
    let mut draw = Draw::new(seed, Prefix::VAST).on(Ports::One(SMB));
    let anywhere = draw.mixed(Peer::Stranger, 2 * quarter, 1);
    let mut draw = draw.within_one(8);
    let in_the_same_eighth = draw.mixed(Peer::Stranger, quarter, 1);
    let mut draw = draw.within_one(16);
    let in_the_same_sixteenth = draw.mixed(Peer::Stranger, quarter, 1);
    let mut dials = [anywhere, in_the_same_eighth, in_the_same_sixteenth].concat();
    draw.shuffle(&mut dials);
    alone("w".to_owned(), one(vec![scan(dials)]), run_for)
}

/// Workload l: a scanner of one network after the other, address by address: 30 % of the first /24 answer, 1 % of those
/// after it.
#[must_use]
pub fn dense_network(seed: u64, run_for: Duration) -> Workload {
    let count = dead_within(run_for) * 100 / 99 + 2 * HOSTS_OF_A_NETWORK as usize;
    let networks = count.div_ceil(HOSTS_OF_A_NETWORK as usize);
    let mut draw = Draw::new(seed, Prefix::with_room_for(count)).on(Ports::One(SMB));
    let first = draw.first_of(networks).to_bits();
    let at = |place: u32| first + ((place / HOSTS_OF_A_NETWORK) << 8) + 1 + place % HOSTS_OF_A_NETWORK;
    let addresses: Vec<_> = (0..count as u32).map(|place| Ipv4Addr::from_bits(at(place))).collect();
    let (dense, others) = addresses.split_at(HOSTS_OF_A_NETWORK as usize);
    let dials = [
        draw.some_live(Peer::Stranger, dense, LIVE_PERCENT_OF_A_DENSE_NETWORK),
        draw.some_live(Peer::Stranger, others, 1),
    ];
    alone("l".to_owned(), one(vec![scan(dials.concat())]), run_for)
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
    use crate::workload::Dial;

    #[test]
    fn one_in_a_hundred_answers_and_none_is_lacking() {
        let workload = probe(1, 1, Probe::Threads, Duration::from_hours(1));
        let (live, dead) = (workload.live().len(), workload.dead().len());
        assert!(dead >= THREADS * 721 && live.abs_diff(dead / 99) < 10, "{live} live, {dead} dead");
        let slow = probe(1, 2, Probe::Each(Duration::from_secs(5)), Duration::from_hours(1));
        assert_eq!((slow.live().len(), slow.dead().len()), (14, 706));
    }

    #[test]
    fn half_are_anywhere_and_a_quarter_each_near() {
        let workload = sasser(3, Duration::from_secs(45));
        let most_of = |length: u32| {
            let mut counts = std::collections::HashMap::<u32, usize>::new();
            for (_, dial) in workload.dials() {
                *counts.entry(dial.to.to_bits() >> (32 - length)).or_default() += 1;
            }
            counts.into_values().max().unwrap() * 100 / workload.dials().count()
        };
        assert!((50..60).contains(&most_of(8)) && (25..28).contains(&most_of(16)));
        assert!((10..20).contains(&workload.live().len()), "{} live", workload.live().len());
    }

    #[test]
    fn a_dense_network_comes_before_the_sparse_ones() {
        let workload = dense_network(4, Duration::from_secs(45));
        let dials: Vec<_> = workload.dials().map(|(_, dial)| dial).collect();
        let (dense, others) = dials.split_at(254);
        let live = |dials: &[Dial]| dials.iter().filter(|dial| dial.peer.is_live()).count();
        assert_eq!((live(dense), live(others)), (76, others.len() / 100));
        assert!(dense.iter().all(|dial| dial.to.to_bits() >> 8 == dense[0].to.to_bits() >> 8));
        assert!(dials.iter().all(|dial| Prefix::WORLD.contains(dial.to)));
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
