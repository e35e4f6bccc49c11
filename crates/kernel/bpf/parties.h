/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Who takes the full host's turns: they go round among the top-level cgroups that wait, and in each among its users.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* A turn that nobody took for so long is open to all: those whose it was may be late, or gone. */
#define TURN_FORFEIT_NS 640000000ULL

static __always_inline void round_join(struct party *all, struct party *part)
{
	if (part->waiters++)
		return;
	all->waiting++;
	all->unserved += part->served != all->round;
}

static __always_inline void round_leave(struct party *all, struct party *part)
{
	part->waiters -= !!part->waiters;
	if (part->waiters)
		return;
	all->waiting -= !!all->waiting;
	all->unserved -= all->unserved && part->served != all->round;
}

static __always_inline int is_turn_of(const struct party *all, const struct party *part)
{
	return !all->unserved || part->served != all->round;
}

static __always_inline void round_take(struct party *all, struct party *part)
{
	if (part->served == all->round) {
		if (all->unserved)
			return;
		all->round++;
		all->unserved = all->waiting;
	}
	part->served = all->round;
	all->unserved -= !!all->unserved;
}

/* Asked while there is a turn, by a party that waits for it or by somebody who has not waited (NULL). */
static __always_inline int may_take(struct party *host, const struct party *top, const struct party *user, __u64 now)
{
	int is_turn = top && user ? is_turn_of(host, top) && is_turn_of(top, user) : !host->unserved;

	if (is_turn)
		return 1;
	if (!host->offered_ns)
		host->offered_ns = now;
	return now > host->offered_ns + TURN_FORFEIT_NS;
}
