/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Walks over all records and over all sockets, begun by user space.
 */
#pragma once

#include "accounting.h"
#include "attempt_record.h"
#include "maps.h"
#include "options.h"
#include "program.h"
#include "programs.h"
#include "reconcile.h"
#include "records.h"
#include "ring_events.h"

static __always_inline void write_attempt(struct seq_file *seq, const struct attempt *a, int in_slot)
{
	struct attempt_record r = {};

	fill_attempt_record(&r, a, in_slot);
	bpf_seq_write(seq, &r, sizeof(r));
}

static __always_inline void finish_walk_of(struct scope *host, struct scope *s)
{
	int drifted;

	bpf_spin_lock(&host->lock);
	drifted = walk_ends(s, host->walk);
	bpf_spin_unlock(&host->lock);
	if (drifted)
		count_fault(FAULT_RECONCILED);
}

/* Global, for the reason given in accounting.h. */
__noinline int finish_walk_of_scope(__u32 number)
{
	struct scope *host = host_scope(), *s = bpf_map_lookup_elem(&scopes, &number);

	if (!host || !s)
		return 0;
	finish_walk_of(host, s);
	return 1;
}

static long finish_walk_of_account(struct bpf_map *map, struct account_key *key, struct scope *s, void *ctx)
{
	struct scope *host = host_scope();

	if (host)
		finish_walk_of(host, s);
	return !host;
}

static long finish_walk_of_destinations(struct bpf_map *map, __u32 *key, struct destination_set *set, void *ctx)
{
	struct scope *host = host_scope();
	int drifted = 0;

	if (!host)
		return 1;
	for (int i = 0; i < DESTINATION_PLACES; i++) {
		if (!set->of[i].id)
			continue;
		bpf_spin_lock(&host->lock);
		drifted |= walk_ends_for_destination(&set->of[i], host->walk);
		bpf_spin_unlock(&host->lock);
	}
	if (drifted)
		count_fault(FAULT_RECONCILED);
	return 0;
}

/* An account that this passes over, because others are made or collected in the meantime, is finished by the next
 * walk. */
static __always_inline void finish_walk(void)
{
	struct scope *host = host_scope();

	if (!host)
		return;
	for (__u32 i = 0; i < SCOPES; i++)
		finish_walk_of_scope(i);
	bpf_for_each_map_elem(&accounts, finish_walk_of_account, NULL, 0);
	if (policy_in_force()->destinations)
		bpf_for_each_map_elem(&destinations, finish_walk_of_destinations, NULL, 0);
	bpf_spin_lock(&host->lock);
	walk_is_over(host);
	bpf_spin_unlock(&host->lock);
}

/* Global, for the reason given in accounting.h. It looks the record up again, because an iterator's value cannot be an
 * argument of a global function. */
__noinline int accounting_see(__u64 cookie)
{
	struct attempt *a = find_record(cookie);
	struct accounting b;

	if (!a || a->state == ATTEMPT_NONE || !open_accounts(&b, policy_in_force(), a, bpf_ktime_get_ns()))
		return 0;
	bpf_spin_lock(&host_of(&b)->lock);
	attempt_seen(&b, a);
	bpf_spin_unlock(&host_of(&b)->lock);
	return 0;
}

static __always_inline int socket_is_gone(const struct attempt *a)
{
	__u32 netns = a->netns_inode, *through = bpf_map_lookup_elem(&walked, &netns);

	return is_gone(a, through && *through == socket_walk, socket_walk, socket_walk_ns, bpf_ktime_get_ns());
}

/* A walk over all records begins. Runs once per read, over a map that has one entry; so does reconcile_ends(). */
SEC("iter/bpf_map_elem")
int reconcile_begins(struct bpf_iter__bpf_map_elem *ctx)
{
	struct scope *host = host_scope();

	if (!ctx->key || !host)
		return 0;
	bpf_spin_lock(&host->lock);
	walk_begins(host);
	bpf_spin_unlock(&host->lock);
	return 0;
}

/* Counts every live attempt anew, and ends those whose sockets are gone. The accounting changes during the walk: an
 * attempt's `walk` number says whether this walk has seen it yet. */
SEC("iter/bpf_map_elem")
int reconcile(struct bpf_iter__bpf_map_elem *ctx)
{
	struct attempt *a = ctx->value;
	__u64 cookie;

	if (!a)
		return 0;
	cookie = a->cookie;
	if (!cookie || a->state == ATTEMPT_NONE)
		return 0;
	if (!socket_is_gone(a))
		return accounting_see(cookie);
	if (!seize_record(a, cookie))
		return 0;
	accounting_end(a, ENDING_UNSEEN);
	free_seized(a, cookie);
	count_fault(FAULT_RECONCILED);
	return 0;
}

/* The same for connections. Read after the records: an attempt that becomes a connection meanwhile is met as one of
 * the two. */
SEC("iter/bpf_map_elem")
int reconcile_connections(struct bpf_iter__bpf_map_elem *ctx)
{
	struct connection *c = ctx->value;
	__u64 *key = ctx->key, cookie;
	__u32 netns, *through;
	struct attempt *a;

	if (!c || !key)
		return 0;
	cookie = *key;
	netns = c->netns_inode;
	if (!c->opened_ns) {
		a = find_record(cookie);
		/* It is made a moment before its attempt begins. If there still is none at the next walk, the attempt
		 * is gone. */
		if (a && a->state != ATTEMPT_NONE)
			return 0;
		if (c->met)
			free_connection(cookie);
		else
			c->met = 1;
		return 0;
	}
	through = bpf_map_lookup_elem(&walked, &netns);
	if (through && *through == socket_walk && c->met != socket_walk && c->opened_ns < socket_walk_ns) {
		if (accounting_close(cookie))
			count_fault(FAULT_RECONCILED);
		return 0;
	}
	accounting_see_connection(cookie);
	return 0;
}

SEC("iter/bpf_map_elem")
int reconcile_ends(struct bpf_iter__bpf_map_elem *ctx)
{
	if (ctx->key)
		finish_walk();
	return 0;
}

/* Walks over the sockets of one namespace, and notes which attempts still have theirs. */
SEC("iter/tcp")
int meet_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct connection *c;
	struct attempt *a;
	struct tcp_sock *tp;
	__u64 cookie;

	if (!skc || (skc->skc_state != BPF_TCP_SYN_SENT && !connections_held))
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	cookie = cookie_of(&tp->inet_conn.icsk_inet.sk);
	a = skc->skc_state == BPF_TCP_SYN_SENT ? find_record(cookie) : NULL;
	if (a)
		a->met = socket_walk;
	c = find_connection(cookie);
	if (c)
		c->met = socket_walk;
	return 0;
}

/* Writes out every live attempt, for people to read. */
SEC("iter/bpf_map_elem")
int list(struct bpf_iter__bpf_map_elem *ctx)
{
	struct scope *host = host_scope();
	struct attempt *a = ctx->value;
	int in_slot;

	if (!a || !host || !a->cookie || a->state == ATTEMPT_NONE)
		return 0;
	bpf_spin_lock(&host->lock);
	in_slot = a->state == ATTEMPT_OUT && slot_is_held(host, &a->slot[CHARGED_HOST]);
	bpf_spin_unlock(&host->lock);
	write_attempt(ctx->meta->seq, a, in_slot);
	return 0;
}

/* Writes out the namespaces that have counted connections, and those that have live attempts. */
SEC("iter/bpf_map_elem")
int list_connected_namespaces(struct bpf_iter__bpf_map_elem *ctx)
{
	struct connection *c = ctx->value;
	__u32 netns;

	if (!c)
		return 0;
	netns = c->netns_inode;
	bpf_seq_write(ctx->meta->seq, &netns, sizeof(netns));
	return 0;
}

SEC("iter/bpf_map_elem")
int list_namespaces(struct bpf_iter__bpf_map_elem *ctx)
{
	struct attempt *a = ctx->value;
	__u32 netns;

	if (!a || !a->cookie || a->state == ATTEMPT_NONE)
		return 0;
	netns = a->netns_inode;
	bpf_seq_write(ctx->meta->seq, &netns, sizeof(netns));
	return 0;
}

static __always_inline int set_option_of(struct tcp_sock *tp, int option, int value)
{
	return bpf_setsockopt(tp, SOL_TCP, option, &value, sizeof(value));
}

__u64 options_restored;

/* The end of enforcement, one namespace at a time: each held socket gets its own options back, except for the SYN
 * count, which has to include the re-checks that TCP has counted. Writes out the attempts that can be woken, so that
 * they need not wait for their timers. */
SEC("iter/tcp")
int restore_all(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;
	struct attempt *a;
	int failed;

	if (!skc || skc->skc_state != BPF_TCP_SYN_SENT)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	a = find_record(cookie_of(&tp->inet_conn.icsk_inet.sk));
	if (!a || a->state == ATTEMPT_NONE || !(a->flags & ATTEMPT_HELD_ONCE))
		return 0;
	failed = set_option_of(tp, TCP_SYNCNT, syn_count_for(a, jiffies_to_ms(tp->inet_conn.icsk_rto)));
	failed |= set_option_of(tp, TCP_USER_TIMEOUT, a->own_user_timeout_ms);
	if (a->flags & ATTEMPT_RTO_MAX_OURS)
		failed |= set_option_of(tp, TCP_RTO_MAX_MS_OPTION, a->own_rto_max_ms);
	if (failed)
		count_fault(FAULT_RESTORE_OPTIONS);
	__sync_fetch_and_add(&options_restored, 1);
	if (policy_in_force()->wakeups && a->state == ATTEMPT_QUEUED && !a->rechecks)
		write_attempt(ctx->meta->seq, a, 0);
	return 0;
}
