/* SPDX-License-Identifier: GPL-2.0-only
 *
 * First contacts over UDP: how many a scope lets out in a given time.
 *
 * The functions that read or write a scope are called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* As many first contacts as fall due in this time may go out in one moment, but at least one. */
#define DATAGRAM_BURST_NS 1000000000ULL

/* A multicast or broadcast address: sending to it contacts no single host. */
static __always_inline int is_of_many(const __u8 addr[16])
{
	const __u32 *words = (const __u32 *)addr;

	if (!words[0] && !words[1] && !addr[8] && !addr[9] && addr[10] == 0xff && addr[11] == 0xff)
		return addr[12] >= 224;
	return addr[0] == 0xff;
}

/* Another CPU may have written a time since this one read its clock. */
static __always_inline int is_younger(__u64 at, __u64 now, __u64 than_ns)
{
	return (__s64)(now - at) < (__s64)than_ns;
}

/* The turn that a first contact would take now. Before the first one (0) the whole burst is available, even shortly
 * after boot. */
static __always_inline __u64 datagram_turn(const struct scope *s, const struct limits *l, __u64 now)
{
	__u64 burst = l->datagram_interval_ns > DATAGRAM_BURST_NS ? l->datagram_interval_ns : DATAGRAM_BURST_NS;
	__u64 last = s->datagram_turn_ns;

	if (!last || (now > burst && last < now - burst))
		last = now - burst;
	return last + l->datagram_interval_ns;
}

static __always_inline int datagram_may_leave(const struct scope *s, const struct limits *l, __u64 now)
{
	return !l->datagram_interval_ns || datagram_turn(s, l, now) <= now;
}

static __always_inline void datagram_takes_turn(struct scope *s, const struct limits *l, __u64 now)
{
	s->touched_ns = now;
	if (!l->datagram_interval_ns)
		return;
	s->datagram_turn_ns = datagram_turn(s, l, now);
	s->datagrams_let_out++;
}
