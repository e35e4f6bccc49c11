//! The arithmetic of TCP's timers (`bpf/patience.h`) against a timer-by-timer run of them.

use halfopen_policy::timers::{
    back_off, bits_of, can_be_woken_in_time, first_timer_most_ms, first_timer_mptcp_ms, first_timer_ms,
    first_timer_woken_ms, longest_wait_ms, next_wait_ms, silent_patience_ms, syn_count_to_last,
};
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

/// How long a socket lasts by the number of its timers alone.
fn lasts_ms(count: u32, timer: u32, rechecks: u32, linear: u32) -> u64 {
    let (mut lasted, mut step, mut run) = (0, u64::from(timer), rechecks);
    loop {
        lasted += step;
        if run >= count + linear {
            return lasted;
        }
        run += 1;
        step = if run > linear { (2 * step).min(120_000) } else { step };
    }
}

#[test]
fn the_counts_with_which_sockets_last() {
    // Patience, timer, re-checks, linear timeouts, the program's own count.
    for (expected, case) in [
        (8, (60_000, 500, 0, 4, 1)),
        (8, (60_000, 500, 3, 4, 1)),
        (9, (60_000, 500, 5, 4, 1)),
        (13, (60_000, 500, 5, 0, 1)),
        (2, (2_499, 500, 0, 4, 1)),
        (3, (2_500, 500, 0, 4, 1)),
        (7, (1_000, 500, 2, 4, 6)),
        (39, (3_600_000, 512, 0, 0, 1)),
        (4, (240_000, 120_000, 0, 0, 0)),
        (16, (130_000, 500, 10, 4, 6)),
        (85, (10_000_000, 100_000, 0, 0, 1)),
        (113, (1_000_000, 8, 90, 0, 1)),
        (4, (5, 0, 0, 0, 0)),
        (1, (999, 1_000, 0, 4, 0)),
        (12, (600_000, 60_000, 9, 5, 0)),
        (127, (10_000_000, 512, 120, 0, 1)),
        (8, (125_000, 1_000, 0, 0, 1)),
        // Of the sysctl's number, TCP takes eight bits.
        (8, (60_000, 500, 0, 256 + 4, 1)),
    ] {
        let (patience_ms, timer_ms, rechecks, linear, own) = case;
        assert_eq!(syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own), expected, "{case:?}");
    }
}

#[test]
fn patience_takes_what_tcp_takes_of_each_sysctl() {
    let usual = silent_patience_ms(6, 4, 120_000);
    for (syn_count, linear, rto_max_ms) in
        [(128 + 6, 4, 120_000), (6, 256 + 4, 120_000), (6, 4, 0), (6, 4, 999), (6, 4, 120_001)]
    {
        assert_eq!(silent_patience_ms(syn_count, linear, rto_max_ms), usual);
    }
    assert_eq!(silent_patience_ms(6, 4, 1_000), 7_000);
}

proptest! {
    #[test]
    fn a_number_takes_as_many_bits_as_it_has(number: u32, shift in 0..32u32) {
        prop_assert_eq!(bits_of(number >> shift), u32::BITS - (number >> shift).leading_zeros());
        prop_assert_eq!(bits_of(1 << shift), shift + 1);
    }

    /// With a timer to spare, and not with many.
    #[test]
    fn a_socket_has_timers_enough_for_its_patience(
        patience in 1_000..200_000u32,
        timer in prop_oneof![8..1_000u32, 8..20_000u32],
        rechecks in prop_oneof![Just(0), 0..20u32],
        linear in prop_oneof![Just(0), Just(4), 0..20u32],
    ) {
        let count = syn_count_to_last(patience, timer, rechecks, linear, 0);
        // At least one more than the program's own.
        prop_assert!(count == 1 || lasts_ms(count - 1, timer, rechecks, linear) >= patience.into(), "{count}");
        let are_many = count >= 6 && count + linear > rechecks + 6;
        prop_assert!(!are_many || lasts_ms(count - 6, timer, rechecks, linear) < patience.into(), "{count}");
    }

    /// tcp_write_timeout() and tcp_model_timeout() as they will run once nothing of ours is left: however the timer
    /// stands, the socket lasts as long as a new one would.
    #[test]
    fn a_socket_left_alone_keeps_its_patience(
        timer in 8..20_000u32,
        rechecks in 0..60u32,
        linear in 0..6u32,
        own in 1..=6u32,
    ) {
        const RTO_MAX: u32 = 120_000;
        let patience = silent_patience_ms(own, linear, RTO_MAX);
        let count = syn_count_to_last(patience, timer, rechecks, linear, own);
        let model = (0..=count).map(|doubled| (1_000 << doubled.min(7)).min(RTO_MAX)).sum::<u32>();
        let (mut lasted, mut step, mut run) = (0, timer, rechecks);
        loop {
            lasted += step;
            if run >= count + linear || lasted >= model {
                break;
            }
            run += 1;
            step = if run > linear { (2 * step).min(RTO_MAX) } else { step };
        }
        prop_assert!(lasted >= patience, "{lasted} of {patience} ms by a count of {count}");
        prop_assert!(lasted <= 8 * patience + 8 * timer, "{lasted} of {patience} ms by a count of {count}");
    }

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

const MOST: u32 = 98_000;
const MS: u64 = 1_000_000;

/// When each of `count` that begin to wait at once asks, `ask` being its timer by its number, and then again.
fn asks_in(count: u32, seconds: std::ops::Range<u32>, ask: impl Fn(u32) -> u32) -> usize {
    let within = |timer: u32| {
        // TCP repeats a timer four times before it doubles it.
        let steps = [1, 1, 1, 1, 1, 2, 4, 8, 16];
        let mut at = 0;
        steps
            .into_iter()
            .map(|step| {
                at += step * timer;
                at
            })
            .filter(|at| (seconds.start * 1_000..seconds.end * 1_000).contains(at))
            .count()
    };
    (0..count).map(|number| within(ask(number))).sum()
}

#[test]
fn few_ask_as_quickly_as_ever_where_nobody_wakes_them() {
    for number in 0..40 {
        let (few, some) = (first_timer_ms(1, number, 0, MOST), first_timer_ms(70, number, 0, MOST));
        assert!((12..24).contains(&few) && (12..500).contains(&some), "{few} {some}");
    }
}

/// The first number's share of a spread is nothing, and the second's 0.618 of it.
#[test]
fn first_timers_are_short_for_few_and_in_order_for_many() {
    for (waiting, timers) in [
        (0, [12, 19]),
        (1, [12, 19]),
        (12, [12, 19]),
        (13, [12, 20]),
        (70, [12, 264]),
        (77, [12, 313]),
        (488, [12, 313]),
        (752, [12, 313]),
        (753, [251, 406]),
        (10_000, [3_335, 5_396]),
    ] {
        assert_eq!([0, 1].map(|number| first_timer_ms(waiting, number, 0, MOST)), timers, "{waiting} wait");
    }
    // By the time between turns, and by the most.
    for (interval_us, timer) in [
        (1_000_000, 111_166),
        (100_000, 111_166),
        (97_000, 109_344),
        (50_000, 55_583),
        (10_000, 11_116),
        (1_000, 1_111),
        (100, 1_111),
    ] {
        assert_eq!(first_timer_ms(10_000, 0, interval_us * 1_000, 1_000_000), timer, "{interval_us} us");
    }
    for (most, timers) in [(20_000, [3_335, 5_396]), (6_670, [3_335, 5_396]), (6_669, [1_667, 4_758])] {
        assert_eq!([0, 1].map(|number| first_timer_ms(10_000, number, 0, most)), timers, "{most} ms");
    }
    for (waiting, interval_ms, timers) in
        [(10, 0, [575, 930]), (10, 7, [575, 930]), (10, 8, [580, 938]), (10, 100, [1_500, 2_427])]
    {
        let timer = |number| first_timer_woken_ms(waiting, number, interval_ms * MS, MOST);
        assert_eq!([0, 1].map(timer), timers, "{waiting} wait, {interval_ms} ms");
    }
}

/// All together ask 2,000 times a second where turns are by slots.
#[test]
fn waiters_ask_again_at_one_rate_for_all_of_them() {
    for (expected, case) in [
        (512, (0, 0, 1_000, 0, true)),
        (512, (0, 0, 1_024, 1, true)),
        (342, (0, 0, 1_026, 0, true)),
        (2_000, (0, 0, 6_000, 0, false)),
        (2_000, (0, 0, 6_002, 0, true)),
        (1_000, (0, 0, 6_002, 0, false)),
        (3_236, (0, 0, 6_002, 1, false)),
        (1_944, (0, 1, 6_002, 3, false)),
        (1_000, (0, 0, 600_000, 0, false)),
        (3_605, (0, 97, 6_002, 3, false)),
        (512, (29_999, 0, 1, 1, true)),
        (3_236, (30_000, 0, 1, 1, true)),
        (2_000, (30_000, 0, 1, 0, true)),
        (20_000, (30_000, 0, 60_000, 0, true)),
        (60_000, (900_000, 0, 1, 0, true)),
        (60_000, (1_000_000, 0, 1, 0, true)),
        (97_081, (1_000_000, 0, 1, 1, true)),
    ] {
        let (held_ms, rechecks, waiting, number, woken) = case;
        assert_eq!(next_wait_ms(held_ms, rechecks, waiting, number, 0, woken), expected, "{case:?}");
    }
}

#[test]
fn a_wait_is_no_longer_than_a_timer_can_be() {
    assert_eq!(longest_wait_ms(1, 0, u64::MAX), 0x7fff_ffff);
    assert_eq!(longest_wait_ms(1, 0, 0x7fff_ffff * MS), 0x7fff_ffff);
    assert_eq!(longest_wait_ms(1, 0, 0x7fff_fffe * MS), 0x7fff_fffe);
}

#[test]
fn ten_thousand_seldom_ask_at_ten_turns_a_second() {
    let woken = |number| first_timer_woken_ms(number + 1, number, 100 * MS, MOST);
    let asking = |number| first_timer_ms(number + 1, number, 100 * MS, MOST);
    let per_second = |seconds: std::ops::Range<u32>| {
        let length = seconds.len();
        let rates =
            (asks_in(10_000, seconds.clone(), woken) / length, asks_in(10_000, seconds, asking) / length);
        println!("{rates:?} a second");
        rates
    };
    for seconds in [0..10, 10..20, 30..40, 60..90] {
        let (woken, asking) = per_second(seconds);
        assert!(woken < 250 && asking < 300, "{woken}/s and {asking}/s");
    }
    let (woken, asking) = per_second(0..98);
    assert!(woken < 200 && asking < 250, "{woken}/s and {asking}/s");
}

proptest! {
    /// Where a waiter is woken at its turn its own timer runs later, but not by more than the turn took and a second.
    #[test]
    fn a_first_timer_leaves_time_for_the_wake(waiting in 1..400u32, number: u32, interval_ms in 10..200u64) {
        let turn = u64::from(waiting) * interval_ms;
        let timer = u64::from(first_timer_woken_ms(waiting, number, interval_ms * MS, 1_000_000));
        prop_assert!((turn..=2 * turn + 1_000).contains(&timer));
    }

    #[test]
    fn no_timer_is_beyond_what_is_allowed(waiting: u32, number: u32, interval: u32, most in 1_000..120_000u32) {
        let waiting = waiting % 1_000_000;
        prop_assert!(first_timer_ms(waiting, number, interval.into(), most) <= most);
        prop_assert!(first_timer_woken_ms(waiting, number, interval.into(), most) <= most);
    }

    /// So that the re-checks that TCP counts (127) last for any wait: half a second apart for 30 s, then a tenth.
    #[test]
    fn steps_grow_with_the_wait(held_ms in 30_000..10_000_000u32, waiting in 0..10_000u32, number: u32, woken: bool) {
        let wait = next_wait_ms(held_ms, 97, waiting, number, 0, woken);
        prop_assert!((held_ms / 10 * 2 / 3).min(60_000) <= wait + 1 && wait <= 120_000, "{wait}");
    }
}

#[test]
fn a_daemon_wakes_up_to_a_hundred_a_second() {
    for (interval_ns, in_time) in [(0, true), (1, false), (9_999_999, false), (10_000_000, true)] {
        assert_eq!(can_be_woken_in_time(interval_ns), in_time, "{interval_ns}");
    }
}

#[test]
fn a_first_timer_leaves_a_quarter_of_the_wait() {
    assert_eq!(
        [0, 4, 1_000, 127_000, 133_332, 200_000].map(first_timer_most_ms),
        [0, 3, 750, 95_250, 99_999, 100_000]
    );
}

#[test]
fn mptcp_asks_when_its_turn_would_be() {
    let timers = [(0, 0), (2, 100), (3, 100), (4, 100), (199, 100), (200, 100), (300, 100)]
        .map(|(waiting, interval_ms)| first_timer_mptcp_ms(waiting, interval_ms * MS));
    assert_eq!(timers, [300, 300, 300, 400, 19_900, 20_000, 20_000]);
}

#[test]
fn short_timers_are_kept_for_when_few_wait() {
    // Held, re-checks, timer, linear timeouts, waiting.
    for (backs_off, case) in [
        (true, (1_000, 1, 512, 4, 128)),
        (false, (1_000, 1, 512, 4, 129)),
        (false, (1_000, 1, 513, 4, 1)),
        (true, (1_000, 4, 512, 4, 1)),
        (false, (1_000, 5, 512, 4, 1)),
        (true, (1_000, 5, 256, 4, 1)),
        (false, (29_999, 1, 1_000, 4, 1_000)),
        (true, (30_000, 1, 3_750, 4, 1_000)),
        (false, (30_000, 1, 3_751, 4, 1_000)),
        (true, (30_000, 5, 1_875, 4, 1_000)),
        (false, (30_000, 5, 1_876, 4, 1_000)),
        (false, (1_000, 96, 9_000, 4, 1_000)),
        (true, (1_000, 97, 9_000, 4, 1_000)),
    ] {
        let (held_ms, rechecks, timer_ms, linear, waiting) = case;
        assert_eq!(back_off(held_ms, rechecks, timer_ms, linear, waiting), backs_off, "{case:?}");
    }
}
