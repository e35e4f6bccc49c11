/* SPDX-License-Identifier: GPL-2.0-only
 *
 * cgroup_skb/egress: decides whether a SYN leaves, and refuses TCP through raw sockets.
 *
 * A segment is judged by its flags. A socket in SYN_SENT sends more than its attempt's SYN: since 6.13, the kernel's
 * RSTs and challenge ACKs carry their socket too (tcp_v4_send_reset()).
 */
#pragma once

#include "begin.h"
#include "accounting.h"
#include "first_datagrams.h"
#include "maps.h"
#include "let_out.h"
#include "names.h"
#include "packet.h"
#include "program.h"
#include "programs.h"
#include "records.h"
#include "ring_events.h"
#include "segments.h"

#define SOCK_RAW 3
/* TCP learns that a SYN was withheld: it backs off (local error), or re-checks in 512 ms (congestion). */
#define WITHHELD_BACK_OFF 0
#define WITHHELD_RECHECK 2
#define UNRECORDED_BEGINS 3

static __always_inline int withheld(const struct attempt *a)
{
	return a->flags & ATTEMPT_BACK_OFF ? WITHHELD_BACK_OFF : WITHHELD_RECHECK;
}

/* If a SYN with fast-open data does not leave, TCP sends one without data at once (tcp_send_syn_data()): that is no
 * re-check. */
static __always_inline int timer_has_run(struct bpf_sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return !tp || tp->inet_conn.icsk_retransmits;
}

#define TCP_FLAGS 13

/* Whether a segment goes to another address than the one that its attempt was judged by: rules of its namespace have
 * translated it. A source route was judged by itself. */
static __always_inline int goes_elsewhere(const struct attempt *a, const struct packet *packet, __u16 port)
{
	if (a->state == ATTEMPT_NONE || a->flags & ATTEMPT_ROUTED)
		return 0;
	return a->port != port || half_of(a->addr) != half_of(packet->far.addr) ||
	       half_of(a->addr + 8) != half_of(packet->far.addr + 8);
}

enum syn { NO_SYN = 0, SYN = 1, SYN_ELSEWHERE };

/* Whether the next segment of an attempt is its first SYN, or TCP's timer may have run since the last one. */
static __always_inline int is_syn_due(const struct attempt *a)
{
	return !a || a->state != ATTEMPT_OUT || a->flags & ATTEMPT_DECIDED ||
	       bpf_ktime_get_ns() - a->last_syn_ns >= SYN_GAP_NS;
}

/* Whether this segment asks for a connection. One whose headers cannot be read counts as one that does. Global, for the
 * reason given in accounting.h. */
__noinline int is_syn(struct __sk_buff *skb, const struct attempt *a)
{
	struct packet packet = {};
	__u8 tcp[TCP_FLAGS + 1];

	if (!read_packet(skb, 1, &packet))
		return SYN;
	if (packet.protocol != IPPROTO_TCP)
		return wrapped_asks_to_connect(packet.protocol, a && a->state == ATTEMPT_QUEUED, is_syn_due(a));
	if (bpf_skb_load_bytes(skb, packet.transport, tcp, sizeof(tcp)))
		return SYN;
	if (!asks_to_connect(tcp[TCP_FLAGS]))
		return NO_SYN;
	return a && goes_elsewhere(a, &packet, tcp[TCP_DESTINATION] << 8 | tcp[TCP_DESTINATION + 1]) ? SYN_ELSEWHERE
												     : SYN;
}

/* Whether the attempt is older than the hooks, so that it is not the limiter's. TCP notes when it sends the first SYN
 * (tcp_connect()), by the monotonic clock, and no program can change that. */
static __always_inline int is_older_than_us(const struct tcp_sock *tp)
{
	__u64 unit_ns = NS_PER_MS;

	if (bpf_core_field_exists(tp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts))
		unit_ns = 1000;
	return (__s32)((__u32)(counting_from_ns / unit_ns) - tp->retrans_stamp) > 0;
}

#define LOOPBACK_IFINDEX 1 /* include/net/flow.h */

/* Whether the packet goes to an exempt destination. A loopback destination counts only if the packet leaves by the
 * loopback interface. */
static __always_inline int goes_to_exempt(struct __sk_buff *skb, const struct packet *packet)
{
	const __u32 *words = (const __u32 *)packet->far.addr;
	int mapped = !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
	int loopback =
		mapped ? packet->far.addr[12] == 127 : !words[0] && !words[1] && !words[2] && words[3] == bpf_htonl(1);

	return is_exempt(&packet->far) && (!loopback || skb->ifindex == LOOPBACK_IFINDEX);
}

/* Judges a SYN whose attempt has no record: connect() was to an exempt destination, there was no room for a record, or
 * the attempt is older than the limiter. Only packets that really go to an exempt destination are exempt, wherever
 * connect() was to (DNAT). Any other attempt begins here, in the task that connects (UNRECORDED_BEGINS, with a record).
 * Global, for the reason given in accounting.h. */
__noinline int unrecorded_leaves(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet packet = {};
	struct tcp_sock *tp;
	struct attempt *a;
	__u64 cookie;
	__u16 port;

	if (!sk || !read_packet(skb, 1, &packet) || goes_to_exempt(skb, &packet))
		return LEAVES;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !is_of_program(tp))
		return LEAVES;
	if (is_older_than_us(tp))
		return LEAVES;
	if (tp->inet_conn.icsk_retransmits) {
		count_fault(FAULT_SYN_WITHOUT_RECORD);
		return WITHHELD_BACK_OFF;
	}
	cookie = bpf_get_socket_cookie(skb);
	a = claim_record(cookie);
	if (!a)
		return WITHHELD_BACK_OFF;
	if (bpf_skb_load_bytes(skb, packet.transport + TCP_DESTINATION, &port, sizeof(port)))
		port = 0;
	count_fault(FAULT_EXEMPT_ELSEWHERE);
	__builtin_memcpy(a->addr, packet.far.addr, sizeof(a->addr));
	a->flags = ATTEMPT_AT_EGRESS;
	a->port = bpf_ntohs(port);
	return UNRECORDED_BEGINS;
}

/* An attempt begins here, and the daemon hears of it if it is held. */
static __always_inline int begin_at_egress(struct attempt *a, __u32 mode)
{
	int verdict;

	/* connect() was to an exempt destination, so nobody has asked yet. Nothing begins; later SYNs are withheld too.
	 */
	if (!(a->flags & ATTEMPT_NEVER_HELD) && is_stopped(a, mode))
		return VERDICT_HOLD;
	prepare_connection(a);
	verdict = accounting_begin(a, mode, bpf_ktime_get_ns());

	if (verdict != VERDICT_GO)
		tell_held(EVENT_HELD, a, verdict == VERDICT_GO_AUDITED, a->began_ns);
	return verdict;
}

static __always_inline int unrecorded_syn_leaves(struct __sk_buff *skb, __u32 mode)
{
	int verdict = unrecorded_leaves(skb);
	struct attempt *a;

	if (verdict != UNRECORDED_BEGINS)
		return verdict;
	if (!describe_at_egress(skb))
		return WITHHELD_BACK_OFF;
	a = find_record(bpf_get_socket_cookie(skb));
	if (!a)
		return WITHHELD_BACK_OFF;
	if (!keep_record(a))
		return WITHHELD_BACK_OFF;
	return begin_at_egress(a, mode) == VERDICT_HOLD ? WITHHELD_BACK_OFF : LEAVES;
}

/* What an attempt keeps when it begins anew with another address. */
#define KEPT_BY_TRANSLATED                                                                                             \
	(ATTEMPT_TIMER_SET | ATTEMPT_HELD_ONCE | ATTEMPT_RTO_MAX_OURS | ATTEMPT_MPTCP | ATTEMPT_OPTIONS_CHANGED |      \
	 ATTEMPT_NEVER_HELD | ATTEMPT_FOREIGN)

/* Aims an attempt that has ended at where its packet goes. Global, for the reason given in accounting.h. */
__noinline int aim_at_packet(struct __sk_buff *skb)
{
	struct attempt *a = find_record(bpf_get_socket_cookie(skb));
	struct packet packet = {};
	__u32 flags;
	__u16 port;

	if (!a || !read_packet(skb, 1, &packet) ||
	    bpf_skb_load_bytes(skb, packet.transport + TCP_DESTINATION, &port, sizeof(port)))
		return 0;
	flags = a->flags & ATTEMPT_TO_EXEMPT ? a->flags & ~ATTEMPT_NEVER_HELD : a->flags;
	flags = (flags & KEPT_BY_TRANSLATED) | ATTEMPT_AT_EGRESS | ATTEMPT_TRANSLATED;
	if (!(flags & ATTEMPT_NEVER_HELD) && goes_to_exempt(skb, &packet))
		flags |= ATTEMPT_NEVER_HELD | ATTEMPT_TO_EXEMPT;
	a->flags = flags;
	a->port = bpf_ntohs(port);
	__builtin_memcpy(a->addr, packet.far.addr, sizeof(a->addr));
	return 1;
}

/* A SYN goes elsewhere than its attempt: it begins anew, by where it really goes, as if it had not begun before. What
 * was dialled is noted, so that next time it costs nothing until it is here. */
static __always_inline int translated_syn_leaves(struct __sk_buff *skb, struct attempt *a, __u32 mode, int elsewhere)
{
	const struct policy *p = policy_in_force();

	a->flags &= ~ATTEMPT_PROVISIONAL;
	if (p->knows && !(a->flags & ATTEMPT_TRANSLATED)) {
		if (!translated)
			translated = 1;
		note_known(a, TRANSLATED_LATELY, elsewhere ? p->known_for_ns : 0);
	}
	accounting_withdraw(a);
	if (!aim_at_packet(skb) || !describe_at_egress(skb))
		return WITHHELD_BACK_OFF;
	if (begin_at_egress(a, mode) == VERDICT_HOLD)
		return a->flags & ATTEMPT_HELD_ONCE ? WITHHELD_RECHECK : WITHHELD_BACK_OFF;
	if (a->flags & ATTEMPT_HELD_ONCE)
		a->flags |= ATTEMPT_OPTIONS_PENDING;
	return LEAVES;
}

static __always_inline int syn_leaves(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct attempt *a = find_record(bpf_get_socket_cookie(skb));
	__u32 mode = mode_now(policy_in_force());
	int syn = is_syn(skb, a), verdict;

	if (syn == NO_SYN || mode == MODE_OFF)
		return LEAVES;
	if (!a || a->state == ATTEMPT_NONE)
		return unrecorded_syn_leaves(skb, mode);
	if (a->flags & ATTEMPT_PROVISIONAL || (syn == SYN_ELSEWHERE && policy_in_force()->contacts))
		return translated_syn_leaves(skb, a, mode, syn == SYN_ELSEWHERE);
	a->asked_ns = bpf_ktime_get_ns();
	/* No callback hears of the timer of an attempt that was never held. */
	if (a->flags & ATTEMPT_DECIDED && (a->flags & ATTEMPT_HELD_ONCE || !timer_has_run(sk))) {
		a->flags &= ~ATTEMPT_DECIDED;
		if (a->state == ATTEMPT_QUEUED)
			return withheld(a);
		if (a->asked_ns - a->slot_ns > LATE_NS)
			accounting_leave_late(a);
		a->last_syn_ns = a->asked_ns;
		return LEAVES;
	}
	if (a->state == ATTEMPT_QUEUED) {
		if (!timer_has_run(sk))
			return withheld(a);
		/* The timer ran without RTO_CB: another sock_ops program has cleared the flag. */
		count_fault(FAULT_DECIDED_AT_EGRESS);
		a->rechecks++;
		if (is_stopped(a, mode) || ask_again(a, mode) != VERDICT_GO)
			return WITHHELD_RECHECK;
		/* The options of an attempt that began here, and never asked elsewhere, are unchanged. */
		if (a->flags & ATTEMPT_HELD_ONCE)
			a->flags |= ATTEMPT_OPTIONS_PENDING;
		a->last_syn_ns = a->asked_ns;
		return LEAVES;
	}
	verdict = accounting_resend(a, mode);
	if (verdict & RESEND_MADE_SUSPECT) {
		tell_suspect(a, sk);
		verdict &= ~RESEND_MADE_SUSPECT;
	}
	if (verdict == VERDICT_GO) {
		a->last_syn_ns = a->asked_ns;
		return LEAVES;
	}
	/* An attempt that was never held still has the program's own SYN count: a re-check must not use it up. */
	if (verdict == VERDICT_TOO_EARLY && a->flags & ATTEMPT_HELD_ONCE)
		return WITHHELD_RECHECK;
	return WITHHELD_BACK_OFF;
}

/* Judges TCP that bypasses the kernel's own TCP. The kernel's own answers to stray segments pass. */
static __always_inline int raw_leaves(struct __sk_buff *skb, __u32 raw_tcp)
{
	struct packet packet = {};
	__u8 flags;

	if (raw_tcp == RAW_TCP_ALLOW || mode_now(policy_in_force()) == MODE_OFF)
		return LEAVES;
	/* A packet that cannot be read may be TCP. */
	if (read_packet(skb, 1, &packet) && packet.protocol != IPPROTO_TCP)
		return LEAVES;
	if (!bpf_skb_load_bytes(skb, packet.transport + TCP_FLAGS, &flags, 1) && is_answer_to_stray(flags))
		return LEAVES;
	if (is_exempt(&packet.far))
		return LEAVES;
	if (raw_tcp == RAW_TCP_COUNT || mode_now(policy_in_force()) == MODE_AUDIT) {
		count_fault(FAULT_RAW_TCP_COUNTED);
		return LEAVES;
	}
	count_fault(FAULT_RAW_TCP_REFUSED);
	return 0;
}

/* For the verifier, a global function may return any value. */
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
	case DATAGRAM_DROPPED:
		return DATAGRAM_DROPPED;
	case LEAVES:
		return LEAVES;
	default:
		/* Also if nothing can be noted of the socket, because its program has filled the memory for that. */
		return DATAGRAM_REFUSED;
	}
}

/* Judges the packets of UDP and raw sockets. */
static __always_inline int others_leave(struct __sk_buff *skb, struct bpf_sock *sk)
{
	if (sk->type != SOCK_RAW)
		return sk->protocol == IPPROTO_UDP ? udp_leaves(skb) : LEAVES;
	return raw_leaves(skb, policy_in_force()->raw_tcp);
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	int verdict, is_connecting;

	if (!sk)
		return LEAVES;
	is_connecting = sk->state == BPF_TCP_SYN_SENT;
	if (is_connecting) {
		verdict = syn_leaves(skb, sk);
	} else {
		/* Every packet comes here, so those of TCP do not touch the policy. */
		sk = bpf_sk_fullsock(sk);
		if (!sk || (sk->protocol == IPPROTO_TCP && sk->type != SOCK_RAW))
			return LEAVES;
		verdict = others_leave(skb, sk);
	}
	/* The only place where a packet is withheld: none is unless the mode is enforce, whatever was decided. */
	if (verdict != LEAVES && mode_now(policy_in_force()) == MODE_ENFORCE)
		return verdict & 3;
	if (is_connecting && policy_in_force()->forwarded)
		note_let_out(skb);
	return LEAVES;
}
