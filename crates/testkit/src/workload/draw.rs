//! Addresses, orders and times drawn by a seed.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::workload::{Dial, PORT, Peer, Workload};

/// Which ports are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// This one.
    One(u16),
    /// Of each address one at random, 1,024 to 65,535.
    Random,
}

/// A block of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    pub network: Ipv4Addr,
    /// How many bits all of it share, 1 to 32.
    pub length: u8,
}

impl Prefix {
    /// What the lab's world owns, RFC 2544's range for benches: 131,072 addresses.
    pub const WORLD: Self = Self { network: Ipv4Addr::new(198, 18, 0, 0), length: 15 };
    /// 2^28 addresses, for what needs more than [`WORLD`](Self::WORLD) has; on a virtual clock only.
    pub const VAST: Self = Self { network: Ipv4Addr::new(16, 0, 0, 0), length: 4 };

    /// How many addresses it has.
    #[must_use]
    pub fn size(self) -> usize {
        1 << (32 - u32::from(self.length))
    }

    /// Whether `address` is one of its addresses.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        ((self.network.to_bits() ^ address.to_bits()) as usize) < self.size()
    }

    /// [`WORLD`](Self::WORLD) if so many are at most half of it, so that the draw stays one at random, else
    /// [`VAST`](Self::VAST).
    pub(crate) fn with_room_for(addresses: usize) -> Self {
        if addresses <= Self::WORLD.size() / 2 { Self::WORLD } else { Self::VAST }
    }
}

/// Draws no address twice.
pub(crate) struct Draw {
    random: StdRng,
    prefix: Prefix,
    taken: HashSet<Ipv4Addr>,
    ports: Ports,
}

impl Draw {
    pub(crate) fn new(seed: u64, prefix: Prefix) -> Self {
        Self { random: StdRng::seed_from_u64(seed), prefix, taken: HashSet::new(), ports: Ports::One(PORT) }
    }

    /// The same, whose dials go to these ports from here on.
    pub(crate) fn on(self, ports: Ports) -> Self {
        Self { ports, ..self }
    }

    /// The same, which draws only of a block of this length within its prefix from here on.
    pub(crate) fn within_one(mut self, length: u8) -> Self {
        let network = Prefix { network: self.anywhere(), length };
        let mask = u32::MAX << (32 - u32::from(length));
        self.prefix = Prefix { network: Ipv4Addr::from_bits(network.network.to_bits() & mask), length };
        self
    }

    /// Of the prefix of a workload, nothing that it dials.
    pub(crate) fn beside(seed: u64, workload: &Workload) -> Self {
        let taken: HashSet<_> = workload.live().into_iter().chain(workload.dead()).collect();
        Self { taken, ..Self::new(seed, Prefix::with_room_for(workload.dials().count())) }
    }

    /// Addresses not drawn before.
    ///
    /// # Panics
    /// If the prefix has not so many left.
    pub(crate) fn dials(&mut self, peer: Peer, count: usize) -> Vec<Dial> {
        let taken = self.taken.iter().filter(|address| self.prefix.contains(**address)).count();
        assert!(taken + count <= self.prefix.size(), "{:?} has too few addresses", self.prefix);
        (0..count).map(|_| self.dial(peer)).collect()
    }

    fn dial(&mut self, peer: Peer) -> Dial {
        Dial { to: self.address(), port: self.port(), peer }
    }

    fn port(&mut self) -> u16 {
        match self.ports {
            Ports::One(port) => port,
            Ports::Random => self.random.random_range(1_024..=u16::MAX),
        }
    }

    fn anywhere(&mut self) -> Ipv4Addr {
        let index = self.random.random_range(0..self.prefix.size()) as u32;
        Ipv4Addr::from_bits(self.prefix.network.to_bits() | index)
    }

    fn address(&mut self) -> Ipv4Addr {
        loop {
            let address = self.anywhere();
            if self.taken.insert(address) {
                return address;
            }
        }
    }

    /// Addresses not drawn before, of which none shares its /24 with another until each /24 of the prefix has one.
    pub(crate) fn dials_of_many_networks(&mut self, peer: Peer, count: usize) -> Vec<Dial> {
        let networks = self.prefix.size() >> 8;
        let mut used = HashSet::new();
        let mut dials = Vec::with_capacity(count);
        while dials.len() < count {
            if used.len() == networks {
                used.clear();
            }
            let dial = self.dial(peer);
            if used.insert(dial.to.to_bits() >> 8) {
                dials.push(dial);
            } else {
                self.taken.remove(&dial.to);
            }
        }
        dials
    }

    /// So many dials of which this many in a hundred are to live ones, at random among the others.
    pub(crate) fn mixed(&mut self, live: Peer, count: usize, percent: usize) -> Vec<Dial> {
        self.shuffled(live, count, count * percent / 100)
    }

    /// So many dials of which `living` are to live ones, at random among the others.
    pub(crate) fn shuffled(&mut self, live: Peer, count: usize, living: usize) -> Vec<Dial> {
        let mut dials = [self.dials(Peer::Dead, count - living), self.dials(live, living)].concat();
        self.shuffle(&mut dials);
        dials
    }

    /// These addresses in this order, this many in a hundred of them live, at random among the others.
    pub(crate) fn some_live(&mut self, live: Peer, addresses: &[Ipv4Addr], percent: usize) -> Vec<Dial> {
        let living = addresses.len() * percent / 100;
        let mut peers: Vec<_> =
            (0..addresses.len()).map(|place| if place < living { live } else { Peer::Dead }).collect();
        peers.shuffle(&mut self.random);
        let dials = addresses.iter().zip(peers);
        dials.map(|(to, peer)| Dial { to: *to, port: self.port(), peer }).collect()
    }

    /// The first address of the first of so many /24s in a row.
    pub(crate) fn first_of(&mut self, networks: usize) -> Ipv4Addr {
        let network = self.random.random_range(0..=(self.prefix.size() >> 8) - networks) as u32;
        Ipv4Addr::from_bits(self.prefix.network.to_bits() + (network << 8))
    }

    /// A time shorter than this one.
    pub(crate) fn phase(&mut self, of: Duration) -> Duration {
        of.mul_f64(self.random.random())
    }

    pub(crate) fn shuffle(&mut self, dials: &mut [Dial]) {
        dials.shuffle(&mut self.random);
    }

    /// So many of `dials`, each drawn from all of them.
    pub(crate) fn some_of(&mut self, dials: &[Dial], count: usize) -> Vec<Dial> {
        (0..count).map(|_| dials[self.random.random_range(0..dials.len())]).collect()
    }

    /// The times of `count` independent events after `from`, with this time between two on average.
    pub(crate) fn poisson(&mut self, count: usize, from: Duration, mean_gap: Duration) -> Vec<Duration> {
        let mut at = from;
        let times = (0..count).map(|_| {
            // 1 - u lies in (0, 1], where the logarithm is finite.
            at += mean_gap.mul_f64(-(1.0 - self.random.random::<f64>()).ln());
            at
        });
        times.collect()
    }

    /// The times of all such events before `until`.
    pub(crate) fn poisson_until(&mut self, until: Duration, mean_gap: Duration) -> Vec<Duration> {
        let mut times = Vec::new();
        let mut last = Duration::ZERO;
        loop {
            last = self.poisson(1, last, mean_gap)[0];
            if last >= until {
                return times;
            }
            times.push(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_prefix_and_no_two_the_same() {
        let dials = Draw::new(1, Prefix::WORLD).dials(Peer::Dead, 50_000);
        assert!(dials.iter().all(|dial| Prefix::WORLD.contains(dial.to)));
        assert_eq!(dials.iter().collect::<HashSet<_>>().len(), 50_000);
        let upper = dials.iter().filter(|dial| dial.to.octets()[1] == 19).count();
        assert!((24_000..26_000).contains(&upper), "{upper} of 50,000 in the upper half");
    }

    #[test]
    fn poisson_times_ascend_and_keep_their_rate() {
        let times =
            Draw::new(2, Prefix::WORLD).poisson_until(Duration::from_secs(10_000), Duration::from_secs(1));
        assert!(times.is_sorted());
        assert!((9_500..10_500).contains(&times.len()), "{} in 10,000 s", times.len());
        let short =
            times.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) < Duration::from_millis(693)).count();
        let share = short * 100 / times.len();
        assert!((47..=53).contains(&share), "{share} % of the gaps below the median of the distribution");
    }

    #[test]
    fn each_of_the_many_networks_has_one_before_any_has_two() {
        let networks = |count: usize| {
            let dials = Draw::new(3, Prefix::WORLD).dials_of_many_networks(Peer::Stranger, count);
            dials.iter().map(|dial| dial.to.to_bits() >> 8).collect::<HashSet<_>>().len()
        };
        assert_eq!([networks(300), networks(512), networks(700)], [300, 512, 512]);
    }

    #[test]
    fn one_block_within_the_prefix_is_drawn_and_all_of_it_is_there() {
        let mut draw = Draw::new(4, Prefix::WORLD).on(Ports::One(443)).within_one(24);
        let dials = draw.dials(Peer::Dead, 256);
        assert!(dials.iter().all(|dial| draw.prefix.contains(dial.to) && dial.port == 443));
        assert!(Prefix::WORLD.contains(draw.prefix.network) && draw.prefix.network.octets()[3] == 0);
    }

    #[test]
    fn random_ports_are_hardly_ever_the_same() {
        let dials = Draw::new(5, Prefix::WORLD).on(Ports::Random).dials(Peer::Dead, 1_000);
        let ports: HashSet<_> = dials.iter().map(|dial| dial.port).collect();
        assert!(ports.len() > 950 && ports.iter().all(|port| *port >= 1_024), "{} ports", ports.len());
    }

    #[test]
    fn so_many_in_a_hundred_are_live() {
        let dials = Draw::new(6, Prefix::WORLD).mixed(Peer::Stranger, 10_000, 15);
        let live = |dials: &[Dial]| dials.iter().filter(|dial| dial.peer.is_live()).count();
        assert_eq!(live(&dials), 1_500);
        assert!((650..850).contains(&live(&dials[..5_000])), "{} in the first half", live(&dials[..5_000]));
    }

    #[test]
    fn what_does_not_fit_the_world_is_drawn_from_the_vast() {
        assert_eq!(Prefix::with_room_for(65_536), Prefix::WORLD);
        assert_eq!(Prefix::with_room_for(65_537), Prefix::VAST);
    }
}
