/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What is noted of an attempt before the accounting is asked: its program, and the kind of its address. Called in the
 * task that connects.
 */
#pragma once

#include "accounts.h"
#include "accounting.h"
#include "contacts.h"
#include "earned.h"
#include "maps.h"
#include "names.h"
#include "ports.h"
#include "program.h"
#include "records.h"
#include "rules.h"
#include "ring_events.h"

/* Notes whether the attempt's address is known and, if not, whether a DNS answer has named it. A scope that goes by a
 * working set may use the name even of a known address. */
static __always_inline void note_contact_of(struct attempt *a, const struct policy *p, struct cgroup *cgroup, __u64 now)
{
	enum how_known how = KNOWN_WELL;

	if (!(p->knows | p->names))
		return;
	if (p->knows)
		how = a->flags & ATTEMPT_ROUTED ? KNOWN_NOT : how_known(a);
	if (how == KNOWN_TRANSLATED && !(a->flags & ATTEMPT_AT_EGRESS)) {
		a->flags |= ATTEMPT_PROVISIONAL;
		return;
	}
	if (how <= KNOWN_TRANSLATED)
		a->flags |= ATTEMPT_FIRST;
	else if (how == KNOWN_TRIED)
		a->flags |= ATTEMPT_TRIED;
	else if (p->becomes_known)
		return;
	if (p->names && takes_names(a->cell) && !(a->flags & (ATTEMPT_FOREIGN | ATTEMPT_ROUTED)) &&
	    is_named(p, cgroup, a->addr, now))
		a->flags |= ATTEMPT_NAMED;
	if (is_first(a) && neighbourhood_lets_out(a))
		a->flags &= ~ATTEMPT_FIRST;
}

static __always_inline void describe_program(struct attempt *a, __u32 policy, struct tcp_sock *tp,
					     struct cgroup *cgroup, const struct attribution *attribution)
{
	const struct policy *p = &policies[policy & 1];

	a->scope = attribution->scope;
	a->account = attribution->account;
	a->interface = attribution->interface;
	if (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp)
		a->flags |= ATTEMPT_MPTCP;
	if (p->never_hold.rules && is_never_held(p, policy, cgroup))
		a->flags |= ATTEMPT_NEVER_HELD;
	a->rechecks = 0;
	counts_no_connection(a);
	a->deadline_set = 0;
	a->met = 0;
	a->netns = namespace_of(tp)->net_cookie;
	a->netns_inode = namespace_of(tp)->ns.inum;
	if (is_foreign(tp))
		a->flags |= ATTEMPT_FOREIGN;
	note_program(a, cgroup);
	a->top = top_of(p, cgroup);
	a->part = part_of(a->scope, a->account);
}

/* Describes an attempt whose record has its address and first flags; of one that is translated, only its new address.
 * Not inlined: the frames of its callers, and of what they call after it, share 512 bytes of stack. */
static __noinline int describe(struct attempt *a, __u32 policy, struct tcp_sock *tp,
			       const struct attribution *attribution, __u64 now)
{
	struct cgroup *cgroup = tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup;

	if (!(a->flags & ATTEMPT_TRANSLATED))
		describe_program(a, policy, tp, cgroup, attribution);
	a->cell = cell_of(a->account, a->port);
	a->address = hash_of(a->addr);
	if (is_source_routed(tp)) {
		a->flags |= ATTEMPT_ROUTED;
		/* An address that is in no working set. */
		a->address = a->cookie | 1;
	}
	if (!(a->flags & ATTEMPT_TO_EXEMPT))
		note_contact_of(a, &policies[policy & 1], cgroup, now);
	return 0;
}

/* The same for an attempt that begins at egress, which no callback has described. Its callbacks are switched on at its
 * first timer. Its timers do not run in its task: then it must be one that is translated. Global, for the reason given
 * in accounting.h. Returns whether its record is there. */
__noinline int describe_at_egress(struct __sk_buff *skb)
{
	struct attempt *a = find_record(bpf_get_socket_cookie(skb));
	struct bpf_sock *sk = skb->sk;
	__u32 policy = policy_now & 1;
	struct attribution attribution = {};
	struct tcp_sock *tp;

	if (!sk || !a)
		return 0;
	if (a->flags & ATTEMPT_TRANSLATED)
		tp = bpf_skc_to_tcp_sock(sk);
	else
		tp = attribute_socket(&attribution, policy, sk);
	if (!tp)
		return 0;
	if (attribution.account && !find_account(attribution.scope, attribution.account, attribution.cgroup_id))
		attribution.account = 0;
	describe(a, policy, tp, &attribution, bpf_ktime_get_ns());
	note_place(a, &tp->inet_conn.icsk_inet.sk);
	return 1;
}
