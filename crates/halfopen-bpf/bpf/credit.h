/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What became of the first contacts of one account: the credit that is left, and whether the account looks like a
 * scanner's.
 *
 * Every function here is called with the host scope's lock held. Pure: no helper is called.
 */
#pragma once

#include "verifier.h"

#define PERIOD_NS 1000000000ULL
/* The sequential test of Jung 2004: a silence adds one step, an answer takes back as many as it is worth. This many
 * steps make a suspect. What was heard is then 39 times as likely from a scanner, of whose contacts 2 % are answered,
 * as from another program, of whose contacts 10 % are. */
#define SUSPECT_STEPS (43 * CREDIT)
#define STEPS_MOST (132 * CREDIT)
/* This many steps double the pause after which credit comes back. */
#define STEPS_TO_DOUBLE (12 * CREDIT)
#define RECOVER_MOST_NS 512000000000ULL
/* Time takes back a step each time this many low bits of the clock wrap around: every nine minutes. */
#define FORGET_SHIFT 39
/* Evidence in the bucket for all ports weighs less, as a shift. */
#define ALL_PORTS_SHIFT 3
/* Credit that answers brought lasts up to what this many are worth, plus one more for each recent second with an
 * answer. */
#define BANK_ANSWERS 2
#define PROVEN_MOST 8
#define HEARD_MOST 128
#define WIDEN_SHIFT 25
#define WIDEN_MOST 16
#define SHIFT_MOST 31

enum side { SIDE_OLDEST, SIDE_NEWEST };

/* How much less evidence weighs in this bucket, as a shift. */
static __always_inline __u32 weight_shift(__u32 bucket)
{
	return (bucket == BUCKET_ALL_PORTS) * ALL_PORTS_SHIFT;
}

/* The credit that a bucket begins with and recovers to. */
static __always_inline __u32 rest_of(const struct first_contact *f, __u32 bucket)
{
	return f->credit << is_zero(bucket ^ BUCKET_NAMED) * NAMED_SHIFT;
}

/* The credit up to which answers can fill the bucket. */
static __always_inline __u32 bank_of(const struct trust *t, const struct first_contact *f, __u32 bucket)
{
	return rest_of(f, bucket) + f->worth * (BANK_ANSWERS + t->proven);
}

static __always_inline int is_throttled(const struct trust *t, const struct first_contact *f)
{
	return f->throttle && t->suspect_ns;
}

/* The time until the next credit comes back: doubled for every STEPS_TO_DOUBLE steps, and in proportion between
 * them. */
static __always_inline __u64 pause_ns(const struct trust *t, const struct first_contact *f)
{
	__u32 steps = t->steps < STEPS_MOST ? t->steps : STEPS_MOST;
	__u64 pause = f->recover_ns << (steps / STEPS_TO_DOUBLE);
	__u64 most = f->recover_ns > RECOVER_MOST_NS ? f->recover_ns : RECOVER_MOST_NS;

	if (!f->worth)
		return f->recover_ns;
	pause += pause / STEPS_TO_DOUBLE * (steps % STEPS_TO_DOUBLE);
	return is_throttled(t, f) || pause > most ? most : pause;
}

static __always_inline void gain_credit(struct trust *t, __u32 earned, __u64 now)
{
	if (t->credit < CREDIT)
		t->offered_ns = now;
	t->credit += earned;
}

/* Recovers credit for the whole time since the last call, at the pause of the last call: steps are forgotten only
 * afterwards. */
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

/* An account whose steps are back at zero is no suspect any more, unless suspects are blocked for a fixed time. */
static __always_inline void absolve(struct trust *t, const struct first_contact *f)
{
	if (!t->steps && !f->block_ns)
		t->suspect_ns = 0;
}

/* Called before anything else in this header. */
static __always_inline void trust_settle(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	__u64 periods, until, forgotten;
	__u32 rest = rest_of(f, bucket), excess, shift, bank;

	if (!f->credit)
		return;
	if (!t->settled_ns) {
		t->credit = rest;
		t->side = SIDE_NEWEST;
		t->settled_ns = now | !now;
		return;
	}
	if (f->block_ns && t->suspect_ns && now >= t->suspect_ns + f->block_ns) {
		t->suspect_ns = 0;
		t->steps = 0;
	}
	READ_AGAIN();
	credit_recovers(t, f, rest, now);
	READ_AGAIN();
	periods = now > t->settled_ns ? (now - t->settled_ns) / PERIOD_NS : 0;
	if (!periods)
		return;
	shift = periods < SHIFT_MOST ? periods : SHIFT_MOST;
	t->answered >>= shift;
	t->proven += t->answers && t->proven < PROVEN_MOST;
	t->proven >>= shift - t->answers;
	t->answers = 0;
	bank = bank_of(t, f, bucket);
	excess = t->credit > bank ? t->credit - bank : 0;
	t->credit -= excess - (excess >> shift);
	until = t->settled_ns + periods * PERIOD_NS;
	forgotten = (until >> FORGET_SHIFT) - (t->settled_ns >> FORGET_SHIFT);
	forgotten = forgotten < STEPS_MOST ? forgotten * CREDIT >> weight_shift(bucket) : STEPS_MOST;
	t->steps -= forgotten < t->steps ? forgotten : t->steps;
	t->settled_ns = until;
	absolve(t, f);
}

/* Whether trust_settle() would change anything. */
static __always_inline int trust_is_unsettled(const struct trust *t, const struct first_contact *f, __u32 bucket,
					      __u64 now)
{
	__u32 recovers, is_suspect, period_is_over, is_recovered, is_blocked;

	if (!f->credit)
		return 0;
	recovers = 1 - is_zero(t->recover_ns);
	is_suspect = 1 - is_zero(t->suspect_ns);
	period_is_over = is_zero(t->settled_ns) | (1 - is_before(now, t->settled_ns + PERIOD_NS));
	is_recovered = recovers & (1 - is_before(now, t->recover_ns));
	is_blocked = is_suspect & (1 - is_zero(f->block_ns));
	return period_is_over | (recovers ^ is_below(t->credit, rest_of(f, bucket))) | is_recovered |
	       (is_blocked & (1 - is_before(now, t->suspect_ns + f->block_ns)));
}

static __always_inline __u32 has_credit(const struct trust *t)
{
	return some(t->credit / CREDIT);
}

/* Whether a contact that has just come may go out before those that wait. */
static __always_inline int newest_goes(const struct trust *t, const struct first_contact *f)
{
	return f->order == ORDER_EITHER && t->side == SIDE_NEWEST;
}

/* The place of a contact that begins to wait. */
static __always_inline __u32 queue_for_credit(struct trust *t, int alone)
{
	__u32 place = t->places++;

	t->newest = place;
	if (alone)
		t->oldest = place;
	return place;
}

#define NO_SIDE (-1)

/* The side from which a waiter may go out now, or NO_SIDE. Eligible are the waiters nearest to the end whose turn it
 * is, as many as there is credit for. The longer credit lies unused, the more waiters at either end are eligible. */
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

/* A waiter goes out from that side. Waiters nearer to that end that have not asked yet lose nothing: waiters that ask
 * out of order never move a mark back. */
static __always_inline void leave_by_side(struct trust *t, int side, __u32 place)
{
	__u32 is_newest = is_zero(side ^ SIDE_NEWEST);

	t->newest ^= (t->newest ^ (place - 1)) & -(is_newest & is_within(place, t->newest + 1));
	t->oldest ^= (t->oldest ^ (place + 1)) & -((1 - is_newest) & is_within(t->oldest, place + 1));
}

/* A waiter ends without going out. */
static __always_inline void leave_place(struct trust *t, __u32 place)
{
	if (place == t->newest)
		t->newest = place - 1;
	if (place == t->oldest)
		t->oldest = place + 1;
}

/* A first contact goes out. */
static __always_inline void credit_spend(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	t->credit -= t->credit < CREDIT ? t->credit : CREDIT;
	t->pending++;
	t->offered_ns = now;
	if (!t->recover_ns && t->credit < rest_of(f, bucket))
		t->recover_ns = now + pause_ns(t, f);
}

/* Counts what was heard of about the last hundred contacts, whenever it was heard. */
static __always_inline void hear(struct trust *t, __u32 answers)
{
	t->heard_answers += answers;
	t->heard_silences += 1 - answers;
	if (t->heard_answers + t->heard_silences > HEARD_MOST) {
		t->heard_answers >>= 1;
		t->heard_silences >>= 1;
	}
}

/* The same test over all that was heard lately: silences weigh little against an account for which answers spoke a
 * moment ago. Answers weigh two thirds here, so that a scan of which some contacts are answered is not missed. */
static __always_inline int is_hardly_answered(const struct trust *t, const struct first_contact *f)
{
	return t->heard_silences * CREDIT >= SUSPECT_STEPS + t->heard_answers * f->worth * 2 / 3;
}

/* A contact that was out is answered or silent. */
static __always_inline void pending_no_more(struct trust *t)
{
	t->pending -= !!t->pending;
}

/* A contact that went out from `side` is answered, after `neighbours` others of its neighbourhood. */
static __always_inline void contact_answered(struct trust *t, const struct first_contact *f, __u32 bucket, int side,
					     __u32 neighbours, __u64 now)
{
	__u32 worth = f->worth >> (neighbours < SHIFT_MOST ? neighbours : SHIFT_MOST);
	__u32 most, room, back, cost = f->worth ? CREDIT : 0;

	/* Answers farmed in one network hardly count. */
	if (worth >= CREDIT)
		hear(t, 1);
	t->answered++;
	t->answers = 1;
	back = worth >> weight_shift(bucket);
	t->steps -= t->steps < back ? t->steps : back;
	if (worth < cost)
		worth = cost;
	absolve(t, f);
	if (is_throttled(t, f))
		worth = cost;
	most = bank_of(t, f, bucket);
	if (t->answered > t->pending && (t->answered - t->pending) * CREDIT > most)
		most = (t->answered - t->pending) * CREDIT;
	room = most > t->credit ? most - t->credit : 0;
	gain_credit(t, worth < room ? worth : room, now);
	t->side = side;
}

/* The answer proves nothing: the contact costs nothing. */
static __always_inline void contact_undone(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	__u32 rest = rest_of(f, bucket), room = rest > t->credit ? rest - t->credit : 0;
	__u32 cost = f->worth ? CREDIT : 0;

	gain_credit(t, cost < room ? cost : room, now);
}

/* A contact that went out from `side` is not answered in time, or ended without an answer. */
static __always_inline void contact_silent(struct trust *t, const struct first_contact *f, __u32 bucket, int side,
					   __u64 now)
{
	hear(t, 0);
	if (f->worth && t->steps < STEPS_MOST)
		t->steps += CREDIT >> weight_shift(bucket);
	if (f->order == ORDER_EITHER && side == t->side)
		t->side = !side;
	if (t->steps >= SUSPECT_STEPS && !t->suspect_ns && is_hardly_answered(t, f))
		t->suspect_ns = now | !now;
}
