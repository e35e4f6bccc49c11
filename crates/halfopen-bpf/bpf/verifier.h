/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Conditions as numbers, without a branch. The verifier walks the rest of a program once for each state that it can
 * tell apart, so a branch that leaves a different number behind on each side may double the walk of all that follows.
 */
#pragma once

#include "abi.h"

/* Hides a number's origin, so that the compiler makes no branch of it. */
#define HIDE(number) asm volatile("" : "+r"(number))

/* Makes the verifier forget which constant a number is, by adding a zero that is read from memory. */
#ifdef __bpf__
__u64 never_written;
#define FORGET(number) ((number) += never_written)
#else
#define FORGET(number) HIDE(number)
#endif

/* Keeps the compiler from unrolling a loop. */
#ifdef __bpf__
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED
#endif

/* Ends a loop where the rest of it changes nothing, except in the kernel part, where no branch may. */
#ifdef __bpf__
#define ENOUGH(done)
#else
#define ENOUGH(done)                                                                                                   \
	if (done)                                                                                                      \
	break
#endif

/* Makes the compiler reload what it has loaded before instead of spilling it: the stack has only 512 bytes. */
#define READ_AGAIN() asm volatile("" ::: "memory")

/* 1 if a number is not zero, else 0. */
static __always_inline __u32 some(__u32 number)
{
	__u32 top = number | -number;

	HIDE(top);
	return top >> 31;
}

/* 1 if a number is zero, else 0. */
static __always_inline __u64 is_zero(__u64 number)
{
	number |= -number;
	HIDE(number);
	return 1 - (number >> 63);
}

/* 1 if `a` is below `b`, else 0. */
static __always_inline __u32 is_below(__u32 a, __u32 b)
{
	__u64 less = (__u64)a - b;

	HIDE(less);
	return less >> 63;
}

/* 1 if `ahead` places, which may be negative, are fewer than `window`. Place numbers wrap around. */
static __always_inline __u32 is_within(__u32 ahead, __u32 window)
{
	__u32 behind = ahead - window;

	HIDE(behind);
	return behind >> 31;
}

/* 1 if the time `a` is before `b`, else 0. Times are less than 2^63 apart. */
static __always_inline __u32 is_before(__u64 a, __u64 b)
{
	__u64 less = a - b;

	HIDE(less);
	return less >> 63;
}
