//! Who is vulnerable, and what else answers.

use super::number::{Count, PerSecond, Share, Span};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The vulnerable hosts and the addresses around them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// How many hosts are vulnerable.
    pub vulnerable: Count<16_000_000>,
    /// The address space has two to this power addresses.
    #[serde(default = "whole_space")]
    pub space_bits: SpaceBits,
    /// How many are infected at time zero.
    #[serde(default = "one")]
    pub start: Count<1_000_000>,
    /// Where the vulnerable hosts are.
    #[serde(default)]
    pub layout: Layout,
    /// The share of all other addresses that answer on the worm's port. As the vulnerable hosts, they are where the
    /// layout puts hosts.
    #[serde(default)]
    pub answering: Share,
    /// The share of all other addresses that refuse.
    #[serde(default)]
    pub refusing: Share,
    /// The share of the vulnerable hosts that no scan from outside reaches.
    #[serde(default)]
    pub behind_nat: Share,
    /// To every host.
    #[serde(default = "usual_round_trip")]
    pub round_trip: Span,
}

fn whole_space() -> SpaceBits {
    SpaceBits(32)
}

fn one() -> Count<1_000_000> {
    Count::try_from(1).unwrap_or_else(|_| unreachable!("1 is in range"))
}

fn usual_round_trip() -> Span {
    Duration::from_millis(100).into()
}

/// The size of the address space, as a power of two: 8 to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct SpaceBits(u8);

impl SpaceBits {
    /// The exponent.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.into()
    }

    /// How many addresses there are.
    #[must_use]
    pub fn addresses(self) -> u64 {
        1 << self.0
    }
}

impl TryFrom<u8> for SpaceBits {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        if (8..=32).contains(&bits) {
            Ok(Self(bits))
        } else {
            Err(format!("{bits} is out of range: an address space has 8 to 32 bits"))
        }
    }
}

/// Where hosts are.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Layout {
    /// At random addresses.
    #[default]
    Uniform,
    /// At random addresses of some blocks.
    Clustered {
        /// The share of /8 blocks that have hosts.
        of_8: Share,
        /// The share of /16 blocks of these that have hosts.
        of_16: Share,
    },
    /// As a file says: lines of PREFIX WEIGHT, such as `10.0.0.0/8 2.5`, with comments after `#`.
    Prefixes(PathBuf),
}

/// What people do against the worm, and what it does to the network; all by the two-factor model (Zou, Gong, Towsley
/// 2002).
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// When it begins.
    #[serde(default)]
    pub after: Option<Span>,
    /// Of the infected hosts, how often each is cleaned and patched in an hour.
    #[serde(default)]
    pub cleaned_per_hour: f64,
    /// Of the vulnerable hosts, how often each is patched in an hour when all are infected; fewer infected, less often.
    #[serde(default)]
    pub patched_per_hour: f64,
    /// Scans get through in the proportion `(1 - infected / vulnerable) ^ congestion`.
    #[serde(default)]
    pub congestion: f64,
}

/// A legitimate program beside the worm.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// For people.
    pub name: String,
    /// How often it dials, in bursts that come at random.
    pub bursts: PerSecond,
    /// How many dials each burst has.
    #[serde(default = "one_dial")]
    pub burst: Count<1_000>,
    /// How many peers it has beside strangers.
    pub peers: Count<100_000>,
    /// The share of dials that go to addresses it has never dialled.
    #[serde(default)]
    pub strangers: Share,
    /// The share of these strangers that answer. Its peers do.
    #[serde(default = "all")]
    pub answered: Share,
    /// Whether DNS answers name its addresses.
    #[serde(default)]
    pub named: bool,
    /// The port it dials.
    pub port: u16,
    /// After this time without an answer it closes the socket.
    pub patience: Span,
}

fn one_dial() -> Count<1_000> {
    Count::try_from(1).unwrap_or_else(|_| unreachable!("1 is in range"))
}

fn all() -> Share {
    Share::ALL
}
