/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The destinations that the rules of `[[deny]]` refuse.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"
#include "program.h"

#define IPPROTO_UDPLITE 136
#define DENY_PREFIX_BITS 160

enum met_rule { MET_NONE, MET_AUDITED, MET_DENIED };

/* What a rule is matched against; lives on the caller's stack. */
struct sender {
	struct deny_prefix to;
	__u64 cgroup_id;
	__u32 protocol; /* enum deny_protocol */
	__u16 port;
	__u8 only_asked; /* count nothing */
	__u8 audit;	 /* the mode is audit for all rules */
};

static __always_inline void copy_ipv6(__u8 addr[16], struct bpf_sock_addr *ctx)
{
	((__u32 *)addr)[0] = ctx->user_ip6[0];
	((__u32 *)addr)[1] = ctx->user_ip6[1];
	((__u32 *)addr)[2] = ctx->user_ip6[2];
	((__u32 *)addr)[3] = ctx->user_ip6[3];
}

static __always_inline int covers_port(const struct deny_rule *rule, __u16 port)
{
	if (!rule->ranges)
		return 1;
	for (int i = 0; i < DENY_PORTS; i++) {
		if (i < rule->ranges && port >= rule->port[i].first && port <= rule->port[i].last)
			return 1;
	}
	return 0;
}

static __always_inline void count_met(struct deny_count *count, const struct sender *who, int audited)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 pid = task->tgid, uid = task->cred->uid.val;
	__u64 now = bpf_ktime_get_ns();
	char comm[COMM_LEN];

	__builtin_memcpy(comm, task->comm, COMM_LEN);
	bpf_spin_lock(&count->lock);
	if (audited)
		count->would_have_denied++;
	else
		count->denied++;
	count->last_ns = now;
	count->pid = pid;
	count->uid = uid;
	count->cgroup_id = who->cgroup_id;
	count->port = who->port;
	count->protocol = who->protocol;
	count->audited = audited;
	__builtin_memcpy(count->comm, comm, COMM_LEN);
	__builtin_memcpy(count->addr, who->to.addr, sizeof(count->addr));
	bpf_spin_unlock(&count->lock);
}

/* Matches one rule that covers the address. Global, so that it is verified once. */
__noinline int meet_rule(const struct sender *who, __u32 number)
{
	struct deny_count *count;
	struct deny_rule *rule;
	__u32 of_policy;
	int audited;

	if (!who)
		return MET_NONE;
	number &= DENY_RULES - 1;
	of_policy = number + (who->to.policy & 1) * DENY_RULES;
	rule = bpf_map_lookup_elem(&deny_rules, &of_policy);
	if (!rule || !(rule->protocols & who->protocol) || !covers_port(rule, who->port))
		return MET_NONE;
	audited = who->audit || rule->audit;
	if (!who->only_asked) {
		count = bpf_map_lookup_elem(&deny_counts, &number);
		if (count)
			count_met(count, who, audited);
	}
	return audited ? MET_AUDITED : MET_DENIED;
}

/* Matches each of `rules`: all that match count. Global, so that it is verified once. */
__noinline int meet_rules(const struct sender *who, __u64 rules)
{
	int denied = 0;

	if (!who)
		return 0;
	for (__u32 number = 0; number < DENY_RULES; number++) {
		if (!(rules >> number))
			break;
		if (rules >> number & 1 && meet_rule(who, number) == MET_DENIED)
			denied = 1;
	}
	return denied;
}

/* Whether the socket is the kernel's own, such as NFS's or Ceph's: see is_of_program(). Asked only if a rule covers the
 * address. */
static __always_inline int is_of_kernel(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (!BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock) || BPF_CORE_READ(sk, sk_cgrp_data.cgroup, level))
		return 0;
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 1;
	if (bpf_core_field_exists(tp->syn_smc) && BPF_CORE_READ_BITFIELD_PROBED(tp, syn_smc))
		return 0;
	return !(bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp));
}

/* Whether the destination whose address is in `who` is refused. */
static __always_inline int is_refused(struct bpf_sock_addr *ctx, struct sender *who, __u32 mode)
{
	const struct bpf_sock_addr_kern *asked = (const struct bpf_sock_addr_kern *)ctx;
	const struct sock *sk;
	__u64 *rules;

	if (ctx->protocol == IPPROTO_TCP)
		who->protocol = DENY_TCP;
	else if (ctx->protocol == IPPROTO_UDP || ctx->protocol == IPPROTO_UDPLITE)
		who->protocol = DENY_UDP;
	else
		return 0;
	rules = bpf_map_lookup_elem(&deny_prefixes, &who->to);
	if (!rules || !*rules)
		return 0;
	sk = BPF_CORE_READ(asked, sk);
	if (is_of_kernel(sk))
		return 0;
	who->port = bpf_ntohs((__u16)ctx->user_port);
	who->audit = mode != MODE_ENFORCE;
	who->cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	return meet_rules(who, *rules);
}

/* Asks without counting; called only in MODE_ENFORCE. Not inlined: with its frame, that of connect() would be too deep.
 */
static __noinline int is_denied(struct bpf_sock_addr *ctx, const struct prefix *to)
{
	struct sender who = { .to = { .bits = DENY_PREFIX_BITS, .policy = policy_now & 1 }, .only_asked = 1 };

	__builtin_memcpy(who.to.addr, to->addr, sizeof(who.to.addr));
	return is_refused(ctx, &who, MODE_ENFORCE);
}
