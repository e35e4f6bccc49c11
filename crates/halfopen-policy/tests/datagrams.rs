//! First contacts over UDP against a bucket of time: one that is let out takes an interval of it, and it fills as time
//! passes, up to a second or one interval.

use halfopen_policy::datagrams::{is_of_many, is_younger};
use halfopen_policy::{DatagramTurns, Rate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

proptest! {
    #[test]
    fn as_many_go_out_as_the_bucket_has_time_for(
        millis in select(&[1u64, 50, 1_000, 7_000, 60_000][..]),
        steps in vec(prop_oneof![Just(0), 0..100_000_000u64, 0..90_000_000_000u64], 1..300),
    ) {
        let rate = Rate::new(1, Duration::from_millis(millis)).expect("within the range of rates");
        let most = rate.interval_ns().max(1_000_000_000);
        // Every program starts later than in the clock's first second.
        let (mut turns, mut now, mut bucket, mut left) = (DatagramTurns::default(), 1_000_000_000, most, 0);
        for step in steps {
            now += step;
            bucket = most.min(bucket + step);
            let enough = bucket >= rate.interval_ns();
            prop_assert_eq!(turns.let_out(rate, now), enough, "at {}", now);
            bucket -= if enough { rate.interval_ns() } else { 0 };
            left += u64::from(enough);
        }
        prop_assert_eq!(turns.let_out_so_far(), left);
    }
}

fn mapped(address: &str) -> Ipv6Addr {
    match address.parse().expect("an address") {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[test]
fn what_goes_to_many_contacts_no_single_host() {
    for many in ["224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1", "ff00::"] {
        assert!(is_of_many(mapped(many)), "{many}");
    }
    let ones =
        ["223.255.255.255", "127.0.0.1", "10.0.0.255", "fe80::1", "2001:db8::ff", "::ff", "::fe:ffff:e000:1"];
    for one in
        ones.into_iter().chain(["::ffff:e000:1:0", "1::ffff:e000:1", "0:0:1::ffff:e000:1", "::1:ffff:e000:1"])
    {
        assert!(!is_of_many(mapped(one)), "{one}");
    }
}

#[test]
fn who_was_contacted_or_heard_is_so_for_as_long_as_was_said() {
    assert!(is_younger(100, 100, 1) && is_younger(100, 149, 50));
    assert!(!is_younger(100, 150, 50) && !is_younger(100, u64::MAX / 4, 50));
    assert!(is_younger(101, 100, 50), "another CPU has read its clock a little later");
}
