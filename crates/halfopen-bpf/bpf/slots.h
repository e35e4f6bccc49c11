/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The slots of one scope, as a wheel of counts: how many expire in which tick. An attempt holds a slot until slot_life
 * after its last SYN. No timer runs at that moment, so the next attempt that asks turns the wheel.
 *
 * A tick is slot_life / 64 to slot_life / 32 long. A changed slot_life may need ticks of another length. The slots of
 * the old grid then stay in one lump until the last of them has expired: this can only hold a slot too long.
 *
 * Slots are taken and given back with and without the host scope's lock, hence by atomic operations. The wheel is
 * turned only with the lock held. Pure: no helper is called.
 */
#pragma once

#include "verifier.h"

/* One tick for rounding up, and one because the SYN leaves a little after its slot is taken. */
#define SLOT_MARGIN_TICKS 2
/* The farthest expiry ahead of the wheel's tick: 64 ticks for slot_life, one for rounding, and the margin. */
#define SLOT_REACH_TICKS (64 + 1 + SLOT_MARGIN_TICKS)

/* A flag in `slots`, above the count: a CPU decides with the lock held, and CPUs that take slots without it must wait
 * for that. */
#define SLOTS_CLOSED (1ULL << 32)

/* A bucket holds a count and, above it, the rotation of the wheel that the count belongs to. So a slot of another
 * rotation is never counted in this one. */
#define BUCKET_ROTATION_SHIFT 22
#define BUCKET_COUNT ((1u << BUCKET_ROTATION_SHIFT) - 1)

/* How often a compare-and-exchange is tried: whenever it fails, that of another CPU has succeeded. A CPU that gives a
 * slot back without the lock has no other way, so it tries more often. */
#define EXCHANGES_TRIED 8
#define EXCHANGES_TRIED_MOST 128

/* All ones if a number is not negative, else zero. The loops below have no branches, because the verifier would walk
 * each path through them; the asm hides the condition from a compiler that would make a branch of it. */
static __always_inline __u32 where_not_negative(__s64 number)
{
	asm volatile("" : "+r"(number));
	return ~(__u32)(number >> 63);
}

/* All slots that are taken: those in the wheel, in the lump of an old grid, and the lingering ones. A negative count
 * reads as none: see slots_mend(). */
static __always_inline __u32 slots_held(const struct scope *s)
{
	__s32 taken = *(const volatile __u64 *)&s->slots;

	return taken & where_not_negative(taken);
}

/* Returns the word before the addition. */
static __always_inline __u64 count_slots(struct scope *s, __s64 by)
{
	return __sync_fetch_and_add(&s->slots, by);
}

/* An account's memory may have passed to another account between the counting of a slot and the write to its bucket:
 * what expires from that bucket was never counted in `slots`. */
static __always_inline void slots_mend(struct scope *s)
{
	__s32 taken = *(const volatile __u64 *)&s->slots;

	if (taken < 0)
		count_slots(s, -(__s64)taken);
}

/* Called around decisions with the lock held: no CPU takes a slot without the lock between the decider's look at the
 * slots and its taking one. */
static __always_inline void slots_close(struct scope *s)
{
	__sync_fetch_and_or(&s->slots, SLOTS_CLOSED);
}

static __always_inline void slots_open(struct scope *s)
{
	__sync_fetch_and_and(&s->slots, ~SLOTS_CLOSED);
}

static __always_inline __u32 rotation_of(__u64 tick)
{
	return tick / SLOT_BUCKETS << BUCKET_ROTATION_SHIFT;
}

static __always_inline int is_of_rotation(__u32 bucket, __u64 tick)
{
	return (bucket & ~BUCKET_COUNT) == rotation_of(tick);
}

static __always_inline __u32 *bucket_of(struct scope *s, __u64 tick)
{
	return &s->bucket[tick & (SLOT_BUCKETS - 1)];
}

static __always_inline __u32 bucket_now(const __u32 *bucket)
{
	return *(const volatile __u32 *)bucket;
}

/* A slot belongs to the SYN that is on its way, whatever becomes of the socket. If the program closes an unanswered
 * attempt, its slot stays taken for this part of slot_life, up to LINGER_MOST_NS. Were it free at once, a scanner that
 * closes each dial after some milliseconds would know no limit. Under xp-sp2 this is three seconds: happy-eyeballs
 * dialers, which close the slower of two dials, notice it once they do so half_open times within three seconds. */
#define LINGER_PART 7
#define LINGER_MOST_NS 3000000000ULL
/* Ticks of half a second: six for the longest time, one for each rounding. */
#define LINGER_SHIFT 29

_Static_assert((LINGER_MOST_NS >> LINGER_SHIFT) + 3 <= LINGER_BUCKETS, "no bucket is used twice");

static __always_inline int lingering_is_unsettled(const struct scope *s, __u64 now)
{
	return some(s->lingering) & some((__u32)(now >> LINGER_SHIFT) ^ s->linger_tick);
}

static __always_inline void lingering_ends(struct scope *s, __u64 now)
{
	__u32 tick = now >> LINGER_SHIFT, ended = 0;
	__s32 behind = tick - s->linger_tick;

	if (behind <= 0)
		return;
	/* Unrolled, it would take the stack that callers of settle_slots() need. */
	ROLLED for (__u32 i = 1; i <= LINGER_BUCKETS; i++)
	{
		__u32 *bucket = &s->linger_bucket[(s->linger_tick + i) & (LINGER_BUCKETS - 1)];
		__u32 due = where_not_negative((__s64)behind - i);

		ended += *bucket & due;
		*bucket &= ~due;
	}
	s->lingering -= ended;
	count_slots(s, -(__s64)ended);
	s->linger_tick = tick;
}

/* Adds a lingering slot for an attempt that was closed. The scope is settled and its lock is held. */
static __always_inline void slot_lingers(struct scope *s, const struct limits *l, __u64 now)
{
	__u64 linger = l->slot_life_ns / LINGER_PART < LINGER_MOST_NS ? l->slot_life_ns / LINGER_PART : LINGER_MOST_NS;
	__u32 tick = ((now + linger) >> LINGER_SHIFT) + 1;

	if (!s->lingering)
		s->linger_tick = now >> LINGER_SHIFT;
	s->linger_bucket[tick & (LINGER_BUCKETS - 1)]++;
	s->lingering++;
	count_slots(s, 1);
}

static __always_inline __u32 slots_in_wheel(const struct scope *s)
{
	return slots_held(s) - s->in_old_grid - s->lingering;
}

static __always_inline void slots_turn(struct scope *s, __u64 now)
{
	__u64 tick = now >> s->slot_shift, from = s->tick;
	__u64 behind = tick - from;
	__u32 expired = 0;

	lingering_ends(s, now);
	if (tick <= from)
		return;
	if (behind > SLOT_BUCKETS)
		behind = SLOT_BUCKETS;
	/* Before the buckets: a CPU that gives a slot back then finds it expired, or still in its bucket. */
	*(volatile __u64 *)&s->tick = tick;
	if (!slots_in_wheel(s))
		return;
	/* Clear the bucket whatever its rotation: it may hold a slot that came too late for the last turn, and it holds
	 * none of a later rotation. */
	for (__u32 i = 1; i <= SLOT_BUCKETS; i++) {
		__u32 *bucket = bucket_of(s, from + i);
		__u32 due = where_not_negative(behind - i) & BUCKET_COUNT;

		ENOUGH(i > behind);
		expired += __sync_fetch_and_and(bucket, ~due) & due;
	}
	count_slots(s, -(__s64)expired);
}

/* When the last slot of this grid expires. The grid has at least one. */
static __always_inline __u64 last_expiry_ns(const struct scope *s)
{
	__u32 ahead = 0;

	for (__u32 i = 1; i <= SLOT_REACH_TICKS; i++) {
		__u32 count = bucket_now(&s->bucket[(s->tick + i) & (SLOT_BUCKETS - 1)]) & BUCKET_COUNT;
		__u32 some = where_not_negative((__s64)count - 1);

		ahead = (ahead & ~some) | (i & some);
	}
	return (s->tick + ahead) << s->slot_shift;
}

static __always_inline void slots_change_grid(struct scope *s, __u32 shift, __u64 now)
{
	__u32 moved = 0;
	__u64 until;

	if (slots_in_wheel(s)) {
		until = last_expiry_ns(s);
		if (!s->in_old_grid)
			s->oldest_grid = s->grid;
		if (!s->in_old_grid || s->old_grid_until_ns < until)
			s->old_grid_until_ns = until;
		for (__u32 i = 0; i < SLOT_BUCKETS; i++)
			moved += __sync_lock_test_and_set(&s->bucket[i], 0) & BUCKET_COUNT;
		s->in_old_grid += moved;
	}
	s->grid_ended_tick[s->grid & (OLD_GRIDS - 1)] = s->tick;
	s->grid++;
	s->slot_shift = shift;
	s->tick = now >> shift;
}

static __always_inline int slots_are_unsettled(const struct scope *s, __u64 now)
{
	return (some(slots_in_wheel(s)) & is_before(s->tick, now >> s->slot_shift)) | lingering_is_unsettled(s, now);
}

/* Together with slots_turn() before it, brings the wheel up to now. Called before anything else in this header. */
static __always_inline void grid_settle(struct scope *s, const struct limits *l, __u64 now)
{
	/* First, so that a further change of grid does not prolong what has expired. */
	if (s->in_old_grid && now >= s->old_grid_until_ns) {
		count_slots(s, -(__s64)s->in_old_grid);
		s->in_old_grid = 0;
	}
	if (s->slot_shift != l->slot_shift)
		slots_change_grid(s, l->slot_shift, now);
}

static __always_inline int slot_is_held(const struct scope *s, const struct slot *slot)
{
	if (!slot->tick)
		return 0;
	if (slot->grid == s->grid)
		return slot->tick > s->tick;
	/* The lump holds those slots of an old grid that had not expired when that grid was left. A slot too old to
	 * tell counts as expired; it stays in the lump until the lump expires. */
	return s->in_old_grid && (__s32)(slot->grid - s->oldest_grid) >= 0 && s->grid - slot->grid <= OLD_GRIDS &&
	       slot->tick > s->grid_ended_tick[slot->grid & (OLD_GRIDS - 1)];
}

/* The tick in which a slot that is taken now expires. */
static __always_inline __u64 expiry_of(const struct scope *s, const struct limits *l, __u64 now)
{
	__u64 ahead = ((now + l->slot_life_ns) >> s->slot_shift) - s->tick;

	if (ahead > SLOT_REACH_TICKS - SLOT_MARGIN_TICKS)
		ahead = SLOT_REACH_TICKS - SLOT_MARGIN_TICKS;
	return s->tick + ahead + SLOT_MARGIN_TICKS;
}

/* Called with the lock held. A count that the bucket still holds from an earlier rotation came too late for the wheel's
 * turn, and is dropped. */
static __always_inline void slot_take_until(struct scope *s, struct slot *slot, __u64 tick)
{
	__u32 *bucket = bucket_of(s, tick), was = bucket_now(bucket);

	slot->tick = tick;
	slot->grid = s->grid;
	count_slots(s, 1);
	if (is_of_rotation(was, tick))
		__sync_fetch_and_add(bucket, 1);
	else
		count_slots(s, -(__s64)(__sync_lock_test_and_set(bucket, rotation_of(tick) | 1) & BUCKET_COUNT));
}

static __always_inline void slot_take(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	slot_take_until(s, slot, expiry_of(s, l, now));
}

/* Takes a slot off the bucket of that tick, unless the wheel has done so. If every try fails, the slot expires in its
 * time. */
static __always_inline int takes_off(__u32 *bucket, __u64 tick, int tries)
{
	__u32 was = bucket_now(bucket), found;

	for (int i = 0; i < tries; i++) {
		if (!is_of_rotation(was, tick) || !(was & BUCKET_COUNT))
			return 0;
		found = __sync_val_compare_and_swap(bucket, was, was - 1);
		if (found == was)
			return 1;
		was = found;
	}
	return 0;
}

/* Called without the lock: a spin-locked section allows no call of a global function. Global, so that the verifier
 * walks its tries once. */
__noinline int bucket_gives(__u32 *bucket, __u64 tick)
{
	return bucket ? takes_off(bucket, tick, EXCHANGES_TRIED_MOST) : 0;
}

static __always_inline int is_in_wheel(const struct scope *s, const struct slot *slot)
{
	return slot->tick && slot->grid == s->grid && slot->tick > s->tick;
}

/* Called without the lock. A slot of an old grid expires with that grid. Returns whether a CPU is deciding with the
 * lock held, which may have found no free slot before. */
static __always_inline int slot_give_back_at_once(struct scope *s, struct slot *slot)
{
	__u32 gives = is_in_wheel(s, slot) ? bucket_gives(bucket_of(s, slot->tick), slot->tick) : 0;

	slot->tick = 0;
	return !!(count_slots(s, -(__s64)gives) & SLOTS_CLOSED);
}

/* Called with the lock held. */
static __always_inline void slot_give_back(struct scope *s, struct slot *slot)
{
	if (is_in_wheel(s, slot)) {
		if (takes_off(bucket_of(s, slot->tick), slot->tick, EXCHANGES_TRIED))
			count_slots(s, -1);
	} else if (slot->grid != s->grid && slot_is_held(s, slot)) {
		s->in_old_grid--;
		count_slots(s, -1);
	}
	slot->tick = 0;
}

/* Adds one slot to the word unless it is at the limit or closed. Global, for the reason given at bucket_gives(). */
__noinline int takes_one(__u64 *slots, __u64 half_open)
{
	__u64 was, found;

	if (!slots)
		return 0;
	was = *(volatile __u64 *)slots;
	for (int i = 0; i < EXCHANGES_TRIED; i++) {
		/* A closed word is above every limit. */
		if (was >= half_open)
			return 0;
		found = __sync_val_compare_and_swap(slots, was, was + 1);
		if (found == was)
			return 1;
		was = found;
	}
	return 0;
}

/* Takes a slot without the lock if nothing stands in the way: a slot is free, no CPU decides with the lock held, and
 * the wheel was turned in this tick. Returns whether it took one. */
static __always_inline int slot_take_at_once(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	__u32 *bucket;
	__u64 tick;

	if (s->slot_shift != l->slot_shift || now >> s->slot_shift != *(volatile __u64 *)&s->tick)
		return 0;
	tick = expiry_of(s, l, now);
	bucket = bucket_of(s, tick);
	if (!is_of_rotation(bucket_now(bucket), tick))
		return 0;
	if (!takes_one(&s->slots, l->half_open))
		return 0;
	slot->tick = tick;
	slot->grid = s->grid;
	__sync_fetch_and_add(bucket, 1);
	return 1;
}

/* Called with the lock held. The expiry comes first, so that the verifier does not walk it after each of the tries. */
static __always_inline void slot_renew(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	__u64 tick = expiry_of(s, l, now);

	HIDE(tick);
	slot_give_back(s, slot);
	slot_take_until(s, slot, tick);
}
