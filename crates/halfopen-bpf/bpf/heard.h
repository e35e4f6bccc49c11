/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What first contacts come to, an answer or silence, for the trust in the accounts that they are charged to. Each
 * credit bucket hears of it in a critical section of its own, under the host scope's lock, shortly before or after what
 * else happens to the attempt. Pure: no helper is called.
 */
#pragma once

#include "outcome.h"

/* HEARD_NEUTRAL: an answer that proves nothing. */
enum heard { HEARD_NOTHING, HEARD_SILENCE, HEARD_ANSWER, HEARD_NEUTRAL };

static __always_inline int side_taken(const struct attempt *a)
{
	return a->flags & ATTEMPT_NEWEST ? SIDE_NEWEST : SIDE_OLDEST;
}

/* What is heard when an attempt that is out wants to send its SYN again. */
static __always_inline enum heard heard_at_resend(const struct attempt *a, __u64 now)
{
	return a->flags & ATTEMPT_PENDING && now - a->last_syn_ns >= SYN_GAP_NS ? HEARD_SILENCE : HEARD_NOTHING;
}

/* What is heard when an attempt ends. Its silence was heard at its first repeated SYN, if there was one. */
static __always_inline enum heard heard_at_end(const struct attempt *a, enum ending ending)
{
	if (a->state != ATTEMPT_OUT)
		return HEARD_NOTHING;
	if (!is_answer(ending))
		return a->flags & ATTEMPT_PENDING ? HEARD_SILENCE : HEARD_NOTHING;
	if (ending == ENDING_NEUTRAL)
		return HEARD_NEUTRAL;
	return is_evident(a) ? HEARD_ANSWER : HEARD_NOTHING;
}

/* One of the attempt's credit buckets hears it. `neighbours`: other first contacts of its neighbourhood that were
 * answered lately. */
static __always_inline void trust_hears(struct scope *s, const struct limits *l, const struct attempt *a, __u32 bucket,
					enum heard heard, __u32 neighbours, __u64 now)
{
	struct trust *t = &s->trust[credit_bucket_within(bucket)];

	if (!l->first.credit)
		return;
	/* The address is as unknown as before. */
	if (heard == HEARD_NEUTRAL)
		forget_contact(s, a->address);
	if (!is_evident(a))
		return;
	if (a->flags & ATTEMPT_PENDING)
		pending_no_more(t);
	if (heard == HEARD_SILENCE)
		contact_silent(t, &l->first, bucket, side_taken(a), now);
	else if (heard == HEARD_ANSWER)
		contact_answered(t, &l->first, bucket, side_taken(a), neighbours, now);
	else if (is_first(a))
		contact_undone(t, &l->first, bucket, now);
}
