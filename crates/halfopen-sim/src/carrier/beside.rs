//! Legitimate programs on a host, by rates.

use super::FIRST_PROGRAM;
use crate::host::{Dial, Event, Host, Reply};
use crate::scenario::Program;
use rand::RngExt;
use std::net::Ipv4Addr;

/// What a legitimate dial has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The number of the program.
    pub program: usize,
    /// Nanoseconds from connect() to the answer; `None` if there was none.
    pub took: Option<u64>,
}

/// Each program lives in a top-level cgroup of its own, as services do.
const CGROUPS: [&str; 8] = [
    "program-a",
    "program-bb",
    "program-ccc",
    "program-dddd",
    "program-eeeee",
    "program-ffffff",
    "program-ggggggg",
    "program-hhhhhhhh",
];

pub(super) fn cgroup(program: usize) -> &'static str {
    CGROUPS[program % CGROUPS.len()]
}

#[derive(Debug)]
pub(super) struct Beside<'a> {
    pub program: &'a Program,
    number: usize,
    strangers: u32,
}

impl<'a> Beside<'a> {
    /// Plans its first burst.
    pub fn new(program: &'a Program, number: usize, host: &mut Host, random: &mut impl RngExt) -> Self {
        let beside = Self { program, number, strangers: 0 };
        let first = host.now + beside.gap(random);
        host.plan(first, Event::Caller(number as u64 + FIRST_PROGRAM));
        beside
    }

    /// Until its next burst, in nanoseconds.
    #[allow(clippy::cast_sign_loss, reason = "the logarithm is below zero")]
    pub fn gap(&self, random: &mut impl RngExt) -> u64 {
        let drawn: f64 = random.random();
        (-(1.0 - drawn).ln() * self.program.bursts.gap_ns() as f64) as u64
    }

    /// Peers are at the start of a block of the program's own, strangers at a new address of it each.
    pub fn dial(&mut self, random: &mut impl RngExt) -> Dial {
        const BLOCK: u32 = 1 << 24;
        let program = self.program;
        let is_stranger = random.random::<f64>() < program.strangers.of_one();
        let (at, answers) = if is_stranger {
            self.strangers += 1;
            let spread = self.strangers.wrapping_mul(2_654_435_761) % (BLOCK / 2);
            (BLOCK / 2 + spread, random.random::<f64>() < program.answered.of_one())
        } else {
            (random.random_range(0..program.peers.get()) as u32 * 257 % (BLOCK / 2), true)
        };
        let block = 0xe0 + self.number as u32 % 16;
        Dial {
            to: Ipv4Addr::from_bits(block * BLOCK + at),
            port: program.port,
            reply: if answers { Reply::Answer } else { Reply::Silence },
        }
    }
}
