/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The end of accounts that nobody uses. One that has less trust than a new one stays for longer, or a new one would be
 * the way back to trust.
 */
#pragma once

#include "decide.h"
#include "maps.h"
#include "program.h"

#define IDLE_NS 600000000000ULL
#define DISTRUSTED_NS 86400000000000ULL

static __always_inline int is_trusted(const struct scope *s, const struct limits *l)
{
	return !l->first.credit || !s->trust.halved_ns || (s->trust.credit >= l->first.credit && !s->trust.suspect_ns);
}

/* The host's lock must be held. */
static __always_inline int is_idle(const struct scope *s, const struct limits *l, int ended, __u64 now)
{
	__u64 idle = now - s->touched_ns;

	/* Who has made it is about to say whose it is. */
	if (!s->account_scope || s->queued || s->out || now < s->touched_ns)
		return 0;
	return ended || idle >= DISTRUSTED_NS || (idle >= IDLE_NS && is_trusted(s, l));
}

/* Writes out the keys of those that have ended. An attempt that looked an account up just before finds that it is nobody's
 * once it holds the lock: see is_account(). */
SEC("iter/bpf_map_elem")
int collect(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct policy *p = policy_in_force();
	struct account_key *at = ctx->key, key;
	const struct limits *l;
	struct scope *host, *s;
	__u32 first = 0;
	int ended, idle;
	__u64 now;

	if (!at)
		return 0;
	key = *at;
	host = bpf_map_lookup_elem(&scopes, &first);
	s = bpf_map_lookup_elem(&accounts, &key);
	if (!host || !s)
		return 0;
	l = limits_of(p, key.scope);
	ended = p->rules.ended >> ((key.scope - RULE_SCOPES) & 63) & 1;
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&host->lock);
	idle = is_idle(s, l, ended, now);
	if (idle)
		s->account_scope = 0;
	bpf_spin_unlock(&host->lock);
	if (!idle)
		return 0;
	bpf_map_delete_elem(&accounts, &key);
	bpf_seq_write(ctx->meta->seq, &key, sizeof(key));
	return 0;
}
