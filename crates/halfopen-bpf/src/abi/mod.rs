//! What user space and the kernel part share: the structures and numbers of bpf/abi.h.

pub(crate) mod plain;
mod scope_id;
pub(crate) mod skeleton;

pub(crate) use halfopen_policy::abi::*;
pub use scope_id::ScopeId;

use ipnet::IpNet;
use std::net::IpAddr;

/// An address in its IPv6 form (IPv4 mapped), in network order.
pub(crate) fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A prefix of the addresses in that form, and its length in bits.
pub(crate) fn mapped_prefix(net: IpNet) -> (u128, u8) {
    match net {
        IpNet::V4(net) => (net.network().to_ipv6_mapped().to_bits(), 96 + net.prefix_len()),
        IpNet::V6(net) => (net.network().to_bits(), net.prefix_len()),
    }
}

/// The name as an array that ends in zeros; truncated if it does not fit.
pub(crate) fn chars<const N: usize>(name: &str) -> [std::ffi::c_char; N] {
    let mut chars = [0; N];
    for (to, from) in chars[..N - 1].iter_mut().zip(name.bytes()) {
        *to = std::ffi::c_char::from_ne_bytes([from]);
    }
    chars
}

/// The bytes of an array before its first zero.
pub(crate) fn before_zero(chars: &[std::ffi::c_char]) -> Vec<u8> {
    chars.iter().map(|char| char.to_ne_bytes()[0]).take_while(|&byte| byte != 0).collect()
}

/// The text of an array that ends in zeros.
pub(crate) fn text(chars: &[std::ffi::c_char]) -> String {
    String::from_utf8_lossy(&before_zero(chars)).into_owned()
}
