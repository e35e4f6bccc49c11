/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Who may have a record in records_beside while these run short. Whose entry in `records` is taken finds room there,
 * however many records another account has.
 *
 * Up to a half of them are anybody's. Beyond that who has many yields: up to three quarters are for parts that have
 * fewer than a sixteenth of all; up to seven eighths for parts that have a few; the last eighth is for top-level
 * cgroups that have fewer than a sixteenth between all their parts, however many these are.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define BESIDE_SHARE_PART 16
/* As many of a part may wait in a full queue, see refuse.h. */
#define BESIDE_FEW 8

/* What is held of `most` records in all. */
struct beside_held {
	__u32 most;
	__u32 by_all;
	__u32 by_top;
	__u32 by_part;
};

/* Whether it has to be known who has them. */
static __always_inline int beside_is_short(__u32 by_all, __u32 most)
{
	return by_all >= most / 2;
}

/* Whether it is noted who takes one: well before anybody asks, for what is not noted is nobody's. */
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
