//! `[[deny]]` in the form that bpf/denied.h looks up: for each prefix the rules that cover its addresses, a
//! bit each; and for each rule, by number, its other conditions. Both tables hold the rules of two policies,
//! distinguished by the policy's number.

use crate::abi::plain;
use crate::abi::skeleton::HalfopenMaps;
use crate::abi::{self, mapped_prefix};
use crate::decode::denied::{DenyCount, count};
use crate::encode::rule_keys::{clear, put};
use crate::error::{KernelError, bpf};
use crate::settings::DenyRule;
use halfopen_policy::Mode;
use ipnet::IpNet;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A prefix of the mapped address.
type Prefix = (u128, u8);

/// The prefix of all IPv4 addresses.
const MAPPED: Prefix = (0xffff << 32, 96);

fn contains((outer, bits): Prefix, (inner, longer): Prefix) -> bool {
    bits <= longer && (outer ^ inner).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
}

/// The table of prefixes: an address is covered by the rules at the longest prefix that contains it. A rule
/// covers what one of its prefixes contains and none of its exceptions does. An IPv6 prefix that is shorter
/// than that of the mapped addresses contains none of them.
fn covering<'r>(rules: impl Iterator<Item = (u32, &'r DenyRule)>) -> BTreeMap<Prefix, u64> {
    #[derive(Clone, Copy, Default)]
    struct Named {
        to: u64,
        except: u64,
    }
    struct Above {
        prefix: Prefix,
        named: Named,
        covering: u64,
    }
    let mut named: BTreeMap<Prefix, Named> = BTreeMap::new();
    for (number, rule) in rules {
        rule.to.iter().for_each(|net| named.entry(mapped_prefix(*net)).or_default().to |= 1 << number);
        rule.except
            .iter()
            .for_each(|net| named.entry(mapped_prefix(*net)).or_default().except |= 1 << number);
    }
    named.entry(MAPPED).or_default();
    let mut covering = BTreeMap::new();
    let mut above: Vec<Above> = Vec::new();
    // In this order, a prefix comes right before those that it contains.
    for (prefix, here) in named {
        while above.last().is_some_and(|above| !contains(above.prefix, prefix)) {
            above.pop();
        }
        let nearest = above.last();
        let inherited = nearest.filter(|_| prefix != MAPPED).map(|above| above.named).unwrap_or_default();
        let named = Named { to: inherited.to | here.to, except: inherited.except | here.except };
        let rules = named.to & !named.except;
        if rules != nearest.map_or(0, |above| above.covering) {
            covering.insert(prefix, rules);
        }
        above.push(Above { prefix, named, covering: rules });
    }
    covering
}

impl DenyRule {
    /// Whether the rule covers `address`.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        let whole = mapped_prefix(address.into());
        let of_ipv4 = contains(MAPPED, whole);
        let has = |net: &IpNet| {
            let prefix = mapped_prefix(*net);
            contains(prefix, whole) && !(of_ipv4 && prefix.1 < MAPPED.1)
        };
        self.to.iter().any(has) && !self.except.iter().any(has)
    }
}

fn prefix_key(policy: u32, (address, bits): Prefix) -> abi::deny_prefix {
    // The policy's number is part of what is looked up.
    abi::deny_prefix { bits: u32::BITS + u32::from(bits), policy, addr: address.to_be_bytes() }
}

fn rule_value(rule: &DenyRule) -> abi::deny_rule {
    let protocols = if rule.tcp { abi::DENY_TCP } else { 0 } | if rule.udp { abi::DENY_UDP } else { 0 };
    let mut value = abi::deny_rule {
        audit: u8::from(rule.mode != Mode::Enforce),
        protocols: protocols as u8,
        ranges: rule.ports.len() as u8,
        ..Default::default()
    };
    for (to, range) in value.port.iter_mut().zip(&rule.ports) {
        *to = abi::port_range { first: *range.start(), last: *range.end() };
    }
    value
}

/// Writes the rules, which have these `numbers`, for the policy with this number, which must not be in force.
pub(crate) fn write(
    maps: &HalfopenMaps<'_>,
    rules: &[DenyRule],
    numbers: &[u32],
    policy: u32,
) -> Result<(), KernelError> {
    clear(&maps.deny_prefixes, |key: abi::deny_prefix| key.policy == policy)?;
    let asked = || numbers.iter().copied().zip(rules).filter(|(_, rule)| rule.mode != Mode::Off);
    if asked().next().is_none() {
        return Ok(());
    }
    if let Some((_, rule)) = asked().find(|(_, rule)| rule.ports.len() > DenyRule::PORTS) {
        return Err(KernelError::TooManyPorts { rule: rule.name.clone(), most: DenyRule::PORTS });
    }
    let covering = covering(asked());
    if covering.len() > abi::DENY_PREFIXES as usize {
        return Err(KernelError::TooManyDenied(abi::DENY_PREFIXES as usize));
    }
    for (number, rule) in asked() {
        put(&maps.deny_rules, &(number + policy * abi::DENY_RULES), &rule_value(rule))?;
    }
    for (prefix, rules) in covering {
        put(&maps.deny_prefixes, &prefix_key(policy, prefix), &rules)?;
    }
    Ok(())
}

/// The number of each rule. A name keeps its number, and with it its counts, until another name needs it;
/// also from one daemon to the next.
#[derive(Debug, Default)]
pub(crate) struct DenyNames(BTreeMap<u32, String>);

impl DenyNames {
    /// Reads the numbers that an earlier daemon gave.
    pub fn read(map: &impl MapCore) -> Result<Self, KernelError> {
        let mut names = BTreeMap::new();
        for number in 0..abi::DENY_RULES {
            let bytes = map.lookup(&number.to_ne_bytes(), MapFlags::ANY);
            let bytes =
                bytes.map_err(|error| bpf("reading the names of [[deny]]", error))?.unwrap_or_default();
            let name = abi::text(&plain::read::<abi::scope_name>(&bytes).unwrap_or_default().name);
            if !name.is_empty() {
                names.insert(number, name);
            }
        }
        Ok(Self(names))
    }

    /// All names, each with its number.
    pub fn all(&self) -> impl Iterator<Item = (u32, &str)> {
        self.0.iter().map(|(number, name)| (*number, name.as_str()))
    }

    /// The numbers of `rules`, in their order. A new rule begins with its counts at zero. The number of
    /// another name in force is reused only if no other is free.
    pub fn number(
        &mut self,
        maps: &HalfopenMaps<'_>,
        rules: &[DenyRule],
        in_force: &[DenyRule],
    ) -> Result<Vec<u32>, KernelError> {
        if rules.len() > abi::DENY_RULES as usize {
            return Err(KernelError::TooManyDenyRules(abi::DENY_RULES));
        }
        let is_one_of = |rules: &[DenyRule], name: &str| rules.iter().any(|rule| rule.name == name);
        let mut numbers = Vec::with_capacity(rules.len());
        for rule in rules {
            let had = self.0.iter().find(|(_, name)| **name == rule.name).map(|(number, _)| *number);
            let number = had.or_else(|| {
                let unused = (0..abi::DENY_RULES).find(|number| !self.0.contains_key(number));
                let gone = |but: &[DenyRule]| {
                    let gone = |name: &str| !is_one_of(rules, name) && !is_one_of(but, name);
                    self.0.iter().find(|(_, name)| gone(name)).map(|(number, _)| *number)
                };
                unused.or_else(|| gone(in_force)).or_else(|| gone(&[]))
            });
            let number = number.ok_or(KernelError::TooManyDenyRules(abi::DENY_RULES))?;
            if had.is_none() {
                put(&maps.deny_counts, &number, &abi::deny_count::default())?;
                put(&maps.deny_names, &number, &abi::scope_name { name: abi::chars(&rule.name) })?;
                self.0.insert(number, rule.name.clone());
            }
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// The counts of `rules`, in their order.
    pub fn counts(&self, maps: &HalfopenMaps<'_>, rules: &[DenyRule]) -> Result<Vec<DenyCount>, KernelError> {
        let numbered = rules.iter().filter_map(|rule| self.0.iter().find(|(_, name)| **name == rule.name));
        numbered
            .map(|(number, name)| {
                let bytes = maps.deny_counts.lookup(&number.to_ne_bytes(), MapFlags::LOCK);
                let bytes =
                    bytes.map_err(|error| bpf("reading the counts of [[deny]]", error))?.unwrap_or_default();
                Ok(count(name, &plain::read(&bytes).unwrap_or_default()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn rule(to: Vec<IpNet>, except: Vec<IpNet>) -> DenyRule {
        DenyRule {
            name: "a".into(),
            to,
            except,
            tcp: true,
            udp: true,
            ports: Vec::new(),
            mode: Mode::Enforce,
        }
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Looks up as the kernel's trie does.
    fn looked_up(covering: &BTreeMap<Prefix, u64>, addr: IpAddr) -> u64 {
        let whole = mapped_prefix(IpNet::from(addr));
        let fits = covering.iter().filter(|(prefix, _)| contains(**prefix, whole));
        fits.max_by_key(|((_, bits), _)| *bits).map_or(0, |(_, rules)| *rules)
    }

    fn numbered(rules: &[DenyRule]) -> BTreeMap<Prefix, u64> {
        covering((0..).zip(rules))
    }

    #[test]
    fn an_exception_is_its_rule_s_own_and_an_ipv6_prefix_is_not_ipv4() {
        let rules = [
            rule(nets(&["10.0.0.0/8"]), nets(&["10.1.0.0/16"])),
            rule(nets(&["10.0.0.0/7", "10.1.2.0/24"]), nets(&["10.1.2.3/32"])),
            rule(nets(&["::/0"]), nets(&["2001:db8::/32"])),
            rule(nets(&["::ffff:10.9.0.0/112"]), Vec::new()),
        ];
        let found = numbered(&rules);
        let at = |addr: &str| looked_up(&found, addr.parse().unwrap());
        assert_eq!([at("10.0.0.1"), at("10.1.0.1"), at("10.1.2.3"), at("10.1.2.4")], [3, 2, 0, 2]);
        assert_eq!([at("11.0.0.1"), at("12.0.0.1"), at("10.9.1.1")], [2, 0, 0b1011]);
        assert_eq!([at("2001:db8::1"), at("2001:db9::1"), at("::fffe:0:1")], [0, 4, 4]);
    }

    #[test]
    fn what_changes_nothing_takes_no_room() {
        let doubled = rule(nets(&["10.0.0.0/8", "10.0.0.0/9", "10.1.1.1/32"]), nets(&["192.0.2.0/24"]));
        assert_eq!(numbered(&[doubled]).len(), 1);
    }

    /// Few distinct bits, so that prefixes overlap.
    fn few() -> impl Strategy<Value = IpAddr> {
        let v4 = prop_oneof![Just(Ipv4Addr::new(10, 0, 0, 0)), Just(Ipv4Addr::new(192, 168, 0, 0))];
        let v6 = prop_oneof![Just(Ipv6Addr::UNSPECIFIED), Just("fc00::".parse::<Ipv6Addr>().unwrap())];
        let low = 0_u32..16;
        prop_oneof![
            (v4, low.clone())
                .prop_map(|(v4, low)| Ipv4Addr::from_bits(v4.to_bits() | low << 20 | low).into()),
            (v6, low.clone())
                .prop_map(|(v6, low)| Ipv6Addr::from_bits(v6.to_bits() | u128::from(low) << 64).into()),
            low.prop_map(|low| Ipv4Addr::from_bits(0x0a00_0000 | low).to_ipv6_mapped().into()),
        ]
    }

    fn net() -> impl Strategy<Value = IpNet> {
        (few(), 0_u8..=128).prop_map(|(addr, bits)| match addr {
            IpAddr::V4(v4) => IpNet::new(v4.into(), bits % 33).unwrap().trunc(),
            IpAddr::V6(v6) => IpNet::new(v6.into(), bits).unwrap().trunc(),
        })
    }

    fn has(nets: &[IpNet], addr: IpAddr) -> bool {
        nets.iter().any(|net| match (net, addr.to_canonical()) {
            (IpNet::V4(net), IpAddr::V4(addr)) => net.contains(&addr),
            (IpNet::V6(net), IpAddr::V4(addr)) => {
                net.prefix_len() >= 96 && net.contains(&addr.to_ipv6_mapped())
            }
            (IpNet::V6(net), IpAddr::V6(addr)) => net.contains(&addr),
            (IpNet::V4(_), IpAddr::V6(_)) => false,
        })
    }

    proptest! {
        #[test]
        fn the_longest_prefix_names_the_rules_that_cover_an_address(
            rules in proptest::collection::vec(
                (proptest::collection::vec(net(), 1..6), proptest::collection::vec(net(), 0..4)), 1..6),
            addrs in proptest::collection::vec(few(), 1..20),
        ) {
            let rules: Vec<DenyRule> = rules.into_iter().map(|(to, except)| rule(to, except)).collect();
            let found = numbered(&rules);
            let named = rules.iter().flat_map(|rule| rule.to.iter().chain(&rule.except)).map(IpNet::addr);
            for addr in addrs.into_iter().chain(named) {
                let covers = |rule: &DenyRule| has(&rule.to, addr) && !has(&rule.except, addr);
                prop_assert!(rules.iter().all(|rule| rule.covers(addr) == covers(rule)), "{}", addr);
                let expected = rules.iter().enumerate().filter(|(_, rule)| covers(rule));
                let expected = expected.fold(0_u64, |rules, (number, _)| rules | 1 << number);
                prop_assert_eq!(looked_up(&found, addr), expected, "{}", addr);
            }
        }
    }
}
