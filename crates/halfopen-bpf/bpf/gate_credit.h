/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The credit of what comes through a container's gate without a socket: the same sequential test as an account's. A
 * contact here counts as silent until it is answered, because nothing hears when it gives up.
 *
 * Pure. Called with the lock of the credit held.
 */
#pragma once

#include "credit.h"

/* Whether a first contact goes out. */
static __always_inline int gate_spends(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	trust_settle(t, f, bucket, now);
	if (!has_credit(t))
		return 0;
	credit_spend(t, f, bucket, now);
	pending_no_more(t);
	contact_silent(t, f, bucket, SIDE_NEWEST, now);
	return 1;
}

/* A first contact that went out is answered, after `neighbours` others of its neighbourhood. */
static __always_inline void gate_is_answered(struct trust *t, const struct first_contact *f, __u32 bucket,
					     __u32 neighbours, __u64 now)
{
	trust_settle(t, f, bucket, now);
	contact_answered(t, f, bucket, SIDE_NEWEST, neighbours, now);
}

/* The answer to a first contact proves nothing: it costs nothing, and is no evidence. */
static __always_inline void gate_is_undone(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	__u32 back = CREDIT >> weight_shift(bucket);

	t->steps -= back < t->steps ? back : t->steps;
	t->heard_silences -= some(t->heard_silences);
	contact_undone(t, f, bucket, now);
}
