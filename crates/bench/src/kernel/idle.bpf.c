// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that do nothing, one for each hook: what the kernel's statistics show for them is their own cost.
 */
#define SEC(name) __attribute__((section(name), used))

SEC("cgroup_skb/egress")
int idle_egress(void *ctx)
{
	return 1;
}

SEC("cgroup_skb/ingress")
int idle_ingress(void *ctx)
{
	return 1;
}

SEC("sockops")
int idle_sock_op(void *ctx)
{
	return 1;
}

SEC("cgroup/connect4")
int idle_connect4(void *ctx)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
