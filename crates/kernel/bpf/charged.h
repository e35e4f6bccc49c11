/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What an attempt is charged to: its scopes, and the parties among whom the host's turns go round.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "credit.h"
#include "parties.h"
#include "slots.h"

/* The accounts one attempt is charged to, the host's first; the others may be NULL. Its parties are NULL where it is
 * in none. */
struct books {
	struct scope *scope[CHARGED];
	const struct limits *limits[CHARGED];
	struct party *top;
	struct party *user;
};

/* In the order in which they are asked: who waits for its own account shall not look like a waiter of all. */
#ifdef __bpf__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif
#define for_each_charged(i)                                                                                            \
	UNROLL for (int asked_ = 1, i = 1; asked_ <= CHARGED; i = ++asked_ == CHARGED ? CHARGED_HOST : asked_)

static __always_inline struct scope *host_of(const struct books *b)
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
	s->seen_out = 0;
}

/* The counters that a recount can correct; `seen` follows for attempts that the current walk has seen. */
static __always_inline void count_queued(struct scope *s, int seen, __u32 by)
{
	s->queued += by;
	if (seen)
		s->seen_queued += by;
}

static __always_inline void count_waiting_here(struct scope *s, int seen, int known, __u32 by)
{
	s->waiting_here += by;
	if (seen)
		s->seen_waiting_here += by;
	if (!known)
		return;
	s->waiting_known += by;
	if (seen)
		s->seen_waiting_known += by;
}

static __always_inline void count_out(struct scope *s, int seen, __u32 by)
{
	s->out += by;
	if (seen)
		s->seen_out += by;
}

static __always_inline int is_seen(const struct books *b, const struct attempt *a)
{
	return a->walk == host_of(b)->walk;
}
