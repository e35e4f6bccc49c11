/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The SYNs of containers' sockets that egress has let out, for the hook that sees them pass the container's gate; see
 * forwarded.h.
 */
#pragma once

#include "contacts.h"
#include "earned.h"
#include "maps.h"
#include "packet.h"

#define TCP_DESTINATION 2 /* offset of the destination port in the header */
#define TCP_SEQUENCE 4

/* The key of a SYN, with its port and sequence number as they are in the header. Its source is not part of it: on its
 * way a container may translate that (a container in a container). */
static __always_inline __u64 syn_key(const __u8 to[16], __u16 port, __u32 sequence)
{
	return mix(mix(mix(salt[1], half_of(to)), half_of(to + 8)), (__u64)sequence << 16 | port);
}

/* Notes a SYN that leaves. Global, for the reason given in accounting.h. */
__noinline int note_let_out(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet packet = {};
	struct tcp_sock *tp;
	__u32 sequence;
	__u64 key;
	__u16 port;
	__u8 one = 1;

	if (!sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || namespace_of(tp)->ns.inum == host_netns)
		return 0;
	if (!read_packet(skb, 1, &packet) || packet.protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, packet.transport + TCP_DESTINATION, &port, sizeof(port)) ||
	    bpf_skb_load_bytes(skb, packet.transport + TCP_SEQUENCE, &sequence, sizeof(sequence)))
		return 0;
	key = syn_key(packet.far.addr, port, sequence);
	if (bpf_map_update_elem(&syns_let_out, &key, &one, BPF_ANY))
		count_fault(FAULT_CONTACT_UNKNOWN);
	return 0;
}
