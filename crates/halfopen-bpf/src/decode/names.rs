//! Reads named addresses: what became of DNS answers, and which clients were told an address.

use crate::abi;
use crate::abi::{mapped, plain};
use crate::error::{KernelError, bpf};
use libbpf_rs::{MapCore, MapFlags};
use std::net::IpAddr;
use std::time::Duration;

/// `PRINT_CLAIMED` of bpf/remembered.h: an entry with a fingerprint no higher than this is free or being
/// written.
const CLAIMED: u64 = 1;

/// What became of DNS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamesCounts {
    /// Read to their end.
    pub read: u64,
    /// Addresses that these answers named.
    pub named: u64,
    /// Refused: the socket had not asked this resolver with this id lately.
    pub no_query: u64,
    /// Refused: a different question was asked.
    pub other_question: u64,
    /// Truncated answers; the client asks again over TCP.
    pub truncated: u64,
    /// Answers with an error, such as that there is no such name.
    pub errors: u64,
    /// Refused: not a complete DNS message.
    pub malformed: u64,
    /// Refused: more bytes, records or names than are read.
    pub too_long: u64,
    /// Questions or addresses for which a map had no place.
    pub not_stored: u64,
    /// Refused: another answer was being read on the same CPU.
    pub cpu_busy: u64,
}

/// An address that a DNS answer has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The cgroup of the client that was told; see [`crate::path_of_id`]. `None` = the whole host.
    pub client: Option<u64>,
    /// How much longer the name counts.
    pub left: Duration,
}

pub(crate) fn read_counts(map: &impl MapCore) -> Result<NamesCounts, KernelError> {
    let count =
        |at| plain::sum_of_cpus(map, at).map_err(|error| bpf("reading what became of DNS answers", error));
    Ok(NamesCounts {
        read: count(abi::NAMES_READ)?,
        named: count(abi::NAMES_NAMED)?,
        no_query: count(abi::NAMES_NO_QUERY)?,
        other_question: count(abi::NAMES_OTHER_QUESTION)?,
        truncated: count(abi::NAMES_TRUNCATED)?,
        errors: count(abi::NAMES_ERROR)?,
        malformed: count(abi::NAMES_MALFORMED)?,
        too_long: count(abi::NAMES_TOO_LONG)?,
        not_stored: count(abi::NAMES_NOT_STORED)?,
        cpu_busy: count(abi::NAMES_CPU_BUSY)?,
    })
}

/// The clients that were told `address`, as far as this still counts at `now` (the kernel's monotonic clock).
pub(crate) fn read_named(
    map: &impl MapCore,
    address: IpAddr,
    now: Duration,
) -> Result<Vec<Named>, KernelError> {
    let address = mapped(address);
    let mut told = Vec::new();
    let sets = map.lookup_batch(abi::NAMED_SETS, MapFlags::ANY, MapFlags::ANY);
    let sets = sets.map_err(|error| bpf("reading named addresses", error))?;
    let sets = sets.filter_map(|(_, set)| plain::read::<abi::named_set>(&set));
    for named in sets.flat_map(|set| set.of).filter(|named| named.addr == address) {
        let left = Duration::from_nanos(named.until_ns).saturating_sub(now);
        if named.head.print > CLAIMED && !left.is_zero() {
            told.push(Named { client: (named.client != 0).then_some(named.client), left });
        }
    }
    Ok(told)
}
