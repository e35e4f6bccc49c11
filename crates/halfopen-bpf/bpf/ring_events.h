/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The events that the daemon receives: attempts that began to wait and, while the daemon wakes waiters, what became of
 * them.
 */
#pragma once

#include "contacts.h"
#include "decide.h"
#include "kernel_types.h"
#include "maps.h"
#include "outcome.h"
#include "program.h"
#include "programs.h"

static __always_inline void read_place(struct place *place, const struct sock *sk, __u64 cookie)
{
	const struct sock_common *skc = &sk->__sk_common;
	__u32 *words = (__u32 *)place->addr;

	place->cookie = cookie;
	place->netns = skc->skc_net.net->ns.inum;
	place->device = skc->skc_bound_dev_if;
	place->port = skc->skc_num;
	place->pad = 0;
	place->more_pad = 0;
	if (skc->skc_family == AF_INET || !bpf_core_field_exists(skc->skc_v6_rcv_saddr)) {
		map_ipv4(place->addr, skc->skc_rcv_saddr);
		return;
	}
	words[0] = skc->skc_v6_rcv_saddr.in6_u.u6_addr32[0];
	words[1] = skc->skc_v6_rcv_saddr.in6_u.u6_addr32[1];
	words[2] = skc->skc_v6_rcv_saddr.in6_u.u6_addr32[2];
	words[3] = skc->skc_v6_rcv_saddr.in6_u.u6_addr32[3];
}

static __always_inline void note_place(struct attempt *a, const struct sock *sk)
{
	read_place(&a->socket, sk, a->cookie);
}

static __always_inline void tell_held(enum ring_event kind, const struct attempt *a, __u8 audited, __u64 now)
{
	struct held_record *r = bpf_ringbuf_reserve(&held, sizeof(*r), 0);

	if (audited && kind == EVENT_HELD)
		learned_until_ns = now + LEARNED_NS;
	if (!r) {
		if (kind != EVENT_BEGAN)
			count_fault(FAULT_EVENT_LOST);
		return;
	}
	r->kind = kind;
	r->audited = audited;
	r->port = a->port;
	r->scope = 0;
	if (a->blocked_on != CHARGED_HOST)
		r->scope = a->blocked_on == CHARGED_OWN ? a->scope : a->interface;
	r->at_ns = now;
	r->cgroup_id = a->cgroup_id;
	r->own = a->scope;
	r->interface = a->interface;
	r->account = a->account;
	r->top = a->top;
	r->part = a->part;
	r->pid = a->pid;
	r->uid = a->uid;
	r->contact = contact_of(a);
	r->waits_for = waits_for(a);
	__builtin_memset(r->pad, 0, sizeof(r->pad));
	__builtin_memcpy(r->comm, a->comm, COMM_LEN);
	__builtin_memcpy(r->addr, a->addr, sizeof(r->addr));
	__builtin_memcpy(&r->place, &a->socket, sizeof(r->place));
	bpf_ringbuf_submit(r, 0);
}

static __always_inline int waiters_are_woken(__u64 now)
{
	return now < woken_until_ns;
}

/* Whether an attempt would have had to wait lately, or still would. */
static __always_inline int is_learned(__u64 now)
{
	return now < learned_until_ns;
}

/* Tells the waker, if it runs. An event that is lost because the buffer is full is not counted: the waker reads the
 * accounting from time to time anyway. */
static __always_inline void send_turn(enum ring_event kind, __u8 flags, __u32 own, __u64 account, __u64 out_ns,
				      __u64 cookie, const __u8 addr[16], __u64 now)
{
	struct turn_record *r;

	if (!waiters_are_woken(now))
		return;
	r = bpf_ringbuf_reserve(&held, sizeof(*r), 0);
	if (!r)
		return;
	r->kind = kind;
	r->flags = flags;
	r->pad = 0;
	r->own = own;
	r->account = account;
	r->at_ns = now;
	r->out_ns = out_ns;
	r->cookie = cookie;
	__builtin_memcpy(r->addr, addr, sizeof(r->addr));
	bpf_ringbuf_submit(r, 0);
}

static __always_inline void tell_turn(enum ring_event kind, const struct attempt *a, __u8 flags, __u64 now)
{
	send_turn(kind, flags, a->scope, a->account, a->out_ns, a->cookie & ~RECORD_ENDS, a->addr, now);
}

/* Which slots the attempt holds. Called without the lock: the flags of an event may be wrong about a slot that expires
 * at that moment. */
static __always_inline __u8 slots_of(const struct accounting *b, const struct attempt *a)
{
	const struct scope *own = b->scope[CHARGED_OWN];
	__u8 slots = slot_is_held(host_of(b), &a->slot[CHARGED_HOST]) ? TURN_HOST_SLOT : 0;

	if (is_charged(b, CHARGED_OWN) && slot_is_held(own, &a->slot[CHARGED_OWN]))
		slots |= TURN_OWN_SLOT;
	return slots;
}

static __always_inline void tell_out(const struct accounting *b, const struct attempt *a, __u8 flags, __u64 now)
{
	if (flags & TURN_RELEASED || host_of(b)->queued)
		tell_turn(EVENT_OUT, a, flags, now);
}

/* Notes the answer in the attempt's neighbourhood. Returns how many earlier answers from there make this one worth
 * less. */
static __always_inline __u32 note_answer_nearby(struct attempt *a)
{
	if (!is_evident(a) && !(a->flags & ATTEMPT_NEIGHBOUR))
		return 0;
	if (is_stranger(a))
		note_neighbour(a, a->port);
	return note_neighbour(a, ALL_OF_ITS_PORTS);
}

/* Notes what the end of an attempt says about its address. An address that is dialled again and again stays tried. */
static __always_inline __u32 note_end(const struct policy *p, struct attempt *a, enum ending ending)
{
	if (!p->knows || a->state != ATTEMPT_OUT)
		return 0;
	if (ending == ENDING_ESTABLISHED) {
		/* An answer counts once, however many attempts dial the address at a time. */
		if (!note_known(a, 0, p->known_for_ns))
			a->flags &= ~ATTEMPT_TRIED;
		return note_answer_nearby(a);
	}
	if (ending != ENDING_NEUTRAL)
		note_known(a, tried_as(a), tried_for_ns(p->known_for_ns));
	/* The attempt would reach another peer once its route changes. */
	else if (a->flags & (ATTEMPT_FIRST | ATTEMPT_NEIGHBOUR))
		note_known(a, tried_as(a), 0);
	return 0;
}
