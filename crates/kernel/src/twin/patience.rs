//! The arithmetic of TCP's timers against a timer-by-timer run of them.

use super::{longest_wait_ms, silent_patience_ms};
use proptest::prelude::*;

/// tcp_model_timeout(): the sum of `boundary` + 1 timers that double from 1 s and end at rto_max.
fn model_timeout_ms(boundary: u32, rto_max_ms: u32) -> u32 {
    let doublings_before_rto_max = (rto_max_ms / 1_000).ilog2();
    (0..=boundary)
        .map(|timer| if timer <= doublings_before_rto_max { 1_000 << timer } else { rto_max_ms })
        .sum()
}

/// tcp_retransmit_timer() and tcp_write_timeout(), until they give a socket in SYN_SENT up.
fn timers_until_given_up_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32 {
    let enough = model_timeout_ms(syn_count, rto_max_ms);
    let (mut elapsed, mut timer, mut resent) = (0, 1_000, 0);
    loop {
        elapsed += timer;
        if resent >= syn_count + linear || (resent > 0 && elapsed >= enough) {
            return elapsed;
        }
        resent += 1;
        if resent > linear {
            timer = (2 * timer).min(rto_max_ms);
        }
    }
}

#[test]
fn the_default_budgets_are_those_measured() {
    let seconds = |linear| [1, 2, 3, 4, 5, 6].map(|count| silent_patience_ms(count, linear, 120_000) / 1_000);
    assert_eq!(seconds(4), [3, 7, 19, 35, 67, 131]);
    assert_eq!(seconds(0), [3, 7, 15, 31, 63, 127]);
}

proptest! {
    #[test]
    fn patience_is_when_the_timers_give_up(
        syn_count in prop_oneof![1..12u32, 1..=127u32],
        linear in prop_oneof![Just(0), Just(4), 0..=127u32],
        rto_max_ms in prop_oneof![3 => Just(120_000), 2 => (1..=120u32).prop_map(|s| s * 1_000), 3 => 1_000..=120_000u32],
    ) {
        prop_assert_eq!(
            silent_patience_ms(syn_count, linear, rto_max_ms),
            timers_until_given_up_ms(syn_count, linear, rto_max_ms)
        );
    }

    #[test]
    fn a_wait_is_never_shorter_than_a_silent_network_would_be_waited_for(
        patience_ms in 1_000..20_000_000u32,
        user_timeout_ms in prop_oneof![Just(0), 1..20_000_000u32],
        max_wait_ms in prop_oneof![Just(0), 0..20_000_000u64],
    ) {
        let own = if user_timeout_ms == 0 { patience_ms } else { patience_ms.min(user_timeout_ms) };
        let wait = longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ms * 1_000_000);
        prop_assert_eq!(u64::from(wait), max_wait_ms.max(own.into()));
    }
}
