/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The life of an attempt in the books: it begins (goes out at once or waits), asks again at each re-check, sends its
 * SYN again, ends. crates/policy/src/scope.rs decides the same; property tests hold the two together.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"
#include "slots.h"

/* A re-check is late by up to its timer's granularity; turns that fell due meanwhile are not lost, up to this much. */
#define TURN_TOLERANCE_NS 640000000ULL
/* DESIGN: a SYN leaves 1 s or more after the last one; TCP's own timer of 1 s may run a tick early. */
#define SYN_GAP_NS 980000000ULL
/* In the first seventh of slot_life an attempt repeats its SYN although others wait: three SYNs, as under the original.
 */
#define RESEND_FREELY_PART 7

enum verdict { VERDICT_HOLD, VERDICT_GO, VERDICT_GO_AUDITED, VERDICT_TOO_EARLY };

enum ending { ENDING_ESTABLISHED, ENDING_TIMED_OUT, ENDING_OTHER };

/* The accounts one attempt is charged to; own may be NULL. */
struct books {
	struct scope *host;
	struct scope *own;
	const struct limits *host_limits;
	const struct limits *own_limits;
};

static __always_inline int lets_all_go(const struct limits *l)
{
	return l->half_open == UNLIMITED;
}

static __always_inline int has_free_slot(const struct scope *s, const struct limits *l)
{
	return slots_held(s) < l->half_open;
}

static __always_inline int turn_is_due(const struct scope *s, const struct limits *l, __u64 now)
{
	return !l->interval_ns || now >= s->next_turn_ns;
}

static __always_inline int may_admit(const struct scope *s, const struct limits *l)
{
	return lets_all_go(l) || (!s->waiting_here && has_free_slot(s, l));
}

static __always_inline int may_release(const struct scope *s, const struct limits *l, __u64 now)
{
	return lets_all_go(l) || (turn_is_due(s, l, now) && (!l->strict || has_free_slot(s, l)));
}

static __always_inline void take_turn(struct scope *s, const struct limits *l, __u64 now)
{
	__u64 earliest = now - TURN_TOLERANCE_NS;

	if (!l->interval_ns)
		return;
	if (now < TURN_TOLERANCE_NS || s->next_turn_ns > earliest)
		earliest = s->next_turn_ns;
	s->next_turn_ns = earliest + l->interval_ns;
}

/* A scope joins the host's current walk when it is next touched. */
static __always_inline void join_walk(struct scope *s, __u32 walk)
{
	if (s->walk == walk)
		return;
	s->walk = walk;
	s->seen_queued = 0;
	s->seen_waiting_here = 0;
	s->seen_out = 0;
}

/* The next turn is never more than one interval away: a raised rate is in force at once, and turns that were taken
 * while nothing was enforced leave no debt. */
static __always_inline void turns_settle(struct scope *s, const struct limits *l, __u64 now)
{
	if (l->interval_ns && s->next_turn_ns > now + l->interval_ns)
		s->next_turn_ns = now + l->interval_ns;
}

static __always_inline void settle(struct books *b, __u64 now)
{
	slots_settle(b->host, b->host_limits, now);
	turns_settle(b->host, b->host_limits, now);
	if (b->own) {
		slots_settle(b->own, b->own_limits, now);
		turns_settle(b->own, b->own_limits, now);
		join_walk(b->own, b->host->walk);
	}
}

/* The counters that a recount can correct; `seen` follows for attempts that the current walk has seen. */
static __always_inline void count_queued(struct scope *s, int seen, __u32 by)
{
	s->queued += by;
	if (seen)
		s->seen_queued += by;
}

static __always_inline void count_waiting_here(struct scope *s, int seen, __u32 by)
{
	s->waiting_here += by;
	if (seen)
		s->seen_waiting_here += by;
}

static __always_inline void count_out(struct scope *s, int seen, __u32 by)
{
	s->out += by;
	if (seen)
		s->seen_out += by;
}

static __always_inline int is_seen(const struct books *b, const struct attempt *a)
{
	return a->walk == b->host->walk;
}

static __always_inline void wait_at(struct books *b, struct attempt *a, __u8 at, __u64 now)
{
	struct scope *s = at == CHARGED_OWN && b->own ? b->own : b->host;

	if (!s->waiting_here && s->next_turn_ns < now)
		s->next_turn_ns = now;
	a->blocked_on = at;
	count_waiting_here(s, is_seen(b, a), 1);
}

static __always_inline void wait_no_more(struct books *b, struct attempt *a)
{
	struct scope *s = a->blocked_on == CHARGED_OWN && b->own ? b->own : b->host;

	count_waiting_here(s, is_seen(b, a), -1);
}

static __always_inline void go_out(struct books *b, struct attempt *a, __u64 now)
{
	slot_take(b->host, b->host_limits, &a->slot[CHARGED_HOST], now);
	count_out(b->host, is_seen(b, a), 1);
	if (b->own) {
		slot_take(b->own, b->own_limits, &a->slot[CHARGED_OWN], now);
		count_out(b->own, is_seen(b, a), 1);
	}
	a->state = ATTEMPT_OUT;
	a->slot_ns = now;
	a->out_ns = now;
}

/* Whether this attempt waits for its turn like any other. */
static __always_inline int is_bound(const struct attempt *a, __u32 mode)
{
	return mode == MODE_ENFORCE && !(a->flags & ATTEMPT_ESSENTIAL);
}

/* connect() was called: out at once only if every scope has a free slot and nothing waits there. */
static __always_inline enum verdict attempt_begin(struct books *b, struct attempt *a, __u32 mode, __u64 now)
{
	enum verdict verdict = VERDICT_GO;
	__u8 at = CHARGED;

	settle(b, now);
	a->began_ns = now;
	a->walk = b->host->walk;
	if (a->flags & ATTEMPT_ESSENTIAL)
		at = CHARGED;
	else if (b->own && !may_admit(b->own, b->own_limits))
		at = CHARGED_OWN;
	else if (!may_admit(b->host, b->host_limits))
		at = CHARGED_HOST;

	if (at != CHARGED && mode == MODE_ENFORCE) {
		a->state = ATTEMPT_QUEUED;
		a->queue_number = b->host->queue_number++;
		wait_at(b, a, at, now);
		count_queued(b->host, 1, 1);
		b->host->last_waiter_ns = now;
		if (b->own) {
			count_queued(b->own, 1, 1);
			b->own->last_waiter_ns = now;
		}
		return VERDICT_HOLD;
	}
	if (at != CHARGED) {
		a->blocked_on = at;
		b->host->would_have_waited++;
		b->host->last_waiter_ns = now;
		if (b->own) {
			b->own->would_have_waited++;
			b->own->last_waiter_ns = now;
		}
		verdict = VERDICT_GO_AUDITED;
	}
	b->host->admitted++;
	if (b->own)
		b->own->admitted++;
	go_out(b, a, now);
	return verdict;
}

static __always_inline void leave_queue(struct scope *s, const struct attempt *a, int seen, __u64 now)
{
	count_queued(s, seen, -1);
	s->last_waiter_ns = now;
	if (now - a->began_ns > s->longest_wait_ns)
		s->longest_wait_ns = now - a->began_ns;
}

/* A queued attempt asks: any waiter may take a turn that is due. */
static __always_inline enum verdict attempt_recheck(struct books *b, struct attempt *a, __u32 mode, __u64 now)
{
	__u8 at = CHARGED;

	settle(b, now);
	if (mode == MODE_ENFORCE) {
		if (b->own && !may_release(b->own, b->own_limits, now))
			at = CHARGED_OWN;
		else if (!may_release(b->host, b->host_limits, now))
			at = CHARGED_HOST;
	}
	if (at != CHARGED) {
		if (at != a->blocked_on) {
			wait_no_more(b, a);
			wait_at(b, a, at, now);
		}
		return VERDICT_HOLD;
	}
	wait_no_more(b, a);
	leave_queue(b->host, a, is_seen(b, a), now);
	take_turn(b->host, b->host_limits, now);
	b->host->released++;
	if (b->own) {
		leave_queue(b->own, a, is_seen(b, a), now);
		take_turn(b->own, b->own_limits, now);
		b->own->released++;
	}
	go_out(b, a, now);
	return VERDICT_GO;
}

static __always_inline int may_resend(const struct scope *s, const struct limits *l, const struct slot *slot,
				      __u64 slot_age, __u64 now)
{
	int nobody_waits = lets_all_go(l) || !s->waiting_here;

	if (slot_is_held(s, slot))
		return nobody_waits || slot_age <= l->slot_life_ns / RESEND_FREELY_PART;
	return nobody_waits && may_release(s, l, now);
}

static __always_inline void renew_slot(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	if (!slot_is_held(s, slot))
		take_turn(s, l, now);
	slot_give_back(s, slot);
	slot_take(s, l, slot, now);
}

/* An attempt that is out wants to send its SYN again. An aged one needs a slot and a turn like any other, and comes
 * after those that were never asked; who still has its slot keeps it slot_life longer, so late re-sends yield to
 * waiters. */
static __always_inline enum verdict attempt_resend(struct books *b, struct attempt *a, __u32 mode, __u64 now)
{
	__u64 slot_age = now - a->slot_ns;
	int aged;

	if (now - a->last_syn_ns < SYN_GAP_NS)
		return VERDICT_TOO_EARLY;
	settle(b, now);
	if (is_bound(a, mode)) {
		if (!may_resend(b->host, b->host_limits, &a->slot[CHARGED_HOST], slot_age, now))
			return VERDICT_HOLD;
		if (b->own && !may_resend(b->own, b->own_limits, &a->slot[CHARGED_OWN], slot_age, now))
			return VERDICT_HOLD;
	}
	aged = !slot_is_held(b->host, &a->slot[CHARGED_HOST]);
	renew_slot(b->host, b->host_limits, &a->slot[CHARGED_HOST], now);
	if (b->own) {
		aged |= !slot_is_held(b->own, &a->slot[CHARGED_OWN]);
		renew_slot(b->own, b->own_limits, &a->slot[CHARGED_OWN], now);
	}
	if (aged)
		a->slot_ns = now;
	return VERDICT_GO;
}

static __always_inline void end_in(struct scope *s, struct attempt *a, struct slot *slot, int seen, enum ending ending,
				   __u64 now)
{
	if (a->state == ATTEMPT_QUEUED) {
		leave_queue(s, a, seen, now);
		if (ending == ENDING_TIMED_OUT)
			s->gave_up++;
		else
			s->cancelled++;
		return;
	}
	count_out(s, seen, -1);
	slot_give_back(s, slot);
	if (ending == ENDING_ESTABLISHED)
		s->established++;
	else
		s->failed++;
}

/* The attempt left SYN_SENT, whichever way. */
static __always_inline void attempt_end(struct books *b, struct attempt *a, enum ending ending, __u64 now)
{
	int seen = is_seen(b, a);

	if (a->state == ATTEMPT_NONE)
		return;
	settle(b, now);
	if (a->state == ATTEMPT_QUEUED)
		wait_no_more(b, a);
	end_in(b->host, a, &a->slot[CHARGED_HOST], seen, ending, now);
	if (b->own)
		end_in(b->own, a, &a->slot[CHARGED_OWN], seen, ending, now);
	a->state = ATTEMPT_NONE;
}

/* The walk meets a live attempt. */
static __always_inline void attempt_seen(struct books *b, struct attempt *a)
{
	__u32 queued = a->state == ATTEMPT_QUEUED, out = a->state == ATTEMPT_OUT;
	struct scope *at = a->blocked_on == CHARGED_OWN && b->own ? b->own : b->host;

	if (is_seen(b, a))
		return;
	a->walk = b->host->walk;
	b->host->seen_queued += queued;
	b->host->seen_out += out;
	if (b->own) {
		join_walk(b->own, b->host->walk);
		b->own->seen_queued += queued;
		b->own->seen_out += out;
	}
	at->seen_waiting_here += queued;
}

/* A walk over all live attempts begins. */
static __always_inline void walk_begins(struct scope *host)
{
	join_walk(host, host->walk + 1);
}

/* The walk is complete: what it saw is what there is. Returns whether the books were wrong. */
static __always_inline int walk_ends(struct scope *s, __u32 walk)
{
	int drifted;

	join_walk(s, walk);
	drifted = s->queued != s->seen_queued || s->out != s->seen_out || s->waiting_here != s->seen_waiting_here;
	s->queued = s->seen_queued;
	s->waiting_here = s->seen_waiting_here;
	s->out = s->seen_out;
	return drifted;
}
