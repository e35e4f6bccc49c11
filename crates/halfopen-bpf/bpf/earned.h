/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What an answer is worth: whoever controls the network that an answer comes from can make answers too.
 */
#pragma once

#include "kernel_types.h"
#include "outcome.h"
#include "program.h"

#define IFF_LOOPBACK 0x8
#define RTN_LOCAL 2
#define RTF_LOCAL 0x80000000u
#define RTF_ANYCAST 0x00100000u
#define LOOPBACK_IFINDEX 1

static __always_inline const struct net *namespace_of(const struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
}

/* Whether the network namespace belongs to a user namespace other than the initial one: its owner, who may be any user,
 * can make it answer at will. */
static __always_inline int is_foreign(const struct tcp_sock *tp)
{
	return namespace_of(tp)->user_ns->level != 0;
}

/* Whether the program source-routes its packets: they go to the first address of the route, not to the one that it
 * connects to. */
static __always_inline int is_source_routed(const struct tcp_sock *tp)
{
	const struct inet_sock *inet = &tp->inet_conn.icsk_inet;

	if (inet->inet_opt && BPF_CORE_READ(inet, inet_opt, opt.srr))
		return 1;
	return bpf_core_field_exists(inet->pinet6) && inet->pinet6 && inet->pinet6->opt &&
	       BPF_CORE_READ(inet, pinet6, opt, srcrt);
}

/* Whether the destination is in this very namespace. */
static __always_inline int is_routed_here(const struct tcp_sock *tp)
{
	struct dst_entry *route = tp->inet_conn.icsk_inet.sk.sk_dst_cache;
	struct rt6_info *six = (struct rt6_info *)route;

	/* IPv6 drops the cached route after a while. */
	if (!route)
		return 0;
	if (route->dev->flags & IFF_LOOPBACK)
		return 1;
	/* A mapped address is IPv4's. */
	if (route->ops->family == AF_INET)
		return BPF_CORE_READ((struct rtable *)route, rt_type) == RTN_LOCAL;
	return bpf_core_field_exists(six->rt6i_flags) && BPF_CORE_READ(six, rt6i_flags) & (RTF_LOCAL | RTF_ANYCAST);
}

/* The interface through which the answer came in; 0 = none. Its segment keeps it even while it waits for the socket's
 * lock. */
static __always_inline int came_in_by(struct bpf_sock_ops *op)
{
	const struct bpf_sock_ops_kern *asked = (const struct bpf_sock_ops_kern *)op;

	return BPF_CORE_READ(asked, skb, skb_iif);
}

/* The ending of an attempt that was answered, in ACTIVE_ESTABLISHED_CB. An answer that came in over loopback is this
 * host's own, whatever the address: so it is with DNAT and REDIRECT. A socket in TCP_REPAIR has sent no SYN. */
static __noinline enum ending answered(struct tcp_sock *tp, int came_by)
{
	if (!tp || is_foreign(tp) || is_source_routed(tp) || BPF_CORE_READ_BITFIELD(tp, repair) || is_routed_here(tp))
		return ENDING_NEUTRAL;
	return came_by && came_by != LOOPBACK_IFINDEX ? ENDING_ESTABLISHED : ENDING_NEUTRAL;
}
