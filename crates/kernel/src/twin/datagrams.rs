//! First contacts over UDP: both forms let out the same ones.

use super::native_datagram;
use crate::settings;
use crate::skeleton::types::scope;
use halfopen_policy::{DatagramTurns, Excess, FirstDatagrams, Limits, Rate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

proptest! {
    #[test]
    fn both_let_out_the_same(
        contacts in vec(
            (prop_oneof![Just(0), 0..100_000_000u64, 0..90_000_000_000u64], select(&[1u64, 50, 1_000, 7_000, 60_000][..])),
            1..300,
        ),
    ) {
        let (mut turns, mut native) = (DatagramTurns::default(), scope::default());
        // Every program starts later than in the clock's first second.
        let (mut now, mut let_out) = (1_000_000_000, 0);
        for (step, millis) in contacts {
            now += step;
            let rate = Rate::new(1, Duration::from_millis(millis)).expect("within the range of rates");
            let datagrams = Some(FirstDatagrams { rate, excess: Excess::Refuse });
            let limits = settings::limits(&Limits { datagrams, ..Limits::xp_sp2() });
            // SAFETY: both live, and nothing else uses them during the call.
            let native_lets_out = unsafe { native_datagram(&raw mut native, &raw const limits, now) } != 0;
            prop_assert_eq!(native_lets_out, turns.let_out(rate, now), "at {}", now);
            let_out += u64::from(native_lets_out);
        }
        prop_assert_eq!(native.datagrams_let_out, let_out);
    }
}
