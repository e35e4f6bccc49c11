/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What an attempt is charged to: its scopes, and the parties among whom the host's turns go round.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "churn.h"
#include "credit.h"
#include "parties.h"
#include "slots.h"

/* The accounts one attempt is charged to, the host's first; the others may be NULL. Its parties are NULL where it is
 * in none. */
struct accounting {
	struct scope *scope[CHARGED];
	const struct limits *limits[CHARGED];
	struct party *top;
	struct party *part;
};

/* In the order in which they are asked: who waits for its own account shall not look like a waiter of all. */
#ifdef __bpf__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif
#define for_each_charged(i)                                                                                            \
	UNROLL for (int asked_ = 1, i = 1; asked_ <= CHARGED; i = ++asked_ == CHARGED ? CHARGED_HOST : asked_)

static __always_inline struct scope *host_of(const struct accounting *b)
{
	return b->scope[CHARGED_HOST];
}

/* A scope joins the host's current walk when it is next touched. */
static __always_inline void join_walk(struct scope *s, __u32 walk)
{
	if (s->walk == walk)
		return;
	s->walk = walk;
	s->seen_queued = 0;
	s->seen_waiting_here = 0;
	s->seen_waiting_known = 0;
	for (int i = 0; i < CREDIT_BUCKETS; i++)
		s->trust[i].seen_waiting = 0;
	s->seen_out = 0;
}

/* Of what is counted without the lock too. */
static __always_inline void count_once(__u64 *number)
{
	__sync_fetch_and_add(number, 1);
}

/* The counters that a reconcile walk can correct; `seen` follows for attempts that the current walk has seen. */
static __always_inline void count_queued(struct scope *s, int seen, __u32 by)
{
	s->queued += by;
	if (seen)
		s->seen_queued += by;
}

/* 1 where a number is not zero, without a branch: the verifier would walk both ways. */
static __always_inline __u32 some(__u32 number)
{
	__u32 top = number | -number;

	asm volatile("" : "+r"(top));
	return top >> 31;
}

static __always_inline int is_first(const struct attempt *a)
{
	return !!(a->flags & ATTEMPT_FIRST);
}

/* It leaves the accounting. Returns the state that it was in: of two that end it at once, one finds ATTEMPT_NONE. */
static __always_inline __u32 ends(struct attempt *a)
{
	return __sync_lock_test_and_set(&a->state, ATTEMPT_NONE);
}

/* As a number below CREDIT_BUCKETS, for a verifier that knows of a number only how far it goes. */
#define BUCKETS_SHIFT 5
_Static_assert(CREDIT_BUCKETS <= 1 << BUCKETS_SHIFT, "each has a number of its own");
static __always_inline __u32 credit_bucket_within(__u64 bucket)
{
	bucket = ((bucket << BUCKETS_SHIFT) + CREDIT_BUCKETS - 1) / CREDIT_BUCKETS;
#ifdef __bpf__
	asm volatile("%0 &= 31" : "+r"(bucket));
#else
	bucket &= 31;
#endif
	return bucket * CREDIT_BUCKETS >> BUCKETS_SHIFT;
}

/* Whether what comes of it is evidence: of one that was tried before its answer, since its silence was. */
static __always_inline int is_evident(const struct attempt *a)
{
	return !!(a->flags & (ATTEMPT_FIRST | ATTEMPT_TRIED));
}

static __always_inline __u32 is_named_one(const struct attempt *a)
{
	return !!(a->flags & ATTEMPT_NAMED);
}

static __always_inline __u32 is_foreign_one(const struct attempt *a)
{
	return !!(a->flags & ATTEMPT_FOREIGN);
}

/* Neither. */
static __always_inline __u32 is_stranger(const struct attempt *a)
{
	return !(a->flags & (ATTEMPT_NAMED | ATTEMPT_FOREIGN));
}

/* The credit that it would cost. A number, not a way: the verifier would walk each. */
static __always_inline __u32 credit_bucket_of(const struct attempt *a)
{
	return credit_bucket_within(is_stranger(a) * (BUCKET_PORTS + a->cell) + is_named_one(a) * BUCKET_NAMED +
				    is_foreign_one(a) * BUCKET_FOREIGN);
}

/* The one that it would cost beside: a stranger's, of all ports. Else the same. */
static __always_inline __u32 credit_bucket_beside(const struct attempt *a)
{
	return credit_bucket_within(is_stranger(a) * BUCKET_ALL_PORTS + is_named_one(a) * BUCKET_NAMED +
				    is_foreign_one(a) * BUCKET_FOREIGN);
}

static __always_inline __u8 contact_of(const struct attempt *a)
{
	if (!is_first(a))
		return CONTACT_KNOWN;
	if (is_foreign_one(a))
		return CONTACT_FOREIGN;
	return is_named_one(a) ? CONTACT_NAMED : CONTACT_STRANGER + a->cell;
}

static __always_inline struct trust *trust_of(struct scope *s, const struct attempt *a)
{
	return &s->trust[credit_bucket_of(a)];
}

static __always_inline struct trust *trust_beside(struct scope *s, const struct attempt *a)
{
	return &s->trust[credit_bucket_beside(a)];
}

static __always_inline int has_credit_for(const struct scope *s, const struct attempt *a)
{
	return has_credit(&s->trust[credit_bucket_of(a)]) & has_credit(&s->trust[credit_bucket_beside(a)]);
}

/* Whether a newcomer may find no slot, no credit or somebody who waits. May be asked without the lock: one that is
 * queued all the same joins its part at its first re-check. */
static __always_inline int may_have_to_wait(const struct accounting *b, const struct attempt *a)
{
	int may = 0;

	for_each_charged(i) {
		const struct scope *s = b->scope[i];

		if (!s)
			continue;
		may |= s->waiting_here || slots_held(s) >= b->limits[i]->half_open;
		may |= b->limits[i]->first.credit && !has_credit_for(s, a);
	}
	return may;
}

static __always_inline void count_waiting_here(struct scope *s, const struct attempt *a, int seen, __u32 by)
{
	__u32 first = is_first(a), known = by * !first;

	s->waiting_here += by;
	s->waiting_known += known;
	trust_of(s, a)->waiting += by * first;
	if (!seen)
		return;
	s->seen_waiting_here += by;
	s->seen_waiting_known += known;
	trust_of(s, a)->seen_waiting += by * first;
}

static __always_inline void count_out(struct scope *s, int seen, __u32 by)
{
	__sync_fetch_and_add(&s->out, by);
	if (seen)
		s->seen_out += by;
}

/* The walk that goes on has seen it. An odd number: one that begins while none does has an even one. */
static __always_inline int is_seen(const struct accounting *b, const struct attempt *a)
{
	return a->walk == host_of(b)->walk;
}
