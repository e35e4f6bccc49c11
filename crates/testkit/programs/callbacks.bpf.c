// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes out which callbacks of sock_ops programs are on for each established connection of the reader's network
 * namespace: a byte each.
 */
#include <linux/bpf.h>

#define section(name) __attribute__((section(name), used))
#define core __attribute__((preserve_access_index))

#define to_tcp_sock ((struct tcp_sock * (*)(void *)) BPF_FUNC_skc_to_tcp_sock)
#define seq_write ((long (*)(struct seq_file *, const void *, __u32))BPF_FUNC_seq_write)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} core;

struct sock_common {
	unsigned char skc_state;
} core;

struct tcp_sock {
	__u8 bpf_sock_ops_cb_flags;
} core;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} core;

section("iter/tcp") int callbacks(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct tcp_sock *tp;
	__u8 flags;

	if (!sk || sk->skc_state != BPF_TCP_ESTABLISHED)
		return 0;
	tp = to_tcp_sock(sk);
	if (!tp)
		return 0;
	flags = tp->bpf_sock_ops_cb_flags;
	seq_write(ctx->meta->seq, &flags, sizeof(flags));
	return 0;
}

section("license") char terms[] = "GPL";
