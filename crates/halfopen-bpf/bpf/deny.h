/* SPDX-License-Identifier: GPL-2.0-only
 *
 * `[[deny]]`: cgroup/connect4 and connect6 for TCP and UDP sockets, and sendmsg4 and sendmsg6 for UDP messages that
 * carry an address of their own. Attached only while there are such rules. A program returns 0 to refuse: that is
 * EPERM, the errno that connect(2) documents for a local firewall rule.
 */
#pragma once

#include "denied.h"

static __always_inline int may_send(struct bpf_sock_addr *ctx, struct sender *who)
{
	const struct policy *p = &policies[who->to.policy & 1];
	__u32 mode = mode_now(p);

	return mode == MODE_OFF || !is_refused(ctx, who, mode);
}

static __always_inline int may_send4(struct bpf_sock_addr *ctx)
{
	struct sender who = { .to = { .bits = DENY_PREFIX_BITS, .policy = policy_now & 1 } };

	map_ipv4(who.to.addr, ctx->user_ip4);
	return may_send(ctx, &who);
}

static __always_inline int may_send6(struct bpf_sock_addr *ctx)
{
	struct sender who = { .to = { .bits = DENY_PREFIX_BITS, .policy = policy_now & 1 } };

	copy_ipv6(who.to.addr, ctx);
	return may_send(ctx, &who);
}

SEC("cgroup/connect4")
int deny_connect4(struct bpf_sock_addr *ctx)
{
	return may_send4(ctx);
}

SEC("cgroup/connect6")
int deny_connect6(struct bpf_sock_addr *ctx)
{
	return may_send6(ctx);
}

SEC("cgroup/sendmsg4")
int deny_sendmsg4(struct bpf_sock_addr *ctx)
{
	return may_send4(ctx);
}

SEC("cgroup/sendmsg6")
int deny_sendmsg6(struct bpf_sock_addr *ctx)
{
	return may_send6(ctx);
}
