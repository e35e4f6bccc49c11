/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Attempts that are cancelled while they wait have cost the host something before their SYN was held: where connections
 * are tracked, an entry of two minutes each. So a part may cancel some at once and a few each second; past that
 * connect() fails while others of its wait, or were just cancelled.
 *
 * Every function here is to be called with the host scope's lock held, is_churning() also without. Pure: no helper is
 * called.
 */
#pragma once

#include "abi.h"

/* A page that is left while it loads has some twenty dials that wait; happy eyeballs cancel one for each name that is
 * dialled, a handful a second. A loop of connect() and close() makes twenty thousand. */
#define CHURN_BURST 24
#define CHURN_INTERVAL_NS 166666667ULL /* six a second */
/* One that has waited for a second counts for so little of that: dialers give up after some seconds, and who cancels
 * many such needs a queue full of them; sixteen times six a second remember some eleven thousand SYNs. */
#define CHURN_PATIENT_NS 1000000000ULL
#define CHURN_PATIENT_PART 16
/* Beyond that a part is in debt, for as long as a tracked SYN is remembered at the most: who cancels a full queue at
 * once fills the table once. */
#define CHURN_DEBT_NS 120000000000ULL
/* Who has let a second pass without, and has none that waits, may try with one. */
#define CHURN_QUIET_NS 1000000000ULL

static __always_inline int has_cancelled_too_much(const struct party *part, __u64 now)
{
	return part->paid_ns > now + (CHURN_BURST - 1) * CHURN_INTERVAL_NS;
}

/* One more, which began to wait then. */
static __always_inline void note_cancelled(struct party *part, __u64 began, __u64 now)
{
	__u64 most = now + CHURN_BURST * CHURN_INTERVAL_NS + CHURN_DEBT_NS;
	__u64 paid = part->paid_ns > now ? part->paid_ns : now;

	paid += now - began < CHURN_PATIENT_NS ? CHURN_INTERVAL_NS : CHURN_INTERVAL_NS / CHURN_PATIENT_PART;
	part->paid_ns = paid < most ? paid : most;
	part->cancelled_ns = now;
}

static __always_inline int is_churning(const struct party *part, __u64 now)
{
	return has_cancelled_too_much(part, now) && (part->queued || now < part->cancelled_ns + CHURN_QUIET_NS);
}
