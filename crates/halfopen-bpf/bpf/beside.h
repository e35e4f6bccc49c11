/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which parties may have a record in records_beside while it runs short. An attempt whose entry in `records` is taken
 * finds room here, however many records another account has.
 *
 * The first half is open to all. Beyond that, parties that have many yield. Up to three quarters, parts that have at
 * most a sixteenth of all may take more; up to seven eighths, parts that have a few. Top-level cgroups that have at
 * most a sixteenth between all their parts may take any record, and the last eighth is theirs alone, however many parts
 * they have.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define BESIDE_SHARE_PART 16
/* As many attempts of a part may wait in a full queue, see refuse.h. */
#define BESIDE_FEW 8

/* The records held, of `most` in all. */
struct beside_held {
	__u32 most;
	__u32 by_all;
	__u32 by_top;
	__u32 by_part;
};

/* Whether the answer depends on the party. */
static __always_inline int beside_is_short(__u32 by_all, __u32 most)
{
	return by_all >= most / 2;
}

/* Whether a new record is counted in its parties. That begins well before shares matter, because records that were not
 * counted belong to no party. */
static __always_inline int beside_is_counted(__u32 by_all, __u32 most)
{
	return by_all >= most / 4;
}

static __always_inline int may_have_beside(const struct beside_held *h)
{
	__u32 share = h->most / BESIDE_SHARE_PART + 1, few = share < BESIDE_FEW ? share : BESIDE_FEW;

	if (!beside_is_short(h->by_all, h->most))
		return 1;
	if (h->by_all >= h->most)
		return 0;
	if (h->by_top < share)
		return 1;
	if (h->by_all < h->most - h->most / 4)
		return h->by_part < share;
	return h->by_all < h->most - h->most / 8 && h->by_part < few;
}
