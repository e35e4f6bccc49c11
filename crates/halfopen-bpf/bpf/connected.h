/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The records of connections that a limit counts, and their binding to destinations. Nothing here is called unless a
 * scope has such a limit.
 *
 * A record is made before the attempt's SYN, so that a connection without one never opens, and ends when TCP says that
 * its socket is closed (tcp_set_state()), whatever the way. The reconcile walk finds what ended unnoticed.
 */
#pragma once

#include "contacts.h"
#include "destination_sets.h"
#include "maps.h"
#include "outcome.h"
#include "program.h"
#include "ring_events.h"

/* The contents of a new record, which is too large for a program's stack. */
const volatile __u8 no_connection[sizeof(struct connection)];

static __always_inline struct connection *find_connection(__u64 cookie)
{
	return connections_held ? bpf_map_lookup_elem(&connections, &cookie) : NULL;
}

static __always_inline void free_connection(__u64 cookie)
{
	if (!bpf_map_delete_elem(&connections, &cookie))
		__sync_fetch_and_add(&connections_held, -1);
}

/* See EVENT_CLOSED. */
static __always_inline void tell_closed(const struct connection *c, __u64 cookie, __u64 now)
{
	send_turn(EVENT_CLOSED, 0, c->scope, c->account, c->opened_ns, cookie, c->addr, now);
}

static __always_inline int open_accounts_of_connection(struct accounting *b, const struct connection *c)
{
	const struct policy *p = policy_in_force();
	const __u32 number[CHARGED] = { 0, c->scope, c->interface };
	const __u64 account[CHARGED] = { 0, c->account, 0 };
	__u64 now = bpf_ktime_get_ns();

	if (!open_scopes(b, p, c->scope, c->account, c->interface) || !find_destination(b, c->destination))
		return 0;
	for_each_charged(i) {
		if (is_charged(b, i) && connections_are_unsettled(b->scope[i], b->limits[i], now))
			settle_grid_and_turns(number[i], account[i]);
	}
	return 1;
}

/* An open connection ends; one that is an attempt yet does not. Returns whether it did. Global, for the reason given in
 * accounting.h; so are the next functions. */
__noinline int accounting_close(__u64 cookie)
{
	struct connection *c = find_connection(cookie);
	struct accounting b;
	__u64 now;

	if (!c || !c->opened_ns || __sync_lock_test_and_set(&c->closed, 1))
		return 0;
	if (open_accounts_of_connection(&b, c)) {
		now = bpf_ktime_get_ns();
		bpf_spin_lock(&host_of(&b)->lock);
		connection_closes(&b, c, now);
		bpf_spin_unlock(&host_of(&b)->lock);
		if (host_of(&b)->queued)
			tell_closed(c, cookie, now);
	}
	free_connection(cookie);
	return 1;
}

/* The reconcile walk meets a connection. */
__noinline int accounting_see_connection(__u64 cookie)
{
	struct connection *c = find_connection(cookie);
	struct accounting b;

	if (!c || !c->opened_ns || !open_accounts_of_connection(&b, c))
		return 0;
	bpf_spin_lock(&host_of(&b)->lock);
	connection_seen(&b, c);
	bpf_spin_unlock(&host_of(&b)->lock);
	return 1;
}

/* Makes the record of an attempt's connection. Returns whether there is one. */
static __always_inline int claim_connection(const struct attempt *a)
{
	__u64 cookie = a->cookie;
	struct connection *c = find_connection(cookie);

	if (!c) {
		if (connections_held >= CONNECTIONS ||
		    bpf_map_update_elem(&connections, &cookie, (const void *)no_connection, BPF_NOEXIST)) {
			count_fault(FAULT_NO_CONNECTION);
			return 0;
		}
		__sync_fetch_and_add(&connections_held, 1);
		c = bpf_map_lookup_elem(&connections, &cookie);
	}
	if (!c || c->opened_ns)
		return 0;
	c->account = a->account;
	c->scope = a->scope;
	c->interface = a->interface;
	c->cgroup_id = a->cgroup_id;
	c->pid = a->pid;
	c->uid = a->uid;
	c->netns_inode = a->netns_inode;
	c->port = a->port;
	__builtin_memcpy(c->addr, a->addr, sizeof(c->addr));
	__builtin_memcpy(c->comm, a->comm, COMM_LEN);
	return 1;
}

/* Binds an attempt to its account's entry for its destination, or to one that it shares if there is no room. Global,
 * for the reason given in accounting.h; so is the next function. */
__noinline int bind_destination(struct attempt *a)
{
	__u64 account, id, now = bpf_ktime_get_ns();
	struct scope *host = host_scope();
	struct destination_set *set;
	__u32 number, place;

	if (!a || !host || a->destination)
		return 0;
	account = owner_of(a) | 1;
	id = mix(mix(mix(account, half_of(a->addr)), half_of(a->addr + 8)), (__u64)a->port << 1) | 1;
	number = id >> 32 & (DESTINATION_SETS - 1);
	set = bpf_map_lookup_elem(&destinations, &number);
	if (!set)
		return 0;
	bpf_spin_lock(&host->lock);
	place = destination_place(set, id, account, now);
	if (place < DESTINATION_PLACES)
		bind_to(destination_at(set, place), id, account, host->walk);
	bpf_spin_unlock(&host->lock);
	if (place >= DESTINATION_PLACES) {
		count_fault(FAULT_DESTINATION_SHARED);
		number = DESTINATION_SETS + (account >> 32 & (SHARED_DESTINATION_SETS - 1));
		place = account >> 8 & (DESTINATION_PLACES - 1);
		set = bpf_map_lookup_elem(&destinations, &number);
		if (!set)
			return 0;
		bpf_spin_lock(&host->lock);
		bind_to(destination_at(set, place), 1, 1, host->walk);
		bpf_spin_unlock(&host->lock);
	}
	a->destination = number * DESTINATION_PLACES + place + 1;
	return 1;
}

/* Before an attempt begins, or asks: it gets what limits on connections need of it. */
__noinline int prepare_connection(struct attempt *a)
{
	const struct policy *p = policy_in_force();
	__u32 needs;

	if (!a || !p->connections)
		return 0;
	needs = needs_connection(limits_of(p, 0)) | needs_connection(limits_of(p, a->scope));
	needs |= needs_connection(limits_of(p, a->interface));
	if (needs && !a->counted && claim_connection(a))
		a->counted = HAS_CONNECTION;
	if (a->scope && limits_of(p, a->scope)->per_destination)
		bind_destination(a);
	return 1;
}
