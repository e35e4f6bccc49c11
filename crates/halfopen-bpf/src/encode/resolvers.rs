//! The resolvers whose DNS answers are read.

use crate::abi;
use crate::abi::mapped;
use crate::encode::rule_keys::{clear, put};
use crate::error::KernelError;
use libbpf_rs::MapCore;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The most resolvers there may be.
pub const RESOLVERS: usize = abi::RESOLVERS as usize;
/// Writes them for the policy with this number, which must not be in force.
pub(crate) fn write(
    map: &impl MapCore,
    resolvers: &BTreeSet<IpAddr>,
    policy: u32,
) -> Result<(), KernelError> {
    clear(map, |key: abi::resolver_key| key.policy == policy)?;
    for resolver in resolvers.iter().take(RESOLVERS) {
        put(map, &abi::resolver_key { addr: mapped(*resolver), policy }, &1_u8)?;
    }
    Ok(())
}
