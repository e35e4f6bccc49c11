// SPDX-License-Identifier: GPL-2.0-only
/*
 * The deciding part of the kernel code, compiled for user space: src/twin.rs holds it against the Rust policy.
 */
#include <stddef.h>

#define __always_inline inline
#include "datagrams.h"
#include "outcome.h"
#include "names_parse.h"
#include "patience.h"
#include "recount.h"

static inline void settle_all(struct books *b, const struct attempt *a, __u64 now)
{
	for_each_charged(i) {
		struct scope *s = b->scope[i];
		const struct limits *l = b->limits[i];

		if (s && slots_are_unsettled(s, now))
			slots_turn(s, now);
		if (s && grid_or_turns_are_unsettled(s, l, now)) {
			grid_settle(s, l, now);
			turns_settle(s, l, now);
		}
		if (s && trust_is_unsettled(trust_of(s, a), &l->first, purse_of(a), now))
			trust_settle(trust_of(s, a), &l->first, purse_of(a), now);
	}
}

enum verdict native_begin(struct books *b, struct attempt *a, __u32 mode, __u64 now)
{
	settle_all(b, a, now);
	return attempt_begin(b, a, mode, now);
}

enum verdict native_recheck(struct books *b, struct attempt *a, int known, __u32 mode, __u64 now)
{
	if (known && a->flags & ATTEMPT_FIRST)
		is_first_no_more(b, a);
	settle_all(b, a, now);
	return attempt_recheck(b, a, mode, now);
}

enum verdict native_resend(struct books *b, struct attempt *a, __u32 mode, __u64 now)
{
	settle_all(b, a, now);
	return attempt_resend(b, a, mode, now);
}

void native_end(struct books *b, struct attempt *a, enum ending ending, __u32 neighbours, __u64 now)
{
	settle_all(b, a, now);
	attempt_end(b, a, ending, neighbours, now);
}

/* Whether a first contact over UDP may leave; it takes its turn then. */
int native_datagram(struct scope *s, const struct limits *l, __u64 now)
{
	if (!datagram_may_leave(s, l, now))
		return 0;
	datagram_takes_turn(s, l, now);
	return 1;
}

void native_walk_begins(struct books *b)
{
	walk_begins(host_of(b));
}

void native_seen(struct books *b, struct attempt *a)
{
	attempt_seen(b, a);
}

int native_walk_ends(struct scope *s, __u32 walk)
{
	return walk_ends(s, walk);
}

__u32 native_silent_patience_ms(__u32 syn_count, __u32 linear, __u32 rto_max_ms)
{
	return silent_patience_ms(syn_count, linear, rto_max_ms);
}

__u32 native_syn_count_to_last(__u32 patience_ms, __u32 timer_ms, __u32 rechecks, __u32 linear, __u32 own_count)
{
	return syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own_count);
}

__u32 native_longest_wait_ms(__u32 patience_ms, __u32 user_timeout_ms, __u64 max_wait_ns)
{
	return longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ns);
}

__u32 native_first_timer_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	return first_timer_ms(waiting, queue_number, interval_ns, most);
}

__u32 native_first_timer_woken_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	return first_timer_woken_ms(waiting, queue_number, interval_ns, most);
}

__u32 native_next_wait_ms(__u32 held_ms, __u32 rechecks, __u32 waiting, __u32 queue_number, __u64 interval_ns,
			  int woken)
{
	return next_wait_ms(held_ms, rechecks, waiting, queue_number, interval_ns, woken);
}

__u32 native_read_answer(struct dns_reading *m)
{
	read_answer(m);
	return m->outcome;
}

/* The mapped address of `found[at]`; whether it may be named. */
int native_found_address(const struct dns_reading *m, __u32 at, __u8 addr[16])
{
	copy_address(addr, m, m->found[at].at);
	return is_nameable(addr);
}

/* In the order in which src/twin.rs compares them. */
const __u32 native_sizes[] = {
	sizeof(struct held_record), sizeof(struct turn_record), sizeof(struct attempt_record), sizeof(struct attempt),
	sizeof(struct scope),	    sizeof(struct limits),	sizeof(struct books),	       sizeof(struct party),
};
