/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Limits on connections, whatever becomes of them: how many begin in a time, and how many are open at once. A scope has
 * them, and so may each destination of an account (an address and port).
 *
 * The rate is the generic cell rate algorithm (ITU-T I.371): `next_ns` is when the next connection would come if all
 * came evenly, and connections may be ahead of it by the burst. A turn that nobody takes is not made up for beyond the
 * burst.
 *
 * A connection is open from before its first SYN leaves until its socket has ended, and counts for time_wait_ns after
 * that.
 *
 * Every function here is called with the host scope's lock held, unless its comment says otherwise. Pure: no helper is
 * called.
 */
#pragma once

#include "verifier.h"

/* In an attempt's `counted`, beside a bit for each scope: there is a record of its connection, so it may be counted. */
#define HAS_CONNECTION 128

static __always_inline __u32 limits_open(const struct limits *l)
{
	return 1 - is_zero(l->established ^ UNLIMITED);
}

static __always_inline __u32 limits_connections(const struct limits *l)
{
	return limits_open(l) | (1 - is_zero(l->connect_interval_ns));
}

/* Whether a limit needs a record of each connection. */
static __always_inline __u32 needs_connection(const struct limits *l)
{
	return limits_open(l) | (some(l->per_destination) & (1 - is_zero(l->destination.established ^ UNLIMITED)));
}

static __always_inline __u32 connection_is_due(const struct connections *c, __u64 interval_ns, __u64 burst_ns,
					       __u64 now)
{
	return is_zero(interval_ns) | (1 - is_before(now + burst_ns, c->next_ns));
}

/* The farthest that `next_ns` may be: what was let out although it was not due leaves no debt but this. */
static __always_inline __u64 next_at_most(__u64 interval_ns, __u64 burst_ns, __u64 now)
{
	return now + burst_ns + interval_ns;
}

static __always_inline void connection_takes_turn(struct connections *c, __u64 interval_ns, __u64 burst_ns, __u64 now)
{
	__u64 next = c->next_ns, most = next_at_most(interval_ns, burst_ns, now);

	if (!interval_ns)
		return;
	next = (next < now ? now : next) + interval_ns;
	c->next_ns = next < most ? next : most;
}

/* The connection that took the last turn has never been: nothing of it has left. */
static __always_inline void connection_returns_turn(struct connections *c, __u64 interval_ns)
{
	c->next_ns -= c->next_ns < interval_ns ? c->next_ns : interval_ns;
}

static __always_inline __u32 next_is_far(const struct connections *c, const struct limits *l, __u64 now)
{
	return (1 - is_zero(l->connect_interval_ns)) &
	       is_before(next_at_most(l->connect_interval_ns, l->connect_burst_ns, now), c->next_ns);
}

_Static_assert((TIME_WAIT_BUCKETS & (TIME_WAIT_BUCKETS - 1)) == 0, "the masks below are TIME_WAIT_BUCKETS - 1");

/* May be asked without the lock. */
static __always_inline __u32 connections_are_unsettled(const struct scope *s, const struct limits *l, __u64 now)
{
	return next_is_far(&s->connections, l, now) |
	       (some(s->ended) & some((__u32)(now >> TIME_WAIT_SHIFT) ^ s->ended_tick));
}

static __always_inline void ended_stop_counting(struct scope *s, __u64 now)
{
	__u32 tick = now >> TIME_WAIT_SHIFT, over = 0;
	__s32 behind = tick - s->ended_tick;

	if (!s->ended || behind <= 0)
		return;
	for (__u32 i = 1; i <= TIME_WAIT_BUCKETS; i++) {
		__u32 *bucket = &s->ended_bucket[(s->ended_tick + i) & (TIME_WAIT_BUCKETS - 1)];
		__u32 due = ~(__u32)(((__s64)behind - i) >> 63);

		HIDE(due);
		over += *bucket & due;
		*bucket &= ~due;
	}
	s->ended -= over;
	s->ended_tick = tick;
}

/* A changed rate takes effect at once, and ended connections stop counting in their time. */
static __always_inline void connections_settle(struct scope *s, const struct limits *l, __u64 now)
{
	if (next_is_far(&s->connections, l, now))
		s->connections.next_ns = next_at_most(l->connect_interval_ns, l->connect_burst_ns, now);
	ended_stop_counting(s, now);
}

/* The scope is settled. */
static __always_inline void connection_lingers(struct scope *s, const struct limits *l, __u64 now)
{
	__u32 tick = ((now + l->time_wait_ns) >> TIME_WAIT_SHIFT) + 1, ticks;

	if (!l->time_wait_ns)
		return;
	if (!s->ended)
		s->ended_tick = now >> TIME_WAIT_SHIFT;
	ticks = tick - s->ended_tick;
	if (ticks > TIME_WAIT_BUCKETS - 1)
		ticks = TIME_WAIT_BUCKETS - 1;
	s->ended_bucket[(s->ended_tick + ticks) & (TIME_WAIT_BUCKETS - 1)]++;
	s->ended++;
}

/* Whether one more connection may begin in this scope. May be asked without the lock. */
static __always_inline __u32 may_open(const struct scope *s, const struct limits *l, const struct attempt *a, __u64 now)
{
	__u32 has_room = some(a->counted & HAS_CONNECTION) & is_below(s->connections.open + s->ended, l->established);

	return connection_is_due(&s->connections, l->connect_interval_ns, l->connect_burst_ns, now) &
	       ((1 - limits_open(l)) | has_room);
}

/* The same for a newcomer: first come, first served, whatever the rank. */
static __always_inline __u32 may_open_at_once(const struct scope *s, const struct limits *l, const struct attempt *a,
					      __u64 now)
{
	return may_open(s, l, a, now) & (1 - (limits_connections(l) & some(s->waiting_to_open)));
}

/* The line of those that wait for a connection: the first of them may go out, as many as may begin. If a turn is not
 * taken, because a waiter's timer is late or the waiter is gone, it is open to more of them each four milliseconds, and
 * soon to all. With a daemon, which wakes each at its turn, they go out in the order in which they came. */
#define LINE_WIDEN_SHIFT 22
#define LINE_WIDEN_MOST 16
#define LINE_DUE_MOST 65536u

static __always_inline __u32 join_line(struct scope *s)
{
	__u32 place = s->line_places++;

	if (!s->waiting_to_open)
		s->line_oldest = place;
	return place;
}

/* A waiter goes out. Those before it that have not asked yet lose nothing. */
static __always_inline void take_line(struct scope *s, __u32 place)
{
	s->line_oldest ^= (s->line_oldest ^ (place + 1)) & -is_within(s->line_oldest, place + 1);
}

/* A waiter ends without going out. */
static __always_inline void leave_line(struct scope *s, __u32 place)
{
	s->line_oldest += is_zero(s->line_oldest ^ place);
}

/* How many connections may begin, where one may. */
static __always_inline __u32 connections_due(const struct scope *s, const struct limits *l, __u64 now)
{
	__u64 interval = l->connect_interval_ns, due = LINE_DUE_MOST, room;

	if (interval)
		due = (now + l->connect_burst_ns - s->connections.next_ns) / interval + 1;
	room = (__u64)l->established - (s->connections.open + s->ended);
	if (due > room)
		due = room;
	return due < LINE_DUE_MOST ? due : LINE_DUE_MOST;
}

/* The same for a waiter. */
static __always_inline __u32 may_open_in_line(const struct scope *s, const struct limits *l, const struct attempt *a,
					      __u32 place, __u64 now)
{
	__u64 since = s->line_moved_ns, due_ns = s->connections.next_ns - l->connect_burst_ns, lies;

	if (!may_open(s, l, a, now))
		return 0;
	if (!limits_connections(l))
		return 1;
	if (l->connect_interval_ns && s->connections.next_ns > l->connect_burst_ns && due_ns > since)
		since = due_ns;
	lies = now > since ? (now - since) >> LINE_WIDEN_SHIFT : 0;
	if (lies > LINE_WIDEN_MOST)
		lies = LINE_WIDEN_MOST;
	return is_within(place - s->line_oldest, connections_due(s, l, now) + (1u << lies) - 1);
}

/* Whether one more connection of the account may begin to its destination. May be asked without the lock. */
static __always_inline __u32 may_reach(const struct destination *d, const struct destination_limits *l,
				       const struct attempt *a, __u64 now)
{
	__u32 is_open = is_zero(l->established ^ UNLIMITED) |
			(some(a->counted & HAS_CONNECTION) & is_below(d->connections.open, l->established));

	return connection_is_due(&d->connections, l->connect_interval_ns, l->connect_burst_ns, now) & is_open &
	       is_below(d->out, l->half_open);
}

/* Nothing counts a connection of the attempt. */
static __always_inline void counts_no_connection(struct attempt *a)
{
	a->counted = 0;
	a->far_counted = 0;
	a->destination = 0;
}

static __always_inline void count_connections(struct connections *c, __u32 seen, __u32 by)
{
	c->open += by;
	c->seen_open += by * seen;
}

/* The attempt goes out: its connection is open from now on. */
static __always_inline void connection_begins(struct scope *s, const struct limits *l, struct attempt *a, int charged,
					      __u32 seen, __u64 now)
{
	__u32 counts = limits_open(l) & some(a->counted & HAS_CONNECTION);

	connection_takes_turn(&s->connections, l->connect_interval_ns, l->connect_burst_ns, now);
	count_connections(&s->connections, seen, counts);
	a->counted |= counts << charged;
	s->line_moved_ns = now;
}

static __always_inline void destination_begins(struct destination *d, const struct destination_limits *l,
					       struct attempt *a, __u32 seen, __u64 now)
{
	__u32 counts = some(a->counted & HAS_CONNECTION);

	connection_takes_turn(&d->connections, l->connect_interval_ns, l->connect_burst_ns, now);
	count_connections(&d->connections, seen, counts);
	a->far_counted = counts;
	d->out++;
	d->seen_out += seen;
}

/* An attempt that is out towards it has ended, whether or not its connection goes on. */
static __always_inline void destination_ends_attempt(struct destination *d, __u32 seen)
{
	d->out -= some(d->out);
	d->seen_out -= seen & some(d->seen_out);
}

/* An attempt or a connection is bound to this entry no more. */
static __always_inline void destination_loses(struct destination *d, __u32 far_counted, __u32 seen)
{
	count_connections(&d->connections, seen, -(far_counted & 1));
	d->users -= some(d->users);
	d->seen_users -= seen & some(d->seen_users);
}

/* A counted connection has ended: `counted` has a bit for each scope that counts it. */
static __always_inline void connection_ends(struct scope *s, const struct limits *l, __u32 counted, int charged,
					    int lingers, __u32 seen, __u64 now)
{
	if (!(counted >> charged & 1))
		return;
	count_connections(&s->connections, seen, -1);
	s->line_moved_ns = now;
	if (lingers)
		connection_lingers(s, l, now);
	s->closed++;
}
