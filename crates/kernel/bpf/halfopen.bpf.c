// SPDX-License-Identifier: GPL-2.0-only
/*
 * A socket in SYN_SENT is its own place in the queue.
 *
 * An outbound connect meets, in this order:
 *
 *   connect4/6        refused here if the queue is full: later no error can be returned
 *   TCP_CONNECT_CB    the attempt begins: a slot, or a place in the queue
 *   TIMEOUT_INIT      the first SYN timer: ours if queued
 *   egress            the SYN of a queued attempt does not leave
 *   RTO_CB            its timer runs: has its turn come? then the SYN that follows leaves
 *   egress            every further SYN is asked for here
 *   STATE_CB          it leaves SYN_SENT: slot or place comes back
 *   ESTABLISHED_CB    the window that the re-checks cost is given back
 *
 * The verdict is the books' (decide.h); egress gives it where another program has switched the callbacks off. Nothing
 * here waits for user space. docs/life-of-an-attempt.md tells the same at length.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "decide.h"
#include "maps.h"
#include "options.h"
#include "patience.h"
#include "program.h"

#define ENOBUFS 105
#define ETIMEDOUT 110
#define SOCK_STREAM 1
#define SOCK_RAW 3
#define IPPROTO_TCP 6
#define CALLBACKS (BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RTO_CB_FLAG)
/* TCP is told of a withheld SYN: it backs off (local error), or re-checks in 512 ms (congestion). */
#define WITHHELD_BACK_OFF 0
#define WITHHELD_RECHECK 2
#define LEAVES 1

static __always_inline __u32 jiffies_to_ms(__u32 jiffies)
{
	return jiffies * 1000ULL / (CONFIG_HZ ? CONFIG_HZ : 250);
}

static __always_inline __u32 ms_to_jiffies(__u32 ms)
{
	__u32 jiffies = ms * (__u64)(CONFIG_HZ ? CONFIG_HZ : 250) / 1000;

	return jiffies ? jiffies : 1;
}

/* ---- sock_ops: the callbacks of one socket, under its lock ---- */

static __always_inline void switch_callbacks_on(struct bpf_sock_ops *op)
{
	if (bpf_sock_ops_cb_flags_set(op, op->bpf_sock_ops_cb_flags | CALLBACKS))
		count_fault(FAULT_CALLBACK_FLAGS);
}

static __always_inline void read_destination(struct bpf_sock_ops *op, struct prefix *to)
{
	to->bits = PREFIX_BITS;
	if (op->family == AF_INET) {
		map_ipv4(to->addr, op->remote_ip4);
		return;
	}
	((__u32 *)to->addr)[0] = op->remote_ip6[0];
	((__u32 *)to->addr)[1] = op->remote_ip6[1];
	((__u32 *)to->addr)[2] = op->remote_ip6[2];
	((__u32 *)to->addr)[3] = op->remote_ip6[3];
}

static __always_inline void end_attempt(struct attempt *a, enum ending ending)
{
	__u64 now = bpf_ktime_get_ns();
	struct books b;

	if (a->state == ATTEMPT_NONE || !open_books(&b, policy_in_force(), a->scope))
		return;
	bpf_spin_lock(&b.host->lock);
	attempt_end(&b, a, ending, now);
	bpf_spin_unlock(&b.host->lock);
}

static __always_inline void on_connect(struct bpf_sock_ops *op, struct bpf_sock *sk)
{
	const struct policy *p = policy_in_force();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	enum verdict verdict;
	struct cgroup *cgroup;
	struct prefix to;
	struct attempt *a;
	struct books b;
	__u64 now;

	if (p->mode == MODE_OFF || !tp || !is_of_program(tp))
		return;
	read_destination(op, &to);
	if (is_exempt(&to))
		return;
	a = bpf_sk_storage_get(&attempts, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!a) {
		count_fault(FAULT_NO_STORAGE);
		return;
	}
	end_attempt(a, ENDING_OTHER);
	cgroup = tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup;
	a->scope = scope_of(p, cgroup);
	if (!open_books(&b, p, a->scope))
		return;
	a->flags = ATTEMPT_DECIDED;
	if (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp)
		a->flags |= ATTEMPT_MPTCP;
	a->rechecks = 0;
	a->deadline_set = 0;
	a->port = bpf_ntohl(op->remote_port);
	__builtin_memcpy(a->addr, to.addr, sizeof(a->addr));
	note_program(a, cgroup);

	now = bpf_ktime_get_ns();
	bpf_spin_lock(&b.host->lock);
	verdict = attempt_begin(&b, a, p->mode, now);
	bpf_spin_unlock(&b.host->lock);

	a->last_syn_ns = now;
	switch_callbacks_on(op);
	if (verdict == VERDICT_GO)
		return;
	tell_held(a, a->blocked_on == CHARGED_OWN ? a->scope : 0, verdict == VERDICT_GO_AUDITED);
	if (verdict == VERDICT_HOLD) {
		remember_own_options(op, a, tp);
		hold_options(op, a);
	}
}

static __always_inline int is_blocked_on_own(const struct books *b, const struct attempt *a)
{
	return a->blocked_on == CHARGED_OWN && b->own;
}

static __always_inline __u32 waiting_beside(const struct books *b, const struct attempt *a)
{
	return is_blocked_on_own(b, a) ? b->own->waiting_here : b->host->waiting_here;
}

static __always_inline const struct limits *blocking_limits(const struct books *b, const struct attempt *a)
{
	return is_blocked_on_own(b, a) ? b->own_limits : b->host_limits;
}

/* The reply is taken as this socket's first timer once; later calls ask for the base of the give-up arithmetic, where
 * any other reply than the default would end the attempt early or late. */
static __always_inline void on_timeout_init(struct bpf_sock_ops *op, struct attempt *a)
{
	struct books b;
	__u32 ms;

	if (a->state != ATTEMPT_NONE && (op->bpf_sock_ops_cb_flags & CALLBACKS) != CALLBACKS) {
		switch_callbacks_on(op);
		count_fault(FAULT_CALLBACKS_CLEARED);
	}
	if (a->flags & ATTEMPT_OPTIONS_PENDING)
		release_options(op, a);
	if (!(a->flags & ATTEMPT_HELD_ONCE))
		return;
	op->reply = -1;
	if (a->state != ATTEMPT_QUEUED || a->flags & ATTEMPT_TIMER_SET)
		return;
	if (!open_books(&b, policy_in_force(), a->scope))
		return;
	a->flags |= ATTEMPT_TIMER_SET;
	if (a->flags & ATTEMPT_MPTCP)
		ms = first_timer_mptcp_ms(waiting_beside(&b, a), blocking_limits(&b, a)->interval_ns);
	else
		ms = first_timer_ms(waiting_beside(&b, a), a->queue_number);
	/* A first timer beyond the socket's rto_max ends the attempt at once. */
	if (ms > a->own_rto_max_ms)
		ms = a->own_rto_max_ms;
	op->reply = ms_to_jiffies(ms);
}

/* MPTCP is switched off for the whole namespace when the SYN of exactly this re-check is the first to be answered
 * (mptcp_active_detect_blackhole(), default of net.mptcp.syn_retrans_before_tcp_fallback). */
#define MPTCP_BLACKHOLE_RECHECK 3

static __always_inline void recheck_queued(struct bpf_sock_ops *op, struct attempt *a)
{
	const struct policy *p = policy_in_force();
	__u32 mode = p->mode, timer_ms;
	enum verdict verdict = VERDICT_HOLD;
	struct books b;
	__u64 now;

	if (!open_books(&b, p, a->scope))
		return;
	a->flags |= ATTEMPT_DECIDED;
	now = bpf_ktime_get_ns();
	if (!(a->flags & ATTEMPT_MPTCP) || a->rechecks != MPTCP_BLACKHOLE_RECHECK) {
		bpf_spin_lock(&b.host->lock);
		verdict = attempt_recheck(&b, a, mode, now);
		bpf_spin_unlock(&b.host->lock);
	}
	if (verdict == VERDICT_GO) {
		if (mode == MODE_OFF)
			let_go_options(op, a);
		else
			release_options(op, a);
		return;
	}
	timer_ms = jiffies_to_ms(op->args[1]);
	if (back_off(elapsed_ms(a, now), a->rechecks, timer_ms, a->linear_timeouts, waiting_beside(&b, a),
		     a->queue_number))
		a->flags |= ATTEMPT_BACK_OFF;
	else
		a->flags &= ~ATTEMPT_BACK_OFF;
	if (rto_max_settable && elapsed_ms(a, now) >= SOON_MS) {
		if (set_option(op, TCP_RTO_MAX_MS_OPTION, elapsed_ms(a, now) / 10))
			count_fault(FAULT_HOLD_OPTIONS);
		a->flags |= ATTEMPT_RTO_MAX_OURS | ATTEMPT_BACK_OFF;
	}
	hold_options(op, a);
	hold_until(op, a, blocking_limits(&b, a)->max_wait_ns, now);
}

/* After a wait of minutes TCP would repeat its SYN minutes apart: its timers are short for this long, as for a new one. */
#define SHORT_TIMERS_NS 5000000000ULL

static __always_inline void on_timer(struct bpf_sock_ops *op, struct attempt *a)
{
	if (a->state == ATTEMPT_NONE)
		return;
	a->rechecks++;
	a->flags &= ~ATTEMPT_DECIDED;
	if (a->state == ATTEMPT_QUEUED) {
		recheck_queued(op, a);
		return;
	}
	if (a->flags & (ATTEMPT_OPTIONS_CHANGED | ATTEMPT_OPTIONS_PENDING))
		release_options(op, a);
	if (a->flags & ATTEMPT_RTO_MAX_OURS && bpf_ktime_get_ns() - a->out_ns > SHORT_TIMERS_NS)
		restore_rto_max(op, a);
}

/* Called before the state changes. Also for sockets that never began an attempt, such as a second connect that fails
 * early: only what is in the books is given back. */
static __always_inline void on_state(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a)
{
	enum ending ending = ENDING_OTHER;
	struct tcp_sock *tp;

	if (op->state != BPF_TCP_SYN_SENT || a->state == ATTEMPT_NONE)
		return;
	if (op->args[1] == BPF_TCP_ESTABLISHED || op->args[1] == BPF_TCP_SYN_RECV) {
		ending = ENDING_ESTABLISHED;
	} else {
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp && tp->inet_conn.icsk_inet.sk.sk_err == ETIMEDOUT)
			ending = ENDING_TIMED_OUT;
	}
	end_attempt(a, ending);
	if (a->flags & ATTEMPT_HELD_ONCE)
		restore_options(op, a);
}

/* tcp_init_cwnd(): a SYN that was sent more than once costs the window, and each re-check counts as one. */
static __always_inline void on_established(struct bpf_sock_ops *op, struct attempt *a)
{
	if (!(a->flags & ATTEMPT_HELD_ONCE))
		return;
	a->flags = 0;
	if (a->rechecks >= 2 && op->snd_cwnd < INITIAL_WINDOW && set_option(op, TCP_BPF_IW, INITIAL_WINDOW))
		count_fault(FAULT_INITIAL_WINDOW);
}

SEC("sockops")
int on_sock_op(struct bpf_sock_ops *op)
{
	struct bpf_sock *sk = op->sk;
	struct attempt *a;

	if (!sk)
		return 1;
	switch (op->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(op, sk);
		return 1;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
	case BPF_SOCK_OPS_RTO_CB:
	case BPF_SOCK_OPS_STATE_CB:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		break;
	default:
		return 1;
	}
	a = bpf_sk_storage_get(&attempts, sk, NULL, 0);
	if (!a)
		return 1;
	switch (op->op) {
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		on_timeout_init(op, a);
		break;
	case BPF_SOCK_OPS_RTO_CB:
		on_timer(op, a);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		on_state(op, sk, a);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on_established(op, a);
		break;
	}
	return 1;
}

/* ---- egress: the SYN leaves or not ---- */

static __always_inline int withheld(const struct attempt *a)
{
	return a->flags & ATTEMPT_BACK_OFF ? WITHHELD_BACK_OFF : WITHHELD_RECHECK;
}

static __always_inline int syn_leaves(struct bpf_sock *sk)
{
	struct attempt *a = bpf_sk_storage_get(&attempts, sk, NULL, 0);
	const struct policy *p = policy_in_force();
	__u64 now = bpf_ktime_get_ns();
	enum verdict verdict;
	__u32 mode = p->mode;
	struct books b;

	if (!a || a->state == ATTEMPT_NONE)
		return LEAVES;
	if (a->flags & ATTEMPT_DECIDED) {
		a->flags &= ~ATTEMPT_DECIDED;
		if (a->state == ATTEMPT_QUEUED)
			return withheld(a);
		a->last_syn_ns = now;
		return LEAVES;
	}
	if (!open_books(&b, p, a->scope))
		return LEAVES;
	if (a->state == ATTEMPT_QUEUED) {
		/* The timer ran without RTO_CB: another sock_ops program has cleared the flag. */
		count_fault(FAULT_DECIDED_AT_EGRESS);
		a->rechecks++;
		bpf_spin_lock(&b.host->lock);
		verdict = attempt_recheck(&b, a, mode, now);
		bpf_spin_unlock(&b.host->lock);
		if (verdict != VERDICT_GO)
			return WITHHELD_RECHECK;
		a->flags |= ATTEMPT_OPTIONS_PENDING;
		a->last_syn_ns = now;
		return LEAVES;
	}
	bpf_spin_lock(&b.host->lock);
	verdict = attempt_resend(&b, a, mode, now);
	bpf_spin_unlock(&b.host->lock);
	if (verdict == VERDICT_GO) {
		a->last_syn_ns = now;
		return LEAVES;
	}
	/* The program's own count still bounds an attempt that was never held: a re-check must not use it up. */
	if (verdict == VERDICT_TOO_EARLY && a->flags & ATTEMPT_HELD_ONCE)
		return WITHHELD_RECHECK;
	return WITHHELD_BACK_OFF;
}

struct packet {
	struct prefix to;
	__u8 protocol;
	__u32 transport; /* offset of the transport header */
};

#define IPV6_EXTENSIONS 6

static __always_inline int is_ipv6_extension(__u8 header)
{
	return header == 0 || header == 43 || header == 60; /* hop by hop, routing, destination */
}

static __always_inline int read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__u8 ip[40], extension[2];

	if (bpf_skb_load_bytes(skb, 0, ip, 20))
		return 0;
	packet->to.bits = PREFIX_BITS;
	if (ip[0] >> 4 == 4) {
		map_ipv4(packet->to.addr, *(__u32 *)&ip[16]);
		packet->protocol = ip[9];
		packet->transport = (ip[0] & 15) * 4;
		return 1;
	}
	if (bpf_skb_load_bytes(skb, 0, ip, 40))
		return 0;
	__builtin_memcpy(packet->to.addr, &ip[24], 16);
	packet->protocol = ip[6];
	packet->transport = 40;
	for (int i = 0; i < IPV6_EXTENSIONS && is_ipv6_extension(packet->protocol); i++) {
		if (bpf_skb_load_bytes(skb, packet->transport, extension, sizeof(extension)))
			return 0;
		packet->protocol = extension[0];
		packet->transport += (extension[1] + 1) * 8;
	}
	return 1;
}

/* TCP past the kernel's own TCP. The kernel answers strays through raw sockets of its own, with RST or a bare ACK only:
 * those pass. */
static __always_inline int raw_leaves(struct __sk_buff *skb, __u32 raw_tcp)
{
	const __u8 syn_fin_psh_urg = 0x2b, rst = 0x04, ack = 0x10;
	struct packet packet = {};
	__u8 flags;

	if (!read_packet(skb, &packet) || packet.protocol != IPPROTO_TCP)
		return LEAVES;
	if (!bpf_skb_load_bytes(skb, packet.transport + 13, &flags, 1) &&
	    (flags & rst || (flags & ack && !(flags & syn_fin_psh_urg))))
		return LEAVES;
	if (is_exempt(&packet.to))
		return LEAVES;
	if (raw_tcp == RAW_TCP_COUNT) {
		count_fault(FAULT_RAW_TCP_COUNTED);
		return LEAVES;
	}
	count_fault(FAULT_RAW_TCP_REFUSED);
	return 0;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	const struct policy *p;

	if (!sk)
		return LEAVES;
	if (sk->state == BPF_TCP_SYN_SENT)
		return syn_leaves(sk);
	p = policy_in_force();
	if (p->raw_tcp == RAW_TCP_ALLOW || p->mode == MODE_OFF)
		return LEAVES;
	sk = bpf_sk_fullsock(sk);
	if (sk && sk->type == SOCK_RAW)
		return raw_leaves(skb, p->mode == MODE_AUDIT ? RAW_TCP_COUNT : p->raw_tcp);
	return LEAVES;
}

/* ---- connect(): the only place where it can still fail at once ---- */

static __always_inline int queue_is_full(const struct scope *s, const struct limits *l)
{
	return !l->overflow_waits && s->waiting_here && s->queued >= l->queue;
}

static __always_inline int may_connect(struct bpf_sock_addr *ctx, const struct prefix *to)
{
	const struct policy *p = policy_in_force();
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tp;
	struct books b;
	int full;

	if (p->mode != MODE_ENFORCE || ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP || !sk)
		return 1;
	if (!open_books(&b, p, 0))
		return 1;
	/* Almost always nothing waits: then no more is looked at. */
	if (!p->exec_level && !queue_is_full(b.host, b.host_limits))
		return 1;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !is_of_program(tp) || is_exempt(to))
		return 1;
	if (!open_books(&b, p, scope_of(p, tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup)))
		return 1;
	full = queue_is_full(b.host, b.host_limits);
	if (!full && b.own)
		full = queue_is_full(b.own, b.own_limits);
	if (!full)
		return 1;
	bpf_spin_lock(&b.host->lock);
	b.host->refused++;
	if (b.own)
		b.own->refused++;
	bpf_spin_unlock(&b.host->lock);
	bpf_set_retval(-ENOBUFS);
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

	((__u32 *)to.addr)[0] = ctx->user_ip6[0];
	((__u32 *)to.addr)[1] = ctx->user_ip6[1];
	((__u32 *)to.addr)[2] = ctx->user_ip6[2];
	((__u32 *)to.addr)[3] = ctx->user_ip6[3];
	return may_connect(ctx, &to);
}

/* ---- the program's own options, while ours are in their place ---- */

static __always_inline struct attempt *holding_options(struct bpf_sockopt *ctx)
{
	struct attempt *a;

	if (ctx->level != SOL_TCP || (ctx->optname != TCP_SYNCNT && ctx->optname != TCP_USER_TIMEOUT) || !ctx->sk)
		return NULL;
	a = bpf_sk_storage_get(&attempts, ctx->sk, NULL, 0);
	return a && a->state != ATTEMPT_NONE && a->flags & ATTEMPT_HELD_ONCE ? a : NULL;
}

/* Handing the program's buffer on untouched: the kernel copies no more than a page of it (optlen 0 says so). */
static __always_inline int leave_to_kernel(struct bpf_sockopt *ctx)
{
	ctx->optlen = 0;
	return 1;
}

SEC("cgroup/setsockopt")
int on_setsockopt(struct bpf_sockopt *ctx)
{
	struct attempt *a = holding_options(ctx);
	__s32 *value = ctx->optval;

	if (!a || ctx->optlen < (int)sizeof(*value) || (void *)(value + 1) > ctx->optval_end)
		return leave_to_kernel(ctx);
	if (ctx->optname == TCP_SYNCNT) {
		if (*value < 1 || *value > (int)SYN_COUNT_MOST)
			return leave_to_kernel(ctx);
		a->own_syn_count = *value;
	} else {
		if (*value < 0)
			return leave_to_kernel(ctx);
		a->own_user_timeout_ms = *value;
	}
	a->flags |= ATTEMPT_OPTIONS_CHANGED;
	ctx->optlen = -1; /* done: the kernel's own handler is not called */
	return 1;
}

SEC("cgroup/getsockopt")
int on_getsockopt(struct bpf_sockopt *ctx)
{
	struct attempt *a = holding_options(ctx);
	__s32 *value = ctx->optval;

	if (!a || ctx->optlen < (int)sizeof(*value) || (void *)(value + 1) > ctx->optval_end)
		return leave_to_kernel(ctx);
	*value = ctx->optname == TCP_SYNCNT ? a->own_syn_count : (__s32)a->own_user_timeout_ms;
	return 1;
}

/* ---- walks over all sockets, begun by user space ---- */

static __always_inline void write_attempt(struct seq_file *seq, const struct attempt *a, int in_slot)
{
	struct attempt_record r = {
		.began_ns = a->began_ns,
		.out_ns = a->out_ns,
		.cgroup_id = a->cgroup_id,
		.scope = a->scope,
		.pid = a->pid,
		.uid = a->uid,
		.rechecks = a->rechecks,
		.state = a->state,
		.in_slot = in_slot,
		.port = a->port,
	};

	__builtin_memcpy(r.comm, a->comm, COMM_LEN);
	__builtin_memcpy(r.addr, a->addr, sizeof(r.addr));
	bpf_seq_write(seq, &r, sizeof(r));
}

static __always_inline void finish_walk(const struct policy *p)
{
	struct scope *host, *s;
	int drifted;
	__u32 key = 0;

	host = bpf_map_lookup_elem(&scopes, &key);
	if (!host)
		return;
	for (__u32 i = 0; i < SCOPES; i++) {
		key = i;
		s = bpf_map_lookup_elem(&scopes, &key);
		if (!s)
			return;
		bpf_spin_lock(&host->lock);
		drifted = walk_ends(s, host->walk);
		bpf_spin_unlock(&host->lock);
		if (drifted)
			count_fault(FAULT_RECOUNTED);
	}
}

/* Counts every live attempt anew and writes it out. The books change while the walk goes on: what it has not seen yet
 * is told from what it has by the attempt's `walk` number. */
SEC("iter/bpf_sk_storage_map")
int recount(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct policy *p = policy_in_force();
	struct attempt *a = ctx->value;
	struct books b;
	int in_slot;

	if (!open_books(&b, p, 0))
		return 0;
	if (ctx->meta->seq_num == 0) {
		bpf_spin_lock(&b.host->lock);
		walk_begins(b.host);
		bpf_spin_unlock(&b.host->lock);
	}
	if (!a) {
		finish_walk(p);
		return 0;
	}
	if (a->state == ATTEMPT_NONE || !open_books(&b, p, a->scope))
		return 0;
	bpf_spin_lock(&b.host->lock);
	attempt_seen(&b, a);
	in_slot = a->state == ATTEMPT_OUT && slot_is_held(b.host, &a->slot[CHARGED_HOST]);
	bpf_spin_unlock(&b.host->lock);
	write_attempt(ctx->meta->seq, a, in_slot);
	return 0;
}

static __always_inline int set_option_of(struct tcp_sock *tp, int option, int value)
{
	return bpf_setsockopt(tp, SOL_TCP, option, &value, sizeof(value));
}

__u64 options_restored;

/* The end of enforcement, one namespace at a time: each held socket gets its own options back, but for the count, which
 * has to include the re-checks that TCP has counted. */
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
	a = bpf_sk_storage_get(&attempts, tp, NULL, 0);
	if (!a || a->state == ATTEMPT_NONE || !(a->flags & ATTEMPT_HELD_ONCE))
		return 0;
	failed = set_option_of(tp, TCP_SYNCNT, syn_count_for(a));
	failed |= set_option_of(tp, TCP_USER_TIMEOUT, a->own_user_timeout_ms);
	if (a->flags & ATTEMPT_RTO_MAX_OURS)
		failed |= set_option_of(tp, TCP_RTO_MAX_MS_OPTION, a->own_rto_max_ms);
	if (failed)
		count_fault(FAULT_RESTORE_OPTIONS);
	__sync_fetch_and_add(&options_restored, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
