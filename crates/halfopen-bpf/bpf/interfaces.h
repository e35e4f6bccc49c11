/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The interface that an attempt's route leaves through, by name, in any network namespace.
 */
#pragma once

#include "charged.h"
#include "kernel_types.h"
#include "maps.h"

/* Must be asked before the SYN exists: until then the socket keeps the route that was found; IPv6 drops it from the
 * second re-check on. */
static __always_inline __u32 scope_of_interface(__u32 policy, const struct tcp_sock *tp)
{
	struct net_device *device = tp->inet_conn.icsk_inet.sk.sk_dst_cache->dev;
	struct interface_key key = { .policy = policy };
	__u32 within = 0xff;
	__u32 *scope;

	if (!device)
		return 0;
	__builtin_memcpy(key.name, device->name, sizeof(key.name));
	/* Behind the zero of a name that was changed is the rest of the longer name before it. */
	for (int i = 0; i < INTERFACE_NAME_LEN; i++) {
		within &= -some((__u8)key.name[i]);
		key.name[i] &= within;
	}
	scope = bpf_map_lookup_elem(&interface_scopes, &key);
	return scope ? *scope & (SCOPES - 1) : 0;
}
