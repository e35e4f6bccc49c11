/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The reconcile walk: what a walk over all live attempts has seen replaces the counters.
 *
 * Every function here is called with the host scope's lock held, except is_gone() and walk_goes_on(). Pure: no helper
 * is called.
 */
#pragma once

#include "decide.h"

/* The walk meets what is bound to its destination. */
static __always_inline void destination_seen(struct accounting *b, __u32 out, __u32 waiting, __u32 open)
{
	struct destination *d = b->destination;

	if (!has_destination(b))
		return;
	destination_joins_walk(d, host_of(b)->walk);
	d->seen_users++;
	d->seen_out += out;
	d->seen_waiting += waiting;
	d->connections.seen_open += open;
}

/* The walk meets a live attempt. */
static __always_inline void attempt_seen(struct accounting *b, struct attempt *a)
{
	__u32 queued = a->state == ATTEMPT_QUEUED, out = a->state == ATTEMPT_OUT, ranks;
	struct scope *at = waits_at(b, a);

	/* One that ends without the lock may have ended just now: it is not counted, so attempt_unseen() must not take
	 * it off. */
	if (is_seen(b, a) || !(queued | out))
		return;
	a->walk = host_of(b)->walk;
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		join_walk(s, host_of(b)->walk);
		s->seen_queued += queued;
		s->seen_out += out;
		s->connections.seen_open += a->counted >> i & 1;
	}
	ranks = queued & (1 - waits_for_connection(a));
	at->seen_waiting_here += queued;
	at->seen_waiting_known += ranks & (1 - is_first(a));
	at->seen_waiting_to_open += queued & has_flag(a, ATTEMPT_TO_OPEN);
	at->seen_waiting_to_reach += queued & has_flag(a, ATTEMPT_TO_REACH);
	trust_of(at, a)->seen_waiting += ranks & is_first(a);
	destination_seen(b, out, queued & has_flag(a, ATTEMPT_TO_REACH), a->far_counted);
}

/* The walk meets an open connection. */
static __always_inline void connection_seen(struct accounting *b, struct connection *c)
{
	__u32 walk = host_of(b)->walk;

	if (!c->opened_ns || c->closed || c->walk == walk)
		return;
	c->walk = walk;
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		join_walk(b->scope[i], walk);
		b->scope[i]->connections.seen_open += c->counted >> i & 1;
	}
	destination_seen(b, 0, 0, c->far_counted);
}

/* An attempt that the walk has seen has ended in the meantime. */
static __always_inline void attempt_unseen(struct accounting *b, const struct attempt *a)
{
	if (!is_seen(b, a))
		return;
	for_each_charged(i) {
		if (is_charged(b, i))
			b->scope[i]->seen_out--;
	}
}

/* A live socket gives a sign of life at each of its timers, which are at most two minutes apart (TCP_RTO_MAX). */
#define GONE_NS 300000000000ULL

/* Whether the socket of an attempt must have ended. If the last socket walk went through the attempt's namespace and
 * began after the attempt, it did not meet the socket. If it did not go there, the socket has given no sign of life for
 * too long. */
static __always_inline int is_gone(const struct attempt *a, int has_walked, __u32 walk, __u64 walk_ns, __u64 now)
{
	if (has_walked)
		return a->met != walk && a->began_ns < walk_ns;
	return now - a->began_ns > GONE_NS && now - a->asked_ns > GONE_NS;
}

/* Walks have odd numbers. */
static __always_inline int walk_goes_on(__u32 walk)
{
	return walk & 1;
}

/* A walk over all live attempts begins; a walk that never ended is void. */
static __always_inline void walk_begins(struct scope *host)
{
	join_walk(host, (host->walk + 1) | 1);
}

/* The walk's counts have replaced those of every account. */
static __always_inline void walk_is_over(struct scope *host)
{
	host->walk += walk_goes_on(host->walk);
}

/* The walk is complete: what it saw is all there is. Returns whether the counters had drifted. */
static __always_inline int walk_ends(struct scope *s, __u32 walk)
{
	__u32 drifted;

	join_walk(s, walk);
	drifted = s->queued ^ s->seen_queued;
	drifted |= s->out ^ s->seen_out;
	drifted |= s->waiting_here ^ s->seen_waiting_here;
	drifted |= s->waiting_known ^ s->seen_waiting_known;
	drifted |= s->waiting_to_open ^ s->seen_waiting_to_open;
	drifted |= s->waiting_to_reach ^ s->seen_waiting_to_reach;
	drifted |= s->connections.open ^ s->connections.seen_open;
	s->queued = s->seen_queued;
	s->waiting_here = s->seen_waiting_here;
	s->waiting_known = s->seen_waiting_known;
	s->waiting_to_open = s->seen_waiting_to_open;
	s->waiting_to_reach = s->seen_waiting_to_reach;
	s->connections.open = s->connections.seen_open;
	s->out = s->seen_out;
	for (int i = 0; i < CREDIT_BUCKETS; i++) {
		drifted |= s->trust[i].waiting ^ s->trust[i].seen_waiting;
		s->trust[i].waiting = s->trust[i].seen_waiting;
		if (s->trust[i].pending > s->out)
			s->trust[i].pending = s->out;
	}
	return !!drifted;
}

/* The same for a destination. */
static __always_inline int walk_ends_for_destination(struct destination *d, __u32 walk)
{
	__u32 drifted;

	destination_joins_walk(d, walk);
	drifted = d->users ^ d->seen_users;
	drifted |= d->out ^ d->seen_out;
	drifted |= d->waiting ^ d->seen_waiting;
	drifted |= d->connections.open ^ d->connections.seen_open;
	d->users = d->seen_users;
	d->out = d->seen_out;
	d->waiting = d->seen_waiting;
	d->connections.open = d->connections.seen_open;
	return !!drifted;
}
