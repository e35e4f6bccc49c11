/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Tables of what is remembered, in sets. A salted hash selects a key's set, which has SET_PLACES places. An account
 * that fills a table takes the places of its own entries first, not, as in an LRU map, those of others.
 *
 * Any CPU writes an entry, without a lock: the writer has claimed it, and readers find it again once it is complete.
 * Pure: no helper is called.
 */
#pragma once

#include "verifier.h"

/* Fingerprints that no key has: the entry is free, or a CPU is writing it. */
#define PRINT_FREE 0ULL
#define PRINT_CLAIMED 1ULL
#define OWNER_SHIFT 48

/* The unit of times in sets, 17 ms. They wrap around after two years; no expiry lies a year ahead. */
#define SET_TIME_SHIFT 24

static __always_inline __u32 set_time(__u64 ns)
{
	return ns >> SET_TIME_SHIFT;
}

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash ^= word;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 33;
}

/* A checksum of what is remembered of a cgroup under one generation of the rules. An LRU map may give the memory of an
 * entry to another one while it is being read: the reader may see half of it, or another cgroup's. */
static __always_inline __u64 seal_of(__u64 cgroup, __u64 generation, __u64 rules, __u64 never_hold)
{
	return mix(mix(mix(mix(0, cgroup), generation), rules), never_hold);
}

/* An entry's fingerprint: 16 bits of its owner's hash, and 48 of its key's. */
static __always_inline __u64 print_of(__u64 owner, __u64 key)
{
	__u64 tag = owner >> OWNER_SHIFT;

	return (tag | !tag) << OWNER_SHIFT | key >> 16;
}

/* Entries may be longer than their heads: `size` is an entry's. */
static __always_inline struct remembered *entry_at(void *set, __u32 size, __u32 at)
{
	return (struct remembered *)((char *)set + at * size);
}

static __always_inline int is_past(__u32 until, __u32 now)
{
	return (__s32)(until - now) <= 0;
}

/* The order of readiness: the entry of the same key, then free and expired entries, then all others by how many their
 * owner has. */
#define READY_SAME (1ULL << 41)
#define READY_FREE (1ULL << 40)
#define READY_OWNERS 32

/* How readily the entry is given up for one with this fingerprint. Of live entries, the oldest goes of the owner with
 * the most here, counting the new one, if that is more than one; else the oldest of all. */
static __always_inline __u64 readiness(void *set, __u32 size, const struct remembered *e, __u64 print, __u32 now)
{
	__u64 owner = e->print >> OWNER_SHIFT, past = (__u32)(e->until - now - 1) >> 31;
	__u64 others = is_zero(owner ^ print >> OWNER_SHIFT), age;

	for (__u32 i = 0; i < SET_PLACES; i++)
		others += is_zero(owner ^ entry_at(set, size, i)->print >> OWNER_SHIFT);
	/* Another CPU may have written it since this one read its clock. */
	age = (__u32)(now - e->date + 64);
	age |= (others - 1) << READY_OWNERS;
	age |= (past | is_zero(e->print ^ PRINT_FREE)) * READY_FREE;
	age |= is_zero(e->print ^ print) * READY_SAME;
	return age * (1 - is_zero(e->print ^ PRINT_CLAIMED));
}

/* The place for an entry with this fingerprint: where it is already, or where another must leave. */
static __always_inline __u32 place_for(void *set, __u32 size, __u64 print, __u32 now)
{
	__u64 most = 0, ready, is_more;
	__u32 place = 0;

	for (__u32 i = 0; i < SET_PLACES; i++) {
		ready = readiness(set, size, entry_at(set, size, i), print, now);
		is_more = most - ready;
		HIDE(is_more);
		is_more = -(is_more >> 63);
		HIDE(is_more);
		most ^= (most ^ ready) & is_more;
		place ^= (place ^ i) & is_more;
	}
	return place;
}

/* Whether the entry is this CPU's to write until it publishes it. */
static __always_inline int claim(struct remembered *e)
{
	__u64 print = *(volatile __u64 *)&e->print;

	return print != PRINT_CLAIMED && __sync_val_compare_and_swap(&e->print, print, PRINT_CLAIMED) == print;
}

static __always_inline void publish(struct remembered *e, __u64 print)
{
	__sync_lock_test_and_set(&e->print, print);
}

/* Whether the entry was its key's for the whole time since it was found. */
static __always_inline int is_still(struct remembered *e, __u64 print)
{
	return __sync_fetch_and_or(&e->print, 0) == print;
}

/* Returns the key's entry, unless it has expired. What is read from it is valid only if is_still() says so
 * afterwards. */
static __always_inline struct remembered *find_in(void *set, __u32 size, __u64 print, __u32 now)
{
	for (__u32 i = 0; i < SET_PLACES; i++) {
		struct remembered *e = entry_at(set, size, i);

		if (*(volatile __u64 *)&e->print == print)
			return is_past(*(volatile __u32 *)&e->until, now) ? NULL : e;
	}
	return NULL;
}

/* Claims and returns the entry for the key; NULL if another CPU was first. */
static __always_inline struct remembered *claim_in(void *set, __u32 size, __u64 print, __u32 now)
{
	__u64 place = place_for(set, size, print, now);
	struct remembered *e;

#ifdef __bpf__
	asm volatile("%0 &= 7" : "+r"(place));
#endif
	e = entry_at(set, size, place);
	return claim(e) ? e : NULL;
}
