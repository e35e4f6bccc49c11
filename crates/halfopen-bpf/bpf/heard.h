/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What first contacts come to, for the trust in those that they are charged to: an answer, or silence. Each credit
 * bucket hears of it apart, under the host scope's lock: it may be a moment before or after what else happens to the
 * attempt. Pure.
 */
#pragma once

#include "outcome.h"

/* Of an answer that proves nothing: neutral. */
enum heard { HEARD_NOTHING, HEARD_SILENCE, HEARD_ANSWER, HEARD_NEUTRAL };

static __always_inline int side_taken(const struct attempt *a)
{
	return a->flags & ATTEMPT_NEWEST ? SIDE_NEWEST : SIDE_OLDEST;
}

/* Where an attempt that is out wants to send its SYN again. */
static __always_inline enum heard heard_at_resend(const struct attempt *a, __u64 now)
{
	return a->flags & ATTEMPT_PENDING && now - a->last_syn_ns >= SYN_GAP_NS ? HEARD_SILENCE : HEARD_NOTHING;
}

/* Where it ends. A silence was heard at the first repeated SYN already, if there was one. */
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

/* One of its credit buckets hears it; so many other first contacts of its neighbourhood were answered lately. */
static __always_inline void trust_hears(struct scope *s, const struct limits *l, const struct attempt *a, __u32 bucket,
					enum heard heard, __u32 neighbours, __u64 now)
{
	struct trust *t = &s->trust[credit_bucket_within(bucket)];

	if (!l->first.credit)
		return;
	/* Its address is as unknown as it was. */
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
