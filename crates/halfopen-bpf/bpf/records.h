/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The records of live attempts, in memory of ours: what a program can fill or free of its own socket's is no place for
 * what is known of it.
 *
 * A record is found by its socket's cookie, which no other socket ever has: at the entry of `records` that the lowest
 * bits name, or, where that is another attempt's, in records_beside, of which nobody may have all (beside.h). A record
 * whose socket has ended unnoticed is found by the reconcile walk.
 */
#pragma once

#include "beside.h"
#include "maps.h"
#include "program.h"

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
	a = beside ? bpf_map_lookup_elem(&records_beside, &cookie) : NULL;
	return a && a->cookie == cookie ? a : NULL;
}

/* A party that was collected in the moment in which it was counted in has lost count. */
static __always_inline void one_less_beside(struct party *party)
{
	if (party && (__s32)__sync_fetch_and_add(&party->beside, -1) <= 0)
		__sync_fetch_and_add(&party->beside, 1);
}

/* Its parties do not count one any more. Global, as those in accounting.h are; so are the next. */
__noinline int uncount_beside(__u64 top, __u64 part)
{
	one_less_beside(find_party(top, WHOLE_TOP));
	one_less_beside(find_party(top, part));
	return 1;
}

static __always_inline int has_share_beside(const struct party *top, const struct party *part, __u32 by_all,
					    __u32 of_unknown)
{
	struct beside_held held = { .most = beside_most, .by_all = by_all };

	held.by_top = top ? top->beside : of_unknown;
	held.by_part = part ? part->beside : of_unknown;
	return may_have_beside(&held);
}

/* Whether the attempt, which is described and not in the accounting yet, may keep its record beside; its parties count
 * it then. Of those that ask at the same moment one for each CPU may be too many. */
__noinline int keep_beside(struct attempt *a)
{
	struct party *top, *part;
	__u32 others;

	if (!a || a->kept != KEPT_BESIDE)
		return 1;
	/* Its own is among them. */
	others = beside - !!beside;
	if (!beside_is_counted(others, beside_most))
		return 1;
	make_parties(a);
	top = find_party(a->top, WHOLE_TOP);
	part = find_party(a->top, a->part);
	/* Whoever cannot be counted is taken to have many. */
	if (!(a->flags & ATTEMPT_NEVER_HELD) && !has_share_beside(top, part, others, beside_most)) {
		count_fault(FAULT_NO_RECORD);
		return 0;
	}
	if (!top || !part)
		return 1;
	__sync_fetch_and_add(&top->beside, 1);
	__sync_fetch_and_add(&part->beside, 1);
	a->kept = KEPT_BESIDE_COUNTED;
	return 1;
}

static __always_inline struct attempt *claim_beside(__u64 cookie)
{
	struct attempt *a;

	if (beside >= beside_most ||
	    bpf_map_update_elem(&records_beside, &cookie, (const void *)no_attempt, BPF_NOEXIST))
		return NULL;
	__sync_fetch_and_add(&beside, 1);
	a = bpf_map_lookup_elem(&records_beside, &cookie);
	if (a) {
		a->kept = KEPT_BESIDE;
		a->cookie = cookie;
	}
	return a;
}

/* It was an earlier attempt's of the same socket, perhaps of another account. */
static __always_inline void begin_anew(struct attempt *a)
{
	if (a->kept != KEPT_BESIDE_COUNTED)
		return;
	a->kept = KEPT_BESIDE;
	uncount_beside(a->top, a->part);
}

/* The record of the socket's attempt, a new one where there is none; NULL where there is no room for it. One that was
 * freed is in no state and holds no slot. keep_record() is to be asked, once it is described. */
static __always_inline struct attempt *claim_record(__u64 cookie)
{
	struct attempt *a = find_record(cookie);

	if (a) {
		begin_anew(a);
		return a;
	}
	a = record_at(cookie);
	if (a && !__sync_val_compare_and_swap(&a->cookie, 0, cookie))
		return a;
	a = claim_beside(cookie);
	if (!a)
		count_fault(FAULT_NO_RECORD);
	return a;
}

__noinline int free_beside(__u64 cookie, __u64 held_as)
{
	struct attempt *a = bpf_map_lookup_elem(&records_beside, &cookie);
	__u64 top, part;
	int counted;

	if (!a || __sync_val_compare_and_swap(&a->cookie, held_as, 0) != held_as)
		return 0;
	counted = a->kept == KEPT_BESIDE_COUNTED;
	top = a->top;
	part = a->part;
	if (bpf_map_delete_elem(&records_beside, &cookie))
		return 0;
	__sync_fetch_and_add(&beside, -1);
	if (counted)
		uncount_beside(top, part);
	return 1;
}

/* It is held as its socket's, by the cookie, or by the reconcile walk. */
static __always_inline void free_held_as(struct attempt *a, __u64 cookie, __u64 held_as)
{
	if (record_at(cookie) == a)
		__sync_val_compare_and_swap(&a->cookie, held_as, 0);
	else
		free_beside(cookie, held_as);
}

static __always_inline void free_record(struct attempt *a, __u64 cookie)
{
	free_held_as(a, cookie, cookie);
}

/* For the reconcile walk, which comes upon a record while its socket may free it, and another claim it. Returns whether
 * it is held now: free_seized() is to follow. */
static __always_inline int seize_record(struct attempt *a, __u64 cookie)
{
	return __sync_val_compare_and_swap(&a->cookie, cookie, cookie | RECORD_ENDS) == cookie;
}

static __always_inline void free_seized(struct attempt *a, __u64 cookie)
{
	free_held_as(a, cookie, cookie | RECORD_ENDS);
}

/* Whether a described attempt may keep the record that it has claimed; one that may not has none any more. */
static __always_inline int keep_record(struct attempt *a)
{
	if (!a->kept || keep_beside(a))
		return 1;
	free_record(a, a->cookie);
	return 0;
}

/* Asked in connect(), where an error can still be returned: whether there is room whoever asks. */
static __always_inline int has_room_for(__u64 cookie)
{
	const struct attempt *a = record_at(cookie);

	return !a || !a->cookie || a->cookie == cookie || !beside_is_short(beside, beside_most);
}
