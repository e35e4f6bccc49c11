/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which destination ports share their evidence in an account. What answers on ports on which half of the Internet
 * answers is to be farmed by anybody: those have cells of their own, and no other port shares one with them.
 */
#pragma once

#include "abi.h"

enum port_cell { CELL_HTTPS, CELL_HTTP, CELL_PUBLIC, CELL_OTHERS };

/* Of web and mail servers and of name servers, that is; none that worms have asked for. */
static __always_inline int is_public(__u16 port)
{
	static const __u16 public[] = { 21, 25, 53, 110, 143, 465, 587, 853, 993, 995, 8080, 8443 };
	int is = 0;

	for (unsigned int i = 0; i < sizeof(public) / sizeof(*public); i++)
		is |= port == public[i];
	return is;
}

/* Below PORT_CELLS. Which of the others share one differs from account to account. */
static __always_inline __u8 port_cell(__u64 account, __u16 port)
{
	__u64 mixed = (account ^ port) * 0x9e3779b97f4a7c15ULL;

	if (port == 443)
		return CELL_HTTPS;
	if (port == 80)
		return CELL_HTTP;
	if (is_public(port))
		return CELL_PUBLIC;
	mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ULL >> 32;
	return CELL_OTHERS + (mixed * (PORT_CELLS - CELL_OTHERS) >> 32);
}
