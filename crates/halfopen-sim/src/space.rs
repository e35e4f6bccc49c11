//! The address space: where the vulnerable hosts are, and what answers besides.

use crate::scenario::{Layout, Place, Population, Reach, ScenarioError, Share};
use crate::streams::{Stream, hash, unit};
use rand::RngExt;
use std::net::Ipv4Addr;
use std::path::Path;

/// The most of a block's addresses that a layout may take for vulnerable hosts.
const FULLEST: f64 = 0.9;
/// So often are those drawn again that fell on a taken address. Few are left after ten times unless weights differ
/// extremely.
const MOST_DRAWS: u32 = 1_000;

/// The vulnerable hosts that scans can reach, by address.
#[derive(Debug, Clone)]
pub struct Space {
    bits: u32,
    /// Ascending.
    hosts: Vec<u32>,
    /// Of each /16, the first of its hosts; one more at the end.
    starts: Vec<u32>,
    /// Of each /16, the share of other addresses that answer, and that answer or refuse.
    others: Vec<[f32; 2]>,
    salt: u64,
    /// How many vulnerable hosts no scan reaches.
    unreachable: usize,
}

/// Who is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inhabitant {
    /// The vulnerable host with this number.
    Vulnerable(u32),
    /// A host that answers and is not vulnerable.
    Answering,
    /// A host that refuses.
    Refusing,
    /// Nobody.
    Nobody,
}

impl Space {
    /// Puts the population at addresses that the seed draws.
    ///
    /// # Errors
    /// A file of prefixes that cannot be read or has a mistake, and a layout that is too small for its hosts.
    #[allow(clippy::cast_sign_loss, reason = "shares of counts")]
    pub fn of(population: &Population, seed: u64) -> Result<Self, ScenarioError> {
        let bits = population.space_bits.get();
        let mut random = Stream::Layout.random(seed);
        let blocks = Blocks::of(&population.layout, bits, &mut random)?;
        let all = population.vulnerable.get();
        let reachable = (all as f64 * (1.0 - population.behind_nat.of_one())).round().max(1.0) as usize;
        let too_small = || ScenarioError::TooSmall { hosts: reachable, addresses: blocks.room() as u64 };
        if reachable as f64 > blocks.room() * FULLEST {
            return Err(too_small());
        }
        let mut hosts = Vec::with_capacity(reachable);
        let mut draws = 0;
        while hosts.len() < reachable {
            draws += 1;
            if draws > MOST_DRAWS {
                return Err(too_small());
            }
            let lacking = reachable - hosts.len();
            hosts.extend((0..lacking).map(|_| blocks.draw(&mut random)));
            hosts.sort_unstable();
            hosts.dedup();
        }
        let groups = 1_usize << bits.saturating_sub(16);
        let mut starts = vec![0_u32; groups + 1];
        for host in &hosts {
            starts[(host >> 16) as usize + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let usual = hosts.len() as f64 / groups as f64;
        let [answering, refusing] = [population.answering, population.refusing].map(Share::of_one);
        let others = starts.windows(2).map(|pair| {
            let crowd = f64::from(pair[1] - pair[0]) / usual;
            let answering = (answering * crowd).min(1.0);
            [answering as f32, (answering + refusing * crowd).min(1.0) as f32]
        });
        let others = others.collect();
        Ok(Self { bits, hosts, starts, others, salt: random.random(), unreachable: all - reachable })
    }

    /// How many vulnerable hosts scans can reach.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// How many vulnerable hosts no scan reaches.
    #[must_use]
    pub fn unreachable(&self) -> usize {
        self.unreachable
    }

    /// How many vulnerable hosts each /16 has.
    #[must_use]
    pub fn by_group(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.starts.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The address of a vulnerable host.
    #[must_use]
    pub fn address(&self, host: u32) -> u32 {
        self.hosts.get(host as usize).copied().unwrap_or_default()
    }

    /// How many bits of an address are drawn for a dial that reaches so far.
    #[must_use]
    pub fn free_bits(&self, reach: Reach) -> u32 {
        match reach {
            Reach::Anywhere => self.bits,
            Reach::Same8 => self.bits.min(24),
            Reach::Same16 => self.bits.min(16),
        }
    }

    /// An address that a host at `from` dials: the low bits are drawn.
    #[must_use]
    pub fn target(&self, from: u32, reach: Reach, drawn: u32) -> u32 {
        let mask = (u64::MAX << self.free_bits(reach)) as u32;
        (from & mask) | (drawn & !mask)
    }

    /// The address after this one.
    #[must_use]
    pub fn after(&self, address: u32) -> u32 {
        address.wrapping_add(1) & !((u64::MAX << self.bits) as u32)
    }

    /// Who is at an address.
    #[must_use]
    pub fn at(&self, address: u32) -> Inhabitant {
        let group = (address >> 16) as usize;
        let (Some(pair), Some([answering, any])) =
            (self.starts.get(group..group + 2), self.others.get(group))
        else {
            return Inhabitant::Nobody;
        };
        let first = pair[0] as usize;
        if let Ok(at) = self.hosts[first..pair[1] as usize].binary_search(&address) {
            return Inhabitant::Vulnerable((first + at) as u32);
        }
        let drawn = unit(hash(self.salt ^ u64::from(address))) as f32;
        if drawn < *answering {
            Inhabitant::Answering
        } else if drawn < *any {
            Inhabitant::Refusing
        } else {
            Inhabitant::Nobody
        }
    }
}

/// Blocks of addresses, each with the sum of weights up to its end.
struct Blocks {
    blocks: Vec<(u32, u32, f64)>,
    total: f64,
}

impl Blocks {
    fn of(layout: &Layout, bits: u32, random: &mut impl RngExt) -> Result<Self, ScenarioError> {
        let groups = 1_u32 << bits.saturating_sub(16);
        let mut blocks = Self { blocks: Vec::new(), total: 0.0 };
        match layout {
            Layout::Uniform => blocks.add(0, bits, 1.0),
            Layout::Clustered { of_8, of_16 } => {
                for first in (0..groups).step_by(256) {
                    let in_use = random.random::<f64>() < of_8.of_one();
                    for group in first..groups.min(first + 256) {
                        if random.random::<f64>() < of_16.of_one() && in_use {
                            blocks.add(group << 16, bits.min(16), 1.0);
                        }
                    }
                }
            }
            Layout::Prefixes(path) => blocks.read(path, bits)?,
        }
        Ok(blocks)
    }

    fn add(&mut self, first: u32, free_bits: u32, weight: f64) {
        self.total += weight;
        self.blocks.push((first, free_bits, self.total));
    }

    fn read(&mut self, path: &Path, bits: u32) -> Result<(), ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| ScenarioError::Unreadable { file: path.to_owned(), reason })?;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (first, length, weight) = prefix(line).ok_or_else(|| ScenarioError::Mistake {
                place: Place::line(path, number + 1),
                what: format!("{line:?} is no prefix with its weight: write such as \"10.0.0.0/8 2.5\""),
            })?;
            let free_bits = (32 - length).min(bits);
            let mask = !((u64::MAX << bits) as u32) & (u64::MAX << free_bits) as u32;
            self.add(first & mask, free_bits, weight);
        }
        Ok(())
    }

    fn room(&self) -> f64 {
        self.blocks.iter().map(|(_, bits, _)| (1_u64 << bits) as f64).sum()
    }

    fn draw(&self, random: &mut impl RngExt) -> u32 {
        let drawn = random.random::<f64>() * self.total;
        let at = self.blocks.partition_point(|(_, _, sum)| *sum <= drawn);
        let (first, bits, _) = self.blocks[at.min(self.blocks.len() - 1)];
        first | (random.random::<u32>() & !((u64::MAX << bits) as u32))
    }
}

fn prefix(line: &str) -> Option<(u32, u32, f64)> {
    let (prefix, weight) = line.split_once(char::is_whitespace)?;
    let (address, length) = prefix.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length = length.parse().ok().filter(|length| (1..=32).contains(length))?;
    let weight = weight.trim().parse().ok().filter(|weight| *weight > 0.0 && f64::is_finite(*weight))?;
    Some((address.to_bits(), length, weight))
}
