/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses are known. Touched only where a scope asks for it.
 */
#pragma once

#include "maps.h"

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

static __always_inline void met_key_of(struct met_key *key, const struct attempt *a)
{
	__builtin_memcpy(key->addr, a->addr, sizeof(key->addr));
	key->account = a->account;
	key->netns = a->netns;
	key->scope = a->scope;
	key->pad = 0;
}

static __always_inline int is_known(const struct policy *p, const struct attempt *a, __u64 now)
{
	struct met_key key;
	const struct met *met;

	met_key_of(&key, a);
	met = bpf_map_lookup_elem(&contacts, &key);
	if (!met)
		return 0;
	return (met->answered_ns && is_younger(met->answered_ns, now, p->known_for_ns)) ||
	       (met->tried_ns && is_younger(met->tried_ns, now, TRIED_NS));
}

static __always_inline void note_met(const struct attempt *a, __u64 answered_ns, __u64 tried_ns)
{
	struct met new = { .answered_ns = answered_ns, .tried_ns = tried_ns }, *met;
	struct met_key key;

	met_key_of(&key, a);
	met = bpf_map_lookup_elem(&contacts, &key);
	if (met)
		*met = new;
	else if (bpf_map_update_elem(&contacts, &key, &new, BPF_ANY))
		count_fault(FAULT_CONTACT_UNKNOWN);
}

/* How many first contacts of this neighbourhood were answered lately, this one not counted. Counts it. */
static __always_inline __u32 neighbours_answered(const struct attempt *a, __u64 now)
{
	const __u32 *words = (const __u32 *)a->addr;
	struct neighbourhood new = { .since_ns = now, .answered = 1 }, *n;
	struct neighbourhood_key key = {
		.prefix = *(const __u64 *)a->addr,
		.account = a->account,
		.netns = a->netns,
		.scope = a->scope,
	};
	__u32 before;

	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff))
		key.prefix = words[3] & bpf_htonl(0xffffff00);
	n = bpf_map_lookup_elem(&neighbourhoods, &key);
	if (!n) {
		if (bpf_map_update_elem(&neighbourhoods, &key, &new, BPF_ANY))
			count_fault(FAULT_CONTACT_UNKNOWN);
		return 0;
	}
	if (now - n->since_ns >= NEIGHBOURS_NS) {
		*n = new;
		return 0;
	}
	before = n->answered;
	n->answered = before + 1;
	return before;
}

/* A first contact goes out. */
static __always_inline void note_tried(const struct policy *p, const struct attempt *a, __u64 now)
{
	if (p->knows && a->flags & ATTEMPT_FIRST)
		note_met(a, 0, now);
}
