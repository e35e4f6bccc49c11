/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The order in which parties take the turns of a full host. Turns go round among the top-level cgroups that wait, and
 * in each of them among its parts: each has one turn in a round. A party that has just begun to wait, and has had no
 * turn in this round or for NEWCOMER_NS, is a newcomer and comes first. The latest newcomer comes before the others.
 * Newcomers get every other turn at most, so that all other waiters have theirs.
 *
 * Every function here is called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "verifier.h"

/* A turn that was not taken for this long is open to all: the waiters that are entitled to it may be late, or gone. */
#define TURN_FORFEIT_NS 640000000ULL
/* A party that has not had a turn for this long is a newcomer each time it begins to wait: an account that dials a few
 * addresses a second does not wait for the turns of ten thousand other accounts. */
#define NEWCOMER_NS 100000000ULL
#define NEWCOMERS 32

/* The party's bit in `newcomers`, if it is among the latest NEWCOMERS to begin, else 0. */
static __always_inline __u32 begun_as(const struct party *all, const struct party *part)
{
	__u32 before = all->joined - part->join;

	return (some(part->waiters) & is_below(before, NEWCOMERS)) << (before & (NEWCOMERS - 1));
}

/* Whether the party would be a newcomer, were it to begin to wait now. */
static __always_inline __u32 would_be_newcomer(const struct party *all, const struct party *part, __u64 now)
{
	return some(part->served ^ all->round) | (1 - is_before(now, part->turn_ns + NEWCOMER_NS));
}

static __always_inline __u32 is_latest_newcomer(const struct party *all, const struct party *part)
{
	return some(begun_as(all, part) & all->newcomers & -all->newcomers);
}

static __always_inline void round_join(struct party *all, struct party *part, __u64 now)
{
	if (part->waiters++)
		return;
	all->waiting++;
	all->unserved += part->served != all->round;
	all->newcomers = all->newcomers << 1 | would_be_newcomer(all, part, now);
	part->join = ++all->joined;
}

static __always_inline void round_leave(struct party *all, struct party *part)
{
	if (part->waiters == 1)
		all->newcomers &= ~begun_as(all, part);
	part->waiters -= !!part->waiters;
	if (part->waiters)
		return;
	all->waiting -= !!all->waiting;
	all->unserved -= all->unserved && part->served != all->round;
}

/* Whether the party is a newcomer. One that does not wait yet is judged as if it began to wait now. */
static __always_inline __u32 is_new(const struct party *all, const struct party *part, __u64 now)
{
	__u32 waits = some(part->waiters);

	return (waits & some(begun_as(all, part) & all->newcomers)) | ((1 - waits) & would_be_newcomer(all, part, now));
}

static __always_inline __u32 is_newcomers_turn(const struct party *all, const struct party *part, __u64 now)
{
	__u32 waits = some(part->waiters), is_next;

	is_next = (waits & is_latest_newcomer(all, part)) | ((1 - waits) & would_be_newcomer(all, part, now));
	return is_next & (1 - some(all->owes));
}

static __always_inline __u32 is_turn_of(const struct party *all, const struct party *part, __u64 now)
{
	__u32 has_others = some(all->newcomers) & (1 - some(all->owes));
	__u32 was_served = some(all->unserved) & (1 - some(part->served ^ all->round));

	return is_newcomers_turn(all, part, now) | ((1 - has_others) & (1 - was_served));
}

static __always_inline void round_take(struct party *all, struct party *part, __u64 now)
{
	int had_one = part->served == all->round;

	all->owes = is_newcomers_turn(all, part, now);
	all->newcomers &= ~begun_as(all, part);
	part->turn_ns = now;
	/* A newcomer's second turn in this round, or a turn that others did not take. */
	if (had_one && all->unserved)
		return;
	if (had_one) {
		all->round++;
		all->unserved = all->waiting;
	}
	part->served = all->round;
	all->unserved -= all->unserved && part->waiters;
}

/* The number of turns that pass until the party has its own. */
static __always_inline __u32 turns_until(const struct party *all, const struct party *part)
{
	return is_latest_newcomer(all, part) && all->waiting > 2 ? 2 : all->waiting;
}

/* Asked while a turn is due, by an attempt that takes it if it may. `top` and `part` are NULL if there was no room to
 * note them. */
static __always_inline int may_take(struct party *host, const struct party *top, const struct party *part, __u64 now)
{
	if (!top || !part || (is_turn_of(host, top, now) & is_turn_of(top, part, now))) {
		host->offered_ns = 0;
		return 1;
	}
	if (!host->offered_ns)
		host->offered_ns = now;
	return now > host->offered_ns + TURN_FORFEIT_NS;
}
