//! Which addresses are neighbours, and what a neighbourhood's answers let out.

use halfopen_policy::neighbourhood::{Neighbourhood, network_of};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The two forms in which an address of IPv4 is met.
fn forms(v4: u32) -> [Ipv6Addr; 2] {
    let v4 = Ipv4Addr::from(v4);
    let [a, b, c, d] = v4.octets().map(u16::from);
    [v4.to_ipv6_mapped(), Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d)]
}

/// Where IPv4 is within IPv6.
fn is_of_ipv4(v6: u128) -> bool {
    v6 >> 32 == 0xffff || v6 >> 32 == 0x0064_ff9b << 64
}

/// Any two addresses that differ in few bits, often in one.
fn two(bits: u32) -> impl Strategy<Value = (u128, u128)> {
    let mask = u128::MAX >> (128 - bits);
    let masked = move |one: u128| one & mask;
    (any::<u128>(), prop_oneof![8 => (0..bits).prop_map(|bit| 1 << bit), 1 => any::<u128>()])
        .prop_map(move |(one, by)| (masked(one), masked(one ^ by)))
}

proptest! {
    #[test]
    fn neighbours_in_ipv4_share_a_24((one, other) in two(32), of_all_ports: bool) {
        let (one, other) = (one as u32, other as u32);
        let same = one >> 8 == other >> 8;
        for (one, other) in forms(one).into_iter().zip(forms(other)) {
            let (one, other) = (network_of(one, of_all_ports), network_of(other, of_all_ports));
            prop_assert!(one.0 && other.0);
            prop_assert_eq!(one == other, same);
        }
    }

    #[test]
    fn neighbours_in_ipv6_share_a_64_for_a_port_and_a_48_for_all((one, other) in two(128), of_all_ports: bool) {
        prop_assume!(!is_of_ipv4(one) && !is_of_ipv4(other));
        let bits = if of_all_ports { 80 } else { 64 };
        let same = one >> bits == other >> bits;
        let [one, other] = [one, other].map(|address| network_of(address.into(), of_all_ports));
        prop_assert!(!one.0 && !other.0);
        prop_assert_eq!(one == other, same);
    }

    /// What differs in a single bit from where IPv4 lies is not IPv4.
    #[test]
    fn only_two_prefixes_are_ipv4(v4: u32, bit in 32..128u32) {
        for form in forms(v4) {
            prop_assert!(!network_of((u128::from(form) ^ 1 << bit).into(), false).0);
        }
    }
}

#[test]
fn an_answer_lets_eight_out_and_no_network_more_than_its_addresses() {
    let mut neighbourhood = Neighbourhood::default();
    assert!(!neighbourhood.lets());
    let all = |neighbourhood: &mut Neighbourhood| (0..1_000).filter(|_| neighbourhood.lets()).count();
    neighbourhood.earns();
    assert_eq!(all(&mut neighbourhood), 8);
    (0..1_000).for_each(|_| neighbourhood.earns());
    assert_eq!(all(&mut neighbourhood), 256);
    assert!(!neighbourhood.lets());
}
