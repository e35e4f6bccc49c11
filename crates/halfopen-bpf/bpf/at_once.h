/* SPDX-License-Identifier: GPL-2.0-only
 *
 * An attempt that nothing holds begins and ends without the host scope's lock. Where no attempt waits, slots are free
 * and no credit is spent or earned, the decision is clear, and all that is needed is exact counters.
 *
 * A reconcile walk relies on the counters as they are under the lock. While a walk runs, nothing here is done.
 * has_walked_since() finds a walk that began in the meantime.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "outcome.h"
#include "reconcile.h"

/* `touched_ns` may lag by this much, about 17 ms, so that not every attempt writes it. */
#define TOUCHED_NS (1ULL << 24)

/* Called around every decision to take slots, with the lock held. */
static __always_inline void close_all(struct accounting *b)
{
	for_each_charged(i) {
		if (is_charged(b, i))
			slots_close(b->scope[i]);
	}
}

static __always_inline void open_all(struct accounting *b)
{
	for_each_charged(i) {
		if (is_charged(b, i))
			slots_open(b->scope[i]);
	}
}

/* Whether a walk has begun since the walk number was `walk`. Asked after everything else has been written. A walk that
 * began in between may have missed the attempt, and one that also ended may have seen it: the caller corrects that with
 * the lock held. */
static __always_inline int has_walked_since(struct accounting *b, __u32 walk)
{
	return __sync_fetch_and_or(&host_of(b)->walk, 0) != walk;
}

static __always_inline int asks_for_credit(const struct limits *l, const struct attempt *a)
{
	return l->first.credit && (is_first(a) || l->first.working_set);
}

static __always_inline void touch_at_once(struct scope *s, __u64 now)
{
	if (now - s->touched_ns >= TOUCHED_NS)
		s->touched_ns = now;
}

/* Judges a newcomer as attempt_begin() does. Returns whether it is out; otherwise nothing has changed. */
static __always_inline int attempt_begins_at_once(struct accounting *b, struct attempt *a, __u64 now)
{
	__u32 walk = host_of(b)->walk;
	int taken = 1;

	if (walk_goes_on(walk) || has_destination(b))
		return 0;
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		if (b->scope[i]->waiting_here || asks_for_credit(b->limits[i], a) || limits_connections(b->limits[i]))
			return 0;
		/* Or the slots are closed. Otherwise an attempt that is refused below would count as out for a
		 * moment. */
		if (*(volatile __u64 *)&b->scope[i]->slots >= b->limits[i]->half_open)
			return 0;
	}
	/* First: an account with attempts that are out is not collected (collect.h). */
	for_each_charged(i) {
		if (is_charged(b, i))
			__sync_fetch_and_add(&b->scope[i]->out, 1);
	}
	for_each_charged(i) {
		a->slot[i].tick = 0;
		if (is_charged(b, i) && taken)
			taken = slot_take_at_once(b->scope[i], b->limits[i], &a->slot[i], now);
	}
	if (!taken) {
		for_each_charged(i) {
			if (!is_charged(b, i))
				continue;
			slot_give_back_at_once(b->scope[i], &a->slot[i]);
			__sync_fetch_and_add(&b->scope[i]->out, -1);
		}
		return 0;
	}
	a->began_ns = now;
	a->slot_ns = now;
	a->out_ns = now;
	a->walk = walk;
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		touch_at_once(b->scope[i], now);
		count_admitted(b->scope[i], a);
	}
	*(volatile __u32 *)&a->state = ATTEMPT_OUT;
	return 1;
}

static __always_inline int has_slot_of_grid(const struct scope *s, const struct slot *slot)
{
	return !slot->tick || slot->grid == s->grid;
}

/* The result of ending an attempt without the lock. AT_ONCE_AMID_DECISION: another CPU is deciding, and its attempt may
 * begin to wait for the slot that was given back. The caller must look for waiters only after that CPU has released the
 * lock. */
enum at_once { AT_ONCE_NOT, AT_ONCE_ENDED, AT_ONCE_AMID_DECISION };

/* Ends an attempt that is out, as attempt_end() does. `walk` receives the walk number found before. */
static __always_inline enum at_once attempt_ends_at_once(struct accounting *b, struct attempt *a, enum ending ending,
							 __u32 *walk, __u64 now)
{
	int closed = 0;

	*walk = host_of(b)->walk;
	if (a->state != ATTEMPT_OUT || walk_goes_on(*walk) || a->flags & ATTEMPT_PENDING)
		return AT_ONCE_NOT;
	if (ending == ENDING_CANCELLED || ending == ENDING_UNSEEN || a->counted || a->destination)
		return AT_ONCE_NOT;
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		if (asks_for_credit(b->limits[i], a) || !has_slot_of_grid(b->scope[i], &a->slot[i]))
			return AT_ONCE_NOT;
	}
	if (ends(a) != ATTEMPT_OUT)
		return AT_ONCE_NOT;
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		touch_at_once(s, now);
		closed |= slot_give_back_at_once(s, &a->slot[i]);
		__sync_fetch_and_add(&s->out, -1);
		count_once(is_answer(ending) ? &s->established : &s->failed);
	}
	return closed ? AT_ONCE_AMID_DECISION : AT_ONCE_ENDED;
}
