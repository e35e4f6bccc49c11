//! How many first contacts a limiter lets out of one host, by the time since the worm got it: measured on the exact
//! engine's hosts, for the scaled one.

use crate::carrier::{Carrier, Said, Wait};
use crate::limiter::Limiter;
use crate::scenario::{Pace, Protocol, Scenario};
use crate::space::Space;
use crate::streams::Stream;
use rand::RngExt;
use rayon::prelude::*;

/// The first pieces of a curve are a second long, and each later one as long as all before it.
const PIECES: usize = 13;
/// At most so many hosts are measured for each limiter; fewer if they would dial more often than this in all, but not
/// less than `FEWEST`: what dials that often is known well from few.
const HOSTS: u32 = 16;
const MOST_DIALS: f64 = 3e6;
const FEWEST: u32 = 4;
/// Where only slots and turns count, all is seen in so many seconds; else the last piece has to be reached.
const STEADY_AFTER: f64 = 200.0;

/// The rates of one limiter.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Pieces by age; the last one goes on for ever.
    pub pieces: Vec<Piece>,
    /// How long legitimate programs wait beside the worm, and on a host without it.
    pub waits: Waits,
    /// Dials that the worm begins in a second, held or not.
    pub attempts: f64,
}

/// Rates from one age to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Piece {
    /// Seconds since the worm got the host.
    pub from: f64,
    /// Contacts in a second that a vulnerable host can answer in time, in the order of [`crate::scenario::Reach::ALL`].
    pub contacts: [f64; 3],
    /// Those that come too late for an answer.
    pub in_vain: f64,
    /// Deliveries to fixed addresses in a second.
    pub deliveries: f64,
}

/// What legitimate dials have waited for: by what is on the host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Waits {
    /// The worm.
    pub with_worm: Vec<Wait>,
    /// No worm.
    pub clean: Vec<Wait>,
}

struct Seen {
    /// By piece, contacts in the order of [`crate::scenario::Reach::ALL`], deliveries, and contacts in vain.
    counts: Vec<[u32; 5]>,
    waits: Vec<Wait>,
    attempts: u64,
}

impl Curve {
    /// Measures some hosts.
    #[must_use]
    pub fn measure(scenario: &Scenario, space: &Space, limiter: &Limiter, seed: u64) -> Self {
        if let (Protocol::Udp, Pace::PerSecond(rate)) = (scenario.worm.protocol, scenario.worm.pace) {
            return Self::of_datagrams(scenario, rate.times());
        }
        let mut ages: Vec<f64> =
            std::iter::once(0.0).chain((0..PIECES).map(|n| (1_u64 << n) as f64)).collect();
        let until = scenario.until.seconds();
        let steady = if limiter.judges() { f64::INFINITY } else { STEADY_AFTER };
        ages.retain(|age| *age < until.min(steady));
        let end = ages.last().map_or(1.0, |last| (last * 2.0).max(1.0));
        let ends: Vec<f64> = ages.iter().skip(1).copied().chain([end]).collect();
        let hosts = hosts_for(scenario, end);
        let measured: Vec<Seen> = (0..hosts)
            .into_par_iter()
            .map(|number| Seen::of_host(scenario, space, limiter, (seed, number), &ends))
            .collect();
        let piece = |(number, (from, until)): (usize, (&f64, &f64))| {
            let host_seconds = (until - from) * f64::from(hosts);
            let rate = |kind: usize| {
                let all: u32 = measured.iter().map(|one| one.counts[number][kind]).sum();
                f64::from(all) / host_seconds
            };
            Piece {
                from: *from,
                contacts: [rate(0), rate(1), rate(2)],
                deliveries: rate(3),
                in_vain: rate(4),
            }
        };
        let pieces = ages.iter().zip(&ends).enumerate().map(piece).collect();
        let attempts: u64 = measured.iter().map(|one| one.attempts).sum();
        let clean = if scenario.programs.is_empty() {
            Vec::new()
        } else {
            clean(scenario, space, limiter, seed, (hosts, end))
        };
        Self {
            pieces,
            waits: Waits { with_worm: measured.into_iter().flat_map(|one| one.waits).collect(), clean },
            attempts: attempts as f64 / (end * f64::from(hosts)),
        }
    }

    /// Nothing holds these.
    fn of_datagrams(scenario: &Scenario, rate: f64) -> Self {
        let contacts = scenario.worm.targets.shares().map(|share| share * rate);
        let pieces = vec![Piece { from: 0.0, contacts, ..Piece::default() }];
        Self { pieces, waits: Waits::default(), attempts: rate }
    }

    /// Contacts of a host by this age in seconds, on average.
    #[must_use]
    pub fn contacts_by(&self, age: f64) -> f64 {
        let ends = self.pieces.iter().skip(1).map(|piece| piece.from).chain([f64::INFINITY]);
        self.pieces
            .iter()
            .zip(ends)
            .map(|(piece, end)| {
                let rate: f64 = piece.contacts.iter().sum::<f64>() + piece.in_vain + piece.deliveries;
                rate * (age.min(end) - piece.from).max(0.0)
            })
            .sum()
    }
}

impl Seen {
    fn of_host(
        scenario: &Scenario,
        space: &Space,
        limiter: &Limiter,
        which: (u64, u32),
        ends: &[f64],
    ) -> Self {
        let mut random = Stream::Measured(which.1).random(which.0);
        let host = random.random_range(0..space.hosts() as u32);
        let mut carrier = Carrier::new(scenario, space, limiter, space.address(host), 0..0, random);
        let mut counts = Vec::with_capacity(ends.len());
        for end in ends {
            let mut count = [0; 5];
            carrier.go_on(nanos(*end));
            for contact in carrier.contacts.drain(..) {
                match contact.what {
                    Said::Sent(Some(reach)) => count[reach as usize] += 1,
                    Said::Delivered => count[3] += 1,
                    Said::SentInVain(Some(_)) => count[4] += 1,
                    Said::Sent(None) | Said::SentInVain(None) | Said::Reached(_) => {}
                }
            }
            counts.push(count);
        }
        Self { attempts: carrier.attempts(), counts, waits: std::mem::take(&mut carrier.waits) }
    }
}

/// How many hosts to measure for so many seconds.
#[allow(clippy::cast_sign_loss, reason = "it is between two counts")]
fn hosts_for(scenario: &Scenario, seconds: f64) -> u32 {
    let worm = &scenario.worm;
    let rate = match worm.pace {
        Pace::Threads(threads) => threads.get() as f64 / worm.patience.seconds(),
        Pace::PerSecond(rate) => rate.times(),
        Pace::Batch { sockets, wait } => sockets.get() as f64 / wait.seconds(),
    };
    (MOST_DIALS / (rate * seconds)).clamp(f64::from(FEWEST), f64::from(HOSTS)) as u32
}

fn clean(
    scenario: &Scenario,
    space: &Space,
    limiter: &Limiter,
    seed: u64,
    (hosts, end): (u32, f64),
) -> Vec<Wait> {
    let of_host = |number| {
        let random = Stream::Measured(HOSTS + number).random(seed);
        let mut host = Carrier::clean(scenario, space, limiter, random);
        host.go_on(nanos(end));
        host.waits
    };
    (0..hosts).into_par_iter().flat_map_iter(of_host).collect()
}

#[allow(clippy::cast_sign_loss, reason = "a time after zero")]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
