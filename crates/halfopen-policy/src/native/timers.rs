//! `bpf/patience.h`: how long sockets wait, given the timers that TCP runs for them.

use super::calls;

/// How long `connect()` lasts towards a silent peer, in milliseconds. `syn_count` and `linear` are what the
/// sysctls `tcp_syn_retries` and `tcp_syn_linear_timeouts` set; `rto_max_ms` is in milliseconds.
#[must_use]
pub fn silent_patience_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_silent_patience_ms(syn_count, linear, rto_max_ms) }
}

/// The `TCP_SYNCNT` (at most 127) with which a socket lasts `patience_ms` milliseconds more, if its timer
/// stands at `timer_ms` milliseconds after this many re-checks.
#[must_use]
pub fn syn_count_to_last(patience_ms: u32, timer_ms: u32, rechecks: u32, linear: u32, own_count: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own_count) }
}

/// How many bits a number takes.
#[must_use]
pub fn bits_of(number: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_bits_of(number) }
}

/// How long an attempt may wait, in milliseconds from `connect()`. `user_timeout_ms` 0 = the program has set
/// none; `max_wait_ns` (nanoseconds) 0 = there is none.
#[must_use]
pub fn longest_wait_ms(patience_ms: u32, user_timeout_ms: u32, max_wait_ns: u64) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ns) }
}

/// The first timer, in milliseconds, of an attempt that begins to wait as the last of `waiting` and that no
/// daemon wakes. `interval_ns` is in nanoseconds (0 = turns by slots); `most`, in milliseconds, is the upper
/// bound.
#[must_use]
pub fn first_timer_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_ms(waiting, queue_number, interval_ns, most) }
}

/// The same for an attempt that a daemon wakes at its turn.
#[must_use]
pub fn first_timer_woken_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_woken_ms(waiting, queue_number, interval_ns, most) }
}

/// How long until an attempt that has asked in vain asks again, in milliseconds. It began `held_ms`
/// milliseconds ago; `interval_ns` is in nanoseconds (0 = turns by slots).
#[must_use]
pub fn next_wait_ms(
    held_ms: u32,
    rechecks: u32,
    waiting: u32,
    queue_number: u32,
    interval_ns: u64,
    woken: bool,
) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_next_wait_ms(held_ms, rechecks, waiting, queue_number, interval_ns, woken.into()) }
}

/// Whether a daemon that wakes each waiter at its turn keeps up with turns this far apart, in nanoseconds
/// (0 = turns by slots).
#[must_use]
pub fn can_be_woken_in_time(interval_ns: u64) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_can_be_woken_in_time(interval_ns) != 0 }
}

/// The longest first timer of an attempt that may wait for so long, both in milliseconds.
#[must_use]
pub fn first_timer_most_ms(longest_wait_ms: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_most_ms(longest_wait_ms) }
}

/// The first timer, in milliseconds, of an attempt over Multipath TCP that begins to wait as the last of
/// `waiting`, with turns `interval_ns` nanoseconds apart.
#[must_use]
pub fn first_timer_mptcp_ms(waiting: u32, interval_ns: u64) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_mptcp_ms(waiting, interval_ns) }
}

/// Whether an attempt that has asked in vain lets TCP back off, rather than asks again in half a second. It
/// began `held_ms` milliseconds ago, and its timer stands at `timer_ms` milliseconds.
#[must_use]
pub fn back_off(held_ms: u32, rechecks: u32, timer_ms: u32, linear: u32, waiting: u32) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_back_off(held_ms, rechecks, timer_ms, linear, waiting) != 0 }
}
