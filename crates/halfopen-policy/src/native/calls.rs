//! What bpf/native.c offers, as it is declared there.

use super::of;

/// `struct native_charge`.
#[repr(C)]
pub(super) struct NativeCharge {
    pub scope: [*mut of::Scope; 3],
    pub limits: [*const of::Limits; 3],
    pub top: *mut of::Party,
    pub part: *mut of::Party,
}

/// `native_sizes`, in bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Sizes {
    pub scope: usize,
    pub limits: usize,
    pub party: usize,
    pub attempt: usize,
    pub answer: usize,
    pub charge: usize,
    pub held_record: usize,
    pub turn_record: usize,
    pub attempt_record: usize,
}

/// `native_constants`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Constants {
    pub turn_tolerance_ns: u64,
    pub syn_gap_ns: u64,
    pub answer_steps_most: u64,
}

// SAFETY: the signatures of bpf/native.c; an enum is passed as the int that it is there.
unsafe extern "C" {
    pub(super) static native_sizes: Sizes;
    pub(super) static native_constants: Constants;
    pub(super) fn native_limit_slots(
        l: *mut of::Limits,
        half_open: u32,
        slot_life_ns: u64,
        slot_shift: u32,
        strict: i32,
    );
    pub(super) fn native_limit_queue(
        l: *mut of::Limits,
        queue: u32,
        overflow_waits: i32,
        interval_ns: u64,
        max_wait_ns: u64,
    );
    pub(super) fn native_limit_credit(
        l: *mut of::Limits,
        credit: u32,
        worth: u32,
        of_a_scan: u16,
        of_peers: u16,
        recover_ns: u64,
    );
    pub(super) fn native_limit_contacts(
        l: *mut of::Limits,
        working_set: u32,
        either: i32,
        throttle: i32,
        block_ns: u64,
    );
    pub(super) fn native_limit_datagrams(l: *mut of::Limits, interval_ns: u64, dropped: i32);
    pub(super) fn native_describe(
        a: *mut of::Attempt,
        essential: i32,
        first: i32,
        tried: i32,
        named: i32,
        foreign: i32,
        address: u64,
        port: u16,
    );
    pub(super) fn native_port_cell(account: u64, port: u16) -> u32;
    pub(super) fn native_takes_names(cell: u8) -> i32;
    pub(super) fn native_state(a: *const of::Attempt) -> u32;
    pub(super) fn native_blocked_on(a: *const of::Attempt) -> u32;
    pub(super) fn native_refuse(c: *const NativeCharge, met: i32, now: u64) -> u32;
    pub(super) fn native_begin(c: *const NativeCharge, a: *mut of::Attempt, mode: u32, now: u64) -> u32;
    pub(super) fn native_known(c: *const NativeCharge, a: *mut of::Attempt, now: u64);
    pub(super) fn native_recheck(c: *const NativeCharge, a: *mut of::Attempt, mode: u32, now: u64) -> u32;
    pub(super) fn native_resend(c: *const NativeCharge, a: *mut of::Attempt, mode: u32, now: u64) -> u32;
    pub(super) fn native_end(
        c: *const NativeCharge,
        a: *mut of::Attempt,
        ending: u32,
        neighbours: u32,
        now: u64,
    );
    pub(super) fn native_datagram(s: *mut of::Scope, l: *const of::Limits, now: u64) -> i32;
    pub(super) fn native_begin_shared(
        c: *const NativeCharge,
        a: *mut of::Attempt,
        lock: *mut u32,
        mode: u32,
        now: u64,
    ) -> u32;
    pub(super) fn native_end_shared(
        c: *const NativeCharge,
        a: *mut of::Attempt,
        lock: *mut u32,
        ending: u32,
        now: u64,
    ) -> i32;
    pub(super) fn native_others_come_first(times: u32);
    pub(super) fn native_out_at_exchange(s: *const of::Scope) -> u32;
    pub(super) fn native_drift_slots(s: *mut of::Scope, by: i64);
    pub(super) fn native_out(s: *const of::Scope) -> u32;
    pub(super) fn native_slots(s: *const of::Scope) -> u64;
    pub(super) fn native_walk_begins(host: *mut of::Scope);
    pub(super) fn native_seen(c: *const NativeCharge, a: *mut of::Attempt);
    pub(super) fn native_is_gone(
        began_ns: u64,
        asked_ns: u64,
        met: i32,
        has_walked: i32,
        walk_ns: u64,
        now: u64,
    ) -> i32;
    pub(super) fn native_walk_ends(s: *mut of::Scope, walk: u32) -> i32;
    pub(super) fn native_walk_is_over(host: *mut of::Scope);
    pub(super) fn native_walk(host: *const of::Scope) -> u32;
    #[cfg(test)]
    pub(super) fn native_drift(s: *mut of::Scope, queued: i32, waiting_here: i32, out: i32);
    pub(super) fn native_waiting_here(s: *const of::Scope) -> u32;
    pub(super) fn native_ledger(s: *const of::Scope, now: u64, number: *mut [u64; 17]);
    pub(super) fn native_repute(s: *const of::Scope, purse: u32, number: *mut [u64; 4]);
    pub(super) fn native_offer(
        s: *const of::Scope,
        l: *const of::Limits,
        purse: u32,
        now: u64,
        number: *mut [u64; 3],
    ) -> i32;
    pub(super) fn native_beside_is_counted(by_all: u32, most: u32) -> i32;
    pub(super) fn native_may_have_beside(most: u32, by_all: u32, by_top: u32, by_part: u32) -> i32;
    pub(super) fn native_silent_patience_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32;
    pub(super) fn native_syn_count_to_last(
        patience_ms: u32,
        timer_ms: u32,
        rechecks: u32,
        linear: u32,
        own_count: u32,
    ) -> u32;
    pub(super) fn native_longest_wait_ms(patience_ms: u32, user_timeout_ms: u32, max_wait_ns: u64) -> u32;
    pub(super) fn native_first_timer_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32;
    pub(super) fn native_first_timer_woken_ms(
        waiting: u32,
        queue_number: u32,
        interval_ns: u64,
        most: u32,
    ) -> u32;
    pub(super) fn native_next_wait_ms(
        held_ms: u32,
        rechecks: u32,
        waiting: u32,
        queue_number: u32,
        interval_ns: u64,
        woken: i32,
    ) -> u32;
    pub(super) fn native_read_answer(
        m: *mut of::Answer,
        message: *const u8,
        length: u32,
        question: *const u8,
        question_length: u32,
    ) -> u32;
    pub(super) fn native_steps_left(m: *const of::Answer) -> u32;
    pub(super) fn native_found(m: *const of::Answer) -> u32;
    pub(super) fn native_found_address(
        m: *const of::Answer,
        at: u32,
        addr: *mut [u8; 16],
        ttl_s: *mut u32,
    ) -> i32;
    pub(super) fn native_seal(cgroup: u64, generation: u64, rules: u64, essential: u64) -> u64;
    pub(super) fn native_print(owner: u64, key: u64) -> u64;
    pub(super) fn native_set_find(set: *mut [u64; 16], print: u64, now: u32, until: *mut u32) -> i32;
    pub(super) fn native_set_claim(set: *mut [u64; 16], print: u64, now: u32) -> u32;
    pub(super) fn native_set_publish(set: *mut [u64; 16], place: u32, print: u64, now: u32, until: u32);
    pub(super) fn native_neighbourhood_lets(credit: *mut i32) -> i32;
    pub(super) fn native_neighbourhood_earns(credit: *mut i32);
}
