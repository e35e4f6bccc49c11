//! The workloads by name.

use std::time::Duration;

use crate::workload::gathering::start_named;
use crate::workload::monitoring::monitoring_named;
use crate::workload::probing::{probe_named, two_ports_named};
use crate::workload::{
    Order, Peer, Workload, bitcoin_day, company, crowd, dense_network, farmer, forker, half_dead, mail,
    sasser, slow_scanner, storm, swarm,
};

const SCAN: Duration = Duration::from_secs(45);

/// The names of those that are compared, in the order in which results are shown.
pub const NAMES: [&str; 15] = [
    "a-live-first",
    "a-shuffled",
    "a-live-last",
    "c-live-first",
    "c-shuffled",
    "c-live-last",
    "s",
    "d-a-shuffled",
    "d-c-shuffled",
    "d-s",
    "e",
    "f",
    "h",
    "i",
    "j",
];

/// The names of those of honest programs of whose peers some are dead.
pub const PEERS: [&str; 35] = [
    "p-8-2",
    "p-8-2-ports",
    "p-8-20",
    "p-8-20-ports",
    "p-8-40",
    "p-8-40-ports",
    "p-12-2",
    "p-12-2-ports",
    "p-12-20",
    "p-12-20-ports",
    "p-12-40",
    "p-12-40-ports",
    "p-15-2",
    "p-15-2-ports",
    "p-15-20",
    "p-15-20-ports",
    "p-15-40",
    "p-15-40-ports",
    "p-30-2",
    "p-30-2-ports",
    "p-30-20",
    "p-30-20-ports",
    "p-30-40",
    "p-30-40-ports",
    "m-scrape-spread-100",
    "m-scrape-spread-150",
    "m-scrape-near-100",
    "m-scrape-near-150",
    "m-check-spread-73",
    "m-check-spread-100",
    "m-check-near-73",
    "m-check-near-100",
    "b",
    "t",
    "n",
];

/// The names of those of scanners of whose addresses some answer.
pub const SCANS: [&str; 17] = [
    "scanner-0-threads",
    "scanner-0-100ms",
    "scanner-0-1s",
    "scanner-0-5s",
    "scanner-1-threads",
    "scanner-1-100ms",
    "scanner-1-1s",
    "scanner-1-5s",
    "scanner-2-threads",
    "scanner-2-100ms",
    "scanner-2-1s",
    "scanner-2-5s",
    "q-1-2",
    "q-2-3",
    "q-1-1",
    "w",
    "l",
];

/// The workload of this name, drawn by this seed; `None` if there is none. An innocent second dialer is to be had
/// beside each: `d-` and the name.
#[must_use]
pub fn named(name: &str, seed: u64) -> Option<Workload> {
    if let Some(name) = name.strip_prefix("d-") {
        return Some(named(name, seed)?.with_innocent(seed));
    }
    let storm = |live, order: &str| {
        let order = Order::ALL.into_iter().find(|known| known.name() == order)?;
        Some(storm(live, order, seed))
    };
    match name {
        "s" => Some(company(seed, Duration::from_mins(1))),
        "e" => Some(crowd(seed)),
        "f" => Some(half_dead(seed)),
        "h" => Some(farmer(seed, SCAN)),
        "i" => Some(forker(seed, SCAN)),
        "j" => Some(slow_scanner(seed, Duration::from_mins(10))),
        "b" => Some(bitcoin_day(seed)),
        "l" => Some(dense_network(seed, SCAN)),
        "n" => Some(mail(seed)),
        "t" => Some(swarm(seed)),
        "w" => Some(sasser(seed, SCAN)),
        _ => match name.split_once('-')? {
            ("a", order) => storm(Peer::Known, order),
            ("c", order) => storm(Peer::Stranger, order),
            ("p", of) => start_named(name, of, seed),
            ("m", of) => monitoring_named(of, seed),
            ("q", of) => two_ports_named(of, seed),
            ("scanner", of) => probe_named(of, seed),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{INNOCENT, Pace, VICTIM};

    fn all() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().chain(PEERS).chain(SCANS)
    }

    #[test]
    fn every_name_draws_a_workload_of_that_name_and_a_seed_repeats_it() {
        for name in all() {
            let workload = named(name, 7).unwrap();
            assert_eq!(workload.name, name);
            assert_eq!(named(name, 7).unwrap(), workload, "{name}");
            assert_ne!(named(name, 8).unwrap(), workload, "{name}");
        }
        for unknown in
            ["", "d-", "b-shuffled", "a", "a-sideways", "S", "p-0-20", "p-8", "m-scrape-far-100", "q-1-0"]
        {
            assert_eq!(named(unknown, 7), None, "{unknown:?}");
        }
    }

    #[test]
    fn no_address_is_both_live_and_dead_and_only_known_ones_are_listed_twice() {
        for name in all() {
            let workload = named(name, 9).unwrap();
            assert!(workload.live().is_disjoint(&workload.dead()), "{name}");
            let mut seen = std::collections::HashSet::new();
            for (_, dial) in workload.dials().filter(|(_, dial)| dial.peer != Peer::Known) {
                assert!(seen.insert(dial.to), "{name} lists {} twice", dial.to);
            }
        }
    }

    #[test]
    fn the_innocent_one_dials_strangers_of_its_own_while_the_victim_is_at_work() {
        for name in ["d-a-shuffled", "d-c-shuffled", "d-s"] {
            let workload = named(name, 11).unwrap();
            let [victim, innocent] = &workload.dialers[..] else { panic!("{name} has not two dialers") };
            assert_eq!((victim.cgroup, innocent.cgroup), (VICTIM, INNOCENT));
            let stream = &innocent.streams[0];
            assert_eq!(stream.dials.len(), 20);
            assert!(stream.dials.iter().all(|dial| dial.peer == Peer::Stranger));
            let Pace::At(times) = &stream.pace else { panic!("{:?}", stream.pace) };
            assert_eq!(times.len(), 20);
            assert!(times[0] > Duration::from_secs(5), "{name}: {times:?}");
        }
    }
}
