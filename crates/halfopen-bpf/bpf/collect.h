/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The removal of unused accounts and parties. An account that has less trust than a new one stays longer: otherwise a
 * new account would be the way back to trust.
 */
#pragma once

#include "accounts.h"
#include "maps.h"
#include "program.h"

#define ENDED_NS 60000000000ULL
#define IDLE_NS 600000000000ULL
#define DISTRUSTED_NS 86400000000000ULL
/* A party's idle time is kept in units of about a second. */
#define IDLE_SHIFT 30
#define PARTY_IDLE 60

_Static_assert(ENDED_NS > 2 * JUST_TOUCHED_NS, "an attempt on its way to its account finds it");

static __always_inline int is_trusted(const struct scope *s, const struct limits *l)
{
	int trusted = 1;

	for (int i = 0; i < CREDIT_BUCKETS; i++) {
		const struct trust *t = &s->trust[i];

		trusted &= !t->settled_ns || (t->credit >= rest_of(&l->first, i) && !t->suspect_ns && !t->steps);
	}
	return trusted || !l->first.credit;
}

/* Called with the host's lock held. */
static __always_inline int is_idle(const struct scope *s, const struct limits *l, int ended, __u64 now)
{
	__u64 idle = now > s->touched_ns ? now - s->touched_ns : 0;

	/* The CPU that made the entry is about to write its owner. */
	if (!s->account_scope || s->queued || s->out || s->connections.open)
		return 0;
	return idle >= DISTRUSTED_NS || (idle >= IDLE_NS && is_trusted(s, l)) || (ended && idle >= ENDED_NS);
}

/* Writes out the keys of the accounts that it removes. */
SEC("iter/bpf_map_elem")
int collect_accounts(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct policy *p = policy_in_force();
	struct account_key *at = ctx->key, key;
	const struct limits *l;
	struct scope *host, *s;
	int ended, idle;
	__u64 now;

	if (!at)
		return 0;
	key = *at;
	l = limits_of(p, key.scope);
	ended = p->rules.ended >> ((key.scope - RULE_SCOPES) & 63) & 1;
	if (p->released)
		release_scope(key.scope, key.id, p->released);
	/* Counts credit that came back while no attempt asked. */
	for (int i = 0; i < CREDIT_BUCKETS; i++)
		settle_trust(key.scope, key.id, i);
	host = host_scope();
	s = bpf_map_lookup_elem(&accounts, &key);
	if (!host || !s)
		return 0;
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&host->lock);
	idle = is_idle(s, l, ended, now);
	if (idle)
		s->account_scope = 0;
	bpf_spin_unlock(&host->lock);
	if (!idle)
		return 0;
	bpf_map_delete_elem(&accounts, &key);
	bpf_map_delete_elem(&datagram_stops, &key);
	bpf_seq_write(ctx->meta->seq, &key, sizeof(key));
	return 0;
}

/* Runs for each scope: releases the scope itself. */
SEC("iter/bpf_map_elem")
int release_scopes(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct policy *p = policy_in_force();
	__u32 *at = ctx->key, number;

	if (!at)
		return 0;
	number = *at;
	if (!p->released || !release_scope(number, 0, p->released))
		return 0;
	for (int i = 0; i < CREDIT_BUCKETS; i++)
		settle_trust(number, 0, i);
	return 0;
}

/* The first time that the collector finds a party empty, it notes the time. If no CPU has looked the party up for a
 * minute since, the collector removes it: any CPU that looked it up before is done with it by then. */
SEC("iter/bpf_map_elem")
int collect_parties(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 now = now_ns >> IDLE_SHIFT | 1;
	struct party_key *at = ctx->key, key;
	struct party *party;
	struct scope *host;
	int idle = 0;

	if (!at)
		return 0;
	key = *at;
	host = host_scope();
	party = bpf_map_lookup_elem(&parties, &key);
	if (!host || !party)
		return 0;
	bpf_spin_lock(&host->lock);
	if (!party->waiters && !party->waiting && !party->queued && !party->beside && party->paid_ns <= now_ns) {
		if (!party->idle_since)
			party->idle_since = now;
		idle = now - party->idle_since > PARTY_IDLE;
	}
	bpf_spin_unlock(&host->lock);
	if (idle && !bpf_map_delete_elem(&parties, &key) && key.part > OTHER_PARTS)
		__sync_fetch_and_add(&parts_made, -1);
	return 0;
}
