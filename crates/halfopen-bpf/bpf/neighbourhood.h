/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the answers of a network are worth within it: an IPv4 /24 or an IPv6 /64. They may be spent there whatever they
 * are worth elsewhere: on the port that has answered, beside the account's credit, and what comes of it is evidence
 * neither for nor against the account. So somebody who looks after a network of his own is none the poorer for what is
 * down there, and who farms answers in one gains nothing outside.
 *
 * Touched by any CPU, without a lock. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* Contacts that an answer lets out: a network of which more than one address in nine answers is worked through. */
#define NEIGHBOUR_WORTH 8
/* All of a /24. */
#define NEIGHBOUR_MOST 256

/* Whether one more contact goes out on what others have answered. */
static __always_inline int neighbourhood_lets(struct neighbourhood *n)
{
	if (*(volatile __s32 *)&n->credit <= 0)
		return 0;
	if (__sync_fetch_and_add(&n->credit, -1) > 0)
		return 1;
	__sync_fetch_and_add(&n->credit, 1);
	return 0;
}

static __always_inline void neighbourhood_earns(struct neighbourhood *n)
{
	if (*(volatile __s32 *)&n->credit < NEIGHBOUR_MOST)
		__sync_fetch_and_add(&n->credit, NEIGHBOUR_WORTH);
}
