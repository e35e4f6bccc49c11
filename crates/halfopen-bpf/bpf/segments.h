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

/* Whether the kernel may have sent it through a raw socket of its own: it answers stray segments so, but only with RST
 * or a bare ACK. */
static __always_inline int is_answer_to_stray(__u8 flags)
{
	return flags & FLAG_RST || (flags & FLAG_ACK && !(flags & (FLAG_FIN | FLAG_SYN | FLAG_PSH | FLAG_URG)));
}
