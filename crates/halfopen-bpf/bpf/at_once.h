/* SPDX-License-Identifier: GPL-2.0-only
 *
 * An attempt that nothing holds begins and ends without the host scope's lock: where nobody waits, slots are free and
 * no credit is to be spent or earned, the answer is clear, and exact numbers are all that is needed.
 *
 * A reconcile walk goes by the counters as they are under the lock. While a walk goes on nothing here is done; one that
 * begins meanwhile is seen afterwards, by has_walked_since().
 *
 * Pure: no helper is called.
 */
#pragma once

#include "outcome.h"
#include "reconcile.h"

/* To the last tick of the clock that somebody used it. */
#define TOUCHED_NS (1ULL << 24)

/* Around every decision to take slots, with the lock held. */
static __always_inline void close_all(struct accounting *b)
{
	for_each_charged(i) {
		if (b->scope[i])
			slots_close(b->scope[i]);
	}
}

static __always_inline void open_all(struct accounting *b)
{
	for_each_charged(i) {
		if (b->scope[i])
			slots_open(b->scope[i]);
	}
}

/* Whether a walk has begun since it had that number. Asked after all that was written before. One that began amid it
 * may have passed the attempt by, one that ended amid it may have been seen: that is mended with the lock held. */
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

/* A newcomer, as attempt_begin() judges it. Returns whether it is out; else nothing has changed. */
static __always_inline int attempt_begins_at_once(struct accounting *b, struct attempt *a, __u64 now)
{
	__u32 walk = host_of(b)->walk;
	int taken = 1;

	if (walk_goes_on(walk))
		return 0;
	tell_first(b, a);
	for_each_charged(i) {
		if (!b->scope[i])
			continue;
		if (b->scope[i]->waiting_here || asks_for_credit(b->limits[i], a))
			return 0;
		/* Or closed: else who is refused would be counted as out for a moment. */
		if (*(volatile __u64 *)&b->scope[i]->slots >= b->limits[i]->half_open)
			return 0;
	}
	/* First: of whom some are out, that account is in use (collect.h). */
	for_each_charged(i) {
		if (b->scope[i])
			__sync_fetch_and_add(&b->scope[i]->out, 1);
	}
	for_each_charged(i) {
		a->slot[i].tick = 0;
		if (b->scope[i] && taken)
			taken = slot_take_at_once(b->scope[i], b->limits[i], &a->slot[i], now);
	}
	if (!taken) {
		for_each_charged(i) {
			if (!b->scope[i])
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
		if (!b->scope[i])
			continue;
		touch_at_once(b->scope[i], now);
		count_once(&b->scope[i]->admitted);
	}
	*(volatile __u32 *)&a->state = ATTEMPT_OUT;
	return 1;
}

static __always_inline int has_slot_of_grid(const struct scope *s, const struct slot *slot)
{
	return !slot->tick || slot->grid == s->grid;
}

/* What came of an end without the lock. Amid a decision: whoever decides may begin to wait for the slot that was given
 * back, and is to be seen once the lock has been his. */
enum at_once { AT_ONCE_NOT, AT_ONCE_ENDED, AT_ONCE_AMID_DECISION };

/* One that is out ends, as attempt_end() has it. `walk` is the number that was found. */
static __always_inline enum at_once attempt_ends_at_once(struct accounting *b, struct attempt *a, enum ending ending,
							 __u32 *walk, __u64 now)
{
	int closed = 0;

	*walk = host_of(b)->walk;
	if (a->state != ATTEMPT_OUT || walk_goes_on(*walk) || a->flags & ATTEMPT_PENDING)
		return AT_ONCE_NOT;
	if (ending == ENDING_CANCELLED || ending == ENDING_UNSEEN)
		return AT_ONCE_NOT;
	for_each_charged(i) {
		if (!b->scope[i])
			continue;
		if (asks_for_credit(b->limits[i], a) || !has_slot_of_grid(b->scope[i], &a->slot[i]))
			return AT_ONCE_NOT;
	}
	if (ends(a) != ATTEMPT_OUT)
		return AT_ONCE_NOT;
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!s)
			continue;
		touch_at_once(s, now);
		closed |= slot_give_back_at_once(s, &a->slot[i]);
		__sync_fetch_and_add(&s->out, -1);
		count_once(is_answer(ending) ? &s->established : &s->failed);
	}
	return closed ? AT_ONCE_AMID_DECISION : AT_ONCE_ENDED;
}
