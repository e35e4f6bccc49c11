/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Attempts that are cancelled while they wait have cost the host something before their SYN was held: where connections
 * are tracked, a conntrack entry for two minutes each. So a part may cancel some at once and a few each second. Beyond
 * that, its connect() fails while other attempts of the part wait, or were just cancelled.
 *
 * Every function here but is_churning() is called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* A program that ends while its pool of connections waits cancels all of them at once, and a server that stops those of
 * many pools. Happy eyeballs cancels one for each name dialled, a handful a second. A loop of connect() and close()
 * cancels twenty thousand a second. */
#define CHURN_BURST 1024
#define CHURN_INTERVAL_NS 166666667ULL /* six a second */
/* An attempt that has waited for a second counts only this fraction. Dialers give up after some seconds, and cancelling
 * many such attempts takes a queue full of them. Sixteen times six a second leave some eleven thousand tracked SYNs. */
#define CHURN_PATIENT_NS 1000000000ULL
#define CHURN_PATIENT_PART 16
/* A part's debt is bounded by the longest time that a SYN is tracked: a part that cancels a full queue at once fills
 * the conntrack table once. */
#define CHURN_DEBT_NS 120000000000ULL
/* A part that has cancelled nothing for a second, and has no waiter, may try one attempt. */
#define CHURN_QUIET_NS 1000000000ULL

static __always_inline int has_cancelled_too_much(const struct party *part, __u64 now)
{
	return part->paid_ns > now + (CHURN_BURST - 1) * CHURN_INTERVAL_NS;
}

/* Counts one more cancelled attempt, which began to wait at `began`. */
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
