/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Histograms of how long attempts wait, and how long their peers take to answer.
 */
#pragma once

#include "maps.h"

static __always_inline __u32 duration_bucket(__u64 ns)
{
	__u32 bucket = 0;

	/* clang 14 cannot count leading zeros for this target. */
	for (__u64 units = ns / SHORTEST_DURATION_NS; units && bucket < DURATION_BUCKETS - 1; units >>= 1)
		bucket++;
	return bucket;
}

static __always_inline void add_to_durations(__u32 entry, __u64 count)
{
	__u64 *counted = bpf_map_lookup_elem(&durations, &entry);

	if (counted)
		*counted += count;
}

/* Global, for the reason given in accounting.h. */
__noinline int note_duration(__u32 timed, __u64 ns)
{
	if (timed >= TIMED)
		return 0;
	add_to_durations(timed * DURATION_ENTRIES + duration_bucket(ns), 1);
	add_to_durations(timed * DURATION_ENTRIES + DURATION_BUCKETS, ns);
	return 1;
}
