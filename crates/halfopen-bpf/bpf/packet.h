/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Reading the headers of a packet.
 */
#pragma once

#include "program.h"

#define LEAVES 1

/* A packet that leaves or arrives. */
struct packet {
	struct prefix far; /* address of its remote end */
	__u8 protocol;
	__u32 transport; /* offset of the transport header */
};

#define IPV6_EXTENSIONS 6

#define IPV6_FRAGMENT 44

static __always_inline int is_ipv6_extension(__u8 header)
{
	/* Hop by hop, routing, destination. */
	return header == 0 || header == 43 || header == 60 || header == IPV6_FRAGMENT;
}

/* Returns whether the packet's headers could be read. */
static __always_inline int read_packet(struct __sk_buff *skb, int leaves, struct packet *packet)
{
	__u8 ip[40], extension[2];

	if (bpf_skb_load_bytes(skb, 0, ip, 20))
		return 0;
	packet->far.bits = PREFIX_BITS;
	if (ip[0] >> 4 == 4) {
		map_ipv4(packet->far.addr, *(__u32 *)&ip[leaves ? 16 : 12]);
		packet->protocol = ip[9];
		packet->transport = (ip[0] & 15) * 4;
		return 1;
	}
	if (bpf_skb_load_bytes(skb, 0, ip, 40))
		return 0;
	__builtin_memcpy(packet->far.addr, &ip[leaves ? 24 : 8], 16);
	packet->protocol = ip[6];
	packet->transport = 40;
	for (int i = 0; i < IPV6_EXTENSIONS && is_ipv6_extension(packet->protocol); i++) {
		if (bpf_skb_load_bytes(skb, packet->transport, extension, sizeof(extension)))
			return 0;
		/* A fragment header has a fixed length; its length byte is reserved. */
		packet->transport += packet->protocol == IPV6_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		packet->protocol = extension[0];
	}
	return !is_ipv6_extension(packet->protocol);
}
