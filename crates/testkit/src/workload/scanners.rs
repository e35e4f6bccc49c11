//! Dialers of addresses that nobody told them.

use std::time::Duration;

use crate::workload::draw::{Draw, Prefix};
use crate::workload::storms::alone;
use crate::workload::{Dial, DialerPlan, Pace, Peer, Stream, VICTIM, Workload};

/// How many threads a scanner has: those of Blaster and Sasser.
pub const THREADS: usize = 128;
/// How long each waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How many addresses the programs beside a scanner have met.
const ACQUAINTANCES: usize = 20;
/// The time between two dials of what a scanner has for company, on average.
const COMPANY_GAP: Duration = Duration::from_secs(1);
/// After so many dead addresses the one that farms credit dials a live one.
const DEAD_PER_LIVE: usize = 4;
const DIALS_PER_CHILD: usize = 16;

/// A scanner alone: so many dead addresses that none is dialled twice in `run_for` and none is lacking, as long as each
/// dial lasts its 5 s. Beyond some 40 minutes they are drawn from [`Prefix::VAST`].
#[must_use]
pub fn scanner(seed: u64, run_for: Duration) -> Workload {
    let count = dead_within(run_for);
    let dials = Draw::new(seed, Prefix::with_room_for(count)).dials(Peer::Dead, count);
    alone("scanner".to_owned(), one(vec![scan(dials)]), run_for)
}

/// Workload s: a scanner, and in the same process two Poisson streams of one dial a second each, without patience: to
/// 20 known addresses again and again, and to strangers.
#[must_use]
pub fn company(seed: u64, run_for: Duration) -> Workload {
    let count = dead_within(run_for);
    let mut draw = Draw::new(seed, Prefix::with_room_for(count));
    let scanned = draw.dials(Peer::Dead, count);
    let acquaintances = draw.dials(Peer::Known, ACQUAINTANCES);
    let meets = acquaintances.iter().map(|dial| dial.to).collect();
    let times = draw.poisson_until(run_for, COMPANY_GAP);
    let known =
        Stream { dials: draw.some_of(&acquaintances, times.len()), pace: Pace::At(times), patience: None };
    let times = draw.poisson_until(run_for, COMPANY_GAP);
    let strangers =
        Stream { dials: draw.dials(Peer::Stranger, times.len()), pace: Pace::At(times), patience: None };
    let dialer = DialerPlan { meets, ..one(vec![scan(scanned), known, strangers]) };
    alone("s".to_owned(), dialer, run_for)
}

/// Workload h: a scanner that farms credit: a live address it has never met, four dead ones, and so on.
#[must_use]
pub fn farmer(seed: u64, run_for: Duration) -> Workload {
    let dead = dead_within(run_for).next_multiple_of(DEAD_PER_LIVE);
    let live = dead / DEAD_PER_LIVE;
    let mut draw = Draw::new(seed, Prefix::with_room_for(dead + live));
    let (dead, live) = (draw.dials(Peer::Dead, dead), draw.dials(Peer::Stranger, live));
    let dials = live
        .iter()
        .zip(dead.chunks(DEAD_PER_LIVE))
        .flat_map(|(live, dead)| std::iter::once(*live).chain(dead.iter().copied()));
    alone("h".to_owned(), one(vec![scan(dials.collect())]), run_for)
}

/// Workload i: a scanner that has a new child, in a new cgroup below its own, make every 16 dials; at any time as many
/// dials are under way as of one with threads.
#[must_use]
pub fn forker(seed: u64, run_for: Duration) -> Workload {
    let pace = Pace::Forks { dials: DIALS_PER_CHILD, children: THREADS / DIALS_PER_CHILD };
    let mut workload = scanner(seed, run_for);
    for stream in workload.dialers.iter_mut().flat_map(|dialer| &mut dialer.streams) {
        stream.pace = pace.clone();
    }
    Workload { name: "i".to_owned(), ..workload }
}

/// Workload j: one dead address every 5 s.
#[must_use]
pub fn slow_scanner(seed: u64, run_for: Duration) -> Workload {
    let count = rounds_within(run_for);
    let dials = Draw::new(seed, Prefix::with_room_for(count)).dials(Peer::Dead, count);
    let pace = Pace::At((0..count as u32).map(|number| PATIENCE * number).collect());
    let streams = vec![Stream { dials, pace, patience: Some(PATIENCE) }];
    alone("j".to_owned(), one(streams), run_for)
}

pub(crate) fn scan(dials: Vec<Dial>) -> Stream {
    Stream { dials, pace: Pace::Threads(THREADS), patience: Some(PATIENCE) }
}

pub(crate) fn one(streams: Vec<Stream>) -> DialerPlan {
    DialerPlan { cgroup: VICTIM, meets: Vec::new(), streams }
}

pub(crate) fn rounds_within(run_for: Duration) -> usize {
    run_for.as_millis().div_ceil(PATIENCE.as_millis()) as usize
}

/// How many dead addresses a scanner gets to at most, one round to spare.
pub(crate) fn dead_within(run_for: Duration) -> usize {
    THREADS * (rounds_within(run_for) + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const RUN: Duration = Duration::from_mins(1);

    #[test]
    fn a_scanner_has_enough_dead_addresses_for_an_hour_and_dials_none_twice() {
        let hour = Duration::from_hours(1);
        let workload = scanner(1, hour);
        let dials: Vec<_> = workload.dials().map(|(_, dial)| dial).collect();
        assert!(dials.len() >= THREADS * (3600 / 5 + 1), "{} dials", dials.len());
        assert_eq!(dials.iter().collect::<HashSet<_>>().len(), dials.len());
        assert!(dials.iter().all(|dial| dial.peer == Peer::Dead && Prefix::VAST.contains(dial.to)));
        assert!(scanner(1, RUN).dead().iter().all(|address| Prefix::WORLD.contains(*address)));
    }

    #[test]
    fn the_known_company_has_been_met_and_the_strangers_are_never_dialled_twice() {
        let workload = company(2, RUN);
        let dialer = &workload.dialers[0];
        let [_, known, strangers] = &dialer.streams[..] else { panic!("{} streams", dialer.streams.len()) };
        assert!(known.dials.iter().all(|dial| dialer.meets.contains(&dial.to)));
        let once: HashSet<_> = strangers.dials.iter().map(|dial| dial.to).collect();
        assert_eq!(once.len(), strangers.dials.len());
        assert!(once.iter().all(|address| !dialer.meets.contains(address)));
        for stream in [known, strangers] {
            let Pace::At(times) = &stream.pace else { panic!("{:?}", stream.pace) };
            assert_eq!(times.len(), stream.dials.len());
            assert!((30..100).contains(&times.len()), "{} dials a minute", times.len());
        }
    }

    #[test]
    fn the_farmer_dials_a_live_one_before_every_four_dead_ones() {
        let workload = farmer(3, RUN);
        let live = workload.dials().map(|(_, dial)| dial.peer.is_live());
        assert!(live.enumerate().all(|(place, live)| live == (place % 5 == 0)));
        assert!(workload.dead().len() >= THREADS * (60 / 5));
    }

    #[test]
    fn the_forker_dials_what_the_scanner_does() {
        let (scanner, forker) = (scanner(4, RUN), forker(4, RUN));
        assert_eq!(scanner.dead(), forker.dead());
        assert_eq!(forker.dialers[0].streams[0].pace, Pace::Forks { dials: 16, children: 8 });
    }

    #[test]
    fn the_slow_scanner_dials_every_five_seconds() {
        let workload = slow_scanner(5, Duration::from_mins(10));
        let stream = &workload.dialers[0].streams[0];
        let Pace::At(times) = &stream.pace else { panic!("{:?}", stream.pace) };
        assert_eq!((times.len(), stream.dials.len()), (120, 120));
        assert_eq!(times[119], Duration::from_secs(595));
    }
}
