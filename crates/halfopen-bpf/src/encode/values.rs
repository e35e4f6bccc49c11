//! Settings as the numbers and structures of bpf/abi.h.

use crate::abi::mapped_prefix;
use crate::settings::{NameTrust, Settings};
use halfopen_policy::{RawTcp, abi};
use ipnet::IpNet;

/// `enum names` of bpf/abi.h.
pub(crate) fn names(settings: &Settings) -> u32 {
    match settings.names {
        _ if !settings.reads_names() => abi::NAMES_OFF,
        NameTrust::Off => abi::NAMES_OFF,
        NameTrust::Client => abi::NAMES_CLIENT,
        NameTrust::Host => abi::NAMES_HOST,
    }
}

pub(crate) fn raw_tcp(raw_tcp: RawTcp) -> u32 {
    match raw_tcp {
        RawTcp::Refuse => abi::RAW_TCP_REFUSE,
        RawTcp::Count => abi::RAW_TCP_COUNT,
        RawTcp::Allow => abi::RAW_TCP_ALLOW,
    }
}

/// A key of the `exempt` trie: the length of the mapped prefix in bits, then its address.
pub(crate) fn prefix_key(net: IpNet) -> [u8; 20] {
    let (addr, bits) = mapped_prefix(net);
    let mut key = [0; 20];
    key[..4].copy_from_slice(&u32::from(bits).to_ne_bytes());
    key[4..].copy_from_slice(&addr.to_be_bytes());
    key
}
