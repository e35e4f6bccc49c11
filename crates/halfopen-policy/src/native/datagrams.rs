//! `bpf/datagrams.h`: which packets over UDP are contacts.

use super::{Aligned, calls};
use std::net::Ipv6Addr;

/// Whether an address, IPv4 in its mapped form, is a multicast or broadcast address.
#[must_use]
pub fn is_of_many(address: Ipv6Addr) -> bool {
    let address = Aligned(address.octets());
    // SAFETY: the address is borrowed for the call, and aligned as words are.
    unsafe { calls::native_is_of_many(address.0.as_ptr()) != 0 }
}

/// Whether what was noted at `at` is younger than `than_ns`. All in nanoseconds of one clock, which another
/// CPU may have read a little later.
#[must_use]
pub fn is_younger(at: u64, now: u64, than_ns: u64) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_is_younger(at, now, than_ns) != 0 }
}
