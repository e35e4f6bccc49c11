//! Programs that dial the same targets in rounds, however many of them are down.

use std::time::Duration;

use crate::workload::draw::{Draw, Ports, Prefix};
use crate::workload::scanners::one;
use crate::workload::storms::alone;
use crate::workload::{Pace, Peer, Stream, Workload};

/// Where targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Over all networks.
    Spread,
    /// In as small a one as has room for them.
    Near,
}

/// What Prometheus has by itself: an interval that many set, its usual timeout.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);
const SCRAPE_PATIENCE: Duration = Duration::from_secs(10);
const SCRAPED: usize = 300;
const EXPORTER: u16 = 9100;
/// HAProxy's own `inter`, and half of it.
const CHECK_EVERY: Duration = Duration::from_secs(2);
const CHECK_PATIENCE: Duration = Duration::from_secs(1);
const CHECKED: usize = 220;
const SERVICE: u16 = 8080;

impl Placement {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Spread, Self::Near];

    /// Its part in a workload's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Near => "near",
        }
    }

    fn draw(self, seed: u64, port: u16, targets: usize) -> Draw {
        let draw = Draw::new(seed, Prefix::WORLD).on(Ports::One(port));
        match self {
            Self::Spread => draw,
            Self::Near => draw.within_one(if targets <= 256 { 24 } else { 23 }),
        }
    }
}

/// Workload m as Prometheus has it: 300 targets, `live` of which answer, each scraped every 15 s, at a time of its own
/// in the interval, for 10 s at most; for 2 min.
#[must_use]
pub fn scrapes(seed: u64, placement: Placement, live: usize) -> Workload {
    let mut draw = placement.draw(seed, EXPORTER, SCRAPED);
    let dials = draw.shuffled(Peer::Target, SCRAPED, live);
    let phases = dials.iter().map(|_| draw.phase(SCRAPE_EVERY)).collect();
    let pace = Pace::Rounds { every: SCRAPE_EVERY, phases };
    let stream = Stream { dials, pace, patience: Some(SCRAPE_PATIENCE) };
    let name = format!("m-scrape-{}-{live}", placement.name());
    alone(name, one(vec![stream]), Duration::from_mins(2))
}

/// Workload m as HAProxy has it: 220 servers, `live` of which answer, each checked every 2 s, one after the other over
/// the interval, for 1 s at most; for 1 min.
#[must_use]
pub fn health_checks(seed: u64, placement: Placement, live: usize) -> Workload {
    let mut draw = placement.draw(seed, SERVICE, CHECKED);
    let dials = draw.shuffled(Peer::Target, CHECKED, live);
    let phases = (0..CHECKED as u32).map(|place| CHECK_EVERY * place / CHECKED as u32).collect();
    let pace = Pace::Rounds { every: CHECK_EVERY, phases };
    let stream = Stream { dials, pace, patience: Some(CHECK_PATIENCE) };
    let name = format!("m-check-{}-{live}", placement.name());
    alone(name, one(vec![stream]), Duration::from_mins(1))
}

pub(crate) fn monitoring_named(of: &str, seed: u64) -> Option<Workload> {
    let (program, rest) = of.split_once('-')?;
    let (placement, live) = rest.split_once('-')?;
    let placement = Placement::ALL.into_iter().find(|known| known.name() == placement)?;
    let live: usize = live.parse().ok()?;
    match program {
        "scrape" if live <= SCRAPED => Some(scrapes(seed, placement, live)),
        "check" if live <= CHECKED => Some(health_checks(seed, placement, live)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(workload: &Workload, length: u8) -> usize {
        let networks: std::collections::BTreeSet<_> =
            workload.dials().map(|(_, dial)| dial.to.to_bits() >> (32 - u32::from(length))).collect();
        networks.len()
    }

    #[test]
    fn near_ones_share_a_network_and_spread_ones_do_not() {
        assert_eq!(networks(&scrapes(1, Placement::Near, 100), 23), 1);
        assert_eq!(networks(&health_checks(1, Placement::Near, 100), 24), 1);
        assert!(networks(&scrapes(1, Placement::Spread, 100), 24) > 200);
    }

    #[test]
    fn written_out_each_target_is_dialled_in_each_round_at_its_phase() {
        let workload = health_checks(3, Placement::Near, 100);
        let unrolled = workload.unrolled();
        assert_eq!((unrolled.dials().count(), unrolled.live()), (220 * 30, workload.live()));
        let (stream, rounds) = (&workload.dialers[0].streams[0], &unrolled.dialers[0].streams[0]);
        let Pace::At(times) = &rounds.pace else { panic!("{:?}", rounds.pace) };
        assert!(times.is_sorted() && times.iter().all(|at| *at < workload.run_for));
        assert!(rounds.dials.chunks(220).all(|round| round == stream.dials));
    }

    #[test]
    fn each_target_is_due_once_in_each_interval() {
        for workload in [scrapes(2, Placement::Spread, 150), health_checks(2, Placement::Near, 73)] {
            let stream = &workload.dialers[0].streams[0];
            let Pace::Rounds { every, phases } = &stream.pace else { panic!("{:?}", stream.pace) };
            assert_eq!(phases.len(), stream.dials.len());
            assert!(phases.iter().all(|phase| phase < every) && stream.patience.unwrap() < *every);
            let early = phases.iter().filter(|phase| **phase < *every / 2).count();
            assert!((early * 2).abs_diff(phases.len()) < phases.len() / 5, "{early} in the first half");
        }
    }
}
