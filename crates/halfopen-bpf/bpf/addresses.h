/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Addresses in their IPv6 form. Needs bpf_endian.h.
 */
#pragma once

#include <linux/types.h>

static __always_inline void map_ipv4(__u8 addr[16], __u32 ipv4)
{
	__u32 *words = (__u32 *)addr;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}
