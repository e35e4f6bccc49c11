/* SPDX-License-Identifier: GPL-2.0-only
 *
 * cgroup_skb/egress: the SYN leaves or not; TCP through raw sockets does not.
 */
#pragma once

#include "books.h"
#include "first_datagrams.h"
#include "maps.h"
#include "names.h"
#include "packet.h"
#include "program.h"
#include "programs.h"
#include "told.h"

#define SOCK_RAW 3
/* TCP is told of a withheld SYN: it backs off (local error), or re-checks in 512 ms (congestion). */
#define WITHHELD_BACK_OFF 0
#define WITHHELD_RECHECK 2

static __always_inline int withheld(const struct attempt *a)
{
	return a->flags & ATTEMPT_BACK_OFF ? WITHHELD_BACK_OFF : WITHHELD_RECHECK;
}

/* A SYN with fast-open data that does not leave is followed at once by one without (tcp_send_syn_data()): no re-check.
 */
static __always_inline int timer_has_run(struct bpf_sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return !tp || tp->inet_conn.icsk_retransmits;
}

static __always_inline int syn_leaves(struct bpf_sock *sk)
{
	struct attempt *a = bpf_sk_storage_get(&attempts, sk, NULL, 0);
	__u32 mode = mode_now(policy_in_force());
	int verdict;

	if (!a || a->state == ATTEMPT_NONE)
		return LEAVES;
	if (a->flags & ATTEMPT_DECIDED) {
		a->flags &= ~ATTEMPT_DECIDED;
		if (a->state == ATTEMPT_QUEUED)
			return withheld(a);
		a->last_syn_ns = bpf_ktime_get_ns();
		return LEAVES;
	}
	if (a->state == ATTEMPT_QUEUED) {
		if (!timer_has_run(sk))
			return withheld(a);
		/* The timer ran without RTO_CB: another sock_ops program has cleared the flag. */
		count_fault(FAULT_DECIDED_AT_EGRESS);
		a->rechecks++;
		if (ask_again(a, mode) != VERDICT_GO)
			return WITHHELD_RECHECK;
		a->flags |= ATTEMPT_OPTIONS_PENDING;
		a->last_syn_ns = bpf_ktime_get_ns();
		return LEAVES;
	}
	verdict = books_resend(a, mode);
	if (verdict & RESEND_MADE_SUSPECT) {
		tell_suspect(a, sk);
		verdict &= ~RESEND_MADE_SUSPECT;
	}
	if (verdict == VERDICT_GO) {
		a->last_syn_ns = bpf_ktime_get_ns();
		return LEAVES;
	}
	/* The program's own count still bounds an attempt that was never held: a re-check must not use it up. */
	if (verdict == VERDICT_TOO_EARLY && a->flags & ATTEMPT_HELD_ONCE)
		return WITHHELD_RECHECK;
	return WITHHELD_BACK_OFF;
}

/* TCP past the kernel's own TCP. The kernel answers strays through raw sockets of its own, with RST or a bare ACK only:
 * those pass. */
static __always_inline int raw_leaves(struct __sk_buff *skb, __u32 raw_tcp)
{
	const __u8 syn_fin_psh_urg = 0x2b, rst = 0x04, ack = 0x10;
	struct packet packet = {};
	__u8 flags;

	if (!read_packet(skb, 1, &packet) || packet.protocol != IPPROTO_TCP)
		return LEAVES;
	if (!bpf_skb_load_bytes(skb, packet.transport + 13, &flags, 1) &&
	    (flags & rst || (flags & ack && !(flags & syn_fin_psh_urg))))
		return LEAVES;
	if (is_exempt(&packet.far))
		return LEAVES;
	if (raw_tcp == RAW_TCP_COUNT) {
		count_fault(FAULT_RAW_TCP_COUNTED);
		return LEAVES;
	}
	count_fault(FAULT_RAW_TCP_REFUSED);
	return 0;
}

/* What a global function returns may be anything, for the verifier. */
static __always_inline int udp_leaves(struct __sk_buff *skb)
{
	const struct policy *p = policy_in_force();
	int verdict;

	if (p->names)
		note_query(skb);
	if (!p->datagrams)
		return LEAVES;
	verdict = datagram_leaves(skb);
	if (verdict == DATAGRAM_OF_UNKNOWN && find_sender(skb))
		verdict = datagram_leaves(skb);
	switch (verdict) {
	case DATAGRAM_REFUSED:
		return DATAGRAM_REFUSED;
	case DATAGRAM_DROPPED:
		return DATAGRAM_DROPPED;
	default:
		return LEAVES;
	}
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	const struct policy *p;
	__u32 mode;

	if (!sk)
		return LEAVES;
	if (sk->state == BPF_TCP_SYN_SENT)
		return syn_leaves(sk);
	/* Every packet comes here: the policy is not touched for those of TCP. */
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return LEAVES;
	if (sk->type != SOCK_RAW)
		return sk->protocol == IPPROTO_UDP ? udp_leaves(skb) : LEAVES;
	p = policy_in_force();
	mode = mode_now(p);
	if (p->raw_tcp == RAW_TCP_ALLOW || mode == MODE_OFF)
		return LEAVES;
	return raw_leaves(skb, mode == MODE_AUDIT ? RAW_TCP_COUNT : p->raw_tcp);
}
