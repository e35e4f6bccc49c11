/* SPDX-License-Identifier: GPL-2.0-only
 *
 * TCP's own timers, as arithmetic: how long connect() lasts towards a silent peer, when a held socket asks again, and
 * how its timer is led to that moment. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define SYN_COUNT_MOST 127 /* MAX_TCP_SYNCNT */
#define SYN_TIMER_MS 1000u /* TCP_TIMEOUT_INIT */
#define RTO_MAX_MS 120000u /* TCP_RTO_MAX */
#define NS_PER_MS 1000000ULL

#define DOUBLINGS 8 /* of 1 s, to beyond the longest rto_max */

/* How long connect() lasts towards a silent peer. tcp_model_timeout() gives the limit: the sum of timers that double
 * from 1 s up to rto_max. TCP compares only when a timer runs, and its real timers repeat `linear` times before they
 * double. Global, for the reason given in accounting.h. */
__noinline __u32 silent_patience_ms(__u32 syn_count, __u32 linear, __u32 rto_max_ms)
{
	__u32 model = 0, step = SYN_TIMER_MS, elapsed, timer, left;

	if (rto_max_ms < SYN_TIMER_MS || rto_max_ms > RTO_MAX_MS)
		rto_max_ms = RTO_MAX_MS;
	left = (syn_count & SYN_COUNT_MOST) + 1;
	for (int i = 0; i < DOUBLINGS && left && step <= rto_max_ms; i++) {
		model += step;
		step *= 2;
		left--;
	}
	model += left * rto_max_ms;

	elapsed = ((linear & 0xff) + 1) * SYN_TIMER_MS;
	if (elapsed >= model)
		return (model + SYN_TIMER_MS - 1) / SYN_TIMER_MS * SYN_TIMER_MS;
	timer = SYN_TIMER_MS;
	for (int i = 0; i < DOUBLINGS && elapsed < model; i++) {
		timer = timer * 2 < rto_max_ms ? timer * 2 : rto_max_ms;
		elapsed += timer;
	}
	if (elapsed < model)
		elapsed += (model - elapsed + rto_max_ms - 1) / rto_max_ms * rto_max_ms;
	return elapsed;
}

/* The number of bits that a number takes: sets all bits below the highest one, and counts them in parallel. No loop and
 * no branch. */
static __always_inline __u32 bits_of(__u32 number)
{
	number |= number >> 1;
	number |= number >> 2;
	number |= number >> 4;
	number |= number >> 8;
	number |= number >> 16;
	number -= number >> 1 & 0x55555555;
	number = (number & 0x33333333) + (number >> 2 & 0x33333333);
	return ((number + (number >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

/* The TCP_SYNCNT with which a socket lasts at least patience_ms more, if its timer has run `rechecks` times and stands
 * at timer_ms. The timer repeats until it has run `linear` times, and then doubles up to rto_max. TCP gives up at the
 * timer that finds count + linear timers behind it (tcp_write_timeout()), or once the time that as many timers from 1 s
 * on take is over (tcp_model_timeout()): hence at least own_count + 1. No loop: the verifier would walk each
 * iteration. */
static __always_inline __u32 syn_count_to_last(__u32 patience_ms, __u32 timer_ms, __u32 rechecks, __u32 linear,
					       __u32 own_count)
{
	__u32 repeats, timers, doublings, most, count;

	linear &= 0xff;
	timer_ms |= !timer_ms;
	repeats = linear > rechecks ? linear - rechecks : 0;
	timers = patience_ms / timer_ms + 1;
	if (timers > repeats) {
		doublings = bits_of(timers - repeats);
		most = bits_of(RTO_MAX_MS / timer_ms);
		if (doublings > most)
			doublings = most + patience_ms / RTO_MAX_MS;
		timers = repeats + 1 + doublings;
	}
	count = rechecks + timers;
	count = count > linear ? count - linear : 0;
	if (count < own_count + 1)
		count = own_count + 1;
	return count < SYN_COUNT_MOST ? count : SYN_COUNT_MOST;
}

/* How long an attempt may wait, counted from connect(): as long as connect() would last towards a silent peer, at most
 * the program's own TCP_USER_TIMEOUT; or max_wait, where that is longer. */
static __always_inline __u32 longest_wait_ms(__u32 patience_ms, __u32 user_timeout_ms, __u64 max_wait_ns)
{
	__u64 most = max_wait_ns / NS_PER_MS;

	if (user_timeout_ms && user_timeout_ms < patience_ms)
		patience_ms = user_timeout_ms;
	if (most > 0x7fffffff)
		most = 0x7fffffff;
	return most > patience_ms ? most : patience_ms;
}

#define NS_PER_S 1000000000ULL
#define FIRST_TIMER_LEAST_MS 12u
#define FIRST_TIMER_QUICK_MS 500u
#define FIRST_TIMER_MOST_MS 100000u
#define RECHECKS_LEAST 60u /* per second, of all waiters together */
#define RECHECKS_MOST 6000u
#define RECHECKS_BY_SLOT 2000u
#define RECHECKS_FOR_A_TURN 6 /* per interval, so that a turn is taken soon after it falls due */

/* How many times a second all waiters together should ask. */
static __always_inline __u32 rechecks_per_s(__u64 interval_ns)
{
	__u64 rate;

	if (!interval_ns)
		return RECHECKS_BY_SLOT;
	rate = RECHECKS_FOR_A_TURN * NS_PER_S / interval_ns;
	if (rate < RECHECKS_LEAST)
		return RECHECKS_LEAST;
	return rate < RECHECKS_MOST ? rate : RECHECKS_MOST;
}

/* A share of `width` by the number in the queue. Neighbours get shares that are far apart: 40503 / 65536 is the golden
 * ratio. */
static __always_inline __u32 share_of(__u32 width, __u32 number)
{
	return (__u64)((number * 40503u) & 0xffff) * width >> 16;
}

/* A time between `least` and twice that, but at most `most`. */
static __always_inline __u32 spread_ms(__u64 least, __u32 most, __u32 number)
{
	__u64 widest = 2 * least;

	if (widest > most) {
		widest = most;
		if (least > most / 4)
			least = most / 4;
	}
	return least + share_of(widest - least, number);
}

/* The longest first timer. It must run well before the end of the wait, because the socket gets the options for that
 * end only then. */
static __always_inline __u32 first_timer_most_ms(__u32 longest_wait_ms)
{
	__u32 most = longest_wait_ms / 4 * 3;

	return most < FIRST_TIMER_MOST_MS ? most : FIRST_TIMER_MOST_MS;
}

/* The first timer of a held socket, in ms; it is also the step of its quick re-checks. It is short while few wait. With
 * more waiters, first timers spread over the whole interval between re-checks: the timer wheel then keeps each socket
 * in its phase, and sockets that ask together leave slots idle until they ask together again. With still more waiters,
 * they ask in the order in which they came, as often as is needed to take every turn. */
static __always_inline __u32 first_timer_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	const __u32 widest = FIRST_TIMER_QUICK_MS - FIRST_TIMER_LEAST_MS;
	__u64 ordered = waiting * 667ULL / rechecks_per_s(interval_ns);
	__u32 spread = waiting < widest ? waiting * waiting / 12 : widest;

	if (2 * ordered > FIRST_TIMER_QUICK_MS)
		return spread_ms(ordered, most, queue_number);
	if (spread < FIRST_TIMER_LEAST_MS)
		spread = FIRST_TIMER_LEAST_MS;
	if (spread > widest)
		spread = widest;
	return FIRST_TIMER_LEAST_MS + share_of(spread, queue_number);
}

#define SLOT_TURN_NS 7500000ULL		  /* assumed time of a turn by slots, for the first timer: 10 slots at 75 ms */
#define FASTEST_WOKEN_TURN_NS 10000000ULL /* 100 turns a second; above that, re-checks alone keep the rate */
#define FIRST_TIMER_WOKEN_MS 500u

/* Whether waking each waiter at its turn is worthwhile. */
static __always_inline int can_be_woken_in_time(__u64 interval_ns)
{
	return !interval_ns || interval_ns >= FASTEST_WOKEN_TURN_NS;
}

/* The first timer if a daemon wakes waiters, in ms. The daemon can wake a waiter only until this timer runs, so the
 * timer ends after the turn is expected. It ends soon after it, in case the daemon is gone. */
static __always_inline __u32 first_timer_woken_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	__u64 turn_ns = interval_ns > SLOT_TURN_NS ? interval_ns : SLOT_TURN_NS;
	__u64 least = FIRST_TIMER_WOKEN_MS + waiting * turn_ns / NS_PER_MS;

	/* One whose turn comes after the longest timer still sleeps for most of its wait: a waiter that has asked in
	 * vain cannot be woken any more, and loses its place. */
	if (least > most / 4 * 3)
		least = most / 4 * 3;
	return least + share_of(2 * least < most ? least : most - least, queue_number);
}

#define FIRST_TIMER_MPTCP_LEAST_MS 300u
#define FIRST_TIMER_MPTCP_MOST_MS 20000u

/* An MPTCP SYN falls back to TCP at its third re-check (mptcp_active_detect_blackhole()), so it has two useful ones.
 * The first comes when its turn would be, if the queue were worked off in order. */
static __always_inline __u32 first_timer_mptcp_ms(__u32 waiting, __u64 interval_ns)
{
	__u64 turn = waiting * interval_ns / NS_PER_MS;

	if (turn < FIRST_TIMER_MPTCP_LEAST_MS)
		return FIRST_TIMER_MPTCP_LEAST_MS;
	return turn < FIRST_TIMER_MPTCP_MOST_MS ? turn : FIRST_TIMER_MPTCP_MOST_MS;
}

#define RECHECK_MS 512u		   /* TCP_RESOURCE_PROBE_INTERVAL, rounded up to the timer wheel's granularity */
#define SOON_MS 30000u		   /* attempts held for less than this re-check quickly */
#define FEW_WAIT 128u		   /* with so few waiters, each one's lateness leaves slots idle */
#define RECHECKS_BEFORE_THRIFT 96u /* of the 127 that TCP_SYNCNT allows */

/* Whether the withheld SYN should make TCP back off (repeat the timer `linear` times, then double it) rather than
 * re-check in 512 ms, which leaves the timer as it is. TCP_SYNCNT bounds the number of timers, so short ones are saved
 * for when few attempts wait. */
static __always_inline int back_off(__u32 held_ms, __u32 rechecks, __u32 timer_ms, __u32 linear, __u32 waiting)
{
	__u32 next = rechecks <= linear ? timer_ms : 2 * timer_ms;

	if (rechecks > RECHECKS_BEFORE_THRIFT)
		return 1;
	if (held_ms >= SOON_MS)
		return next <= held_ms / 8;
	return next <= RECHECK_MS && waiting <= FEW_WAIT;
}

#define RTO_MAX_LEAST_MS 1000u	  /* the least value of TCP_RTO_MAX_MS */
#define WAIT_LEAST_MOST_MS 60000u /* half of TCP_RTO_MAX */
#define WAIT_FRESH_MS                                                                                                  \
	3000u /* timers up to this long run within half of TURN_TOLERANCE_NS; much longer ones run in clumps */

/* How long until a waiter should ask again, in ms, so that all together ask at their rate. Without a daemon that wakes
 * them, every fourth wait is short: otherwise all would ask in one moment and leave the turns until the next one
 * unused. */
static __always_inline __u32 next_wait_ms(__u32 held_ms, __u32 rechecks, __u32 waiting, __u32 queue_number,
					  __u64 interval_ns, int woken)
{
	__u64 mean = waiting * 1000ULL / rechecks_per_s(interval_ns);

	if (held_ms >= SOON_MS && mean < held_ms / 10)
		mean = held_ms / 10;
	if (mean <= RECHECK_MS)
		return RECHECK_MS;
	if (mean > WAIT_FRESH_MS && !woken && !((queue_number + rechecks) & 3) && rechecks <= RECHECKS_BEFORE_THRIFT)
		return RTO_MAX_LEAST_MS + share_of(WAIT_FRESH_MS - RTO_MAX_LEAST_MS, queue_number + rechecks);
	mean = mean * 2 / 3;
	return spread_ms(mean < WAIT_LEAST_MOST_MS ? mean : WAIT_LEAST_MOST_MS, RTO_MAX_MS, queue_number + rechecks);
}
