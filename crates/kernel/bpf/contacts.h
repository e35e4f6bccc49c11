/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses are known. Touched only where a scope asks for it.
 */
#pragma once

#include "maps.h"
#include "remembered.h"

/* An address that was contacted is no first contact again for this long: who repeats an attempt reaches nobody new. */
#define TRIED_NS 600000000000ULL
#define NEIGHBOURS_NS 3600000000000ULL

/* A hash for working sets; never zero. */
static __always_inline __u64 hash_of(const __u8 addr[16])
{
	const __u64 *halves = (const __u64 *)addr;
	__u64 hash = (halves[0] * 0x9e3779b97f4a7c15ULL ^ halves[1]) * 0xff51afd7ed558ccdULL;

	return (hash ^ hash >> 32) | 1;
}

/* Another CPU may have written a time since this one read its clock. */
static __always_inline int is_younger(__u64 at, __u64 now, __u64 than_ns)
{
	return (__s64)(now - at) < (__s64)than_ns;
}

/* Whose a key is: the account's, or the scope's. */
static __always_inline __u64 owner_of_account(__u32 scope, __u64 account)
{
	return mix(mix(salt[0], scope), account);
}

static __always_inline __u64 owner_of(const struct attempt *a)
{
	return owner_of_account(a->scope, a->account);
}

/* Of an address, to the account that dials it in this network namespace. */
static __always_inline __u64 key_within(__u64 netns, __u64 owner, __u64 high, __u64 low)
{
	return mix(mix(mix(mix(owner, netns), high), low), salt[1]);
}

static __always_inline __u64 key_of(const struct attempt *a, __u64 owner, __u64 high, __u64 low)
{
	return key_within(a->netns, owner, high, low);
}

/* By words: not every address stands at a multiple of eight. */
static __always_inline __u64 half_of(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return (__u64)words[0] << 32 | words[1];
}

static __always_inline __u64 address_key_of(const struct attempt *a, __u64 owner)
{
	return key_of(a, owner, half_of(a->addr), half_of(a->addr + 8));
}

static __always_inline struct known_set *known_set_of(__u64 key)
{
	__u32 set = key & (KNOWN_SETS - 1);

	return bpf_map_lookup_elem(&known, &set);
}

/* Whether the address has answered this account in this namespace lately, or been tried. Global, as those in books.h
 * are. */
__noinline int is_known_to(__u32 scope, __u64 account, __u64 netns, __u64 high, __u64 low)
{
	__u64 owner = owner_of_account(scope, account), key = key_within(netns, owner, high, low);
	struct known_set *set = known_set_of(key);
	struct remembered *e;

	if (!set)
		return 0;
	e = find_in(set, sizeof(*e), print_of(owner, key), set_time(bpf_ktime_get_ns()));
	return e && is_still(e, print_of(owner, key));
}

static __always_inline int is_known(const struct attempt *a)
{
	return is_known_to(a->scope, a->account, a->netns, half_of(a->addr), half_of(a->addr + 8));
}

/* The address is known for so long; for no time at all, no more. Not written anew where that makes no difference. */
__noinline int note_known(struct attempt *a, __u64 for_ns)
{
	__u32 now = set_time(bpf_ktime_get_ns()), until = now + set_time(for_ns) + 1;
	__u64 owner, key, print;
	struct known_set *set;
	struct remembered *e;

	if (!a || a->flags & ATTEMPT_ROUTED)
		return 0;
	owner = owner_of(a);
	key = address_key_of(a, owner);
	print = print_of(owner, key);
	set = known_set_of(key);
	if (!set)
		return 0;
	e = find_in(set, sizeof(*e), print, now);
	if (!for_ns) {
		if (e)
			e->until = now;
		return 0;
	}
	if (e && until - e->until <= set_time(for_ns) >> 5)
		return 0;
	e = claim_in(set, sizeof(*e), print, now);
	if (!e) {
		count_fault(FAULT_CONTACT_UNKNOWN);
		return 0;
	}
	e->date = now;
	e->until = until;
	publish(e, print);
	return 1;
}

/* How many first contacts of this neighbourhood the account has had answered lately, this one not counted. Counts it.
 * Global likewise. */
__noinline int neighbours_answered(struct attempt *a)
{
	__u32 now = set_time(bpf_ktime_get_ns()), at;
	__u64 owner, key, print, prefix;
	struct neighbourhood_set *set;
	struct neighbourhood *n;
	const __u32 *words;

	if (!a)
		return 0;
	words = (const __u32 *)a->addr;
	prefix = *(const __u64 *)a->addr;
	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff))
		prefix = words[3] & bpf_htonl(0xffffff00);
	owner = owner_of(a);
	key = key_of(a, owner, prefix, 0);
	print = print_of(owner, key);
	at = key & (NEIGHBOURHOOD_SETS - 1);
	set = bpf_map_lookup_elem(&neighbourhoods, &at);
	if (!set)
		return 0;
	n = (struct neighbourhood *)find_in(set, sizeof(*n), print, now);
	if (n)
		return __sync_fetch_and_add(&n->answered, 1) & 0xff;
	n = (struct neighbourhood *)claim_in(set, sizeof(*n), print, now);
	if (!n) {
		count_fault(FAULT_CONTACT_UNKNOWN);
		return 0;
	}
	n->head.date = now;
	n->head.until = now + set_time(NEIGHBOURS_NS);
	n->answered = 1;
	publish(&n->head, print);
	return 0;
}

/* A first contact goes out. */
static __always_inline void note_tried(const struct policy *p, struct attempt *a)
{
	if (p->knows && a->flags & ATTEMPT_FIRST)
		note_known(a, TRIED_NS);
}
