/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The records of live attempts, in memory of ours: what a program can fill or free of its own socket's is no place for
 * what is known of it.
 *
 * A record is found by its socket's cookie, which no other socket ever has: at the entry of `records` that the lowest
 * bits name, or, where that is another attempt's, in records_beside. A record whose socket has ended unnoticed is found
 * by the recount.
 */
#pragma once

#include "maps.h"

/* What a new record begins as: it is too large for a program's stack. */
const volatile __u8 no_attempt[sizeof(struct attempt)];

static __always_inline struct attempt *record_at(__u64 cookie)
{
	__u32 key = cookie & records_mask;

	return bpf_map_lookup_elem(&records, &key);
}

/* NULL where there is none. */
static __always_inline struct attempt *find_record(__u64 cookie)
{
	struct attempt *a = record_at(cookie);

	if (a && a->cookie == cookie)
		return a;
	return beside ? bpf_map_lookup_elem(&records_beside, &cookie) : NULL;
}

static __always_inline struct attempt *claim_beside(__u64 cookie)
{
	struct attempt *a;

	if (beside >= beside_most ||
	    bpf_map_update_elem(&records_beside, &cookie, (const void *)no_attempt, BPF_NOEXIST))
		return NULL;
	__sync_fetch_and_add(&beside, 1);
	a = bpf_map_lookup_elem(&records_beside, &cookie);
	if (a)
		a->cookie = cookie;
	return a;
}

/* The record of the socket's attempt, a new one where there is none; NULL where there is no room for it. One that was
 * freed is in no state and holds no slot. */
static __always_inline struct attempt *claim_record(__u64 cookie)
{
	struct attempt *a = find_record(cookie);

	if (a)
		return a;
	a = record_at(cookie);
	if (a && !__sync_val_compare_and_swap(&a->cookie, 0, cookie))
		return a;
	a = claim_beside(cookie);
	if (!a)
		count_fault(FAULT_NO_RECORD);
	return a;
}

static __always_inline void free_record(struct attempt *a, __u64 cookie)
{
	if (record_at(cookie) == a)
		__sync_lock_test_and_set(&a->cookie, 0);
	else if (!bpf_map_delete_elem(&records_beside, &cookie))
		__sync_fetch_and_add(&beside, -1);
}

/* Asked in connect(), where an error can still be returned. */
static __always_inline int has_room_for(__u64 cookie)
{
	const struct attempt *a = record_at(cookie);

	return !a || !a->cookie || a->cookie == cookie || beside < beside_most;
}
