/* SPDX-License-Identifier: GPL-2.0-only
 *
 * A live attempt as user space reads it: written by the walks, or made from what is pinned while no daemon runs.
 */
#pragma once

#include "charged.h"

static __always_inline void fill_attempt_record(struct attempt_record *r, const struct attempt *a, int in_slot)
{
	r->began_ns = a->began_ns;
	r->out_ns = a->out_ns;
	r->cgroup_id = a->cgroup_id;
	r->account = a->account;
	r->top = a->top;
	r->part = a->part;
	r->scope = a->scope;
	r->interface = a->interface;
	r->pid = a->pid;
	r->uid = a->uid;
	r->rechecks = a->rechecks;
	r->state = a->state;
	r->in_slot = in_slot;
	r->blocked_on = a->blocked_on;
	r->contact = contact_of(a);
	r->named = !!(a->flags & ATTEMPT_NAMED);
	r->waits_for = waits_for(a);
	r->port = a->port;
	__builtin_memcpy(r->comm, a->comm, COMM_LEN);
	__builtin_memcpy(r->addr, a->addr, sizeof(r->addr));
	__builtin_memcpy(&r->place, &a->socket, sizeof(r->place));
	r->place.cookie = a->cookie;
	r->place.netns = a->netns_inode;
}
