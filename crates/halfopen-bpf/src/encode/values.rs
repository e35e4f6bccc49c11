//! Settings as the numbers and structures of bpf/abi.h.

use crate::abi::mapped_prefix;
use crate::settings::{NameTrust, ScopeRule, Settings};
use halfopen_policy::{FirstContact, Forwarded, RawTcp, abi};
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

/// `enum forwarded` of bpf/abi.h, for a limiter of a cgroup at the depth `top_level` - 1.
pub(crate) fn forwarded(settings: &Settings, top_level: u32) -> u32 {
    let limits = first_of_gates(settings).is_some();
    match settings.forwarded {
        _ if !limits => abi::FORWARDED_ALLOW,
        Forwarded::Auto if top_level == 1 => abi::FORWARDED_LIMIT,
        Forwarded::Limit => abi::FORWARDED_LIMIT,
        Forwarded::Count => abi::FORWARDED_COUNT,
        Forwarded::Auto | Forwarded::Allow => abi::FORWARDED_ALLOW,
    }
}

/// What first contacts cost under the last rule that has them and goes by cgroup, as the rule of a preset does; else
/// what they cost the host.
fn first_of_gates(settings: &Settings) -> Option<&FirstContact> {
    let by_cgroup = |rule: &&ScopeRule| {
        rule.users.is_empty()
            && rule.exes.is_empty()
            && rule.comms.is_empty()
            && rule.limits.first_contact.is_some()
    };
    let rule = settings.scopes.iter().rfind(by_cgroup);
    rule.map_or(&settings.host, |rule| &rule.limits).first_contact.as_ref()
}

/// How much more a bridge may than each of its sources.
const SHARED: u32 = 8;

/// The credit of a gate, and of one that many share.
pub(crate) fn gates(settings: &Settings) -> [abi::first_contact; 2] {
    let of_one = first_of_gates(settings).map(abi::first_contact::from).unwrap_or_default();
    let of_all = abi::first_contact {
        credit: of_one.credit * SHARED,
        recover_ns: of_one.recover_ns / u64::from(SHARED),
        ..of_one
    };
    [of_one, of_all]
}

/// A key of the `exempt` trie: the length of the mapped prefix in bits, then its address.
pub(crate) fn prefix_key(net: IpNet) -> [u8; 20] {
    let (addr, bits) = mapped_prefix(net);
    let mut key = [0; 20];
    key[..4].copy_from_slice(&u32::from(bits).to_ne_bytes());
    key[4..].copy_from_slice(&addr.to_be_bytes());
    key
}
