/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Whether connect() fails at once. Asked before the attempt begins: once it has, no error can be returned any more.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "charged.h"

enum refusal { REFUSAL_NONE, REFUSAL_QUEUE_FULL, REFUSAL_BLOCKED };

static __always_inline int queue_is_full(const struct scope *s, const struct limits *l)
{
	return !l->overflow_waits && s->waiting_here && s->queued >= l->queue;
}

/* Only where something is enforced, and not of the essential. May be asked without the lock. */
static __always_inline enum refusal refusal_of(const struct books *b, __u64 now)
{
	int blocked = 0, full = 0;

	for_each_charged(i) {
		if (!b->scope[i])
			continue;
		for (int of = 0; of < PURSES; of++)
			blocked |= is_blocked(&b->scope[i]->trust[of], &b->limits[i]->first, now);
		full |= queue_is_full(b->scope[i], b->limits[i]);
	}
	if (blocked)
		return REFUSAL_BLOCKED;
	return full ? REFUSAL_QUEUE_FULL : REFUSAL_NONE;
}

/* To be called with the host scope's lock held. */
static __always_inline void count_refusal(struct books *b, enum refusal refusal)
{
	for_each_charged(i) {
		if (b->scope[i])
			*(refusal == REFUSAL_BLOCKED ? &b->scope[i]->blocked : &b->scope[i]->refused) += 1;
	}
}
