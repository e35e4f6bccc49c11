/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The records of live attempts, in the limiter's own memory: a program can fill or free its socket's storage, so that
 * is no place for what is known of it.
 *
 * A record is found by its socket's cookie, which no other socket ever has. It is at the entry of `records` that the
 * cookie's lowest bits select, or, if that entry is another attempt's, in records_beside, which no account can exhaust
 * (beside.h). The reconcile walk finds the record of a socket that ended unnoticed.
 */
#pragma once

#include "beside.h"
#include "maps.h"
#include "program.h"

/* The contents of a new record, which is too large for a program's stack. */
const volatile __u8 no_attempt[sizeof(struct attempt)];

static __always_inline struct attempt *record_at(__u64 cookie)
{
	__u32 key = cookie & records_mask;

	return bpf_map_lookup_elem(&records, &key);
}

/* Returns NULL if there is none. */
static __always_inline struct attempt *find_record(__u64 cookie)
{
	struct attempt *a = record_at(cookie);

	if (a && a->cookie == cookie)
		return a;
	a = beside ? bpf_map_lookup_elem(&records_beside, &cookie) : NULL;
	return a && a->cookie == cookie ? a : NULL;
}

/* A party that was collected just as it was being counted in has lost a count: never go below zero. */
static __always_inline void one_less_beside(struct party *party)
{
	if (party && (__s32)__sync_fetch_and_add(&party->beside, -1) <= 0)
		__sync_fetch_and_add(&party->beside, 1);
}

/* The attempt's parties count its record no more. Global, for the reason given in accounting.h; so are the next
 * functions. */
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

/* Whether the attempt, which is described but not in the accounting yet, may keep its record in records_beside; if so,
 * its parties count it. CPUs that ask at the same moment may exceed a limit by one each. */
__noinline int keep_beside(struct attempt *a)
{
	struct party *top, *part;
	__u32 others;

	if (!a || a->kept != KEPT_BESIDE)
		return 1;
	/* Its own record is among them. */
	others = beside - !!beside;
	if (!beside_is_counted(others, beside_most))
		return 1;
	make_parties(a);
	top = find_party(a->top, WHOLE_TOP);
	part = find_party(a->top, a->part);
	/* A party that cannot be counted is assumed to have many. */
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

/* The record was an earlier attempt's of the same socket, perhaps of another account. */
static __always_inline void begin_anew(struct attempt *a)
{
	if (a->kept != KEPT_BESIDE_COUNTED)
		return;
	a->kept = KEPT_BESIDE;
	uncount_beside(a->top, a->part);
}

/* Returns the record of the socket's attempt, a new one if there was none, or NULL if there is no room. A record that
 * was freed is in no state and holds no slot. Once the attempt is described, keep_record() must be called. */
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

/* Frees a record that is held under the cookie `held_as`: its socket's, or that with RECORD_ENDS for the reconcile
 * walk. */
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

/* Seizes a record for the reconcile walk, while its socket may free it and another one claim it. Returns whether the
 * walk holds it now; free_seized() must follow. */
static __always_inline int seize_record(struct attempt *a, __u64 cookie)
{
	return __sync_val_compare_and_swap(&a->cookie, cookie, cookie | RECORD_ENDS) == cookie;
}

static __always_inline void free_seized(struct attempt *a, __u64 cookie)
{
	free_held_as(a, cookie, cookie | RECORD_ENDS);
}

/* Whether a described attempt may keep the record that it has claimed. If not, the record is freed. */
static __always_inline int keep_record(struct attempt *a)
{
	if (!a->kept || keep_beside(a))
		return 1;
	free_record(a, a->cookie);
	return 0;
}

/* Whether there is room for a record, whichever account asks. Asked in connect(), where an error can still be
 * returned. */
static __always_inline int has_room_for(__u64 cookie)
{
	const struct attempt *a = record_at(cookie);

	return !a || !a->cookie || a->cookie == cookie || !beside_is_short(beside, beside_most);
}
