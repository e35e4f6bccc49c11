// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the attempts of the whole host, whatever limits them: programs of their own, loaded only while a recording
 * runs.
 *
 *   inet_sock_set_state   an attempt begins when its socket enters SYN_SENT, and ends when it leaves it
 *   net_dev_queue         its SYN leaves: what the limiter holds does not come here
 *   connect4, connect6    connect() was refused before there was an attempt
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "addresses.h"
#include "kernel_types.h"
#include "recording.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* include/net/tcp_states.h */
enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECV = 3 };

/* The same SYN comes by twice on a device over another device. TCP sends the next one no sooner. */
#define SAME_SYN_NS 10000000ULL

#define ATTEMPTS 65536
#define CGROUPS 4096
#define RING (8 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ATTEMPTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); /* the socket's address */
	__type(value, struct recorded);
} recorded_attempts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CGROUPS);
	__type(key, __u64);
	__type(value, __u8);
} recorded_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING);
} recorded_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} recorded_lost SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&recorded_lost, &zero);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __always_inline void tell(const struct recorded *attempt)
{
	/* User space looks several times a second: waking it for each record would cost more. */
	if (bpf_ringbuf_output(&recorded_ring, (void *)attempt, sizeof(*attempt), BPF_RB_NO_WAKEUP))
		count_lost();
}

static __always_inline void read_ends(struct recorded *r, const struct sock *sk)
{
	const struct sock_common *skc = &sk->__sk_common;

	r->to_port = bpf_ntohs(skc->skc_dport);
	r->from_port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	if (skc->skc_family != AF_INET6 || !bpf_core_field_exists(skc->skc_v6_daddr)) {
		map_ipv4(r->from, skc->skc_rcv_saddr);
		map_ipv4(r->to, skc->skc_daddr);
		return;
	}
	__builtin_memcpy(r->from, &skc->skc_v6_rcv_saddr, sizeof(r->from));
	__builtin_memcpy(r->to, &skc->skc_v6_daddr, sizeof(r->to));
}

/* Whose attempt it is. Returns whether it is a program's. */
static __always_inline bool read_program(struct recorded *r)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u8 one = 1;

	if (task->flags & PF_KTHREAD)
		return false;
	r->pid = task->tgid;
	r->uid = task->cred->uid.val;
	r->cgroup_id = bpf_get_current_cgroup_id();
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	/* Its path is asked for while it is there. */
	if (!bpf_map_lookup_elem(&recorded_cgroups, &r->cgroup_id)) {
		r->kind = RECORDED_CGROUP;
		tell(r);
		bpf_map_update_elem(&recorded_cgroups, &r->cgroup_id, &one, BPF_ANY);
	}
	return true;
}

static __always_inline void begins(const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct recorded r = {};

	if (!read_program(&r))
		return;
	r.kind = RECORDED_ATTEMPT;
	r.began_ns = bpf_ktime_get_ns();
	read_ends(&r, sk);
	if (bpf_map_update_elem(&recorded_attempts, &key, &r, BPF_ANY))
		count_lost();
}

static __always_inline __u8 outcome(int state, __u32 error)
{
	if (state == ESTABLISHED || state == SYN_RECV)
		return OUTCOME_ANSWERED;
	switch (error) {
	case ECONNREFUSED:
		return OUTCOME_RESET;
	case ETIMEDOUT:
		return OUTCOME_SILENT;
	case 0:
	case ECONNABORTED:
		return OUTCOME_CANCELLED;
	default:
		return OUTCOME_UNREACHABLE;
	}
}

static __always_inline void ends(const struct sock *sk, int state)
{
	__u64 key = (__u64)sk;
	struct recorded *found = bpf_map_lookup_elem(&recorded_attempts, &key), r;

	/* It began before the recording. */
	if (!found)
		return;
	r = *found;
	bpf_map_delete_elem(&recorded_attempts, &key);
	r.ended_ns = bpf_ktime_get_ns();
	r.error = sk->sk_err;
	r.outcome = outcome(state, r.error);
	read_ends(&r, sk);
	tell(&r);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int before, int state)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (state == SYN_SENT)
		begins(sk);
	else if (before == SYN_SENT)
		ends(sk, state);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_queue, struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;
	struct recorded *found;
	__u64 key = (__u64)sk, now;

	/* Sockets that are not whole (requests, TIME_WAIT) have other states. */
	if (!sk || sk->__sk_common.skc_state != SYN_SENT || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	found = bpf_map_lookup_elem(&recorded_attempts, &key);
	if (!found)
		return 0;
	now = bpf_ktime_get_ns();
	if (found->syns && now - found->last_syn_ns < SAME_SYN_NS)
		return 0;
	if (!found->syns)
		found->first_syn_ns = now;
	found->last_syn_ns = now;
	found->syns++;
	return 0;
}

/* The programs of the root cgroup run last: what the others have decided is known. */
static __always_inline bool is_refused(struct bpf_sock_addr *ctx, struct recorded *r)
{
	int decided = bpf_get_retval();

	if ((decided != -ENOBUFS && decided != -EPERM) || ctx->protocol != IPPROTO_TCP || !read_program(r))
		return false;
	r->kind = RECORDED_REFUSED;
	r->error = -decided;
	r->to_port = bpf_ntohs(ctx->user_port);
	r->began_ns = bpf_ktime_get_ns();
	r->ended_ns = r->began_ns;
	return true;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	struct recorded r = {};

	if (is_refused(ctx, &r)) {
		map_ipv4(r.from, 0);
		map_ipv4(r.to, ctx->user_ip4);
		tell(&r);
	}
	return 1;
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	struct recorded r = {};
	__u32 *words = (__u32 *)r.to;

	if (is_refused(ctx, &r)) {
		words[0] = ctx->user_ip6[0];
		words[1] = ctx->user_ip6[1];
		words[2] = ctx->user_ip6[2];
		words[3] = ctx->user_ip6[3];
		tell(&r);
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
