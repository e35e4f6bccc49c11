//! Scanners that know the rules and have accomplices: live addresses that answer whenever they like.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;
use testkit::workload::{Dial, DialerPlan, PATIENCE, PORT, Pace, Peer, Stream, VICTIM, Workload};

pub const RUN: Duration = Duration::from_mins(10);

/// The accomplices: each in a /24 of its own, or so many to one.
pub fn accomplices(count: u32, to_a_neighbourhood: u32) -> Vec<Dial> {
    let first = Ipv4Addr::new(11, 0, 0, 0).to_bits();
    let at = |number: u32| first + ((number / to_a_neighbourhood) << 8) + 1 + number % to_a_neighbourhood;
    (0..count).map(|number| dial(at(number), Peer::Stranger)).collect()
}

pub fn dead(count: u32) -> Vec<Dial> {
    let first = Ipv4Addr::new(12, 0, 0, 0).to_bits();
    (0..count).map(|number| dial(first + number, Peer::Dead)).collect()
}

fn dial(to: u32, peer: Peer) -> Dial {
    Dial { to: Ipv4Addr::from_bits(to), port: PORT, peer }
}

pub fn attack(name: &str, streams: Vec<Stream>) -> Workload {
    let dialers = vec![DialerPlan { cgroup: VICTIM, meets: Vec::new(), streams }];
    Workload {
        name: name.to_owned(),
        dialers,
        named: BTreeSet::new(),
        round_trip: Duration::from_millis(20),
        run_for: RUN,
    }
}

/// 128 threads, and never the same port twice in a row.
pub fn on_random_ports() -> Workload {
    let dials = dead(20_000).into_iter().zip((1024..=u16::MAX).cycle());
    let dials = dials.map(|(dial, port)| Dial { port, ..dial }).collect();
    attack("ports", vec![Stream { dials, pace: Pace::Threads(128), patience: Some(PATIENCE) }])
}

/// All accomplices at once, again every `period` a part of them, `dead_per_live` dead right after each part.
pub fn pulses(live: &[Dial], at_a_time: usize, dead_per_live: u32, period: Duration) -> Workload {
    let mut dials = Vec::new();
    let mut times = Vec::new();
    let mut dead = dead(live.len() as u32 * dead_per_live).into_iter();
    for (pulse, part) in live.chunks(at_a_time).enumerate() {
        let at = period * pulse as u32;
        let scanned: Vec<_> = dead.by_ref().take(part.len() * dead_per_live as usize).collect();
        // A second suffices for the credit to come in.
        times.extend(part.iter().map(|_| at));
        times.extend(scanned.iter().map(|_| at + (period / 2).min(Duration::from_secs(1))));
        dials.extend(part.iter().copied().chain(scanned));
    }
    attack("pulses", vec![Stream { dials, pace: Pace::At(times), patience: Some(PATIENCE) }])
}

/// One live, some dead, and so on, by so many threads that wait for so long.
pub fn alternating(live: &[Dial], dead_per_live: u32, threads: usize, patience: Duration) -> Workload {
    let mut dead = dead(live.len() as u32 * dead_per_live).into_iter();
    let next =
        |live: &Dial| std::iter::once(*live).chain(dead.by_ref().take(dead_per_live as usize)).collect();
    let dials = live.iter().map(next).collect::<Vec<Vec<_>>>().concat();
    attack("alternating", vec![Stream { dials, pace: Pace::Threads(threads), patience: Some(patience) }])
}

/// No accomplices, and never more at a time than may go out: so many dead every `period`.
pub fn drip(at_a_time: u32, period: Duration) -> Workload {
    let pulses = (RUN.as_millis() / period.as_millis()) as u32;
    let times = (0..pulses * at_a_time).map(|number| period * (number / at_a_time)).collect();
    let stream = Stream { dials: dead(pulses * at_a_time), pace: Pace::At(times), patience: Some(PATIENCE) };
    attack("drip", vec![stream])
}
