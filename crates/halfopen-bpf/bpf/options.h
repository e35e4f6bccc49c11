/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The socket options that keep a held attempt alive, and the way back to the program's own values.
 *
 * TCP_SYNCNT is always what would be right if this program vanished now: enough timers, from the current one on, to
 * last as long as the program's own count would have. TCP_USER_TIMEOUT is zero while the attempt is held, until the end
 * of the wait is near.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"
#include "patience.h"

#define SOL_TCP 6
#define TCP_SYNCNT 7
#define TCP_USER_TIMEOUT 18
#define TCP_RTO_MAX_MS_OPTION 44
#define TCP_BPF_IW 1001
#define INITIAL_WINDOW 10

static __always_inline __u32 jiffies_to_ms(__u32 jiffies)
{
	return jiffies * 1000ULL / hz;
}

static __always_inline int set_option(struct bpf_sock_ops *op, int option, int value)
{
	return bpf_setsockopt(op, SOL_TCP, option, &value, sizeof(value));
}

static __always_inline int get_option(struct bpf_sock_ops *op, int option, int fallback)
{
	int value = fallback;

	if (bpf_getsockopt(op, SOL_TCP, option, &value, sizeof(value)))
		return fallback;
	return value;
}

static __always_inline __u32 elapsed_ms(const struct attempt *a, __u64 now)
{
	return (now - a->began_ns) / NS_PER_MS;
}

static __always_inline __u32 own_patience_ms(const struct attempt *a)
{
	return silent_patience_ms(a->own_syn_count, a->linear_timeouts, a->own_rto_max_ms);
}

/* The TCP_SYNCNT for a socket whose timer stands at timer_ms: without this program, it would still last as long as a
 * new one. */
static __always_inline int syn_count_for(const struct attempt *a, __u32 timer_ms)
{
	return syn_count_to_last(own_patience_ms(a), timer_ms, a->rechecks, a->linear_timeouts, a->own_syn_count);
}

static __always_inline void remember_own_options(struct bpf_sock_ops *op, struct attempt *a, const struct tcp_sock *tp)
{
	struct net *net = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;

	a->own_syn_count = get_option(op, TCP_SYNCNT, 6);
	a->own_user_timeout_ms = get_option(op, TCP_USER_TIMEOUT, 0);
	a->own_rto_max_ms = rto_max_settable ? get_option(op, TCP_RTO_MAX_MS_OPTION, RTO_MAX_MS) : RTO_MAX_MS;
	a->linear_timeouts = 0;
	if (bpf_core_field_exists(net->ipv4.sysctl_tcp_syn_linear_timeouts))
		a->linear_timeouts = net->ipv4.sysctl_tcp_syn_linear_timeouts;
}

static __always_inline void remember_own_options_once(struct bpf_sock_ops *op, struct bpf_sock *sk, struct attempt *a)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (tp && !(a->flags & ATTEMPT_HELD_ONCE))
		remember_own_options(op, a, tp);
}

static __always_inline void hold_options(struct bpf_sock_ops *op, struct attempt *a, __u32 timer_ms)
{
	int failed = set_option(op, TCP_SYNCNT, syn_count_for(a, timer_ms));

	if (!(a->flags & ATTEMPT_HELD_ONCE) && a->own_user_timeout_ms)
		failed |= set_option(op, TCP_USER_TIMEOUT, 0);
	a->flags |= ATTEMPT_HELD_ONCE;
	if (failed)
		count_fault(FAULT_HOLD_OPTIONS);
}

/* Lets TCP itself end the wait in time: near the end TCP clamps the timer to TCP_USER_TIMEOUT
 * (tcp_clamp_rto_to_user_timeout()), and at the end connect() fails with ETIMEDOUT. */
static __always_inline void hold_until(struct bpf_sock_ops *op, struct attempt *a, __u64 max_wait_ns, __u32 wait_ms,
				       __u64 now)
{
	__u32 longest = longest_wait_ms(own_patience_ms(a), a->own_user_timeout_ms, max_wait_ns);
	__u32 held_ms = elapsed_ms(a, now);
	__u32 step = held_ms / 4 > 2 * RECHECK_MS ? held_ms / 4 : 2 * RECHECK_MS;
	int near, bounded;

	/* The next re-check is late by at most an eighth of its timer. */
	if (step < wait_ms + wait_ms / 4)
		step = wait_ms + wait_ms / 4;
	near = held_ms + step >= longest;
	/* TCP takes rto_max as the step of its give-up arithmetic (tcp_model_timeout()): with the limiter's short
	 * rto_max, it would give up after a few steps. */
	bounded = near || a->flags & ATTEMPT_RTO_MAX_OURS;
	if (near)
		a->flags |= ATTEMPT_BACK_OFF;
	else if (!bounded && !a->deadline_set)
		return;
	if (set_option(op, TCP_USER_TIMEOUT, bounded ? longest : 0))
		count_fault(FAULT_HOLD_OPTIONS);
	a->deadline_set = bounded;
}

/* TCP ends the wait at its next timer, which then comes at once: connect() fails with ETIMEDOUT. */
static __always_inline void hold_no_longer(struct bpf_sock_ops *op, struct attempt *a)
{
	a->flags |= ATTEMPT_BACK_OFF;
	if (set_option(op, TCP_USER_TIMEOUT, 1))
		count_fault(FAULT_HOLD_OPTIONS);
	a->deadline_set = 1;
}

/* From its release on, the program has as much time as it would have had from connect() on. */
static __always_inline void release_options(struct bpf_sock_ops *op, struct attempt *a)
{
	__u32 budget = own_patience_ms(a);
	int failed;

	if (a->own_user_timeout_ms && a->own_user_timeout_ms < budget)
		budget = a->own_user_timeout_ms;
	failed = set_option(op, TCP_SYNCNT, SYN_COUNT_MOST);
	failed |= set_option(op, TCP_USER_TIMEOUT, elapsed_ms(a, a->out_ns) + budget);
	if (a->flags & ATTEMPT_RTO_MAX_OURS)
		failed |= set_option(op, TCP_RTO_MAX_MS_OPTION, SYN_TIMER_MS);
	a->flags &= ~(ATTEMPT_OPTIONS_PENDING | ATTEMPT_OPTIONS_CHANGED);
	if (failed)
		count_fault(FAULT_HOLD_OPTIONS);
}

static __always_inline void restore_rto_max(struct bpf_sock_ops *op, struct attempt *a)
{
	a->flags &= ~ATTEMPT_RTO_MAX_OURS;
	if (set_option(op, TCP_RTO_MAX_MS_OPTION, a->own_rto_max_ms))
		count_fault(FAULT_RESTORE_OPTIONS);
}

static __always_inline void restore_options(struct bpf_sock_ops *op, struct attempt *a)
{
	int failed = set_option(op, TCP_SYNCNT, a->own_syn_count);

	failed |= set_option(op, TCP_USER_TIMEOUT, a->own_user_timeout_ms);
	if (a->flags & ATTEMPT_RTO_MAX_OURS)
		restore_rto_max(op, a);
	if (failed)
		count_fault(FAULT_RESTORE_OPTIONS);
}

/* Enforcement ends: restores the program's own options, except for the SYN count, which has to include the re-checks so
 * far. */
static __always_inline void let_go_options(struct bpf_sock_ops *op, struct attempt *a, __u32 timer_ms)
{
	restore_options(op, a);
	if (set_option(op, TCP_SYNCNT, syn_count_for(a, timer_ms)))
		count_fault(FAULT_RESTORE_OPTIONS);
}
