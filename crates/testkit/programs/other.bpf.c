// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sock_ops program of somebody else, which lives beside the limiter's. DOES says what it does to it.
 */
#include <linux/bpf.h>

#define NOTHING 0
#define REPLIES_TO_ALL 1
#define REPLACES_FLAGS 2
#define SETS_FIRST_TIMER 3
#define RETURNS_ZERO 4
#define CLEARS_FLAGS 5
#define COUNTS_ENDS 6

#define section(name) __attribute__((section(name), used))

#define set_flags ((long (*)(struct bpf_sock_ops *, int))BPF_FUNC_sock_ops_cb_flags_set)

#if DOES == COUNTS_ENDS
#define lookup ((void *(*)(void *, const void *))BPF_FUNC_map_lookup_elem)

/* array, 1 entry: how many connections have left ESTABLISHED. Written by every CPU, atomically. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	__u32 *key;
	__u64 *value;
} ends section(".maps");

static inline __attribute__((always_inline)) void count_end(void)
{
	__u32 key = 0;
	__u64 *count = lookup(&ends, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
}
#endif

section("sockops") int other(struct bpf_sock_ops *op)
{
#if DOES == REPLIES_TO_ALL
	op->reply = -1;
#elif DOES == REPLACES_FLAGS
	if (op->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		set_flags(op, BPF_SOCK_OPS_RTT_CB_FLAG);
#elif DOES == SETS_FIRST_TIMER
	if (op->op == BPF_SOCK_OPS_TIMEOUT_INIT)
		op->reply = 500;
#elif DOES == RETURNS_ZERO
	return 0;
#elif DOES == CLEARS_FLAGS
	if (op->op == BPF_SOCK_OPS_TIMEOUT_INIT)
		set_flags(op, 0);
#elif DOES == COUNTS_ENDS
	if (op->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		set_flags(op, op->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	if (op->op == BPF_SOCK_OPS_STATE_CB && op->args[0] == BPF_TCP_ESTABLISHED)
		count_end();
#endif
	return 1;
}

section("license") char terms[] = "GPL";
