/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses are known. Touched only where a scope asks for it.
 */
#pragma once

#include "charged.h"
#include "maps.h"
#include "neighbourhood.h"
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

/* The address is known for so long, or for longer if it was and `at_least`; for no time at all, no more. Not written
 * anew where that makes no difference. */
__noinline int note_known(struct attempt *a, __u64 for_ns, int at_least)
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
	if (e && at_least && !is_past(e->until, until))
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

/* No port has so many bits. */
#define ALL_OF_ITS_PORTS 0x10000ULL

/* Of an attempt's neighbourhood: that of the port, or of all. */
static __always_inline __u64 neighbourhood_key(const struct attempt *a, __u64 owner, __u64 port)
{
	const __u32 *words = (const __u32 *)a->addr;
	__u64 prefix = *(const __u64 *)a->addr;

	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff))
		prefix = words[3] & bpf_htonl(0xffffff00);
	return key_of(a, owner, prefix, port);
}

static __always_inline struct neighbourhood_set *neighbourhood_set_of(__u64 key)
{
	__u32 at = key & (NEIGHBOURHOOD_SETS - 1);

	return bpf_map_lookup_elem(&neighbourhoods, &at);
}

/* Whether what its neighbourhood has answered on its port lets the attempt out, which is then no first contact. Global,
 * as those in books.h are. */
__noinline int neighbourhood_lets_out(struct attempt *a)
{
	struct neighbourhood_set *set;
	struct neighbourhood *n;
	__u64 owner, key;

	if (!a || !is_stranger(a) || a->flags & ATTEMPT_ROUTED)
		return 0;
	owner = owner_of(a);
	key = neighbourhood_key(a, owner, a->port);
	set = neighbourhood_set_of(key);
	if (!set)
		return 0;
	n = (struct neighbourhood *)find_in(set, sizeof(*n), print_of(owner, key), set_time(bpf_ktime_get_ns()));
	if (!n || !neighbourhood_lets(n))
		return 0;
	a->flags |= ATTEMPT_NEIGHBOUR;
	return 1;
}

/* The neighbourhood has answered, on that port or on whichever. Returns how many first contacts of it were answered to
 * the account lately, this one not counted. Global likewise. */
__noinline int note_neighbour(struct attempt *a, __u64 port)
{
	__u32 now = set_time(bpf_ktime_get_ns()), answered;
	struct neighbourhood_set *set;
	struct neighbourhood *n;
	__u64 owner, key, print;

	if (!a)
		return 0;
	owner = owner_of(a);
	key = neighbourhood_key(a, owner, port);
	print = print_of(owner, key);
	set = neighbourhood_set_of(key);
	if (!set)
		return 0;
	n = (struct neighbourhood *)find_in(set, sizeof(*n), print, now);
	if (n) {
		neighbourhood_earns(n);
		answered = __sync_fetch_and_add(&n->answered, 1);
		return answered < SHIFT_MOST ? answered : SHIFT_MOST;
	}
	n = (struct neighbourhood *)claim_in(set, sizeof(*n), print, now);
	if (!n) {
		count_fault(FAULT_CONTACT_UNKNOWN);
		return 0;
	}
	n->head.date = now;
	n->head.until = now + set_time(NEIGHBOURS_NS);
	n->answered = 1;
	n->credit = NEIGHBOUR_WORTH;
	publish(&n->head, print);
	return 0;
}

/* A first contact goes out. */
static __always_inline void note_tried(const struct policy *p, struct attempt *a)
{
	if (p->knows && a->flags & (ATTEMPT_FIRST | ATTEMPT_NEIGHBOUR))
		note_known(a, TRIED_NS, 1);
}
