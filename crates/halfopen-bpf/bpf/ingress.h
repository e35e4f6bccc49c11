/* SPDX-License-Identifier: GPL-2.0-only
 *
 * cgroup_skb/ingress: reads what UDP sockets receive. Attached only while DNS answers are read or first contacts over
 * UDP are limited. It drops nothing.
 */
#pragma once

#include "first_datagrams.h"
#include "names.h"

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	const __u8 *ip = (const void *)(long)skb->data;
	const __u8 *end = (const void *)(long)skb->data_end;

	/* Every packet comes here: of those that are not UDP, two bytes are read. UDP behind IPv6 extension headers is
	 * ignored. */
	if (ip + 20 > end || (ip[0] >> 4 == 4 ? ip[9] : ip[6]) != IPPROTO_UDP)
		return 1;
	hear_answer(skb);
	datagram_arrives(skb);
	return 1;
}
