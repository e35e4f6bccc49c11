/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The slots of one scope as a wheel of counts: how many expire in which tick. A slot is held until slot_life after the
 * attempt's last SYN; nobody's timer runs at that moment, so the next one who asks turns the wheel on.
 *
 * A tick is slot_life / 64 to slot_life / 32 long. A changed slot_life may need ticks of another length: the slots of
 * the old grid are then kept as one lump until the last of them has expired, which can only hold a slot too long.
 *
 * Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* Rounded up, and one tick more: the SYN leaves a little after the slot is taken. */
#define SLOT_MARGIN_TICKS 2
/* The farthest expiry ahead of the wheel's tick: 64 for slot_life, one for each rounding, and the margin. */
#define SLOT_REACH_TICKS (64 + 1 + SLOT_MARGIN_TICKS)

static __always_inline __u32 slots_held(const struct scope *s)
{
	return s->in_slots + s->in_old_grid + s->lingering;
}

/* A slot belongs to the SYN that is on its way, whoever closes the socket: one whose program ends the attempt
 * unanswered is held for this part of slot_life, and no longer than this. Were it free at once, a scanner that closes
 * each dial after some milliseconds would know no limit. Three seconds under xp-sp2: happy-eyeballs dialers, which
 * close the slower of two dials, feel it once they do that half_open times within three seconds. */
#define LINGER_PART 7
#define LINGER_MOST_NS 3000000000ULL
/* Half a second: six ticks for the longest, one for each rounding. */
#define LINGER_SHIFT 29

_Static_assert((LINGER_MOST_NS >> LINGER_SHIFT) + 3 <= LINGER_BUCKETS, "no bucket is used twice");

/* All ones where a number is not negative, else zero: the loops below have no branches, for the verifier would walk
 * each way through them, and the compiler must not see what it could make one of. */
static __always_inline __u32 where_not_negative(__s64 number)
{
	asm volatile("" : "+r"(number));
	return ~(__u32)(number >> 63);
}

static __always_inline int lingering_is_unsettled(const struct scope *s, __u64 now)
{
	return s->lingering && (__u32)(now >> LINGER_SHIFT) != s->linger_tick;
}

static __always_inline void lingering_ends(struct scope *s, __u64 now)
{
	__u32 tick = now >> LINGER_SHIFT, ended = 0;
	__s32 behind = tick - s->linger_tick;

	if (behind <= 0)
		return;
	for (__u32 i = 1; i <= LINGER_BUCKETS; i++) {
		__u32 *bucket = &s->linger_bucket[(s->linger_tick + i) & (LINGER_BUCKETS - 1)];
		__u32 due = where_not_negative((__s64)behind - i);

		ended += *bucket & due;
		*bucket &= ~due;
	}
	s->lingering -= ended;
	s->linger_tick = tick;
}

/* One more: the attempt that had it is closed. The scope is settled. */
static __always_inline void slot_lingers(struct scope *s, const struct limits *l, __u64 now)
{
	__u64 linger = l->slot_life_ns / LINGER_PART < LINGER_MOST_NS ? l->slot_life_ns / LINGER_PART : LINGER_MOST_NS;
	__u32 tick = ((now + linger) >> LINGER_SHIFT) + 1;

	if (!s->lingering)
		s->linger_tick = now >> LINGER_SHIFT;
	s->linger_bucket[tick & (LINGER_BUCKETS - 1)]++;
	s->lingering++;
}

static __always_inline void slots_turn(struct scope *s, __u64 now)
{
	__u64 tick = now >> s->slot_shift;
	__u64 behind = tick - s->tick;
	__u32 expired = 0;

	lingering_ends(s, now);
	if (tick <= s->tick)
		return;
	if (behind > SLOT_BUCKETS)
		behind = SLOT_BUCKETS;
	if (s->in_slots) {
		for (__u32 i = 1; i <= SLOT_BUCKETS; i++) {
			__u32 *bucket = &s->bucket[(s->tick + i) & (SLOT_BUCKETS - 1)];
			__u32 due = where_not_negative(behind - i);

			expired += *bucket & due;
			*bucket &= ~due;
		}
		s->in_slots -= expired;
	}
	s->tick = tick;
}

/* When the last of this grid's slots expires. There is one. */
static __always_inline __u64 last_expiry_ns(const struct scope *s)
{
	__u32 ahead = 0;

	for (__u32 i = 1; i <= SLOT_REACH_TICKS; i++) {
		__u32 some = where_not_negative((__s64)s->bucket[(s->tick + i) & (SLOT_BUCKETS - 1)] - 1);

		ahead = (ahead & ~some) | (i & some);
	}
	return (s->tick + ahead) << s->slot_shift;
}

static __always_inline void slots_change_grid(struct scope *s, __u32 shift, __u64 now)
{
	__u64 until;

	if (s->in_slots) {
		until = last_expiry_ns(s);
		if (!s->in_old_grid)
			s->oldest_grid = s->grid;
		if (!s->in_old_grid || s->old_grid_until_ns < until)
			s->old_grid_until_ns = until;
		s->in_old_grid += s->in_slots;
		s->in_slots = 0;
		__builtin_memset(s->bucket, 0, sizeof(s->bucket));
	}
	s->grid_ended_tick[s->grid & (OLD_GRIDS - 1)] = s->tick;
	s->grid++;
	s->slot_shift = shift;
	s->tick = now >> shift;
}

static __always_inline int slots_are_unsettled(const struct scope *s, __u64 now)
{
	return (s->in_slots && now >> s->slot_shift > s->tick) || lingering_is_unsettled(s, now);
}

/* With slots_turn() before it, brings the wheel up to now. To be called before anything else here. */
static __always_inline void grid_settle(struct scope *s, const struct limits *l, __u64 now)
{
	/* First: a further change must not hold on what has expired. */
	if (s->in_old_grid && now >= s->old_grid_until_ns)
		s->in_old_grid = 0;
	if (s->slot_shift != l->slot_shift)
		slots_change_grid(s, l->slot_shift, now);
}

static __always_inline int slot_is_held(const struct scope *s, const struct slot *slot)
{
	if (!slot->tick)
		return 0;
	if (slot->grid == s->grid)
		return slot->tick > s->tick;
	/* Of an old grid only what had not expired when that grid was left is in the lump. A slot too old to tell is
	 * taken for expired: it stays in the lump until that expires. */
	return s->in_old_grid && (__s32)(slot->grid - s->oldest_grid) >= 0 && s->grid - slot->grid <= OLD_GRIDS &&
	       slot->tick > s->grid_ended_tick[slot->grid & (OLD_GRIDS - 1)];
}

static __always_inline void slot_take(struct scope *s, const struct limits *l, struct slot *slot, __u64 now)
{
	__u64 ahead = ((now + l->slot_life_ns) >> s->slot_shift) - s->tick;

	if (ahead > SLOT_REACH_TICKS - SLOT_MARGIN_TICKS)
		ahead = SLOT_REACH_TICKS - SLOT_MARGIN_TICKS;
	slot->tick = s->tick + ahead + SLOT_MARGIN_TICKS;
	slot->grid = s->grid;
	s->bucket[slot->tick & (SLOT_BUCKETS - 1)]++;
	s->in_slots++;
}

static __always_inline void slot_give_back(struct scope *s, struct slot *slot)
{
	if (slot_is_held(s, slot)) {
		if (slot->grid == s->grid) {
			s->bucket[slot->tick & (SLOT_BUCKETS - 1)]--;
			s->in_slots--;
		} else {
			s->in_old_grid--;
		}
	}
	slot->tick = 0;
}
