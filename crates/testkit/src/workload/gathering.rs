//! Programs that look for peers among addresses of which few still answer.

use std::time::Duration;

use crate::workload::draw::{Draw, Ports, Prefix};
use crate::workload::scanners::one;
use crate::workload::storms::alone;
use crate::workload::{PATIENCE, Pace, Peer, Stream, Workload};

/// Where Bitcoin nodes listen.
const BITCOIN: u16 = 8333;
/// After so long a node's start has failed.
const START: Duration = Duration::from_mins(5);
/// What libtorrent has by itself: connection_speed, peer_connect_timeout; and what was a usual bound on half-open
/// connections.
const SWARM_DIALS_A_SECOND: u32 = 30;
const SWARM_PATIENCE: Duration = Duration::from_secs(15);
const SWARM_AT_A_TIME: usize = 50;
/// What Bitcoin's feelers and lost peers come to.
const ATTEMPTS_AN_HOUR: usize = 57;
const LIVE_PERCENT_OF_BITCOIN: usize = 20;

/// How a node starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// How many in a hundred of the addresses it has been told of answer, 1 to 100.
    pub live_percent: usize,
    /// How many it dials a second, 1 to 1,000.
    pub dials_a_second: u32,
    /// How many peers it wants.
    pub wanted: usize,
    /// Where those listen.
    pub ports: Ports,
}

/// Workload p: a node dials, in random order and each for 5 s at most, addresses of which some answer, until it has the
/// peers it wants; for 5 min.
#[must_use]
pub fn start(name: &str, seed: u64, how: Start) -> Workload {
    let candidates = (START.as_secs() as usize) * how.dials_a_second as usize;
    let dials =
        Draw::new(seed, Prefix::WORLD).on(how.ports).mixed(Peer::Stranger, candidates, how.live_percent);
    let every = Duration::from_secs(1) / how.dials_a_second;
    let pace = Pace::Collect { every, at_a_time: None, wanted: Some(how.wanted) };
    alone(name.to_owned(), one(vec![Stream { dials, pace, patience: Some(PATIENCE) }]), START)
}

/// Workload b: a Bitcoin node in a day: 57 attempts an hour on average, each for 5 s at most, to addresses of which 20 %
/// answer. On a virtual clock only.
#[must_use]
pub fn bitcoin_day(seed: u64) -> Workload {
    let day = Duration::from_hours(24);
    let mut draw = Draw::new(seed, Prefix::VAST).on(Ports::One(BITCOIN));
    let times = draw.poisson_until(day, Duration::from_hours(1) / ATTEMPTS_AN_HOUR as u32);
    let dials = draw.mixed(Peer::Stranger, times.len(), LIVE_PERCENT_OF_BITCOIN);
    let stream = Stream { dials, pace: Pace::At(times), patience: Some(PATIENCE) };
    alone("b".to_owned(), one(vec![stream]), day)
}

/// Workload t: a BitTorrent client dials a swarm of 200 peers of which 40 answer, on random ports: 30 a second and 50 at
/// a time at most, each for 15 s at most.
#[must_use]
pub fn swarm(seed: u64) -> Workload {
    let dials = Draw::new(seed, Prefix::WORLD).on(Ports::Random).mixed(Peer::Stranger, 200, 20);
    let every = Duration::from_secs(1) / SWARM_DIALS_A_SECOND;
    let pace = Pace::Collect { every, at_a_time: Some(SWARM_AT_A_TIME), wanted: None };
    let stream = Stream { dials, pace, patience: Some(SWARM_PATIENCE) };
    alone("t".to_owned(), one(vec![stream]), Duration::from_mins(5))
}

pub(crate) fn start_named(name: &str, of: &str, seed: u64) -> Option<Workload> {
    let (of, ports) = match of.strip_suffix("-ports") {
        Some(of) => (of, Ports::Random),
        None => (of, Ports::One(BITCOIN)),
    };
    let (percent, rate) = of.split_once('-')?;
    let (live_percent, dials_a_second) = (percent.parse().ok()?, rate.parse().ok()?);
    let wanted = if dials_a_second < 20 { 10 } else { 30 };
    let known = (1..=100).contains(&live_percent) && (1..=1_000).contains(&dials_a_second);
    known.then(|| start(name, seed, Start { live_percent, dials_a_second, wanted, ports }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_addresses_for_all_of_its_start() {
        let how = Start { live_percent: 12, dials_a_second: 40, wanted: 30, ports: Ports::One(BITCOIN) };
        let workload = start("p", 1, how);
        assert_eq!((workload.live().len(), workload.dead().len()), (1_440, 10_560));
        let Pace::Collect { every, .. } = workload.dialers[0].streams[0].pace else { panic!("no collector") };
        assert_eq!(every, Duration::from_millis(25));
    }

    #[test]
    fn a_bitcoin_node_dials_fifty_seven_an_hour() {
        let workload = bitcoin_day(2);
        let dials = workload.dials().count();
        assert!((1_250..1_490).contains(&dials), "{dials} a day");
        assert_eq!(workload.live().len(), dials / 5);
    }
}
