//! Dials that all begin together.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::workload::draw::{Draw, Prefix};
use crate::workload::{DialerPlan, PATIENCE, Pace, Peer, Stream, VICTIM, Workload};

/// How live and dead addresses follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All live ones, then all dead ones.
    LiveFirst,
    /// At random.
    Shuffled,
    /// All dead ones, then all live ones.
    LiveLast,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LiveFirst, Self::Shuffled, Self::LiveLast];

    /// Its part in a workload's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LiveFirst => "live-first",
            Self::Shuffled => "shuffled",
            Self::LiveLast => "live-last",
        }
    }
}

/// Workloads a (`live` is [`Peer::Known`]) and c ([`Peer::Stranger`]): one process dials 200 dead and 20 live
/// addresses at once, without patience, for 45 s.
#[must_use]
pub fn storm(live: Peer, order: Order, seed: u64) -> Workload {
    let mut draw = Draw::new(seed, Prefix::WORLD);
    let (dead, living) = (draw.dials(Peer::Dead, 200), draw.dials(live, 20));
    let met = if live == Peer::Known { &living[..] } else { &[] };
    let meets = met.iter().map(|dial| dial.to).collect();
    let mut dials = match order {
        Order::LiveLast => [dead, living].concat(),
        Order::LiveFirst | Order::Shuffled => [living, dead].concat(),
    };
    if order == Order::Shuffled {
        draw.shuffle(&mut dials);
    }
    let letter = if live == Peer::Known { "a" } else { "c" };
    let streams = vec![Stream { dials, pace: Pace::AtOnce, patience: None }];
    alone(
        format!("{letter}-{}", order.name()),
        DialerPlan { cgroup: VICTIM, meets, streams },
        Duration::from_secs(45),
    )
}

/// Workload e: 2,000 live addresses at once, none met, 40 ms away there and back.
#[must_use]
pub fn crowd(seed: u64) -> Workload {
    let dials = Draw::new(seed, Prefix::WORLD).dials(Peer::Stranger, 2_000);
    let streams = vec![Stream { dials, pace: Pace::AtOnce, patience: None }];
    let dialer = DialerPlan { cgroup: VICTIM, meets: Vec::new(), streams };
    let round_trip = Duration::from_millis(40);
    Workload { round_trip, ..alone("e".to_owned(), dialer, Duration::from_mins(1)) }
}

/// Workload f: a dialer of 1,000 addresses, half of them dead, 200 at a time, each for 5 s at most.
#[must_use]
pub fn half_dead(seed: u64) -> Workload {
    let dials = Draw::new(seed, Prefix::WORLD).mixed(Peer::Stranger, 1_000, 50);
    let streams = vec![Stream { dials, pace: Pace::Threads(200), patience: Some(PATIENCE) }];
    let dialer = DialerPlan { cgroup: VICTIM, meets: Vec::new(), streams };
    alone("f".to_owned(), dialer, Duration::from_mins(1))
}

/// A workload of one dialer on a wire.
pub(crate) fn alone(name: String, dialer: DialerPlan, run_for: Duration) -> Workload {
    Workload { name, dialers: vec![dialer], named: BTreeSet::new(), round_trip: Duration::ZERO, run_for }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_ones_come_where_the_order_says() {
        let places = |order| {
            let workload = storm(Peer::Known, order, 3);
            let dials = &workload.dialers[0].streams[0].dials;
            assert_eq!(dials.len(), 220);
            let live: Vec<_> = (0..220).filter(|place| dials[*place].peer.is_live()).collect();
            assert_eq!(live.len(), 20);
            live
        };
        assert!(places(Order::LiveFirst).into_iter().eq(0..20));
        assert!(places(Order::LiveLast).into_iter().eq(200..220));
        let shuffled = places(Order::Shuffled);
        assert!(shuffled[0] < 60 && shuffled[19] > 160, "{shuffled:?} is hardly shuffled");
    }

    #[test]
    fn known_ones_are_met_before_and_strangers_are_not() {
        let known = storm(Peer::Known, Order::Shuffled, 4);
        let dialer = &known.dialers[0];
        let live: BTreeSet<_> = dialer.meets.iter().copied().collect();
        assert_eq!((live.len(), live), (20, known.live()));
        let strangers = storm(Peer::Stranger, Order::Shuffled, 4);
        assert_eq!((strangers.dialers[0].meets.len(), strangers.live().len()), (0, 20));
    }

    #[test]
    fn half_of_the_thousand_are_dead() {
        let workload = half_dead(5);
        assert_eq!((workload.live().len(), workload.dead().len()), (500, 500));
        let first = workload.dials().take(500).filter(|(_, dial)| dial.peer.is_live()).count();
        assert!((180..320).contains(&first), "{first} of the first 500 are live");
    }
}
