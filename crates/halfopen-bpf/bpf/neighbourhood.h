/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the answers of a neighbourhood (an IPv4 /24 or an IPv6 /64) are worth within it. There they let out contacts on
 * the port that answered, whatever they are worth elsewhere and without the account's credit; the outcome of these
 * contacts is no evidence for or against the account. So a user who looks after a network loses nothing by the hosts in
 * it that are down, and a scanner that farms answers in one network gains nothing outside it.
 *
 * Any CPU calls these functions, without a lock. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* The contacts that an answer lets out: enough to work through a network in which more than one address in nine
 * answers. */
#define NEIGHBOUR_WORTH 8
/* All addresses of a /24. */
#define NEIGHBOUR_MOST 256

/* Whether one more contact may go out on the credit of earlier answers. */
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
