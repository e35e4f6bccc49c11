/* SPDX-License-Identifier: GPL-2.0-only
 *
 * cgroup/connect4 and connect6: the only place where connect() can still fail at once.
 */
#pragma once

#include "accounts.h"
#include "contacts.h"
#include "decide.h"
#include "denied.h"
#include "earned.h"
#include "maps.h"
#include "names.h"
#include "program.h"
#include "programs.h"
#include "records.h"
#include "refuse.h"
#include "rules.h"

#define EPERM 1
#define ENOBUFS 105
#define SOCK_STREAM 1

/* The part of a connect(). A part that has never waited has no entry; one for which there was no room shares
 * OTHER_PARTS. */
static __always_inline struct party *part_of_connect(__u64 top, __u64 part)
{
	struct party *party = find_party(top, part);

	return party || !parts_are_full() ? party : find_party(top, OTHER_PARTS);
}

static __always_inline int is_met(const struct policy *p, const struct attribution *attribution,
				  const struct tcp_sock *tp, const struct prefix *to, __u16 port)
{
	if (p->knows &&
	    is_known_to((__u64)attribution->scope << PORT_BITS | cell_of(attribution->account, port),
			attribution->account, namespace_of(tp)->net_cookie, half_of(to->addr), half_of(to->addr + 8)))
		return 1;
	return p->names && !is_foreign(tp) &&
	       is_named(p, tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup, to->addr, bpf_ktime_get_ns());
}

static __always_inline int may_connect(struct bpf_sock_addr *ctx, const struct prefix *to)
{
	__u32 policy = policy_now & 1;
	const struct policy *p = &policies[policy];
	struct bpf_sock *sk = ctx->sk;
	struct attribution attribution = {};
	struct cgroup *cgroup;
	struct tcp_sock *tp;
	struct accounting b;
	struct scope *host;
	enum refusal refusal;
	int room, asks, met;
	__u64 top = 0;

	if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP || !sk || mode_now(p) != MODE_ENFORCE)
		return 1;
	host = host_scope();
	if (!host) {
		count_fault(FAULT_NO_POLICY);
		return 1;
	}
	room = has_room_for(bpf_get_socket_cookie(ctx));
	/* Almost always no attempt waits in any scope: then there is nothing more to look at. */
	asks = !room || asks_for_part(host, &p->limits[0]);
	if (!p->blocks && !asks && (!host->queued || (!p->exec_level && !p->rules.rules)))
		return 1;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !is_of_program(tp) || is_exempt(to))
		return 1;
	cgroup = tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup;
	if (p->exec_level || p->rules.rules)
		attribution_before_connect(ctx, &attribution, policy);
	if (!open_scopes(&b, p, attribution.scope, attribution.account, 0))
		return 1;
	/* An account that no attempt has used yet refuses nothing. */
	if (is_charged(&b, CHARGED_OWN) && is_unreleased(p, b.scope[CHARGED_OWN]))
		release_scope(attribution.scope, attribution.account, p->released);
	if (is_unreleased(p, host_of(&b)))
		release_scope(0, 0, p->released);
	if (asks) {
		top = top_of(p, cgroup);
		b.part = part_of_connect(top, part_of(attribution.scope, attribution.account));
	}
	/* A party without an entry has no record in records_beside. */
	room = room || has_share_beside(find_party(top, WHOLE_TOP), b.part, beside, 0);
	met = asks && is_met(p, &attribution, tp, to, bpf_ntohs((__u16)ctx->user_port));
	FORGET(met);
	FORGET(room);
	refusal = refusal_of(&b, met, bpf_ktime_get_ns());
	if (p->blocks && is_blocked_by_hand(attribution.scope, attribution.account))
		refusal = REFUSAL_BLOCKED;
	if (room && refusal == REFUSAL_NONE)
		return 1;
	if (p->never_hold.rules && (room || beside < beside_most) && is_never_held(p, policy, cgroup))
		return 1;
	/* The kernel runs the limiter's programs in the order of their attachment, all of them whatever the first one
	 * returns: what [[deny]] refuses is counted there. */
	if (is_denied(ctx, to))
		return 1;
	program_refused(cgroup ? cgroup->kn->id : 0);
	/* Both were compared with constants above and have been in four bytes of the stack since. The verifier of Linux
	 * 6.1 does not follow such a spill when it compares states: it would take what it knows of one path for true on
	 * all, and remove what follows as dead. */
	FORGET(room);
	FORGET(refusal);
	/* Without a record its SYN would not leave. */
	if (!room) {
		count_fault(FAULT_NO_RECORD);
		bpf_set_retval(-ENOBUFS);
		return 0;
	}
	if (refusal == REFUSAL_CHURN)
		count_fault(FAULT_CHURN_REFUSED);
	bpf_spin_lock(&host_of(&b)->lock);
	count_refusal(&b, refusal);
	bpf_spin_unlock(&host_of(&b)->lock);
	bpf_set_retval(refusal == REFUSAL_BLOCKED ? -EPERM : -ENOBUFS);
	return 0;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	struct prefix to = { .bits = PREFIX_BITS };

	map_ipv4(to.addr, ctx->user_ip4);
	return may_connect(ctx, &to);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	struct prefix to = { .bits = PREFIX_BITS };

	copy_ipv6(to.addr, ctx);
	return may_connect(ctx, &to);
}
