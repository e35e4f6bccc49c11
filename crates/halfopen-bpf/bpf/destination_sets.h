/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The places of a set of destinations. An account may use half of a set, so that none can fill the table for all.
 *
 * Called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "verifier.h"

/* An entry that nothing is bound to, and whose last connection is paid for. */
static __always_inline __u32 is_unused(const struct destination *d, __u64 now)
{
	return is_zero(d->users) & (1 - is_before(now, d->connections.next_ns));
}

/* The place of the destination with this id, or a free one; DESTINATION_PLACES if there is none. No branches: the
 * verifier would walk each path. */
static __always_inline __u32 destination_place(const struct destination_set *set, __u64 id, __u64 account, __u64 now)
{
	__u32 found = DESTINATION_PLACES, unused = DESTINATION_PLACES, of_account = 0;

	for (__u32 i = 0; i < DESTINATION_PLACES; i++) {
		const struct destination *d = &set->of[i];
		__u32 is_free = is_unused(d, now);

		found ^= (found ^ i) & -(__u32)is_zero(d->id ^ id);
		unused ^= (unused ^ i) & -is_free;
		of_account += is_zero(d->account ^ account) & (1 - is_free);
	}
	unused |= DESTINATION_PLACES & -(1 - is_below(of_account, DESTINATION_PLACES_OF_ONE));
	return found < DESTINATION_PLACES ? found : unused;
}

/* Binds an attempt to the destination at this place, which destination_place() has found. */
static __always_inline void bind_to(struct destination *d, __u64 id, __u64 account, __u32 walk)
{
	if (d->id != id) {
		__builtin_memset(d, 0, sizeof(*d));
		d->id = id;
		d->account = account;
		d->walk = walk;
	}
	d->users++;
}
