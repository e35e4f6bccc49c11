/* SPDX-License-Identifier: GPL-2.0-only
 *
 * TCP's own timers, as arithmetic: how long a program's connect() lasts towards a silent peer, when a held socket asks
 * again, and how its timer is led there. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define SYN_COUNT_MOST 127 /* MAX_TCP_SYNCNT */
#define SYN_TIMER_MS 1000u /* TCP_TIMEOUT_INIT */
#define RTO_MAX_MS 120000u /* TCP_RTO_MAX */
#define NS_PER_MS 1000000ULL

#define DOUBLINGS 8 /* of 1 s, to beyond the longest rto_max */

/* How long connect() lasts towards a silent peer. tcp_model_timeout() says when it is enough: the sum of timers that
 * double from 1 s up to rto_max. TCP looks when a timer runs, and those repeat `linear` times before they double. */
static __always_inline __u32 silent_patience_ms(__u32 syn_count, __u32 linear, __u32 rto_max_ms)
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

/* How many bits a number takes: ones below the highest, counted side by side. Neither loop nor branch. */
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

/* The TCP_SYNCNT with which a socket whose timer has run `rechecks` times, and stands at timer_ms now, goes on for
 * patience_ms at least. Its timer repeats until it has run `linear` times and doubles then, up to rto_max; TCP gives up
 * at the timer that finds count + linear of them behind it (tcp_write_timeout()), or once the time is over that as many
 * timers from 1 s on take (tcp_model_timeout()): hence one more than own_count at least. No loop: the verifier would
 * walk each. */
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

/* How long an attempt may wait, counted from connect(): as long as a silent network would have been waited for, or
 * max_wait where that is longer, and never past the program's own TCP_USER_TIMEOUT unless max_wait is. */
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
#define RECHECKS_LEAST 60u /* a second, of all waiters together */
#define RECHECKS_MOST 6000u
#define RECHECKS_BY_SLOT 2000u
#define RECHECKS_FOR_A_TURN 6 /* so that a turn is taken while it is fresh */

/* How often all waiters together shall ask in a second. */
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

/* A share of `width` by the place in the queue; neighbours land far apart: 40503 / 65536 is the golden ratio. */
static __always_inline __u32 share_of(__u32 width, __u32 number)
{
	return (__u64)((number * 40503u) & 0xffff) * width >> 16;
}

/* Between `least` and twice that, but not beyond `most`. */
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

/* A first timer must run well before the end of the wait, which is only then made to be the socket's own. */
static __always_inline __u32 first_timer_most_ms(__u32 longest_wait_ms)
{
	__u32 most = longest_wait_ms / 4 * 3;

	return most < FIRST_TIMER_MOST_MS ? most : FIRST_TIMER_MOST_MS;
}

/* The first timer of a held socket, which is also the step of its quick re-checks: short while few wait. Many must be
 * spread over a whole interval between re-checks from the first on, since the timer wheel then keeps them on the beat
 * that they fell into: those that ask together leave the slots idle until they ask together again. Still more ask in
 * the order in which they came, as often as is needed to take every turn. */
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

#define SLOT_TURN_NS 7500000ULL		  /* a turn by slots, for the first timer: 10 slots at 75 ms */
#define FASTEST_WOKEN_TURN_NS 10000000ULL /* 100 a second; faster, and re-checks alone keep the rate */
#define FIRST_TIMER_WOKEN_MS 500u

/* Whether waking each waiter at its turn is worth while. */
static __always_inline int can_be_woken_in_time(__u64 interval_ns)
{
	return !interval_ns || interval_ns >= FASTEST_WOKEN_TURN_NS;
}

/* The first timer where a daemon wakes waiters, which it can until that timer runs: beyond the turn, so that it need
 * not run, but by little more than the turn takes, should the daemon be gone. */
static __always_inline __u32 first_timer_woken_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	__u64 turn_ns = interval_ns > SLOT_TURN_NS ? interval_ns : SLOT_TURN_NS;

	return spread_ms(FIRST_TIMER_WOKEN_MS + waiting * turn_ns / NS_PER_MS, most, queue_number);
}

#define FIRST_TIMER_MPTCP_LEAST_MS 300u
#define FIRST_TIMER_MPTCP_MOST_MS 20000u

/* An MPTCP SYN falls back to TCP at its third re-check (mptcp_active_detect_blackhole()), so it has two good ones: the
 * first when its turn may be expected, were the queue worked off in order. */
static __always_inline __u32 first_timer_mptcp_ms(__u32 waiting, __u64 interval_ns)
{
	__u64 turn = waiting * interval_ns / NS_PER_MS;

	if (turn < FIRST_TIMER_MPTCP_LEAST_MS)
		return FIRST_TIMER_MPTCP_LEAST_MS;
	return turn < FIRST_TIMER_MPTCP_MOST_MS ? turn : FIRST_TIMER_MPTCP_MOST_MS;
}

#define RECHECK_MS 512u		   /* TCP_RESOURCE_PROBE_INTERVAL and the timer wheel's granularity */
#define SOON_MS 30000u		   /* held for less: re-checks at most RECHECK_MS apart */
#define FEW_WAIT 128u		   /* so few that each one's lateness leaves slots idle */
#define RECHECKS_BEFORE_THRIFT 96u /* of the 127 there are */

/* Whether the withheld SYN shall lead TCP to its next timer by back-off (it repeats the timer `linear` times and
 * doubles it then) rather than by a re-check in 512 ms, which leaves the timer as it is. The short timers are few: they
 * are kept for the time when few wait. */
static __always_inline int back_off(__u32 held_ms, __u32 rechecks, __u32 timer_ms, __u32 linear, __u32 waiting)
{
	__u32 next = rechecks <= linear ? timer_ms : 2 * timer_ms;

	if (rechecks > RECHECKS_BEFORE_THRIFT)
		return 1;
	if (held_ms >= SOON_MS)
		return next <= held_ms / 8;
	return next <= RECHECK_MS && waiting <= FEW_WAIT;
}

#define RTO_MAX_LEAST_MS 1000u	  /* of TCP_RTO_MAX_MS */
#define WAIT_LEAST_MOST_MS 60000u /* half of TCP_RTO_MAX */
#define WAIT_FRESH_MS                                                                                                  \
	3000u /* timers up to here come within half of TURN_TOLERANCE_NS; much longer ones come in clumps */

/* How long until a waiter shall ask again: so long that all together ask at their rate. Without a daemon that wakes
 * them every fourth time is short, or all would ask in one moment and leave the turns between it and the next. */
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
