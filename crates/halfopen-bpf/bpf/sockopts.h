/* SPDX-License-Identifier: GPL-2.0-only
 *
 * cgroup/setsockopt and getsockopt: show and keep the program's own options while the limiter's are in their place.
 */
#pragma once

#include "maps.h"
#include "options.h"
#include "patience.h"
#include "program.h"
#include "records.h"

static __always_inline struct attempt *holding_options(struct bpf_sockopt *ctx)
{
	const struct bpf_sockopt_kern *asked = (const struct bpf_sockopt_kern *)ctx;
	struct attempt *a;

	if (ctx->level != SOL_TCP || (ctx->optname != TCP_SYNCNT && ctx->optname != TCP_USER_TIMEOUT) || !ctx->sk)
		return NULL;
	a = find_record(BPF_CORE_READ(asked, sk, __sk_common.skc_cookie.counter));
	return a && a->state != ATTEMPT_NONE && a->flags & ATTEMPT_HELD_ONCE ? a : NULL;
}

/* The most of a value that BPF programs see: a page, here the smallest page size. */
#define VALUE_SHOWN 4096

/* Leaves the option to the kernel. For a value longer than VALUE_SHOWN, optlen must be set to 0, or the call would
 * fail. A shorter value stays as it is: another program on the hook may have changed it. */
static __always_inline int leave_to_kernel(struct bpf_sockopt *ctx)
{
	if (ctx->optlen > VALUE_SHOWN)
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
