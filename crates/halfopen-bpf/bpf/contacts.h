/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses are known. Used only if a scope asks for it.
 */
#pragma once

#include "charged.h"
#include "maps.h"
#include "neighbourhood.h"
#include "ports.h"
#include "remembered.h"

#define NEIGHBOURS_NS 3600000000000ULL

/* The hash of an address in working sets; never zero. */
static __always_inline __u64 hash_of(const __u8 addr[16])
{
	const __u64 *halves = (const __u64 *)addr;
	__u64 hash = (halves[0] * 0x9e3779b97f4a7c15ULL ^ halves[1]) * 0xff51afd7ed558ccdULL;

	return (hash ^ hash >> 32) | 1;
}

/* The owner of a key: the account, or the scope. */
static __always_inline __u64 owner_of_account(__u32 scope, __u64 account)
{
	return mix(mix(salt[0], scope), account);
}

static __always_inline __u64 owner_of(const struct attempt *a)
{
	return owner_of_account(a->scope, a->account);
}

/* The key of an address for the account that dials it, in this network namespace. */
static __always_inline __u64 key_within(__u64 netns, __u64 owner, __u64 high, __u64 low)
{
	return mix(mix(mix(mix(owner, netns), high), low), salt[1]);
}

static __always_inline __u64 key_of(const struct attempt *a, __u64 owner, __u64 high, __u64 low)
{
	return key_within(a->netns, owner, high, low);
}

/* Read by words: not every address is aligned to eight bytes. */
static __always_inline __u64 half_of(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return (__u64)words[0] << 32 | words[1];
}

/* Global, for the reason given in accounting.h: the verifier's paths through it would multiply those of its callers. */
__noinline __u32 cell_of(__u64 account, __u16 port)
{
	return port_cell(account, port);
}

/* The key of an address on the ports of a cell, as evidence has them: answers on others say nothing. All ports of one
 * host are as many first contacts as there are cells. */
static __always_inline __u64 known_key_of(const struct attempt *a, __u64 owner, __u64 what)
{
	return mix(key_of(a, owner, half_of(a->addr), half_of(a->addr + 8)), what);
}

static __always_inline struct known_set *known_set_of(__u64 key)
{
	__u32 set = key & (KNOWN_SETS - 1);

	return bpf_map_lookup_elem(&known, &set);
}

/* KNOWN_WELL: the address has answered on a port of this cell, or was tried on one without evidence against the
 * account. KNOWN_TRIED: it was tried, and its silence counts until it answers. KNOWN_TRANSLATED: packets for it went to
 * other addresses lately, which alone says nothing of it. */
enum how_known { KNOWN_NOT, KNOWN_TRANSLATED, KNOWN_TRIED, KNOWN_WELL };

#define PORT_BITS 16
/* Set in a key, above the cell. */
#define TRIED_ONCE (1ULL << PORT_BITS)
#define TRANSLATED_LATELY (2ULL << PORT_BITS)

static __always_inline int is_remembered(__u64 owner, __u64 key)
{
	struct known_set *set = known_set_of(key);
	struct remembered *e;

	if (!set)
		return 0;
	e = find_in(set, sizeof(*e), print_of(owner, key), set_time(bpf_ktime_get_ns()));
	return e && is_still(e, print_of(owner, key));
}

/* How an address is known to an account in a network namespace; the scope's number is above the cell. Global, for the
 * reason given in accounting.h. */
__noinline int is_known_to(__u64 scope_and_cell, __u64 account, __u64 netns, __u64 high, __u64 low)
{
	__u64 owner = owner_of_account(scope_and_cell >> PORT_BITS, account), cell = (__u16)scope_and_cell;
	__u64 key = key_within(netns, owner, high, low);

	if (is_remembered(owner, mix(key, cell)))
		return KNOWN_WELL;
	if (is_remembered(owner, mix(key, cell | TRIED_ONCE)))
		return KNOWN_TRIED;
	return translated && is_remembered(owner, mix(key, cell | TRANSLATED_LATELY)) ? KNOWN_TRANSLATED : KNOWN_NOT;
}

static __always_inline enum how_known how_known(const struct attempt *a)
{
	return is_known_to((__u64)a->scope << PORT_BITS | a->cell, a->account, a->netns, half_of(a->addr),
			   half_of(a->addr + 8));
}

/* Remembers the attempt's address for for_ns, as well known (`as` 0), TRIED_ONCE or TRANSLATED_LATELY; 0 ns forgets it.
 * Does not write if the expiry would hardly change. Returns whether the address was not remembered before. */
__noinline int note_known(struct attempt *a, __u64 as, __u64 for_ns)
{
	__u32 now = set_time(bpf_ktime_get_ns()), until = remembered_until(now, for_ns);
	__u64 owner, key, print;
	struct known_set *set;
	struct remembered *e;
	int is_new;

	if (!a || a->flags & (ATTEMPT_ROUTED | ATTEMPT_PROVISIONAL))
		return 0;
	owner = owner_of(a);
	key = known_key_of(a, owner, a->cell | as);
	print = print_of(owner, key);
	set = known_set_of(key);
	if (!set)
		return 0;
	e = find_in(set, sizeof(*e), print, now);
	is_new = !e;
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
	return is_new;
}

/* Set in a key, above the port. */
#define ALL_OF_ITS_PORTS (1ULL << PORT_BITS)
#define OF_IPV4 (2ULL << PORT_BITS)

/* The key of an attempt's neighbourhood. */
static __always_inline __u64 neighbourhood_key(const struct attempt *a, __u64 owner, __u64 port)
{
	return key_of(a, owner, network_of(a->addr, !!(port & ALL_OF_ITS_PORTS)),
		      is_ipv4(a->addr) ? port | OF_IPV4 : port);
}

static __always_inline struct neighbourhood_set *neighbourhood_set_of(__u64 key)
{
	__u32 at = key & (NEIGHBOURHOOD_SETS - 1);

	return bpf_map_lookup_elem(&neighbourhoods, &at);
}

/* Whether answers of the attempt's neighbourhood on its port let it out; it is then no first contact. Global, for the
 * reason given in accounting.h. */
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

/* Counts an answer of the neighbourhood, on this port or on any. Returns how many other first contacts of it were
 * answered to the account lately. Global, for the reason given in accounting.h. */
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
		n->head.until = remembered_until(now, NEIGHBOURS_NS);
		answered = __sync_fetch_and_add(&n->answered, 1);
		return answered < SHIFT_MOST ? answered : SHIFT_MOST;
	}
	n = (struct neighbourhood *)claim_in(set, sizeof(*n), print, now);
	if (!n) {
		count_fault(FAULT_CONTACT_UNKNOWN);
		return 0;
	}
	n->head.date = now;
	n->head.until = remembered_until(now, NEIGHBOURS_NS);
	n->answered = 1;
	n->credit = NEIGHBOUR_WORTH;
	publish(&n->head, print);
	return 0;
}

/* How an address is remembered before it has answered: as TRIED_ONCE if its silence is evidence, so that its answer
 * will be too. */
static __always_inline __u64 tried_as(const struct attempt *a)
{
	return is_evident(a) ? TRIED_ONCE : 0;
}

/* The attempt goes out. */
static __always_inline void note_tried(const struct policy *p, struct attempt *a)
{
	if (p->knows && a->flags & (ATTEMPT_FIRST | ATTEMPT_NEIGHBOUR))
		note_known(a, tried_as(a), tried_for_ns(p->known_for_ns));
}
