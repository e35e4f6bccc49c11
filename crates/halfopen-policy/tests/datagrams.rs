//! First contacts over UDP against a bucket of time: one that is let out takes an interval of it, and it fills as time
//! passes, up to a second or one interval.

use halfopen_policy::{DatagramTurns, Rate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
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
