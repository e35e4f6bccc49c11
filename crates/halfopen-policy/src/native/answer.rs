//! `bpf/names_parse.h`: which addresses a DNS answer names.

use super::{Native, calls};
use crate::abi;
use std::net::Ipv6Addr;

/// The result of reading a message: `enum names_count` of bpf/abi.h, as far as the message alone determines
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer to the question.
    Read,
    /// An answer to a different question.
    OtherQuestion,
    /// A truncated answer.
    Truncated,
    /// No such name, or another error.
    Error,
    /// Not a DNS answer.
    Malformed,
    /// More bytes, records or names than are read.
    TooLong,
}

/// An address (IPv4 in mapped form) and its TTL in seconds.
pub type Named = (Ipv6Addr, u32);

/// An answer that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The result of reading it.
    pub outcome: Outcome,
    /// The addresses that it names; none unless it was read to its end.
    pub named: Vec<Named>,
    /// The steps that were taken through names.
    pub steps: u32,
}

/// The memory into which messages are read, one after another.
#[derive(Debug, Clone, Default)]
pub struct Reader(Box<Native<abi::dns_reading>>);

impl Reader {
    /// The largest value of [`Answer::steps`].
    #[must_use]
    pub fn steps_most() -> u32 {
        abi::DNS_STEPS_MOST
    }

    /// A reader whose memory is filled with this byte.
    #[must_use]
    pub fn left_full_of(byte: u8) -> Self {
        let mut reader = Self::default();
        // SAFETY: integers and arrays of them, of which any bytes are a value.
        unsafe { reader.0.at_mut().write_bytes(byte, 1) };
        reader
    }

    /// Reads `message` as an answer to `question` (name, type and class as on the wire). A read outside of
    /// the message ends the process.
    pub fn read(&mut self, message: &[u8], question: &[u8]) -> Answer {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: the structure is borrowed for the call, and so are the bytes, of which it
        // copies at most their lengths.
        let number = unsafe {
            calls::native_read_answer(
                self.0.at_mut(),
                message.as_ptr(),
                length(message),
                question.as_ptr(),
                length(question),
            )
        };
        let outcome = match number {
            abi::NAMES_READ => Outcome::Read,
            abi::NAMES_OTHER_QUESTION => Outcome::OtherQuestion,
            abi::NAMES_TRUNCATED => Outcome::Truncated,
            abi::NAMES_ERROR => Outcome::Error,
            abi::NAMES_TOO_LONG => Outcome::TooLong,
            _ => Outcome::Malformed,
        };
        let named = if outcome == Outcome::Read { self.found() } else { Vec::new() };
        Answer { outcome, named, steps: Self::steps_most().wrapping_sub(self.0.steps_left) }
    }

    /// The addresses of a message that was read to its end.
    fn found(&self) -> Vec<Named> {
        let found = |at| {
            let (mut address, mut ttl_s) = ([0; 16], 0_u32);
            // SAFETY: the memory is borrowed for the call; `at` is one of those found, and both places are written and no more.
            let nameable = unsafe {
                calls::native_found_address(self.0.at(), at, address.as_mut_ptr(), &raw mut ttl_s) != 0
            };
            nameable.then(|| (Ipv6Addr::from(address), ttl_s))
        };
        (0..self.0.found_count).filter_map(found).collect()
    }
}
