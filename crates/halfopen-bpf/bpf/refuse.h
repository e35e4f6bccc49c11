/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Whether connect() fails at once. This is asked before the attempt begins, because no error can be returned
 * afterwards.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "charged.h"

/* This many attempts of each part may wait, however many attempts of others fill the host's queue. */
#define QUEUE_FLOOR 8

static __always_inline int queue_is_full(const struct scope *s, const struct limits *l)
{
	return !l->overflow_waits && s->waiting_here && s->queued >= l->queue;
}

/* The host's queue limit counts all waiters, also those that their own account holds back. */
static __always_inline int host_queue_is_full(const struct scope *host, const struct limits *l)
{
	return !l->overflow_waits && host->queued && host->queued >= l->queue;
}

/* Whether a part has its share of the host's full queue. NULL has none. */
static __always_inline int has_its_places(const struct party *part, const struct limits *l)
{
	__u32 floor = l->queue < QUEUE_FLOOR ? l->queue : QUEUE_FLOOR;

	return part && part->queued >= floor;
}

/* Whether the answer depends on the part. May be asked without the lock. */
static __always_inline int asks_for_part(const struct scope *host, const struct limits *l)
{
	return host->churned_until_ns || host_queue_is_full(host, l);
}

/* A known or named address hardly ever waits where the host has room: programs that share an account with a scanner can
 * still reach it. */
static __always_inline int goes_at_once(const struct accounting *b, int met)
{
	return met && !host_of(b)->parties.waiting && slots_held(host_of(b)) < b->limits[CHARGED_HOST]->half_open;
}

/* Whether one of the scope's credit buckets became a suspect less than block_ns ago. Computed without branches: the
 * verifier would walk each path. */
static __always_inline __u32 is_blocked(const struct scope *s, const struct first_contact *f, __u64 now)
{
	__u64 blocked = 0, since;

	for (int i = 0; i < CREDIT_BUCKETS; i++) {
		since = s->trust[i].suspect_ns;
		blocked |= (now - since - f->block_ns) & (since | -since) & -f->block_ns;
	}
	asm volatile("" : "+r"(blocked));
	return blocked >> 63;
}

/* Binding only in MODE_ENFORCE, and not for attempts that are never held. `met`: the address is known or named. May be
 * asked without the lock. */
static __always_inline enum refusal refusal_of(const struct accounting *b, int met, __u64 now)
{
	int blocked = 0, full = 0;

	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		blocked |= is_blocked(b->scope[i], &b->limits[i]->first, now);
		if (i == CHARGED_HOST)
			full |= host_queue_is_full(b->scope[i], b->limits[i]) && has_its_places(b->part, b->limits[i]);
		else
			full |= queue_is_full(b->scope[i], b->limits[i]);
	}
	FORGET(blocked);
	FORGET(full);
	if (blocked)
		return REFUSAL_BLOCKED;
	if (full)
		return REFUSAL_QUEUE_FULL;
	return b->part && is_churning(b->part, now) && !goes_at_once(b, met) ? REFUSAL_CHURN : REFUSAL_NONE;
}

/* Called with the host scope's lock held. */
static __always_inline void count_refusal(struct accounting *b, enum refusal refusal)
{
	for_each_charged(i) {
		if (is_charged(b, i))
			*(refusal == REFUSAL_BLOCKED ? &b->scope[i]->blocked : &b->scope[i]->refused) += 1;
	}
}
