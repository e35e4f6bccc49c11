/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Who takes the full host's turns: they go round among the top-level cgroups that wait, and in each among its parts.
 * Each has one in a round. Who has just begun to wait, and has had none in this round or for a moment, comes
 * first: the latest before the others, and with every other turn at most, so that all who wait have theirs.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* A turn that nobody took for so long is open to all: those whose it was may be late, or gone. */
#define TURN_FORFEIT_NS 640000000ULL
/* Who asks for no more than one turn in so long is a newcomer each time: an account that dials a few addresses a second
 * does not wait for ten thousand accounts to have had theirs. */
#define NEWCOMER_NS 100000000ULL
#define NEWCOMERS 32

/* Where it stands among the latest to have begun: a bit, or 0. */
static __always_inline __u32 begun_as(const struct party *all, const struct party *part)
{
	__u32 before = all->joined - part->join;

	return part->waiters && before < NEWCOMERS ? 1u << (before & (NEWCOMERS - 1)) : 0;
}

/* Whether it would be one, were it to begin to wait now. */
static __always_inline int would_be_newcomer(const struct party *all, const struct party *part, __u64 now)
{
	return part->served != all->round || now >= part->turn_ns + NEWCOMER_NS;
}

static __always_inline int is_latest_newcomer(const struct party *all, const struct party *part)
{
	return !!(begun_as(all, part) & all->newcomers & -all->newcomers);
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

/* One that does not wait yet is judged as if it began to. */
static __always_inline int is_new(const struct party *all, const struct party *part, __u64 now)
{
	return part->waiters ? !!(begun_as(all, part) & all->newcomers) : would_be_newcomer(all, part, now);
}

static __always_inline int is_newcomers_turn(const struct party *all, const struct party *part, __u64 now)
{
	if (all->owes)
		return 0;
	return part->waiters ? is_latest_newcomer(all, part) : would_be_newcomer(all, part, now);
}

static __always_inline int is_turn_of(const struct party *all, const struct party *part, __u64 now)
{
	if (is_newcomers_turn(all, part, now))
		return 1;
	return (!all->newcomers || all->owes) && (!all->unserved || part->served != all->round);
}

static __always_inline void round_take(struct party *all, struct party *part, __u64 now)
{
	int had_one = part->served == all->round;

	all->owes = is_newcomers_turn(all, part, now);
	all->newcomers &= ~begun_as(all, part);
	part->turn_ns = now;
	/* A newcomer's second one, or one that others have left. */
	if (had_one && all->unserved)
		return;
	if (had_one) {
		all->round++;
		all->unserved = all->waiting;
	}
	part->served = all->round;
	all->unserved -= all->unserved && part->waiters;
}

/* So many turns pass until it has its own. */
static __always_inline __u32 turns_until(const struct party *all, const struct party *part)
{
	return is_latest_newcomer(all, part) && all->waiting > 2 ? 2 : all->waiting;
}

/* Asked while there is a turn, by one who takes it if he may; NULL where there was no room to note whose it is. */
static __always_inline int may_take(struct party *host, const struct party *top, const struct party *part, __u64 now)
{
	if (!top || !part || (is_turn_of(host, top, now) && is_turn_of(top, part, now))) {
		host->offered_ns = 0;
		return 1;
	}
	if (!host->offered_ns)
		host->offered_ns = now;
	return now > host->offered_ns + TURN_FORFEIT_NS;
}
