//! Whose DNS answers are read.

use crate::abi::mapped;
use crate::encode::rule_keys::{clear, put, word};
use crate::error::KernelError;
use libbpf_rs::MapCore;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How many resolvers there may be: `RESOLVERS` of bpf/abi.h.
pub const RESOLVERS: usize = 64;
/// Writes them for the policy of this number, which must not be in force.
pub(crate) fn write(
    map: &impl MapCore,
    resolvers: &BTreeSet<IpAddr>,
    policy: u32,
) -> Result<(), KernelError> {
    clear(map, |key| word(key, 16) == policy)?;
    for resolver in resolvers.iter().take(RESOLVERS) {
        put(map, &[&mapped(*resolver)[..], &policy.to_ne_bytes()].concat(), &[1])?;
    }
    Ok(())
}
