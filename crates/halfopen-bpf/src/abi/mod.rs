//! What user space and the kernel part share: the structures and numbers of bpf/abi.h.

pub(crate) mod plain;
mod scope_id;
pub(crate) mod skeleton;

pub(crate) use halfopen_policy::abi::*;
pub use scope_id::ScopeId;

use std::net::IpAddr;

/// An address in its IPv6 form (IPv4 mapped), in network order.
pub(crate) fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
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

/// The text of an array that ends in zeros.
pub(crate) fn text(chars: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> =
        chars.iter().map(|char| char.to_ne_bytes()[0]).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
