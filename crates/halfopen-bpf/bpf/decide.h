/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The life of an attempt in the accounting, until it is out: it begins (goes out at once or waits) and asks again at
 * each re-check; outcome.h has the rest, refuse.h what comes before. There is no second form of these headers:
 * crates/halfopen-policy compiles them for user space, and its tests are of them.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "charged.h"

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

/* Those of its own kind that wait here. */
static __always_inline __u32 waiting_alike(const struct scope *s, const struct attempt *a)
{
	__u32 named = s->trust[BUCKET_NAMED].waiting, foreign = s->trust[BUCKET_FOREIGN].waiting;
	__u32 of_strangers = s->waiting_here - s->waiting_known - named - foreign;

	return is_stranger(a) * of_strangers + is_named_one(a) * named + is_foreign_one(a) * foreign;
}

/* Those that wait here for the same credit. */
static __always_inline __u32 waiting_for_credit(const struct scope *s, const struct attempt *a)
{
	return s->trust[credit_bucket_of(a)].waiting;
}

/* Whether some that a DNS answer has named wait, and have the credit. */
static __always_inline __u32 named_wait(const struct scope *s)
{
	const struct trust *named = &s->trust[BUCKET_NAMED];

	return some(named->waiting) & some(named->credit / CREDIT);
}

/* Whether some of better rank wait here for the same slots and turns: for a first contact known ones, and for one with
 * a stranger those named ones that have the credit. */
static __always_inline int yields(const struct scope *s, const struct limits *l, const struct attempt *a)
{
	__u32 named_wait_for_slots = (1 - some(l->first.credit)) | some(s->trust[BUCKET_NAMED].credit / CREDIT);

	return some(s->waiting_known) |
	       ((1 - is_named_one(a)) & some(s->trust[BUCKET_NAMED].waiting) & named_wait_for_slots);
}

/* In a scope of its own a newcomer goes out at once only past an empty queue. Those who wait for credit are passed by
 * known contacts, by named ones, and by the newest where it is its turn. */
static __always_inline int may_admit(struct scope *s, const struct limits *l, const struct attempt *a)
{
	int has_slot = lets_all_go(l) || has_free_slot(s, l), passes;

	if (!is_first(a))
		return lets_all_go(l) || (!s->waiting_known && has_slot);
	passes = !yields(s, l, a);
	if (!l->first.credit)
		return lets_all_go(l) || (passes && !waiting_alike(s, a) && has_slot);
	if (passes && waiting_for_credit(s, a))
		passes = newest_goes(trust_of(s, a), &l->first);
	return passes && has_credit_for(s, a) && has_slot;
}

/* Who takes them all at once has them all back at once: newcomers would wait for up to slot_life. While some come
 * beside others that wait, these leave a part of the host's slots to them. */
#define KEPT_PART 32
#define KEPT_FOR_NS 10000000000ULL

static __always_inline __u32 slots_kept(const struct scope *host, const struct limits *l, __u64 now)
{
	__u64 last = host->parties.newcomer_ns;

	return last && now < last + KEPT_FOR_NS ? l->half_open / KEPT_PART : 0;
}

static __always_inline int is_newcomer(const struct accounting *b, __u64 now)
{
	return b->top && b->part && (is_new(&host_of(b)->parties, b->top, now) || is_new(b->top, b->part, now));
}

/* But for those that are kept. */
static __always_inline int has_free_slot_at_host(const struct accounting *b, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];

	return slots_held(host_of(b)) + slots_kept(host_of(b), l, now) < l->half_open;
}

/* Of those no turn is anybody else's. */
static __always_inline int takes_kept_slot(const struct accounting *b, __u64 now)
{
	return has_free_slot(host_of(b), b->limits[CHARGED_HOST]) && !has_free_slot_at_host(b, now) &&
	       is_newcomer(b, now);
}

/* Those of its own part that wait for the host's turns with as good a rank or a better one. */
static __always_inline __u32 waiting_before(const struct party *part, const struct attempt *a)
{
	if (!is_first(a))
		return part->waiting_known;
	return is_stranger(a) ? part->waiters : part->waiting_known + part->waiting_named;
}

/* At the host a newcomer yields to its own part's waiters only; past those of others it takes a turn like any of them.
 * Where the host asks for credit, that has an order of its own. */
static __always_inline int may_admit_at_host(struct accounting *b, const struct attempt *a, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];
	struct scope *s = host_of(b);

	if (is_first(a) && l->first.credit) {
		if ((1 - is_named_one(a)) & named_wait(s))
			return 0;
		if (waiting_for_credit(s, a) && !newest_goes(trust_of(s, a), &l->first))
			return 0;
		if (!has_credit_for(s, a))
			return 0;
	}
	if (lets_all_go(l))
		return 1;
	if (!s->parties.waiting)
		return has_free_slot(s, l);
	if (!turn_is_due(s, l, now) || (b->part && waiting_before(b->part, a)))
		return 0;
	return takes_kept_slot(b, now) ||
	       (has_free_slot_at_host(b, now) && may_take(&s->parties, b->top, b->part, now));
}

static __always_inline int has_turn(const struct scope *s, const struct limits *l, __u64 now)
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

/* The next turn is never more than one interval away: a raised rate is in force at once, and turns that were taken
 * while nothing was enforced leave no debt. */
static __always_inline void turns_settle(struct scope *s, const struct limits *l, __u64 now)
{
	if (l->interval_ns && s->next_turn_ns > now + l->interval_ns)
		s->next_turn_ns = now + l->interval_ns;
}

/* Slots, grid, turns and the credit bucket of each scope that is charged are to be settled, in this order, before the
 * rest here is called. Whether settling would change anything can be asked without the lock too: what is missed now is
 * settled by the next. */
static __always_inline int grid_or_turns_are_unsettled(const struct scope *s, const struct limits *l, __u64 now)
{
	return s->slot_shift != l->slot_shift || (s->in_old_grid && now >= s->old_grid_until_ns) ||
	       (l->interval_ns && s->next_turn_ns > now + l->interval_ns);
}

/* The wheel of a scope without slots has nothing to settle. */
static __always_inline void touch(struct accounting *b, __u64 now)
{
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!s)
			continue;
		join_walk(s, host_of(b)->walk);
		slots_mend(s);
		s->touched_ns = now;
		if (!slots_in_wheel(s) && now >> s->slot_shift > s->tick)
			s->tick = now >> s->slot_shift;
	}
}

/* The scope that holds the attempt back. One that is gone leaves it to the host's. */
static __always_inline struct scope *waits_at(const struct accounting *b, const struct attempt *a)
{
	if (a->blocked_on == CHARGED_OWN && b->scope[CHARGED_OWN])
		return b->scope[CHARGED_OWN];
	if (a->blocked_on == CHARGED_INTERFACE && b->scope[CHARGED_INTERFACE])
		return b->scope[CHARGED_INTERFACE];
	return host_of(b);
}

/* It is queued, wherever it waits. */
static __always_inline void party_join(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_PARTY || !b->top || !b->part)
		return;
	b->part->queued++;
	b->top->queued++;
	a->flags |= ATTEMPT_IN_PARTY;
}

static __always_inline void party_leave(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_PARTY && b->top && b->part) {
		b->part->queued -= !!b->part->queued;
		b->top->queued -= !!b->top->queued;
	}
	a->flags &= ~ATTEMPT_IN_PARTY;
}

static __always_inline void count_in_part(struct party *part, const struct attempt *a, __u32 by)
{
	__u32 first = is_first(a);

	part->waiting_known += by * !first;
	part->waiting_named += by * (first & is_named_one(a));
}

/* Whether it waits for the host's turn. Who waits for the host's credit does not: no turn is kept for it. */
static __always_inline int waits_for_turn(const struct accounting *b, const struct attempt *a)
{
	return a->blocked_on == CHARGED_HOST && !(is_first(a) && b->limits[CHARGED_HOST]->first.credit);
}

static __always_inline void enter_round(struct accounting *b, struct attempt *a, __u64 now)
{
	if (!(a->flags & ATTEMPT_IN_PARTY) || !b->top || !b->part || !waits_for_turn(b, a))
		return;
	round_join(b->top, b->part, now);
	round_join(&host_of(b)->parties, b->top, now);
	count_in_part(b->part, a, 1);
	a->flags |= ATTEMPT_IN_ROUND;
}

static __always_inline void leave_round(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_ROUND && b->top && b->part) {
		count_in_part(b->part, a, -1);
		round_leave(b->top, b->part);
		round_leave(&host_of(b)->parties, b->top);
	}
	a->flags &= ~ATTEMPT_IN_ROUND;
}

/* It takes a turn, or went out past those who wait for theirs. */
static __always_inline void go_round(struct accounting *b, __u64 now)
{
	struct party *all = &host_of(b)->parties;

	if (!b->top || !b->part)
		return;
	if (is_newcomer(b, now) && (all->waiting > !!b->top->waiters || b->top->waiting > !!b->part->waiters))
		all->newcomer_ns = now;
	round_take(b->top, b->part, now);
	round_take(all, b->top, now);
}

static __always_inline void wait_at(struct accounting *b, struct attempt *a, __u8 at, __u64 now)
{
	struct scope *s;

	a->blocked_on = at;
	s = waits_at(b, a);
	if (!s->waiting_here && s->next_turn_ns < now)
		s->next_turn_ns = now;
	count_waiting_here(s, a, is_seen(b, a), 1);
	enter_round(b, a, now);
}

static __always_inline void wait_no_more(struct accounting *b, struct attempt *a)
{
	count_waiting_here(waits_at(b, a), a, is_seen(b, a), -1);
	leave_round(b, a);
}

/* A waiter whose address has answered or been tried meanwhile costs nothing any more. */
static __always_inline void is_first_no_more(struct accounting *b, struct attempt *a, __u64 now)
{
	struct scope *at = waits_at(b, a);
	int seen = is_seen(b, a), in_round = a->flags & ATTEMPT_IN_ROUND && b->part;

	count_waiting_here(at, a, seen, -1);
	if (in_round)
		count_in_part(b->part, a, -1);
	for_each_charged(i) {
		if (b->scope[i] && b->limits[i]->first.credit)
			leave_place(trust_of(b->scope[i], a), a->place[i]);
	}
	a->flags &= ~ATTEMPT_FIRST;
	count_waiting_here(at, a, seen, 1);
	if (in_round)
		count_in_part(b->part, a, 1);
	else
		enter_round(b, a, now);
}

/* Whether the address, by its hash, is in the working set. */
static __always_inline int works_with(const struct scope *s, const struct first_contact *f, __u64 address)
{
	__u32 found = 0;

	for (__u32 i = 0; i < WORKING_SET; i++)
		found |= (s->working_set[i] == address) << i;
	return found & ((1u << (f->working_set & 15)) - 1);
}

static __always_inline void note_contact(struct scope *s, const struct first_contact *f, __u64 address)
{
	__u64 moved = address, next;

	if (!f->working_set)
		return;
	for (int i = 0; i < WORKING_SET; i++) {
		next = s->working_set[i];
		s->working_set[i] = moved;
		if (next == address)
			break;
		moved = next;
	}
}

static __always_inline void forget_contact(struct scope *s, __u64 address)
{
	for (int i = 0; i < WORKING_SET; i++)
		s->working_set[i] &= -(__u64)(s->working_set[i] != address);
}

/* Whether this attempt waits for its turn like any other. */
static __always_inline int is_bound(const struct attempt *a, __u32 mode)
{
	return mode == MODE_ENFORCE && !(a->flags & ATTEMPT_NEVER_HELD);
}

/* A first contact spends credit, and its address is met. */
static __always_inline void contact(struct scope *s, const struct limits *l, const struct attempt *a, __u64 now)
{
	if (!l->first.credit || a->flags & ATTEMPT_NEVER_HELD)
		return;
	if (is_first(a)) {
		credit_spend(trust_of(s, a), &l->first, credit_bucket_of(a), now);
		if (is_stranger(a))
			credit_spend(trust_beside(s, a), &l->first, BUCKET_ALL_PORTS, now);
		s->first_contacts++;
	}
	note_contact(s, &l->first, a->address);
}

static __always_inline void go_out(struct accounting *b, struct attempt *a, __u64 now)
{
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!s)
			continue;
		slot_take(s, b->limits[i], &a->slot[i], now);
		count_out(s, is_seen(b, a), 1);
		contact(s, b->limits[i], a, now);
	}
	if (is_first(a))
		a->flags |= ATTEMPT_PENDING;
	a->state = ATTEMPT_OUT;
	a->slot_ns = now;
	a->out_ns = now;
}

/* Whether this is a first contact: the first charged scope that asks for credit says. The caller has set ATTEMPT_FIRST
 * where the address has not answered lately. */
static __always_inline void tell_first(struct accounting *b, struct attempt *a)
{
	int first = 0, told = a->flags & ATTEMPT_NEVER_HELD;

	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (told || !s || !b->limits[i]->first.credit)
			continue;
		told = 1;
		first = b->limits[i]->first.working_set ? !works_with(s, &b->limits[i]->first, a->address)
							: is_first(a);
	}
	a->flags = first ? a->flags | ATTEMPT_FIRST : a->flags & ~ATTEMPT_FIRST;
}

static __always_inline void enqueue(struct scope *s, const struct limits *l, struct attempt *a, __u32 *place, __u64 now)
{
	count_queued(s, 1, 1);
	s->last_waiter_ns = now;
	*place = 0;
	if (is_first(a) && l->first.credit)
		*place = queue_for_credit(trust_of(s, a), !waiting_for_credit(s, a));
}

/* connect() was called: out at once only if every scope has a free slot, credit for a first contact, and nothing of
 * equal or better rank waits there. */
static __always_inline enum verdict attempt_begin(struct accounting *b, struct attempt *a, __u32 mode, __u64 now)
{
	enum verdict verdict = VERDICT_GO;
	__u8 at = CHARGED;

	touch(b, now);
	a->began_ns = now;
	a->walk = host_of(b)->walk;
	tell_first(b, a);
	for_each_charged(i) {
		if (at == CHARGED && b->scope[i] &&
		    !(i == CHARGED_HOST ? may_admit_at_host(b, a, now) : may_admit(b->scope[i], b->limits[i], a)))
			at = i;
	}
	if (a->flags & ATTEMPT_NEVER_HELD)
		at = CHARGED;

	if (at != CHARGED && mode == MODE_ENFORCE) {
		a->state = ATTEMPT_QUEUED;
		a->flags |= ATTEMPT_REPEATS_LATE;
		a->queue_number = host_of(b)->queue_number++;
		for_each_charged(i) {
			if (b->scope[i])
				enqueue(b->scope[i], b->limits[i], a, &a->place[i], now);
		}
		party_join(b, a);
		wait_at(b, a, at, now);
		return VERDICT_HOLD;
	}
	if (at != CHARGED) {
		a->blocked_on = at;
		verdict = VERDICT_GO_AUDITED;
	} else if (is_bound(a, mode) && host_of(b)->parties.waiting) {
		go_round(b, now);
		take_turn(host_of(b), b->limits[CHARGED_HOST], now);
	}
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!s)
			continue;
		count_once(&s->admitted);
		if (verdict == VERDICT_GO_AUDITED) {
			s->would_have_waited++;
			s->last_waiter_ns = now;
		}
	}
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

/* Whether there is credit for a waiter, and it is its turn to have it. */
static __always_inline int may_have_credit(struct scope *s, const struct attempt *a, __u32 place, __u64 now)
{
	return has_credit(trust_beside(s, a)) && side_of(trust_of(s, a), place, now) != NO_SIDE;
}

/* A first contact needs credit too, yields to those of better rank, and to others of its kind that are nearer to their
 * turn. */
static __always_inline int may_release(struct scope *s, const struct limits *l, const struct attempt *a, __u32 place,
				       __u64 now)
{
	if (!has_turn(s, l, now))
		return 0;
	if (!is_first(a))
		return 1;
	if (yields(s, l, a))
		return 0;
	return !l->first.credit || may_have_credit(s, a, place, now);
}

static __always_inline int may_take_turn(struct accounting *b, const struct attempt *a, __u64 now)
{
	int joined = a->flags & ATTEMPT_IN_PARTY;

	return lets_all_go(b->limits[CHARGED_HOST]) ||
	       may_take(&host_of(b)->parties, joined ? b->top : NULL, joined ? b->part : NULL, now);
}

/* At the host a first contact yields to better ones of its own part, and where it costs credit follows that order too.
 */
static __always_inline int may_release_at_host(struct accounting *b, const struct attempt *a, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];
	struct scope *s = host_of(b);
	int kept;

	if (!has_turn(s, l, now)) {
		s->parties.offered_ns = 0;
		return 0;
	}
	kept = a->flags & ATTEMPT_IN_PARTY && takes_kept_slot(b, now);
	if (!kept && !lets_all_go(l) && l->strict && !has_free_slot_at_host(b, now))
		return 0;
	if (is_first(a) && a->flags & ATTEMPT_IN_PARTY && b->part) {
		if (b->part->waiting_known | ((1 - is_named_one(a)) & some(b->part->waiting_named)))
			return 0;
	}
	if (is_first(a) && l->first.credit) {
		if ((1 - is_named_one(a)) & named_wait(s))
			return 0;
		if (!may_have_credit(s, a, a->place[CHARGED_HOST], now))
			return 0;
	}
	return kept || may_take_turn(b, a, now);
}

static __always_inline void release_from(struct scope *s, const struct limits *l, struct attempt *a, __u32 place,
					 __u64 now)
{
	int side;

	if (is_first(a) && l->first.credit) {
		side = side_of(trust_of(s, a), place, now);
		leave_by_side(trust_of(s, a), side, place);
		a->flags = side == SIDE_NEWEST ? a->flags | ATTEMPT_NEWEST : a->flags & ~ATTEMPT_NEWEST;
	}
	take_turn(s, l, now);
	s->released++;
}

/* A queued attempt asks: any waiter may take a turn that is due, unless it is another party's. */
static __always_inline enum verdict attempt_recheck(struct accounting *b, struct attempt *a, __u32 mode, __u64 now)
{
	__u8 at = CHARGED;

	touch(b, now);
	/* Its part could not be noted when it began. */
	if (!(a->flags & ATTEMPT_IN_PARTY)) {
		party_join(b, a);
		enter_round(b, a, now);
	}
	if (mode == MODE_ENFORCE) {
		for_each_charged(i) {
			if (at == CHARGED && b->scope[i] &&
			    !(i == CHARGED_HOST ? may_release_at_host(b, a, now)
						: may_release(b->scope[i], b->limits[i], a, a->place[i], now)))
				at = i;
		}
	}
	if (at != CHARGED) {
		if (at != a->blocked_on) {
			wait_no_more(b, a);
			wait_at(b, a, at, now);
		}
		return VERDICT_HOLD;
	}
	if (a->flags & ATTEMPT_IN_PARTY && (a->flags & ATTEMPT_IN_ROUND || host_of(b)->parties.waiting))
		go_round(b, now);
	wait_no_more(b, a);
	party_leave(b, a);
	for_each_charged(i) {
		if (!b->scope[i])
			continue;
		leave_queue(b->scope[i], a, is_seen(b, a), now);
		release_from(b->scope[i], b->limits[i], a, a->place[i], now);
	}
	go_out(b, a, now);
	return VERDICT_GO;
}
