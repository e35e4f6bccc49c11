/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the first contacts of one account have come to: the credit that is left, and whether it looks like a scanner's.
 *
 * Every function here is to be called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

#define HALVE_NS 2000000000ULL
/* Silence takes one step towards being a suspect, an answer so many back, and time one whenever so many low bits of the
 * clock are over. So many steps double the pause after which credit comes back. */
#define ANSWER_STEPS 2
#define SUSPECT_STEPS 12
#define STEPS_MOST 24
#define STEPS_TO_DOUBLE 2
#define FORGET_SHIFT 39
#define UNANSWERED_MOST 3
#define WIDEN_SHIFT 25
#define WIDEN_MOST 16
#define SHIFT_MOST 31

/* The compiler is to read again what it has read before, not to keep it: 512 bytes of stack are all there is. */
#define READ_AGAIN() asm volatile("" ::: "memory")

enum side { SIDE_OLDEST, SIDE_NEWEST };

/* What a purse begins with and recovers to. */
static __always_inline __u32 rest_of(const struct first_contact *f, __u32 purse)
{
	return f->credit << (purse & PURSE_NAMED) * NAMED_SHIFT;
}

static __always_inline int is_throttled(const struct trust *t, const struct first_contact *f)
{
	return f->throttle && t->suspect_ns;
}

/* Until the next credit comes back. */
static __always_inline __u64 pause_ns(const struct trust *t, const struct first_contact *f)
{
	__u64 pause = f->recover_ns << (t->steps / STEPS_TO_DOUBLE & 15);

	return is_throttled(t, f) || pause > f->recover_most_ns ? f->recover_most_ns : pause;
}

static __always_inline void gain_credit(struct trust *t, __u32 earned, __u64 now)
{
	if (t->credit < CREDIT)
		t->offered_ns = now;
	t->credit += earned;
}

/* For the whole time since it was last asked by the pause as it was then: time forgets afterwards. */
static __always_inline void credit_recovers(struct trust *t, const struct first_contact *f, __u32 rest, __u64 now)
{
	__u64 pause, more, earned;
	__u32 missing;

	if (t->credit >= rest) {
		t->recover_ns = 0;
		return;
	}
	if (!t->recover_ns) {
		t->recover_ns = now + pause_ns(t, f);
		return;
	}
	if (now < t->recover_ns)
		return;
	pause = pause_ns(t, f);
	READ_AGAIN();
	more = (now - t->recover_ns) / (pause | !pause);
	missing = rest - t->credit;
	earned = more + 1;
	if (earned > missing / CREDIT + 1)
		earned = missing / CREDIT + 1;
	earned *= CREDIT;
	gain_credit(t, earned < missing ? earned : missing, now);
	t->recover_ns = t->credit < rest ? t->recover_ns + (more + 1) * pause : 0;
}

/* Back at zero it is no suspect any more, unless it is blocked for a time. */
static __always_inline void absolve(struct trust *t, const struct first_contact *f)
{
	if (!t->steps && !f->block_ns)
		t->suspect_ns = 0;
}

/* To be called before anything else here. */
static __always_inline void trust_settle(struct trust *t, const struct first_contact *f, __u32 purse, __u64 now)
{
	__u64 periods, until, forgotten;
	__u32 rest = rest_of(f, purse), excess, shift;

	if (!f->credit)
		return;
	if (!t->halved_ns) {
		t->credit = rest;
		t->side = SIDE_NEWEST;
		t->halved_ns = now | !now;
		return;
	}
	if (f->block_ns && t->suspect_ns && now >= t->suspect_ns + f->block_ns) {
		t->suspect_ns = 0;
		t->steps = 0;
	}
	READ_AGAIN();
	credit_recovers(t, f, rest, now);
	READ_AGAIN();
	periods = now > t->halved_ns ? (now - t->halved_ns) / HALVE_NS : 0;
	if (!periods)
		return;
	shift = periods < SHIFT_MOST ? periods : SHIFT_MOST;
	t->answered >>= shift;
	t->silent >>= shift;
	excess = t->credit > rest ? t->credit - rest : 0;
	t->credit -= excess - (excess >> shift);
	until = t->halved_ns + periods * HALVE_NS;
	forgotten = (until >> FORGET_SHIFT) - (t->halved_ns >> FORGET_SHIFT);
	t->steps -= forgotten < t->steps ? forgotten : t->steps;
	t->halved_ns = until;
	absolve(t, f);
}

/* Whether trust_settle() would change anything. */
static __always_inline int trust_is_unsettled(const struct trust *t, const struct first_contact *f, __u32 purse,
					      __u64 now)
{
	if (!f->credit)
		return 0;
	if (!t->halved_ns || now >= t->halved_ns + HALVE_NS || (t->credit >= rest_of(f, purse)) != !t->recover_ns)
		return 1;
	return (t->recover_ns && now >= t->recover_ns) ||
	       (f->block_ns && t->suspect_ns && now >= t->suspect_ns + f->block_ns);
}

static __always_inline int has_credit(const struct trust *t)
{
	return t->credit >= CREDIT;
}

/* Whether one that has just come may go out before those who wait. */
static __always_inline int newest_goes(const struct trust *t, const struct first_contact *f)
{
	return f->order == ORDER_EITHER && t->side == SIDE_NEWEST;
}

/* Whether the address, by its hash, is in the working set. */
static __always_inline int works_with(const struct trust *t, const struct first_contact *f, __u64 address)
{
	__u32 found = 0;

	for (__u32 i = 0; i < WORKING_SET; i++)
		found |= (t->working_set[i] == address) << i;
	return found & ((1u << (f->working_set & 15)) - 1);
}

static __always_inline void note_contact(struct trust *t, const struct first_contact *f, __u64 address)
{
	__u64 moved = address, next;

	if (!f->working_set)
		return;
	for (int i = 0; i < WORKING_SET; i++) {
		next = t->working_set[i];
		t->working_set[i] = moved;
		if (next == address)
			break;
		moved = next;
	}
}

/* The place of one that begins to wait. */
static __always_inline __u32 queue_for_credit(struct trust *t, int alone)
{
	__u32 place = t->places++;

	t->newest = place;
	if (alone)
		t->oldest = place;
	return place;
}

/* Places go round. */
static __always_inline int is_within(__u32 ahead, __u32 window)
{
	return (__s32)(ahead - window) < 0;
}

#define NO_SIDE (-1)

/* The side from which a waiter may go out now, if it may: those nearest to the end whose turn it is, as many as there
 * is credit for; the longer that lies about, the more of all. */
static __always_inline int side_of(const struct trust *t, __u32 place, __u64 now)
{
	__u64 lies = now > t->offered_ns ? (now - t->offered_ns) >> WIDEN_SHIFT : 0;
	__u32 wider = (1u << (lies < WIDEN_MOST ? lies : WIDEN_MOST)) - 1;
	__u32 from_newest = t->newest - place, from_oldest = place - t->oldest;
	__u32 credits = t->credit / CREDIT;

	if (!has_credit(t))
		return NO_SIDE;
	if (t->side == SIDE_NEWEST) {
		if (is_within(from_newest, wider + credits))
			return SIDE_NEWEST;
		return is_within(from_oldest, wider) ? SIDE_OLDEST : NO_SIDE;
	}
	if (is_within(from_oldest, wider + credits))
		return SIDE_OLDEST;
	return is_within(from_newest, wider) ? SIDE_NEWEST : NO_SIDE;
}

/* A waiter goes out from that side. Those nearer to the end that have not asked yet may still: marks only move on. */
static __always_inline void leave_by_side(struct trust *t, int side, __u32 place)
{
	if (side == SIDE_NEWEST && is_within(place, t->newest + 1))
		t->newest = place - 1;
	if (side != SIDE_NEWEST && is_within(t->oldest, place + 1))
		t->oldest = place + 1;
}

/* A waiter ends. */
static __always_inline void leave_place(struct trust *t, __u32 place)
{
	if (place == t->newest)
		t->newest = place - 1;
	if (place == t->oldest)
		t->oldest = place + 1;
}

/* A first contact goes out. */
static __always_inline void credit_spend(struct trust *t, const struct first_contact *f, __u32 purse, __u64 now)
{
	t->credit -= t->credit < CREDIT ? t->credit : CREDIT;
	t->pending++;
	t->first_contacts++;
	t->offered_ns = now;
	if (!t->recover_ns && t->credit < rest_of(f, purse))
		t->recover_ns = now + pause_ns(t, f);
}

/* Of late, and counting those that have not had the time: then answers earn more than they cost, and it is no suspect.
 */
static __always_inline int is_answered_enough(const struct trust *t)
{
	return UNANSWERED_MOST * (__u64)t->answered >= (__u64)t->pending + t->silent;
}

/* One that was out is answered or silent. */
static __always_inline void pending_no_more(struct trust *t)
{
	t->pending -= !!t->pending;
}

/* One that went out from `side` is answered; so many others of its neighbourhood were before it. */
static __always_inline void contact_answered(struct trust *t, const struct first_contact *f, __u32 purse, int side,
					     __u32 neighbours, __u64 now)
{
	__u32 bonus = f->bonus >> (neighbours < SHIFT_MOST ? neighbours : SHIFT_MOST), most = rest_of(f, purse), room;

	t->answered++;
	t->steps -= t->steps < ANSWER_STEPS ? t->steps : ANSWER_STEPS;
	absolve(t, f);
	if (is_throttled(t, f) || !is_answered_enough(t))
		bonus = 0;
	if (t->answered > t->pending && (t->answered - t->pending) * CREDIT > most)
		most = (t->answered - t->pending) * CREDIT;
	room = most > t->credit ? most - t->credit : 0;
	bonus += f->refund;
	gain_credit(t, bonus < room ? bonus : room, now);
	t->side = side;
}

/* What has answered proves nothing: the contact costs nothing, but its address is as unknown as it was. */
static __always_inline void contact_undone(struct trust *t, const struct first_contact *f, __u32 purse, __u64 address,
					   int first, __u64 now)
{
	__u32 rest = rest_of(f, purse), room = rest > t->credit ? rest - t->credit : 0;

	for (int i = 0; i < WORKING_SET; i++)
		t->working_set[i] &= -(__u64)(t->working_set[i] != address);
	if (first)
		gain_credit(t, f->refund < room ? f->refund : room, now);
}

/* One that went out from `side` is not answered in time, or ended without an answer. */
static __always_inline void contact_silent(struct trust *t, const struct first_contact *f, int side, __u64 now)
{
	t->silent++;
	t->steps += t->steps < STEPS_MOST;
	if (f->order == ORDER_EITHER && side == t->side)
		t->side = !side;
	if (t->steps >= SUSPECT_STEPS && !t->suspect_ns && !is_answered_enough(t))
		t->suspect_ns = now | !now;
}

static __always_inline int is_blocked(const struct trust *t, const struct first_contact *f, __u64 now)
{
	return f->block_ns && t->suspect_ns && now < t->suspect_ns + f->block_ns;
}
