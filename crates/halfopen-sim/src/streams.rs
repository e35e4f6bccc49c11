//! Streams of random numbers, each by what it is for, so that no thread's order changes what another one draws.

use rand_pcg::Pcg64;

/// What random numbers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Where hosts are.
    Layout,
    /// Which hosts are limited how, and which are infected first, in the run with this number.
    Run(u32),
    /// What the host with this number dials, in the run with this number.
    Host(u32, u32),
    /// What the host measured with this number dials.
    Measured(u32),
}

impl Stream {
    /// The stream's generator. Equal seeds give equal numbers on every machine.
    #[must_use]
    pub fn random(self, seed: u64) -> Pcg64 {
        let number: u128 = match self {
            Self::Layout => 0,
            Self::Run(run) => 1 << 64 | u128::from(run),
            Self::Host(run, host) => 2 << 64 | u128::from(run) << 32 | u128::from(host),
            Self::Measured(number) => 3 << 64 | u128::from(number),
        };
        // Streams of one state are alike (Vigna 2020), so the number is part of the state too.
        let mixed = hash(hash(seed ^ (number >> 64) as u64) ^ number as u64);
        Pcg64::new(u128::from(mixed) << 64 | u128::from(hash(!mixed)), number)
    }
}

/// Mixes the bits of a number (the finalizer of SplitMix64; Steele, Lea, Flood 2014).
#[must_use]
pub fn hash(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 up to 1, without 1, of the top 53 bits.
#[must_use]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
