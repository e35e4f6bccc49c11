/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The life of an attempt in the accounting after it has begun: it sends its SYN again, and ends. As in decide.h,
 * functions are pure and are called with the host scope's lock held.
 */
#pragma once

#include "decide.h"

/* Whether a SYN comes sooner after the last than TCP's timers send one. One repeat is legitimate: when TCP answers a
 * segment of an old connection by a RST, it sends the SYN again two ticks later (tcp_rcv_synsent_state_process()). So
 * an attempt that was never held may do this once. */
static __always_inline int is_too_early(const struct attempt *a, __u64 now)
{
	return now - a->last_syn_ns < SYN_GAP_NS && a->flags & ATTEMPT_REPEATS_LATE;
}

/* In the first seventh of slot_life an attempt repeats its SYN even while others wait. That allows three SYNs, as the
 * original limit did. */
#define RESEND_FREELY_PART 7

static __always_inline int is_answer(enum ending ending)
{
	return ending == ENDING_ESTABLISHED || ending == ENDING_NEUTRAL;
}

static __always_inline __u64 early_ns(const struct limits *l)
{
	return l->slot_life_ns / RESEND_FREELY_PART;
}

/* Attempts that wait for credit, or for a connection, do not wait for a slot. */
static __always_inline int may_resend(const struct scope *s, const struct limits *l, const struct slot *slot,
				      __u64 slot_age, __u64 now)
{
	int nobody_waits = lets_all_go(l) || !(l->first.credit ? s->waiting_known : waiting_in_rank(s));

	if (slot_is_held(s, slot))
		return nobody_waits || slot_age <= early_ns(l);
	return nobody_waits && has_turn(s, l, now);
}

/* At the host an attempt yields to the waiters of its own part, but takes a turn beside those of other parts like any
 * of them. */
static __always_inline int may_resend_at_host(struct accounting *b, const struct attempt *a, __u64 slot_age, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];
	struct scope *s = host_of(b);

	if (may_resend(s, l, &a->slot[CHARGED_HOST], slot_age, now))
		return 1;
	if (!s->parties.waiting || !b->part || b->part->waiters || !turn_is_due(s, l, now))
		return 0;
	return (slot_is_held(s, &a->slot[CHARGED_HOST]) || has_turn(s, l, now)) &&
	       may_take(&s->parties, b->top, b->part, now);
}

static __always_inline void renew_slot(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	if (!slot_is_held(s, slot))
		take_turn(s, l, now);
	slot_renew(s, l, slot, now);
}

/* How long a SYN may take from its verdict to egress before its slots are dated anew. Less than the wheel's margin at a
 * slot_life of one second. */
#define LATE_NS 8000000ULL

/* The attempt's SYN leaves much later than its slots were taken, because its task was interrupted in between. */
static __always_inline void attempt_leaves_late(struct accounting *b, struct attempt *a, __u64 now)
{
	touch(b, now);
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		slot_renew(b->scope[i], b->limits[i], &a->slot[i], now);
	}
	a->slot_ns = now;
}

/* An attempt that is out wants to send its SYN again. An aged one needs a slot and a turn like any other, and comes
 * after attempts that have not sent a SYN yet. One that still has its slot would keep it slot_life longer, so late
 * re-sends yield to waiters. */
static __always_inline enum verdict attempt_resend(struct accounting *b, struct attempt *a, __u32 mode, __u64 now)
{
	__u64 slot_age = now - a->slot_ns;
	int aged = 0, may = 1;

	if (is_too_early(a, now))
		return VERDICT_TOO_EARLY;
	a->flags |= ATTEMPT_REPEATS_LATE;
	touch(b, now);
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		if (!is_bound(a, mode) || !may)
			continue;
		may = i == CHARGED_HOST ? may_resend_at_host(b, a, slot_age, now)
					: may_resend(s, b->limits[i], &a->slot[i], slot_age, now);
		FORGET(may);
	}
	if (!may)
		return VERDICT_HOLD;
	if (is_bound(a, mode) && host_of(b)->parties.waiting && slot_age > early_ns(b->limits[CHARGED_HOST]))
		go_round(b, now);
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		aged |= !slot_is_held(s, &a->slot[i]);
		FORGET(aged);
		renew_slot(s, b->limits[i], &a->slot[i], now);
	}
	if (aged)
		a->slot_ns = now;
	return VERDICT_GO;
}

static __always_inline void leave_queue_and_place(struct scope *s, const struct limits *l, const struct attempt *a,
						  __u32 place, __u32 line, __u32 seen, __u64 now)
{
	leave_queue(s, a, seen, now);
	leave_line(s, line);
	if (is_first(a) && l->first.credit)
		leave_place(trust_of(s, a), place);
}

static __always_inline void end_queued(struct scope *s, const struct limits *l, const struct attempt *a, __u32 place,
				       __u32 line, __u32 seen, enum ending ending, __u64 now)
{
	leave_queue_and_place(s, l, a, place, line, seen, now);
	if (ending == ENDING_TIMED_OUT)
		s->gave_up++;
	else
		s->cancelled++;
}

static __always_inline void end_out(struct scope *s, const struct limits *l, struct slot *slot, __u32 seen,
				    enum ending ending, __u64 now)
{
	count_out(s, seen, -1);
	if (ending == ENDING_CANCELLED && slot_is_held(s, slot))
		slot_lingers(s, l, now);
	if (ending == ENDING_UNSEEN)
		slot->tick = 0;
	slot_give_back(s, slot);
	count_once(is_answer(ending) ? &s->established : &s->failed);
}

/* connect() looks at parts only until churned_until_ns. */
static __always_inline void part_cancels(struct accounting *b, const struct attempt *a, __u64 now)
{
	struct scope *host = host_of(b);

	if (!(a->flags & ATTEMPT_IN_PARTY) || !b->part)
		return;
	note_cancelled(b->part, a->began_ns, now);
	if (has_cancelled_too_much(b->part, now) && host->churned_until_ns < b->part->paid_ns)
		host->churned_until_ns = b->part->paid_ns;
}

/* What `counted` and `far_counted` tell has ended. */
static __always_inline void uncount_connection(struct accounting *b, __u32 counted, __u32 far_counted, int lingers,
					       __u32 seen, __u64 now)
{
	for_each_charged(i) {
		if (is_charged(b, i))
			connection_ends(b->scope[i], b->limits[i], counted, i, lingers, seen, now);
	}
	if (has_destination(b))
		destination_loses(b->destination, far_counted, seen);
}

/* The attempt's connection is over, or has never been. */
static __always_inline void connection_is_over(struct accounting *b, struct attempt *a, int lingers, __u32 seen,
					       __u64 now)
{
	uncount_connection(b, a->counted, a->far_counted, lingers, seen, now);
	counts_no_connection(a);
}

/* What counts an attempt's connection passes from its record to its connection's. */
static __always_inline void connection_takes_over(struct connection *c, struct attempt *a, __u64 now)
{
	c->counted = a->counted & ~HAS_CONNECTION;
	c->far_counted = a->far_counted;
	c->destination = a->destination;
	c->walk = a->walk;
	c->opened_ns = now | !now;
	counts_no_connection(a);
}

/* The attempt left SYN_SENT, in whatever way. What this says of its account was heard before: see heard.h. `c` is the
 * record of its connection; NULL if there is none. Returns whether the connection goes on. */
static __always_inline int attempt_end(struct accounting *b, struct attempt *a, enum ending ending,
				       struct connection *c, __u64 now)
{
	__u32 was = ends(a);
	__u32 seen = is_seen(b, a);
	int queued = was == ATTEMPT_QUEUED, goes_on;

	if (was == ATTEMPT_NONE)
		return 0;
	goes_on = c && !queued && a->counted && (is_answer(ending) || ending == ENDING_UNSEEN);
	touch(b, now);
	if (queued) {
		wait_no_more(b, a);
		if (ending == ENDING_CANCELLED)
			part_cancels(b, a, now);
		party_leave(b, a);
	}
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		if (queued)
			end_queued(s, b->limits[i], a, a->place[i], a->line[i], seen, ending, now);
		else
			end_out(s, b->limits[i], &a->slot[i], seen, ending, now);
	}
	if (has_destination(b) && !queued)
		destination_ends_attempt(b->destination, seen);
	if (goes_on)
		connection_takes_over(c, a, now);
	else
		connection_is_over(b, a, 1, seen, now);
	return goes_on;
}

/* An open connection has ended. */
static __always_inline void connection_closes(struct accounting *b, const struct connection *c, __u64 now)
{
	__u32 seen = is_zero(c->walk ^ host_of(b)->walk);

	touch(b, now);
	uncount_connection(b, c->counted, c->far_counted, 1, seen, now);
}

/* Whether a SYN of the attempt has left. */
static __always_inline int has_sent(const struct attempt *a)
{
	return a->state == ATTEMPT_OUT && !(a->flags & ATTEMPT_DECIDED);
}

/* The attempt's packets go to another address, with which it begins anew. If none has left, it is as if it had not
 * begun before; otherwise (`sent`) its slots last until they expire. */
static __always_inline void attempt_withdraw(struct accounting *b, struct attempt *a, int sent, __u64 now)
{
	__u32 was = ends(a);
	__u32 seen = is_seen(b, a);
	int queued = was == ATTEMPT_QUEUED;

	if (was == ATTEMPT_NONE)
		return;
	touch(b, now);
	if (queued) {
		wait_no_more(b, a);
		party_leave(b, a);
	}
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		if (queued) {
			leave_queue_and_place(s, b->limits[i], a, a->place[i], a->line[i], seen, now);
			s->released++;
		} else {
			count_out(s, seen, -1);
			a->slot[i].tick *= !sent;
			slot_give_back(s, &a->slot[i]);
			if (!sent)
				connection_returns_turn(&s->connections, b->limits[i]->connect_interval_ns);
		}
	}
	if (has_destination(b) && !queued)
		destination_ends_attempt(b->destination, seen);
	connection_is_over(b, a, sent, seen, now);
}
