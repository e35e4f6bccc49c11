//! `bpf/patience.h`: how long sockets wait, by the timers that TCP runs for them.

use super::calls;

/// How long `connect()` lasts towards a silent peer, in milliseconds: `syn_count` and `linear` as the sysctls
/// `tcp_syn_retries` and `tcp_syn_linear_timeouts` say.
#[must_use]
pub fn silent_patience_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_silent_patience_ms(syn_count, linear, rto_max_ms) }
}

/// The count of SYNs by which a socket whose timer stands at `timer_ms` after so many re-checks lasts `patience_ms` more.
#[must_use]
pub fn syn_count_to_last(patience_ms: u32, timer_ms: u32, rechecks: u32, linear: u32, own_count: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own_count) }
}

/// How long an attempt may wait; 0 = there is no time of its own, and no `max_wait`.
#[must_use]
pub fn longest_wait_ms(patience_ms: u32, user_timeout_ms: u32, max_wait_ns: u64) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ns) }
}

/// When an attempt that begins to wait as the last of `waiting` asks first, where nobody wakes it. At most `most`.
#[must_use]
pub fn first_timer_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_ms(waiting, queue_number, interval_ns, most) }
}

/// The same where it is woken at its turn.
#[must_use]
pub fn first_timer_woken_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_first_timer_woken_ms(waiting, queue_number, interval_ns, most) }
}

/// When one that has asked in vain, so long after it began, asks again.
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
