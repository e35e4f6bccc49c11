/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the answers of a neighbourhood (an IPv4 /24 or an IPv6 /64) are worth within it. There they let out contacts on
 * the port that answered, whatever they are worth elsewhere and without the account's credit; the outcome of these
 * contacts is no evidence for or against the account. So a user who looks after a network loses nothing by the hosts in
 * it that are down, and a scanner that farms answers in one network gains nothing outside it.
 *
 * Any CPU calls these functions, without a lock. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* The contacts that an answer lets out: enough to work through a network in which more than one address in nine
 * answers. */
#define NEIGHBOUR_WORTH 8
/* All addresses of a /24. */
#define NEIGHBOUR_MOST 256

/* An IPv4 address: mapped, or behind a translator of RFC 6052. */
static __always_inline int is_ipv4(const __u8 addr[16])
{
	const __u32 *words = (const __u32 *)addr;
	int mapped = !words[0] && !addr[8] && !addr[9] && addr[10] == 0xff && addr[11] == 0xff;
	int translated = !addr[0] && addr[1] == 0x64 && addr[2] == 0xff && addr[3] == 0x9b && !words[2];

	return !words[1] && (mapped || translated);
}

/* The number of an address's neighbourhood. In IPv6 it is a /64 for one port, and a /48 for all ports: the owner of a
 * /48 has all its /64s. */
static __always_inline __u64 network_of(const __u8 addr[16], int of_all_ports)
{
	const __u32 *words = (const __u32 *)addr;

	if (is_ipv4(addr))
		return addr[12] << 16 | addr[13] << 8 | addr[14];
	return (__u64)words[0] << 32 | (of_all_ports ? (__u32)(addr[4] << 8 | addr[5]) : words[1]);
}

/* Whether one more contact may go out on the credit of earlier answers. */
static __always_inline int neighbourhood_lets(struct neighbourhood *n)
{
	if (*(volatile __s32 *)&n->credit <= 0)
		return 0;
	if (__sync_fetch_and_add(&n->credit, -1) > 0)
		return 1;
	__sync_fetch_and_add(&n->credit, 1);
	return 0;
}

static __always_inline void neighbourhood_earns(struct neighbourhood *n)
{
	if (*(volatile __s32 *)&n->credit < NEIGHBOUR_MOST)
		__sync_fetch_and_add(&n->credit, NEIGHBOUR_WORTH);
}
