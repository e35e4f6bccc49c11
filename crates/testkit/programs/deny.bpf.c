// SPDX-License-Identifier: GPL-2.0-only
/*
 * Somebody else's programs on every hook that the limiter is on. What goes to DENIED (an IPv4 address as the kernel has
 * it in memory) or comes from there is dropped, as systemd's IPAddressDeny= does it; nothing else is touched.
 */
#include <linux/bpf.h>

#define section(name) __attribute__((section(name), used))

#define load_bytes ((long (*)(const void *, __u32, void *, __u32))BPF_FUNC_skb_load_bytes)

static inline __attribute__((always_inline)) int is_denied(struct __sk_buff *skb, __u32 offset)
{
	__u8 version;
	__u32 address;

	if (load_bytes(skb, 0, &version, 1) || version >> 4 != 4)
		return 0;
	return !load_bytes(skb, offset, &address, 4) && address == DENIED;
}

section("cgroup_skb/egress") int deny_egress(struct __sk_buff *skb)
{
	return !is_denied(skb, 16);
}

section("cgroup_skb/ingress") int deny_ingress(struct __sk_buff *skb)
{
	return !is_denied(skb, 12);
}

section("cgroup/connect4") int deny_connect4(struct bpf_sock_addr *ctx)
{
	return 1;
}

section("cgroup/connect6") int deny_connect6(struct bpf_sock_addr *ctx)
{
	return 1;
}

section("cgroup/getsockopt") int deny_getsockopt(struct bpf_sockopt *ctx)
{
	return 1;
}

section("cgroup/setsockopt") int deny_setsockopt(struct bpf_sockopt *ctx)
{
	return 1;
}

section("sockops") int deny_sock_ops(struct bpf_sock_ops *op)
{
	return 1;
}

section("license") char terms[] = "GPL";
