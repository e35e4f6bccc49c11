use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::{LabError, Prefix};

/// The port live and slow hosts listen on.
pub const PORT: u16 = 80;

/// How an address of the world answers a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostKind {
    /// SYN-ACK at once; a listener on [`PORT`], a reset on other ports unless
    /// [`LabBuilder::every_port`](crate::LabBuilder::every_port) is asked for.
    Live,
    /// Nothing ever.
    Dead,
    /// A reset at once.
    Refusing,
    /// An ICMP host unreachable (IPv6: address unreachable) at once.
    Unreachable,
    /// Like live, but only once [`LabBuilder::slow_drops`](crate::LabBuilder::slow_drops) SYNs of the connection
    /// have been lost.
    Slow,
}

/// Which protocol the drawn addresses belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
    /// Either, at even odds for each address.
    Both,
}

/// How many hosts of each kind to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    /// Hosts that answer.
    pub live: usize,
    /// Hosts that never answer.
    pub dead: usize,
    /// Hosts that reset.
    pub refusing: usize,
    /// Hosts a router says cannot be reached.
    pub unreachable: usize,
    /// Hosts that answer late.
    pub slow: usize,
    /// The protocol of their addresses.
    pub family: Family,
    /// Draw from this part of the world's prefixes only; its family takes precedence.
    pub within: Option<Prefix>,
}

/// One drawn address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its address.
    pub address: IpAddr,
    /// How it answers.
    pub kind: HostKind,
}

/// The hosts of one draw, in random order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// All of them in random order.
    #[must_use]
    pub fn all(&self) -> &[Host] {
        &self.0
    }

    /// Where to dial all of them, in random order, on [`PORT`].
    #[must_use]
    pub fn destinations(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|host| SocketAddr::new(host.address, PORT)).collect()
    }

    /// Where to dial those of one kind, in random order, on [`PORT`].
    #[must_use]
    pub fn of(&self, kind: HostKind) -> Vec<SocketAddr> {
        self.0
            .iter()
            .filter(|host| host.kind == kind)
            .map(|host| SocketAddr::new(host.address, PORT))
            .collect()
    }

    /// The kind of a drawn address.
    #[must_use]
    pub fn kind(&self, address: IpAddr) -> Option<HostKind> {
        self.0.iter().find(|host| host.address == address.to_canonical()).map(|host| host.kind)
    }
}

/// Draws hosts, no address twice. Neither prefix nor order tells a host's kind.
#[derive(Debug)]
pub(crate) struct Draw {
    random: StdRng,
    taken: HashSet<IpAddr>,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), taken: HashSet::new() }
    }

    pub(crate) fn draw(&mut self, mix: &Mix) -> Result<Hosts, LabError> {
        let kinds = [
            (HostKind::Live, mix.live),
            (HostKind::Dead, mix.dead),
            (HostKind::Refusing, mix.refusing),
            (HostKind::Unreachable, mix.unreachable),
            (HostKind::Slow, mix.slow),
        ];
        let mut kinds: Vec<_> =
            kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)).collect();
        kinds.shuffle(&mut self.random);
        self.check_room(mix, kinds.len())?;
        let hosts = kinds.into_iter().map(|kind| Host { address: self.address(mix), kind });
        Ok(Hosts(hosts.collect()))
    }

    pub(crate) fn leave_out(&mut self, hosts: &[Host]) {
        self.taken.extend(hosts.iter().map(|host| host.address));
    }

    fn check_room(&self, mix: &Mix, asked: usize) -> Result<(), LabError> {
        let prefix = mix.within.unwrap_or(match mix.family {
            Family::V6 => Prefix::WORLD_V6,
            Family::V4 | Family::Both => Prefix::WORLD_V4,
        });
        let taken = self.taken.iter().filter(|address| prefix.contains(**address)).count();
        let left = prefix.size() - taken as u128;
        if asked as u128 > left { Err(LabError::PrefixExhausted { prefix, left, asked }) } else { Ok(()) }
    }

    fn address(&mut self, mix: &Mix) -> IpAddr {
        loop {
            let prefix = mix.within.unwrap_or_else(|| match mix.family {
                Family::V4 => Prefix::WORLD_V4,
                Family::Both if self.random.random() => Prefix::WORLD_V4,
                Family::Both | Family::V6 => Prefix::WORLD_V6,
            });
            let address = prefix.nth(self.random.random_range(0..prefix.size()));
            if self.taken.insert(address) {
                return address;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix() -> Mix {
        Mix { live: 40, dead: 40, refusing: 5, unreachable: 6, slow: 7, ..Mix::default() }
    }

    #[test]
    fn a_draw_has_the_asked_number_of_each_kind_and_a_seed_repeats_it() {
        let hosts = Draw::new(7).draw(&mix()).unwrap();
        let count = |kind| hosts.of(kind).len();
        assert_eq!((count(HostKind::Live), count(HostKind::Dead)), (40, 40));
        assert_eq!(
            (count(HostKind::Refusing), count(HostKind::Unreachable), count(HostKind::Slow)),
            (5, 6, 7)
        );
        assert_eq!(hosts, Draw::new(7).draw(&mix()).unwrap());
        assert_ne!(hosts, Draw::new(8).draw(&mix()).unwrap());
    }

    #[test]
    fn neither_order_nor_half_of_the_prefix_tells_the_kind() {
        let hosts = Draw::new(1).draw(&Mix { live: 500, dead: 500, ..Mix::default() }).unwrap();
        let upper: Prefix = "198.19.0.0/16".parse().unwrap();
        let live = |hosts: &[Host]| hosts.iter().filter(|host| host.kind == HostKind::Live).count();
        let in_upper: Vec<_> =
            hosts.all().iter().copied().filter(|host| upper.contains(host.address)).collect();
        let first_half = live(&hosts.all()[..500]);
        assert!((180..320).contains(&first_half), "{first_half} of the first 500 are live");
        let share = live(&in_upper) * 100 / in_upper.len();
        assert!((40..=60).contains(&share), "{share} % of 198.19.0.0/16 are live");
    }

    #[test]
    fn a_small_prefix_can_be_drawn_empty_and_no_further() {
        let mut draw = Draw::new(3);
        let all =
            Mix { dead: 254, live: 2, within: Some("198.18.7.0/24".parse().unwrap()), ..Mix::default() };
        let hosts = draw.draw(&all).unwrap();
        assert_eq!(hosts.all().iter().map(|host| host.address).collect::<HashSet<_>>().len(), 256);
        assert!(matches!(draw.draw(&Mix { live: 1, ..all }), Err(LabError::PrefixExhausted { .. })));
    }
}
