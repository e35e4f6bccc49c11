//! `bpf/neighbourhood.h`: what the answers of a neighbourhood are worth within it.

use super::{Aligned, calls};
use std::net::Ipv6Addr;

/// The number of an address's neighbourhood, for one port or for all, and whether it is one of IPv4. The
/// address is in its mapped form if it is of IPv4.
#[must_use]
pub fn network_of(address: Ipv6Addr, of_all_ports: bool) -> (bool, u64) {
    let address = Aligned(address.octets());
    // SAFETY: the address is borrowed for the calls, and aligned as words are.
    unsafe {
        let at = address.0.as_ptr();
        (calls::native_is_ipv4(at) != 0, calls::native_network_of(at, of_all_ports.into()))
    }
}

/// The answers of one neighbourhood on one port to one account.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Neighbourhood {
    credit: i32,
}

impl Neighbourhood {
    /// Whether its answers let one more contact out. If so, the contact spends one.
    pub fn lets(&mut self) -> bool {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_lets(&raw mut self.credit) != 0 }
    }

    /// The neighbourhood has answered.
    pub fn earns(&mut self) {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_earns(&raw mut self.credit) }
    }
}
