/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The last first contact over UDP that each account's limit stopped.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"
#include "packet.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h; idle tasks have it too */
#define UDP_DESTINATION 2     /* offset of the destination port in the header */

static __always_inline struct datagram_stop *stop_of(const struct account_key *key)
{
	struct datagram_stop *stop = bpf_map_lookup_elem(&datagram_stops, key);

	if (stop)
		return stop;
	/* Another CPU may have been first. */
	bpf_map_update_elem(&datagram_stops, key, (const void *)no_stop, BPF_NOEXIST);
	stop = bpf_map_lookup_elem(&datagram_stops, key);
	if (!stop)
		count_fault(FAULT_DATAGRAM_UNKNOWN);
	return stop;
}

/* Whether the current task is the sender. Egress runs in the sender's context, with two exceptions: packets that the
 * kernel sends for itself, and packets that continue later. NFQUEUE returns those in its reader's context; asynchronous
 * encryption (IPsec), in a worker's or in an interrupt. No helper tells these cases apart, so the task counts as the
 * sender only if it is in the cgroup in which the socket was created. */
static __always_inline int is_sender(struct __sk_buff *skb, const struct task_struct *task, __u64 cgroup_id)
{
	const struct sk_buff *packet = (const struct sk_buff *)skb;
	const struct sock *sk = BPF_CORE_READ(packet, sk);
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;

	if (task->flags & PF_KTHREAD || BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock))
		return 0;
	return cgroup && cgroup->kn->id == cgroup_id;
}

/* Notes that an account has stopped the packet; scope 0 is the host. Global, for the reason given in accounting.h. */
__noinline int note_stopped(struct __sk_buff *skb, const struct packet *packet, __u32 scope, __u64 account, int audited)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct account_key key = { .id = account, .scope = scope };
	__u64 now = bpf_ktime_get_ns(), cgroup_id = bpf_skb_cgroup_id(skb);
	__u32 pid = 0, uid = task->cred->uid.val;
	struct datagram_stop *stop;
	char comm[COMM_LEN];
	__u16 port = 0;

	if (!packet)
		return 0;
	stop = stop_of(&key);
	if (!stop)
		return 0;
	bpf_skb_load_bytes(skb, packet->transport + UDP_DESTINATION, &port, sizeof(port));
	if (is_sender(skb, task, cgroup_id))
		pid = task->tgid;
	__builtin_memcpy(comm, task->comm, COMM_LEN);
	bpf_spin_lock(&stop->lock);
	stop->pid = pid;
	stop->last_ns = now;
	stop->cgroup_id = cgroup_id;
	stop->uid = uid;
	stop->port = bpf_ntohs(port);
	stop->audited = audited;
	__builtin_memcpy(stop->comm, comm, COMM_LEN);
	__builtin_memcpy(stop->addr, packet->far.addr, sizeof(stop->addr));
	bpf_spin_unlock(&stop->lock);
	return 1;
}
