/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The life of an attempt in the accounting until it is out: it begins (goes out at once, or waits), and asks again at
 * each re-check. outcome.h has the rest of its life, refuse.h what comes before. These headers have no second
 * implementation: crates/halfopen-policy compiles them for user space and tests them.
 *
 * The functions here are called with the host scope's lock held, unless their comment says otherwise. Pure: they call
 * no helper.
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
	return lets_all_go(l) || !l->interval_ns || now >= s->next_turn_ns;
}

/* The waiters here for a slot, a turn or credit. */
static __always_inline __u32 waiting_in_rank(const struct scope *s)
{
	return s->waiting_here - s->waiting_to_open - s->waiting_to_reach;
}

/* The waiters of the attempt's kind here. */
static __always_inline __u32 waiting_alike(const struct scope *s, const struct attempt *a)
{
	__u32 named = s->trust[BUCKET_NAMED].waiting, foreign = s->trust[BUCKET_FOREIGN].waiting;
	__u32 of_strangers = waiting_in_rank(s) - s->waiting_known - named - foreign;

	return is_stranger(a) * of_strangers + is_named_one(a) * named + is_foreign_one(a) * foreign;
}

/* The waiters here for the same credit. */
static __always_inline __u32 waiting_for_credit(const struct scope *s, const struct attempt *a)
{
	return s->trust[credit_bucket_of(a)].waiting;
}

/* Whether waiters with a named address are here, and have the credit. */
static __always_inline __u32 named_wait(const struct scope *s)
{
	const struct trust *named = &s->trust[BUCKET_NAMED];

	return some(named->waiting) & some(named->credit / CREDIT);
}

/* Whether waiters of better rank are here for the same slots and turns. A first contact yields to known contacts; one
 * with a stranger also yields to named contacts that have the credit. */
static __always_inline int yields(const struct scope *s, const struct limits *l, const struct attempt *a)
{
	__u32 named_wait_for_slots = (1 - some(l->first.credit)) | some(s->trust[BUCKET_NAMED].credit / CREDIT);

	return some(s->waiting_known) |
	       ((1 - is_named_one(a)) & some(s->trust[BUCKET_NAMED].waiting) & named_wait_for_slots);
}

/* In its own scope, a newcomer goes out at once only if no equal or better waiter is there. Known contacts pass those
 * that wait for credit. So do named contacts, and the newest contact where it is the newest's turn. */
static __always_inline int may_admit(struct scope *s, const struct limits *l, const struct attempt *a, __u64 now)
{
	int has_slot = lets_all_go(l) || has_free_slot(s, l), passes;

	if (!may_open_at_once(s, l, a, now))
		return 0;
	if (!is_first(a))
		return lets_all_go(l) || (!s->waiting_known && has_slot);
	passes = !yields(s, l, a);
	if (!l->first.credit)
		return lets_all_go(l) || (passes && !waiting_alike(s, a) && has_slot);
	if (passes && waiting_for_credit(s, a))
		passes = newest_goes(trust_of(s, a), &l->first);
	return passes && has_credit_for(s, a) && has_slot;
}

/* An account that takes all slots at once gets them all back at once: until then newcomers would wait for up to
 * slot_life. So, for a while after a newcomer came while others waited, the others leave a part of the host's slots
 * free. */
#define KEPT_PART 32
#define KEPT_FOR_NS 10000000000ULL

static __always_inline __u32 slots_kept(const struct scope *host, const struct limits *l, __u64 now)
{
	__u64 last = host->parties.newcomer_ns;

	return last && now < last + KEPT_FOR_NS ? l->half_open / KEPT_PART : 0;
}

static __always_inline int is_newcomer(const struct accounting *b, __u64 now)
{
	return has_parties(b) && (is_new(&host_of(b)->parties, b->top, now) | is_new(b->top, b->part, now));
}

/* Does not count the slots that are kept for newcomers. */
static __always_inline int has_free_slot_at_host(const struct accounting *b, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];

	return slots_held(host_of(b)) + slots_kept(host_of(b), l, now) < l->half_open;
}

/* The kept slots are outside the round of turns. */
static __always_inline int takes_kept_slot(const struct accounting *b, __u64 now)
{
	return has_free_slot(host_of(b), b->limits[CHARGED_HOST]) && !has_free_slot_at_host(b, now) &&
	       is_newcomer(b, now);
}

/* The waiters of the attempt's own part for the host's turns, of equal or better rank. Connections go out in the order
 * in which they came, whatever their rank. */
static __always_inline __u32 waiting_before(const struct party *part, const struct limits *l, const struct attempt *a)
{
	if (limits_connections(l))
		return part->waiters;
	if (!is_first(a))
		return part->waiting_known;
	return is_stranger(a) ? part->waiters : part->waiting_known + part->waiting_named;
}

/* At the host, a newcomer yields only to the waiters of its own part; past those of other parts it takes a turn like
 * any of them. Where a first contact costs credit at the host, the order of the credit bucket applies too. */
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
	if (!may_open(s, l, a, now))
		return 0;
	if (lets_all_go(l) & (1 - limits_connections(l)))
		return 1;
	if (!s->parties.waiting)
		return has_free_slot(s, l);
	if (!turn_is_due(s, l, now) || (b->part && waiting_before(b->part, l, a)))
		return 0;
	return takes_kept_slot(b, now) ||
	       (has_free_slot_at_host(b, now) && may_take(&s->parties, b->top, b->part, now));
}

/* Whether its destination lets the attempt out. A newcomer comes after all that wait for it. */
static __always_inline int destination_admits(const struct accounting *b, const struct attempt *a, __u64 now)
{
	const struct destination *d = b->destination;

	if (!has_destination(b))
		return 1;
	return (1 - some(d->waiting)) & may_reach(d, destination_limits_of(b), a, now);
}

static __always_inline int destination_releases(const struct accounting *b, const struct attempt *a, __u64 now)
{
	return !has_destination(b) || may_reach(b->destination, destination_limits_of(b), a, now);
}

static __always_inline int has_turn(const struct scope *s, const struct limits *l, __u64 now)
{
	return turn_is_due(s, l, now) && (!l->strict || has_free_slot(s, l));
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

/* Keeps the next turn at most one interval away: a raised rate takes effect at once, and turns taken while nothing was
 * enforced leave no debt. */
static __always_inline void turns_settle(struct scope *s, const struct limits *l, __u64 now)
{
	if (l->interval_ns && s->next_turn_ns > now + l->interval_ns)
		s->next_turn_ns = now + l->interval_ns;
}

/* Before the rest of this header is called, each charged scope must be settled: its slots, its grid and turns, and its
 * credit bucket, in this order. Whether settling would change anything may be asked without the lock: the next caller
 * settles what this one misses. */
static __always_inline int grid_or_turns_are_unsettled(const struct scope *s, const struct limits *l, __u64 now)
{
	__u32 grid_is_over = some(s->in_old_grid) & (1 - is_before(now, s->old_grid_until_ns));
	__u32 turn_is_far = (1 - is_zero(l->interval_ns)) & is_before(now + l->interval_ns, s->next_turn_ns);

	return some(s->slot_shift ^ l->slot_shift) | grid_is_over | turn_is_far | connections_are_unsettled(s, l, now);
}

/* A scope without slots has an empty wheel: moving the tick settles it. */
static __always_inline void touch(struct accounting *b, __u64 now)
{
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		join_walk(s, host_of(b)->walk);
		slots_mend(s);
		s->touched_ns = now;
		if (!slots_in_wheel(s) && now >> s->slot_shift > s->tick)
			s->tick = now >> s->slot_shift;
	}
	if (has_destination(b))
		destination_joins_walk(b->destination, host_of(b)->walk);
}

/* The scope that holds the attempt back. If that scope is gone, it is the host's. */
static __always_inline struct scope *waits_at(const struct accounting *b, const struct attempt *a)
{
	if (a->blocked_on == CHARGED_OWN && is_charged(b, CHARGED_OWN))
		return b->scope[CHARGED_OWN];
	if (a->blocked_on == CHARGED_INTERFACE && is_charged(b, CHARGED_INTERFACE))
		return b->scope[CHARGED_INTERFACE];
	return host_of(b);
}

/* The attempt is queued, whichever scope holds it back. */
static __always_inline void party_join(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_PARTY || !has_parties(b))
		return;
	b->part->queued++;
	b->top->queued++;
	a->flags |= ATTEMPT_IN_PARTY;
}

static __always_inline void party_leave(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_PARTY && has_parties(b)) {
		b->part->queued -= !!b->part->queued;
		b->top->queued -= !!b->top->queued;
	}
	a->flags &= ~ATTEMPT_IN_PARTY;
}

static __always_inline void count_in_part(struct party *part, const struct attempt *a, __u32 by)
{
	__u32 first = is_first(a), ranks = by * (1 - waits_for_connection(a));

	part->waiting_known += ranks * (1 - first);
	part->waiting_named += ranks * (first & is_named_one(a));
}

/* Whether the attempt waits for the host's turn. One that waits for the host's credit does not: no turn is kept for
 * it. */
static __always_inline int waits_for_turn(const struct accounting *b, const struct attempt *a)
{
	__u32 waits_for_credit = is_first(a) & some(b->limits[CHARGED_HOST]->first.credit);

	return is_zero(a->blocked_on ^ CHARGED_HOST) & ((1 - waits_for_credit) | waits_for_connection(a));
}

static __always_inline void enter_round(struct accounting *b, struct attempt *a, __u64 now)
{
	if (!(a->flags & ATTEMPT_IN_PARTY) || !has_parties(b) || !waits_for_turn(b, a))
		return;
	round_join(b->top, b->part, now);
	round_join(&host_of(b)->parties, b->top, now);
	count_in_part(b->part, a, 1);
	a->flags |= ATTEMPT_IN_ROUND;
}

static __always_inline void leave_round(struct accounting *b, struct attempt *a)
{
	if (a->flags & ATTEMPT_IN_ROUND && has_parties(b)) {
		count_in_part(b->part, a, -1);
		round_leave(b->top, b->part);
		round_leave(&host_of(b)->parties, b->top);
	}
	a->flags &= ~ATTEMPT_IN_ROUND;
}

/* The attempt takes a turn, or goes out past those that wait for theirs. */
static __always_inline void go_round(struct accounting *b, __u64 now)
{
	struct party *all = &host_of(b)->parties;

	if (!has_parties(b))
		return;
	if (is_newcomer(b, now) && (all->waiting > !!b->top->waiters || b->top->waiting > !!b->part->waiters))
		all->newcomer_ns = now;
	round_take(b->top, b->part, now);
	round_take(all, b->top, now);
}

/* The flag of an attempt that waits for this. */
static __always_inline __u32 waiting_flag(__u32 waits_for)
{
	return (waits_for & 3) * ATTEMPT_TO_OPEN;
}

_Static_assert(ATTEMPT_TO_REACH == 2 * ATTEMPT_TO_OPEN && WAITS_TO_REACH == 2 && WAITS_TO_OPEN == 1,
	       "a flag is its number's multiple");

static __always_inline void count_waiting_far(struct accounting *b, const struct attempt *a, __u32 by)
{
	__u32 reaches = by * has_flag(a, ATTEMPT_TO_REACH);

	if (!has_destination(b))
		return;
	b->destination->waiting += reaches;
	b->destination->seen_waiting += reaches * is_seen(b, a);
}

/* Of what a limit on connections holds back, or would. */
static __always_inline void count_waited(struct scope *s, __u32 waits_for)
{
	s->waited_to_open += waits_for & 1;
	s->waited_to_reach += waits_for >> 1 & 1;
}

static __always_inline void wait_at(struct accounting *b, struct attempt *a, __u8 at, __u32 for_what, __u64 now)
{
	struct scope *s;

	a->blocked_on = at;
	a->flags = (a->flags & ~(ATTEMPT_TO_OPEN | ATTEMPT_TO_REACH)) | waiting_flag(for_what);
	s = waits_at(b, a);
	count_waiting_far(b, a, 1);
	if (!s->waiting_here && s->next_turn_ns < now)
		s->next_turn_ns = now;
	count_waiting_here(s, a, is_seen(b, a), 1);
	enter_round(b, a, now);
}

static __always_inline void wait_no_more(struct accounting *b, struct attempt *a)
{
	count_waiting_here(waits_at(b, a), a, is_seen(b, a), -1);
	count_waiting_far(b, a, -1);
	leave_round(b, a);
}

/* A waiter whose address has answered, or was tried, in the meantime costs nothing any more. */
static __always_inline void is_first_no_more(struct accounting *b, struct attempt *a, __u64 now)
{
	struct scope *at = waits_at(b, a);
	__u32 seen = is_seen(b, a), in_round = a->flags & ATTEMPT_IN_ROUND && b->part;

	count_waiting_here(at, a, seen, -1);
	if (in_round)
		count_in_part(b->part, a, -1);
	for_each_charged(i) {
		if (is_charged(b, i) && b->limits[i]->first.credit)
			leave_place(trust_of(b->scope[i], a), a->place[i]);
	}
	a->flags &= ~ATTEMPT_FIRST;
	count_waiting_here(at, a, seen, 1);
	if (in_round)
		count_in_part(b->part, a, 1);
	else
		enter_round(b, a, now);
}

/* Whether the address, given as its hash, is in the working set. */
static __always_inline int works_with(const struct scope *s, const struct first_contact *f, __u64 address)
{
	__u32 found = 0;

	for (__u32 i = 0; i < WORKING_SET; i++)
		found |= is_zero(s->working_set[i] ^ address) << i;
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

/* Whether the limit applies to this attempt. */
static __always_inline int is_bound(const struct attempt *a, __u32 mode)
{
	return mode == MODE_ENFORCE && !(a->flags & ATTEMPT_NEVER_HELD);
}

/* A first contact spends credit, and the working set takes its address. */
static __always_inline void contact(struct scope *s, const struct limits *l, const struct attempt *a, __u64 now)
{
	if (!l->first.credit || a->flags & (ATTEMPT_NEVER_HELD | ATTEMPT_PROVISIONAL))
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

		if (!is_charged(b, i))
			continue;
		slot_take(s, b->limits[i], &a->slot[i], now);
		count_out(s, is_seen(b, a), 1);
		contact(s, b->limits[i], a, now);
		connection_begins(s, b->limits[i], a, i, is_seen(b, a), now);
	}
	if (has_destination(b))
		destination_begins(b->destination, destination_limits_of(b), a, is_seen(b, a), now);
	if (is_first(a))
		a->flags |= ATTEMPT_PENDING;
	a->state = ATTEMPT_OUT;
	a->slot_ns = now;
	a->out_ns = now;
}

/* Decides whether this is a first contact: the first charged scope where it costs credit decides. The caller has set
 * ATTEMPT_FIRST if the address has not answered lately. Needs no lock. */
static __always_inline void tell_first(struct accounting *b, struct attempt *a)
{
	int first = 0, told = a->flags & (ATTEMPT_NEVER_HELD | ATTEMPT_PROVISIONAL);

	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (told || !is_charged(b, i) || !b->limits[i]->first.credit)
			continue;
		told = 1;
		first = b->limits[i]->first.working_set ? !works_with(s, &b->limits[i]->first, a->address)
							: is_first(a);
		FORGET(told);
		FORGET(first);
	}
	a->flags = first ? a->flags | ATTEMPT_FIRST : a->flags & ~ATTEMPT_FIRST;
}

static __always_inline void enqueue(struct scope *s, const struct limits *l, struct attempt *a, __u32 *place,
				    __u32 *line, __u64 now)
{
	count_queued(s, 1, 1);
	*line = join_line(s);
	s->last_waiter_ns = now;
	*place = 0;
	if (is_first(a) && l->first.credit)
		*place = queue_for_credit(trust_of(s, a), !waiting_for_credit(s, a));
}

/* An attempt that is translated was counted before. */
static __always_inline void count_admitted(struct scope *s, const struct attempt *a)
{
	__sync_fetch_and_add(&s->admitted, 1 - some(a->flags & ATTEMPT_TRANSLATED));
}

/* connect() was called; tell_first() has told whether this is a first contact. The attempt goes out at once only if
 * every scope has a free slot, and credit for a first contact, and no waiter of equal or better rank. */
static __always_inline enum verdict attempt_begin(struct accounting *b, struct attempt *a, __u32 mode, __u64 now)
{
	enum verdict verdict = VERDICT_GO;
	__u64 at = CHARGED;
	__u32 for_what = WAITS_FOR_SLOT;

	touch(b, now);
	a->began_ns = now;
	a->walk = host_of(b)->walk;
	for_each_charged(i) {
		if (at == CHARGED && is_charged(b, i) &&
		    !(i == CHARGED_HOST ? may_admit_at_host(b, a, now)
					: may_admit(b->scope[i], b->limits[i], a, now))) {
			at = i;
			for_what = 1 - (i == CHARGED_HOST ? may_open(b->scope[i], b->limits[i], a, now)
							  : may_open_at_once(b->scope[i], b->limits[i], a, now));
		}
	}
	if (at == CHARGED && !destination_admits(b, a, now)) {
		at = CHARGED_OWN;
		for_what = WAITS_TO_REACH;
	}
	if (a->flags & ATTEMPT_NEVER_HELD)
		at = CHARGED;
	FORGET(at);
	FORGET(for_what);

	if (at != CHARGED && mode == MODE_ENFORCE) {
		a->state = ATTEMPT_QUEUED;
		a->flags |= ATTEMPT_REPEATS_LATE;
		a->queue_number = host_of(b)->queue_number++;
		for_each_charged(i) {
			if (is_charged(b, i))
				enqueue(b->scope[i], b->limits[i], a, &a->place[i], &a->line[i], now);
		}
		party_join(b, a);
		wait_at(b, a, at, for_what, now);
		count_waited(waits_at(b, a), for_what);
		return VERDICT_HOLD;
	}
	if (at != CHARGED) {
		a->blocked_on = at;
		a->flags |= waiting_flag(for_what);
		count_waited(waits_at(b, a), for_what);
		verdict = VERDICT_GO_AUDITED;
	} else if (is_bound(a, mode) && host_of(b)->parties.waiting) {
		go_round(b, now);
		take_turn(host_of(b), b->limits[CHARGED_HOST], now);
	}
	for_each_charged(i) {
		struct scope *s = b->scope[i];

		if (!is_charged(b, i))
			continue;
		count_admitted(s, a);
		if (verdict == VERDICT_GO_AUDITED) {
			s->would_have_waited++;
			s->last_waiter_ns = now;
		}
	}
	go_out(b, a, now);
	return verdict;
}

static __always_inline void leave_queue(struct scope *s, const struct attempt *a, __u32 seen, __u64 now)
{
	count_queued(s, seen, -1);
	s->last_waiter_ns = now;
	if (now - a->began_ns > s->longest_wait_ns)
		s->longest_wait_ns = now - a->began_ns;
}

/* Whether there is credit for a waiter, and it is this one's turn to take it. */
static __always_inline int may_have_credit(struct scope *s, const struct attempt *a, __u32 place, __u64 now)
{
	if (!has_credit(trust_beside(s, a)))
		return 0;
	/* It waits for a connection, and no other waits for this credit: there is no order among them. */
	if (waits_for_connection(a) & (1 - some(waiting_for_credit(s, a))))
		return has_credit(trust_of(s, a));
	return side_of(trust_of(s, a), place, now) != NO_SIDE;
}

/* A first contact also needs credit. It yields to waiters of better rank, and to those of its own kind that are nearer
 * to their turn. */
static __always_inline int may_release(struct scope *s, const struct limits *l, const struct attempt *a, __u32 place,
				       __u32 line, __u64 now)
{
	if (!has_turn(s, l, now) || !may_open_in_line(s, l, a, line, now))
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

	return (lets_all_go(b->limits[CHARGED_HOST]) & (1 - limits_connections(b->limits[CHARGED_HOST]))) ||
	       may_take(&host_of(b)->parties, joined ? b->top : NULL, joined ? b->part : NULL, now);
}

/* At the host, a first contact yields to better ones of its own part. Where it costs credit, it follows the order of
 * the credit bucket too. */
static __always_inline int may_release_at_host(struct accounting *b, const struct attempt *a, __u64 now)
{
	const struct limits *l = b->limits[CHARGED_HOST];
	struct scope *s = host_of(b);
	int kept;

	if (!has_turn(s, l, now) || !may_open(s, l, a, now)) {
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
					 __u32 line, __u64 now)
{
	int side;

	if (is_first(a) && l->first.credit) {
		side = side_of(trust_of(s, a), place, now);
		leave_by_side(trust_of(s, a), side, place);
		a->flags = (a->flags & ~ATTEMPT_NEWEST) | ATTEMPT_NEWEST * (__u32)is_zero(side ^ SIDE_NEWEST);
	}
	take_turn(s, l, now);
	take_line(s, line);
	s->released++;
}

/* A queued attempt asks again. Any waiter may take a turn that is due, unless the turn is another party's. */
static __always_inline enum verdict attempt_recheck(struct accounting *b, struct attempt *a, __u32 mode, __u64 now)
{
	__u64 at = CHARGED;
	__u32 for_what = WAITS_FOR_SLOT;

	touch(b, now);
	/* There was no room to note its part when it began. */
	if (!(a->flags & ATTEMPT_IN_PARTY)) {
		party_join(b, a);
		enter_round(b, a, now);
	}
	if (mode == MODE_ENFORCE) {
		for_each_charged(i) {
			if (at == CHARGED && is_charged(b, i) &&
			    !(i == CHARGED_HOST
				      ? may_release_at_host(b, a, now)
				      : may_release(b->scope[i], b->limits[i], a, a->place[i], a->line[i], now))) {
				at = i;
				for_what = 1 - (i == CHARGED_HOST ? may_open(b->scope[i], b->limits[i], a, now)
								  : may_open_in_line(b->scope[i], b->limits[i], a,
										     a->line[i], now));
			}
		}
		if (at == CHARGED && !destination_releases(b, a, now)) {
			at = CHARGED_OWN;
			for_what = WAITS_TO_REACH;
		}
	}
	FORGET(at);
	FORGET(for_what);
	if (at != CHARGED) {
		if (at != a->blocked_on || for_what != waits_for(a)) {
			wait_no_more(b, a);
			wait_at(b, a, at, for_what, now);
		}
		return VERDICT_HOLD;
	}
	if (a->flags & ATTEMPT_IN_PARTY && (a->flags & ATTEMPT_IN_ROUND || host_of(b)->parties.waiting))
		go_round(b, now);
	wait_no_more(b, a);
	party_leave(b, a);
	for_each_charged(i) {
		if (!is_charged(b, i))
			continue;
		leave_queue(b->scope[i], a, is_seen(b, a), now);
		release_from(b->scope[i], b->limits[i], a, a->place[i], a->line[i], now);
	}
	go_out(b, a, now);
	return VERDICT_GO;
}
