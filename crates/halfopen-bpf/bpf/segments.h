/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a TCP segment is, by its flags. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define FLAG_URG 0x20

/* Whether the segment asks for a connection. */
static __always_inline int asks_to_connect(__u8 flags)
{
	return (flags & (FLAG_SYN | FLAG_RST | FLAG_ACK)) == FLAG_SYN;
}

#define PROTOCOL_ESP 50
#define PROTOCOL_AH 51
#define PROTOCOL_IPCOMP 108

/* Whether IPsec has sealed the segment: its flags cannot be read. The kernel does so before a cgroup's egress program
 * sees the packet (xfrm_output()). */
static __always_inline int is_sealed(__u8 protocol)
{
	return protocol == PROTOCOL_ESP || protocol == PROTOCOL_AH || protocol == PROTOCOL_IPCOMP;
}

/* Whether a segment of a socket in SYN_SENT that is in another protocol asks for a connection. What IPsec has sealed
 * does when a SYN is due; what else the kernel sends then follows a SYN that has left. In a tunnel's packet, the SYN
 * was judged before it was wrapped; but of an attempt that waits, nothing leaves. */
static __always_inline int wrapped_asks_to_connect(__u8 protocol, int waits, int is_due)
{
	return waits || (is_due && is_sealed(protocol));
}

/* Whether the kernel may have sent it through a raw socket of its own: it answers stray segments so, but only with RST
 * or a bare ACK. */
static __always_inline int is_answer_to_stray(__u8 flags)
{
	return flags & FLAG_RST || (flags & FLAG_ACK && !(flags & (FLAG_FIN | FLAG_SYN | FLAG_PSH | FLAG_URG)));
}
