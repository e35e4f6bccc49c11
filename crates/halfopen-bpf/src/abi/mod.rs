//! What this side and the kernel part agree on: the structures and numbers of bpf/abi.h.

use std::net::IpAddr;

pub(crate) mod plain;
mod scope_id;
pub(crate) mod skeleton;

pub use scope_id::ScopeId;

/// `SCOPES` of bpf/abi.h, the host's among them.
pub(crate) const SCOPES: u32 = 128;
/// `RULE_SCOPES` of bpf/abi.h: those of `exec` come before.
pub(crate) const RULE_SCOPES: u32 = 64;
/// `INTERFACE_SCOPES`: those of rules come before.
pub(crate) const INTERFACE_SCOPES: u32 = 112;

/// `CREDIT` of bpf/abi.h.
pub(crate) const CREDIT: u32 = 16;

/// `enum deny_protocol`.
pub(crate) const DENY_TCP: u8 = 1;
pub(crate) const DENY_UDP: u8 = 2;

/// An address in its IPv6 form, in network order.
pub(crate) fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
