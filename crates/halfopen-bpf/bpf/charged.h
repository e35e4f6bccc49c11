/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What an attempt is charged to: its scopes, and the parties that share the host's turns.
 *
 * The functions that read or write a scope are called with the host scope's lock held, unless their comment says
 * otherwise. Pure: no helper is called.
 */
#pragma once

#include "churn.h"
#include "connections.h"
#include "credit.h"
#include "parties.h"
#include "slots.h"
#include "verifier.h"

/* The accounts that an attempt is charged to, the host's first; of the others only those that are `charged`. In the
 * kernel, the pointer to one that is not is no NULL but the address of a scope not to be touched: the verifier would
 * walk all that follows once for each combination of NULLs; so is `destination` where the attempt's account has no
 * limits on destinations. `top` and `part` are both NULL while the attempt is counted in no party. */
struct accounting {
	struct scope *scope[CHARGED];
	const struct limits *limits[CHARGED];
	struct party *top;
	struct party *part;
	struct destination *destination;
	__u64 charged; /* a bit for each, and BY_DESTINATION */
};
/* In `charged`: the attempt is charged to its destination, too. */
#define BY_DESTINATION (1ULL << CHARGED)

/* In the order in which they are asked, the host last: an attempt that its own account holds back must not count as a
 * waiter at the host. */
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

static __always_inline int is_charged(const struct accounting *b, int i)
{
	__u64 charged = b->charged;

	HIDE(charged);
	return i == CHARGED_HOST || charged & (1 << i);
}

/* Whether it is charged to its destination. Only the attempt's own account has limits on destinations. */
static __always_inline int has_destination(const struct accounting *b)
{
	__u64 charged = b->charged;

	HIDE(charged);
	return !!(charged & BY_DESTINATION);
}

static __always_inline const struct destination_limits *destination_limits_of(const struct accounting *b)
{
	return &b->limits[CHARGED_OWN]->destination;
}

static __always_inline int has_parties(const struct accounting *b)
{
	return b->top && b->part;
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
	s->seen_waiting_to_open = 0;
	s->seen_waiting_to_reach = 0;
	s->connections.seen_open = 0;
	for (int i = 0; i < CREDIT_BUCKETS; i++)
		s->trust[i].seen_waiting = 0;
	s->seen_out = 0;
}

static __always_inline void destination_joins_walk(struct destination *d, __u32 walk)
{
	if (d->walk == walk)
		return;
	d->walk = walk;
	d->seen_users = 0;
	d->seen_out = 0;
	d->seen_waiting = 0;
	d->connections.seen_open = 0;
}

/* Adds one to a counter that also changes without the lock. */
static __always_inline void count_once(__u64 *number)
{
	__sync_fetch_and_add(number, 1);
}

/* Changes a counter that a reconcile walk can correct. `seen`: the current walk has seen the attempt. */
static __always_inline void count_queued(struct scope *s, __u32 seen, __u32 by)
{
	s->queued += by;
	s->seen_queued += by * seen;
}

/* 1 if the flag is set, else 0. */
static __always_inline __u32 has_flag(const struct attempt *a, __u32 flag)
{
	__u32 has = a->flags / flag & 1;

	HIDE(has);
	return has;
}

static __always_inline __u32 is_first(const struct attempt *a)
{
	return has_flag(a, ATTEMPT_FIRST);
}

/* The attempt leaves the accounting. Returns the state it was in: if two CPUs end it at once, one of them finds
 * ATTEMPT_NONE. Needs no lock. */
static __always_inline __u32 ends(struct attempt *a)
{
	return __sync_lock_test_and_set(&a->state, ATTEMPT_NONE);
}

/* Maps a bucket to a number below CREDIT_BUCKETS, by arithmetic that a verifier can follow which tracks only the range
 * of a number. */
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

/* Whether the attempt's outcome is evidence. For an address that was tried before it is, because that trial's silence
 * was. */
static __always_inline int is_evident(const struct attempt *a)
{
	return !!(a->flags & (ATTEMPT_FIRST | ATTEMPT_TRIED));
}

static __always_inline __u32 is_named_one(const struct attempt *a)
{
	return has_flag(a, ATTEMPT_NAMED);
}

static __always_inline __u32 is_foreign_one(const struct attempt *a)
{
	return has_flag(a, ATTEMPT_FOREIGN);
}

/* Neither a named contact nor a foreign one. */
static __always_inline __u32 is_stranger(const struct attempt *a)
{
	return 1 - some(a->flags & (ATTEMPT_NAMED | ATTEMPT_FOREIGN));
}

_Static_assert(ATTEMPT_FOREIGN == 2 * ATTEMPT_NAMED && BUCKET_FOREIGN == BUCKET_NAMED + 1, "their order is the same");

/* The bucket of the attempt if it is a stranger's, else that of its kind. */
static __always_inline __u32 credit_bucket_for(const struct attempt *a, __u32 of_stranger)
{
	__u32 kind = a->flags / ATTEMPT_NAMED & 3, stranger = kind - 1;

	HIDE(stranger);
	stranger = (__s32)stranger >> 31;
	return credit_bucket_within((of_stranger & stranger) | ((BUCKET_NAMED - 1 + kind) & ~stranger));
}

/* The credit bucket that the attempt spends from. */
static __always_inline __u32 credit_bucket_of(const struct attempt *a)
{
	return credit_bucket_for(a, BUCKET_PORTS + a->cell);
}

/* The second credit bucket that the attempt spends from: for a stranger the one for all ports, otherwise the same. */
static __always_inline __u32 credit_bucket_beside(const struct attempt *a)
{
	return credit_bucket_for(a, BUCKET_ALL_PORTS);
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

static __always_inline __u32 has_credit_for(const struct scope *s, const struct attempt *a)
{
	return has_credit(&s->trust[credit_bucket_of(a)]) & has_credit(&s->trust[credit_bucket_beside(a)]);
}

/* What the attempt waits for is not what ranks are about: its slot, its turn or its credit. */
static __always_inline __u32 waits_for_connection(const struct attempt *a)
{
	return some(a->flags & (ATTEMPT_TO_OPEN | ATTEMPT_TO_REACH));
}

static __always_inline __u8 waits_for(const struct attempt *a)
{
	return has_flag(a, ATTEMPT_TO_OPEN) * WAITS_TO_OPEN + has_flag(a, ATTEMPT_TO_REACH) * WAITS_TO_REACH;
}

/* Whether a newcomer may find no slot, no credit, no room for a connection, or a waiter. May be asked without the lock:
 * an attempt that is queued after a wrong "no" joins its part at its first re-check. */
static __always_inline int may_have_to_wait(const struct accounting *b, const struct attempt *a, __u64 now)
{
	__u32 may = 0;

	for_each_charged(i) {
		const struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		may |= some(s->waiting_here) | (1 - is_below(slots_held(s), b->limits[i]->half_open));
		may |= some(b->limits[i]->first.credit) & (1 - has_credit_for(s, a));
		may |= 1 - may_open(s, b->limits[i], a, now);
	}
	if (has_destination(b))
		may |= some(b->destination->waiting) |
		       (1 - may_reach(b->destination, destination_limits_of(b), a, now));
	return may;
}

static __always_inline void count_waiting_here(struct scope *s, const struct attempt *a, __u32 seen, __u32 by)
{
	__u32 ranks = by * (1 - waits_for_connection(a)), first = is_first(a), known = ranks * (1 - first);
	__u32 opens = by * has_flag(a, ATTEMPT_TO_OPEN), reaches = by * has_flag(a, ATTEMPT_TO_REACH);
	struct trust *t = trust_of(s, a);

	s->waiting_here += by;
	s->waiting_known += known;
	s->waiting_to_open += opens;
	s->waiting_to_reach += reaches;
	t->waiting += ranks * first;
	s->seen_waiting_here += by * seen;
	s->seen_waiting_known += known * seen;
	s->seen_waiting_to_open += opens * seen;
	s->seen_waiting_to_reach += reaches * seen;
	t->seen_waiting += ranks * first * seen;
}

static __always_inline void count_out(struct scope *s, __u32 seen, __u32 by)
{
	__sync_fetch_and_add(&s->out, by);
	s->seen_out += by * seen;
}

/* Whether the current walk has seen the attempt. The number of a walk is odd; that of an attempt which begins while
 * none runs is even. */
static __always_inline __u32 is_seen(const struct accounting *b, const struct attempt *a)
{
	return is_zero(a->walk ^ host_of(b)->walk);
}
