/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sock_ops: the callbacks of one socket, under its lock.
 */
#pragma once

#include "accounts.h"
#include "begin.h"
#include "accounting.h"
#include "contacts.h"
#include "earned.h"
#include "maps.h"
#include "names.h"
#include "options.h"
#include "patience.h"
#include "program.h"
#include "programs.h"
#include "records.h"
#include "ring_events.h"

#define ECONNABORTED 103 /* ss -K; see tcp_abort() */
#define ETIMEDOUT 110
/* The flags of every attempt until it leaves SYN_SENT, and those of one that waits or has waited. */
#define CALLBACK BPF_SOCK_OPS_STATE_CB_FLAG
#define CALLBACKS_HELD (CALLBACK | BPF_SOCK_OPS_RTO_CB_FLAG)

static __always_inline __u32 ms_to_jiffies(__u32 ms)
{
	__u32 jiffies = ms * (__u64)hz / 1000;

	return jiffies ? jiffies : 1;
}

static __always_inline void switch_callbacks(struct bpf_sock_ops *op, int flags)
{
	if (bpf_sock_ops_cb_flags_set(op, flags))
		count_fault(FAULT_CALLBACK_FLAGS);
}

static __always_inline void switch_callbacks_on(struct bpf_sock_ops *op, int callbacks)
{
	switch_callbacks(op, op->bpf_sock_ops_cb_flags | callbacks);
}

/* Whether no other sock_ops program runs for sockets of this cgroup. Another one would be second in the array. */
static __always_inline int is_alone(struct cgroup *cgroup)
{
	__u64 hook = bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_SOCK_OPS);
	struct bpf_prog_array *programs = NULL;

	if (!cgroup || bpf_core_read(&programs, sizeof(programs), &cgroup->bpf.effective[hook]) || !programs)
		return 0;
	return !BPF_CORE_READ(programs, items[1].prog);
}

/* The limiter needs no callback of an established connection. All programs share one set of flags: if another program
 * runs for this socket's cgroup, the flags may be its own. */
static __always_inline void switch_callbacks_off(struct bpf_sock_ops *op)
{
	struct tcp_sock *tp = op->sk ? bpf_skc_to_tcp_sock(op->sk) : NULL;

	if (tp && is_alone(tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup))
		switch_callbacks(op, op->bpf_sock_ops_cb_flags & ~CALLBACKS_HELD);
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

static __always_inline void tell_suspect(struct attempt *a, struct bpf_sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (tp)
		note_place(a, &tp->inet_conn.icsk_inet.sk);
	tell_held(EVENT_SUSPECT, a, 0, bpf_ktime_get_ns());
}

static __always_inline void end_attempt(struct bpf_sock *sk, struct attempt *a, enum ending ending)
{
	if (accounting_end(a, ending))
		tell_suspect(a, sk);
}

/* The attempt's socket ends or begins another attempt: nothing of it remains. */
static __always_inline void end_and_free(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a,
					 enum ending ending)
{
	end_attempt(sk, a, ending);
	if (a->flags & ATTEMPT_HELD_ONCE)
		restore_options(op, a);
	free_record(a, bpf_get_socket_cookie(op));
}

/* Returns the record of the attempt that begins, after ending the socket's previous one. NULL if none is kept. */
static __always_inline struct attempt *new_attempt(struct bpf_sock_ops *op, struct bpf_sock *sk)
{
	struct prefix to;
	struct attempt *a;

	read_destination(op, &to);
	/* Egress checks where the packet really goes. */
	if (is_exempt(&to))
		return NULL;
	a = claim_record(bpf_get_socket_cookie(op));
	if (!a)
		return NULL;
	if (a->state != ATTEMPT_NONE)
		end_attempt(sk, a, ENDING_CANCELLED);
	/* If it ended unnoticed. */
	if (connections_held)
		accounting_close(a->cookie);
	__builtin_memcpy(a->addr, to.addr, sizeof(a->addr));
	return a;
}

static __always_inline void on_connect(struct bpf_sock_ops *op, struct bpf_sock *sk)
{
	__u32 policy = policy_now & 1;
	const struct policy *p = &policies[policy];
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 mode = mode_now(p);
	enum verdict verdict;
	struct attribution attribution = {};
	struct attempt *a;
	__u64 now;

	if (mode == MODE_OFF || !tp || !is_of_program(tp))
		return;
	a = new_attempt(op, sk);
	if (!a)
		return;
	now = bpf_ktime_get_ns();
	a->flags = ATTEMPT_DECIDED;
	a->port = bpf_ntohl(op->remote_port);
	if (p->exec_level || p->rules.rules || p->interfaces)
		attribution_of_connect(op, &attribution, policy);
	describe(a, policy, tp, &attribution, now);
	if (!keep_record(a))
		return;
	prepare_connection(a);
	verdict = accounting_begin(a, mode, now);
	switch_callbacks_on(op, verdict == VERDICT_HOLD ? CALLBACKS_HELD : CALLBACK);
	if (verdict == VERDICT_GO && !(mode == MODE_AUDIT && is_learned(now) && waiters_are_woken(now)))
		return;
	note_place(a, &tp->inet_conn.icsk_inet.sk);
	if (verdict == VERDICT_GO) {
		tell_held(EVENT_BEGAN, a, is_bound(a, MODE_ENFORCE), a->began_ns);
		return;
	}
	tell_held(EVENT_HELD, a, verdict == VERDICT_GO_AUDITED, a->began_ns);
	if (verdict == VERDICT_HOLD) {
		remember_own_options(op, a, tp);
		hold_options(op, a, SYN_TIMER_MS);
	}
}

/* Where TCP_RTO_MAX_MS cannot be set, the first timer is also the least time between the SYNs of a released attempt. */
#define FIRST_TIMER_UNSETTABLE_MS 2000u

static __always_inline __u32 first_timer(const struct queue_seen *l, const struct attempt *a, __u64 now)
{
	__u32 waiting = l->waiting, ms, most;

	if (a->flags & ATTEMPT_MPTCP) {
		ms = first_timer_mptcp_ms(waiting, l->interval_ns);
	} else {
		most = first_timer_most_ms(longest_wait_ms(own_patience_ms(a), a->own_user_timeout_ms, l->max_wait_ns));
		if (!rto_max_settable && most > FIRST_TIMER_UNSETTABLE_MS)
			most = FIRST_TIMER_UNSETTABLE_MS;
		ms = waiters_are_woken(now) && !l->is_alone && can_be_woken_in_time(l->interval_ns) &&
				     !(l->soon && !l->interval_ns)
			     ? first_timer_woken_ms(waiting, a->queue_number, l->interval_ns, most)
			     : first_timer_ms(waiting, a->queue_number, l->interval_ns, most);
	}
	/* A first timer beyond the socket's rto_max would end the attempt at once. */
	return ms < a->own_rto_max_ms ? ms : a->own_rto_max_ms;
}

static __always_inline __u32 timer_of(struct bpf_sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp ? jiffies_to_ms(tp->inet_conn.icsk_rto) : SYN_TIMER_MS;
}

/* TCP takes the reply as this socket's first timer only once. Later calls ask for the base of the give-up arithmetic:
 * any reply but the default would end the attempt early or late. */
static __always_inline void on_timeout_init(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a)
{
	int callbacks = a->state == ATTEMPT_QUEUED || a->flags & ATTEMPT_HELD_ONCE ? CALLBACKS_HELD : CALLBACK;
	struct queue_seen seen = {};
	__u32 ms;

	/* Without a route, an attempt that was never held shows no other sign of life. */
	a->asked_ns = bpf_ktime_get_coarse_ns();
	if ((op->bpf_sock_ops_cb_flags & callbacks) != callbacks) {
		switch_callbacks_on(op, callbacks);
		if (!(a->flags & ATTEMPT_AT_EGRESS))
			count_fault(FAULT_CALLBACKS_CLEARED);
		a->flags &= ~ATTEMPT_AT_EGRESS;
		/* Egress has decided in place of a callback, and could not set the SYN count that this re-check uses
		 * up. */
		if (a->state == ATTEMPT_QUEUED) {
			remember_own_options_once(op, sk, a);
			hold_options(op, a, timer_of(sk));
		}
	}
	if (a->flags & ATTEMPT_OPTIONS_PENDING)
		release_options(op, a);
	if (!(a->flags & ATTEMPT_HELD_ONCE))
		return;
	op->reply = -1;
	if (a->state != ATTEMPT_QUEUED || a->flags & ATTEMPT_TIMER_SET)
		return;
	if (!accounting_seen(a, &seen))
		return;
	a->flags |= ATTEMPT_TIMER_SET;
	ms = first_timer(&seen, a, bpf_ktime_get_ns());
	/* Otherwise the attempt would repeat its SYN this far apart after its release too. */
	if (rto_max_settable && ms > SYN_TIMER_MS)
		a->flags |= ATTEMPT_RTO_MAX_OURS;
	hold_options(op, a, ms);
	op->reply = ms_to_jiffies(ms);
}

/* Sets up the result that egress gives TCP, which leads to the next re-check. From 6.15 on, rto_max limits how far the
 * steps grow. */
static __always_inline void lead_to_next_timer(struct bpf_sock_ops *op, struct attempt *a, __u32 wait_ms, __u32 waiting,
					       __u32 held_ms)
{
	__u32 timer_ms = jiffies_to_ms(op->args[1]);
	int longer;

	if (a->flags & ATTEMPT_MPTCP)
		longer = timer_ms >= RECHECK_MS;
	else
		longer = back_off(held_ms, a->rechecks, timer_ms, a->linear_timeouts, waiting);
	if (rto_max_settable && wait_ms > RECHECK_MS) {
		if (set_option(op, TCP_RTO_MAX_MS_OPTION, wait_ms > RTO_MAX_LEAST_MS ? wait_ms : RTO_MAX_LEAST_MS))
			count_fault(FAULT_HOLD_OPTIONS);
		a->flags |= ATTEMPT_RTO_MAX_OURS;
		longer = 1;
	}
	a->flags = longer ? a->flags | ATTEMPT_BACK_OFF : a->flags & ~ATTEMPT_BACK_OFF;
}

/* The kernel switches MPTCP off for the whole namespace if the SYN of exactly this re-check is the first to be answered
 * (mptcp_active_detect_blackhole(), default of net.mptcp.syn_retrans_before_tcp_fallback). */
#define MPTCP_BLACKHOLE_RECHECK 3

static __always_inline void recheck_queued(struct bpf_sock_ops *op, struct attempt *a)
{
	__u32 mode = mode_now(policy_in_force());
	int stopped = is_stopped(a, mode);
	enum verdict verdict = VERDICT_HOLD;
	struct queue_seen seen = {};
	__u32 wait_ms;
	__u64 now;

	a->flags |= ATTEMPT_DECIDED;
	if (!stopped && (mode != MODE_ENFORCE || !(a->flags & ATTEMPT_MPTCP) || a->rechecks != MPTCP_BLACKHOLE_RECHECK))
		verdict = ask_again(a, mode);
	if (verdict == VERDICT_GO) {
		if (mode == MODE_OFF)
			let_go_options(op, a, jiffies_to_ms(op->args[1]));
		else
			release_options(op, a);
		return;
	}
	if (!accounting_seen(a, &seen))
		return;
	now = bpf_ktime_get_ns();
	wait_ms = next_wait_ms(elapsed_ms(a, now), a->rechecks, seen.waiting, a->queue_number, seen.interval_ns,
			       waiters_are_woken(now) && !seen.is_alone);
	lead_to_next_timer(op, a, wait_ms, seen.waiting, elapsed_ms(a, now));
	hold_options(op, a, jiffies_to_ms(op->args[1]));
	if (stopped)
		hold_no_longer(op, a);
	else
		hold_until(op, a, seen.max_wait_ns, wait_ms, now);
}

/* After a wait of minutes TCP would repeat its SYN minutes apart. Timers are kept short for this long after the
 * release, as for a new attempt. */
#define SHORT_TIMERS_NS 5000000000ULL

static __always_inline void on_timer(struct bpf_sock_ops *op, struct attempt *a)
{
	a->rechecks++;
	a->asked_ns = bpf_ktime_get_ns();
	a->flags &= ~ATTEMPT_DECIDED;
	if (a->state == ATTEMPT_QUEUED) {
		recheck_queued(op, a);
		return;
	}
	if (a->flags & (ATTEMPT_OPTIONS_CHANGED | ATTEMPT_OPTIONS_PENDING))
		release_options(op, a);
	/* TCP makes the short timer its own once it doubles it. */
	if (a->flags & ATTEMPT_RTO_MAX_OURS && a->rechecks > a->linear_timeouts + 1 &&
	    bpf_ktime_get_ns() - a->out_ns > SHORT_TIMERS_NS)
		restore_rto_max(op, a);
}

/* The socket leaves SYN_SENT; its state is still the old one. Also called for sockets that never began an attempt, such
 * as on a second connect() that fails early: those have no record. An answered attempt ends in ACTIVE_ESTABLISHED_CB,
 * which follows at once in tcp_finish_connect() and needs no flag. */
static __always_inline void on_state(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a)
{
	enum ending ending = ENDING_CANCELLED;
	struct tcp_sock *tp;
	int error;

	if (op->args[1] == BPF_TCP_SYN_RECV) {
		ending = ENDING_NEUTRAL;
	} else {
		tp = bpf_skc_to_tcp_sock(sk);
		error = tp ? tp->inet_conn.icsk_inet.sk.sk_err : 0;
		if (error == ETIMEDOUT)
			ending = ENDING_TIMED_OUT;
		else if (error && error != ECONNABORTED)
			ending = ENDING_OTHER;
	}
	end_and_free(op, sk, a, ending);
}

/* tcp_init_cwnd() shrinks the window of a socket that sent its SYN more than once, and each re-check counts as a
 * SYN. */
static __always_inline void on_established(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a)
{
	int window_is_ours = a->flags & ATTEMPT_HELD_ONCE && a->rechecks >= 2;
	enum ending ending = answered(bpf_skc_to_tcp_sock(sk), came_in_by(op));

	/* The program may have removed its routing options since the attempt began. */
	end_and_free(op, sk, a, a->flags & ATTEMPT_ROUTED ? ENDING_NEUTRAL : ending);
	if (window_is_ours && op->snd_cwnd < INITIAL_WINDOW && set_option(op, TCP_BPF_IW, INITIAL_WINDOW))
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
	case BPF_SOCK_OPS_STATE_CB:
		/* Other later states do not matter here. */
		if (op->state != BPF_TCP_SYN_SENT) {
			if (op->args[1] == BPF_TCP_CLOSE && connections_held)
				accounting_close(bpf_get_socket_cookie(op));
			return 1;
		}
		if ((op->args[1] == BPF_TCP_ESTABLISHED || op->args[1] == BPF_TCP_SYN_RECV) &&
		    !find_connection(bpf_get_socket_cookie(op)))
			switch_callbacks_off(op);
		if (op->args[1] == BPF_TCP_ESTABLISHED)
			return 1;
		break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
	case BPF_SOCK_OPS_RTO_CB:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		break;
	default:
		return 1;
	}
	a = find_record(bpf_get_socket_cookie(op));
	if (!a || a->state == ATTEMPT_NONE)
		return 1;
	switch (op->op) {
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		on_timeout_init(op, sk, a);
		break;
	case BPF_SOCK_OPS_RTO_CB:
		on_timer(op, a);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		on_state(op, sk, a);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on_established(op, sk, a);
		break;
	}
	return 1;
}
