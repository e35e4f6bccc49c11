/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The questions that the hooks ask the accounting. Each function looks up the accounts, takes their lock, decides, and
 * sends the events that follow. The functions are global, so that the verifier walks each of them once and not once per
 * caller.
 */
#pragma once

#include "at_once.h"
#include "connected.h"
#include "contacts.h"
#include "decide.h"
#include "durations.h"
#include "heard.h"
#include "maps.h"
#include "outcome.h"
#include "program.h"
#include "programs.h"
#include "ring_events.h"

/* What a queued attempt has before it. */
struct queue_seen {
	__u32 waiting;
	__u32 is_alone; /* the daemon wakes no waiter for a destination */
	__u32 soon;	/* its turn comes within two turns, before that of others */
	__u64 interval_ns;
	__u64 max_wait_ns;
};

/* See has_walked_since(). */
static __always_inline void see_late(struct accounting *b, struct attempt *a)
{
	bpf_spin_lock(&host_of(b)->lock);
	attempt_seen(b, a);
	bpf_spin_unlock(&host_of(b)->lock);
}

static __always_inline void unsee_late(struct accounting *b, const struct attempt *a)
{
	bpf_spin_lock(&host_of(b)->lock);
	attempt_unseen(b, a);
	bpf_spin_unlock(&host_of(b)->lock);
}

/* Called around every decision to take slots. */
static __always_inline void begin_to_decide(struct accounting *b)
{
	bpf_spin_lock(&host_of(b)->lock);
	close_all(b);
}

static __always_inline void end_deciding(struct accounting *b)
{
	open_all(b);
	bpf_spin_unlock(&host_of(b)->lock);
}

/* Returns when the CPU that decides now has decided. */
static __always_inline void await_decision(struct accounting *b)
{
	bpf_spin_lock(&host_of(b)->lock);
	bpf_spin_unlock(&host_of(b)->lock);
}

/* An attempt begins; its program and the kind of its address are noted already. Returns a verdict. */
__noinline int accounting_begin(struct attempt *a, __u32 mode, __u64 now)
{
	const struct policy *p = policy_in_force();
	enum verdict verdict = VERDICT_GO;
	struct accounting b;

	if (!a || !open_accounts(&b, p, a, now))
		return VERDICT_GO;
	tell_first(&b, a);
	if (attempt_begins_at_once(&b, a, now)) {
		if (has_walked_since(&b, a->walk))
			see_late(&b, a);
	} else {
		if (is_bound(a, mode) && may_have_to_wait(&b, a, now)) {
			make_parties(a);
			find_parties(&b, a);
		}
		now = bpf_ktime_get_ns();
		begin_to_decide(&b);
		verdict = attempt_begin(&b, a, mode, now);
		end_deciding(&b);
	}
	a->last_syn_ns = now;
	if (verdict != VERDICT_HOLD) {
		note_tried(p, a);
		tell_out(&b, a, 0, now);
	}
	if (verdict != VERDICT_GO)
		program_began_to_wait(a, verdict == VERDICT_GO_AUDITED, now);
	return verdict;
}

/* Called before a queued attempt asks: whether its address has become known while it waited, or its neighbourhood's
 * credit lets it out. */
__noinline int accounting_known(struct attempt *a)
{
	const struct policy *p = policy_in_force();
	enum how_known how;
	struct accounting b;
	__u64 now = bpf_ktime_get_ns();

	if (!a || a->flags & ATTEMPT_ROUTED || !open_scopes(&b, p, a->scope, a->account, a->interface))
		return 0;
	how = how_known(a);
	if (how <= KNOWN_TRANSLATED && !neighbourhood_lets_out(a))
		return 0;
	if (how == KNOWN_TRIED)
		a->flags |= ATTEMPT_TRIED;
	if (a->flags & ATTEMPT_IN_PARTY)
		find_parties(&b, a);
	bpf_spin_lock(&host_of(&b)->lock);
	is_first_no_more(&b, a, now);
	bpf_spin_unlock(&host_of(&b)->lock);
	return 1;
}

/* A queued attempt asks again. Returns a verdict. */
__noinline int accounting_recheck(struct attempt *a, __u32 mode)
{
	const struct policy *p = policy_in_force();
	enum verdict verdict;
	struct accounting b;
	__u64 now;

	if (!a || !open_accounts(&b, p, a, bpf_ktime_get_ns()))
		return VERDICT_GO;
	if (!(a->flags & ATTEMPT_IN_PARTY))
		make_parties(a);
	find_parties(&b, a);
	now = bpf_ktime_get_ns();
	begin_to_decide(&b);
	verdict = attempt_recheck(&b, a, mode, now);
	end_deciding(&b);
	if (verdict == VERDICT_GO) {
		note_tried(p, a);
		note_duration(TIMED_WAIT, now - a->began_ns);
		program_released(a, now);
		tell_out(&b, a, TURN_RELEASED, now);
	} else if (a->rechecks == 1) {
		tell_turn(EVENT_ASKED, a, 0, now);
	}
	return verdict;
}

/* Whether a queued attempt waits in an account that is blocked by hand. */
static __always_inline int is_stopped(const struct attempt *a, __u32 mode)
{
	return mode == MODE_ENFORCE && policy_in_force()->blocks && is_blocked_by_hand(a->scope, a->account);
}

/* Called one after the other: nested, they would need more stack than Linux 6.1 allows. */
static __always_inline enum verdict ask_again(struct attempt *a, __u32 mode)
{
	if (policy_in_force()->becomes_known && is_first(a))
		accounting_known(a);
	prepare_connection(a);
	return accounting_recheck(a, mode);
}

static __always_inline __u32 scope_charged(const struct attempt *a, __u32 charged)
{
	if (charged == CHARGED_HOST)
		return 0;
	return (charged == CHARGED_OWN ? a->scope : a->interface) & (SCOPES - 1);
}

/* One of the attempt's scopes hears, in one of its credit buckets (its own, or if `beside` the one for all ports), what
 * the attempt has come to. A function of its own, because the verifier's paths through it and the rest would multiply.
 * Returns whether this made the scope a suspect. */
__noinline int accounting_hear(struct attempt *a, __u32 charged, __u32 beside, __u32 heard, __u32 neighbours)
{
	__u32 number, bucket;
	const struct limits *l;
	struct scope *host, *s;
	__u64 now;
	int made;

	if (!a)
		return 0;
	number = scope_charged(a, charged);
	if (!number && charged != CHARGED_HOST)
		return 0;
	l = limits_of(policy_in_force(), number);
	host = host_scope();
	s = find_scope(number, charged == CHARGED_OWN ? a->account : 0);
	if (!host || !s || !l->first.credit || !(is_evident(a) || l->first.working_set))
		return 0;
	bucket = beside ? credit_bucket_beside(a) : credit_bucket_of(a);
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&host->lock);
	trust_hears(s, l, a, bucket, heard, neighbours, now);
	made = s->trust[credit_bucket_within(bucket)].suspect_ns == now;
	bpf_spin_unlock(&host->lock);
	return made;
}

/* Returns whether this made one of the attempt's accounts a suspect. */
static __always_inline int all_hear(struct attempt *a, enum heard heard, __u32 neighbours)
{
	int made = 0;

	if (heard == HEARD_NOTHING)
		return 0;
	for_each_charged(i) {
		made |= accounting_hear(a, i, 0, heard, neighbours);
		if (is_stranger(a))
			made |= accounting_hear(a, i, 1, heard, neighbours);
	}
	a->flags &= ~ATTEMPT_PENDING;
	return made;
}

#define RESEND_MADE_SUSPECT 16

/* An attempt that is out wants to send its SYN again. Returns a verdict, with RESEND_MADE_SUSPECT if its silence made
 * its account a suspect. */
__noinline int accounting_resend(struct attempt *a, __u32 mode)
{
	enum verdict verdict;
	struct accounting b;
	int suspect;
	__u64 now;

	if (!a || !open_accounts(&b, policy_in_force(), a, bpf_ktime_get_ns()))
		return VERDICT_GO;
	suspect = all_hear(a, heard_at_resend(a, bpf_ktime_get_ns()), 0);
	if (is_bound(a, mode) && host_of(&b)->parties.waiting) {
		make_parties(a);
		find_parties(&b, a);
	}
	now = bpf_ktime_get_ns();
	begin_to_decide(&b);
	verdict = attempt_resend(&b, a, mode, now);
	end_deciding(&b);
	return suspect ? verdict | RESEND_MADE_SUSPECT : verdict;
}

/* See attempt_leaves_late(). */
__noinline int accounting_leave_late(struct attempt *a)
{
	struct accounting b;
	__u64 now;

	if (!a || !open_accounts(&b, policy_in_force(), a, bpf_ktime_get_ns()))
		return 0;
	now = bpf_ktime_get_ns();
	begin_to_decide(&b);
	attempt_leaves_late(&b, a, now);
	end_deciding(&b);
	return 1;
}

/* An attempt leaves SYN_SENT; for one that is not in the accounting this does nothing. Returns whether its end made its
 * account a suspect. */
__noinline int accounting_end(struct attempt *a, __u32 ending)
{
	const struct policy *p = policy_in_force();
	__u32 neighbours, walk;
	__u64 now = bpf_ktime_get_ns();
	enum at_once at_once;
	__u8 waited, flags;
	struct connection *c;
	struct accounting b;
	int suspect, goes_on;

	if (!a || a->state == ATTEMPT_NONE || !open_accounting(&b, p, a, now))
		return 0;
	waited = a->state == ATTEMPT_QUEUED;
	neighbours = note_end(p, a, ending);
	if (waited)
		program_ended_waiting(a, ending == ENDING_TIMED_OUT, now);
	else if (ending == ENDING_ESTABLISHED)
		note_duration(TIMED_HANDSHAKE, now - a->out_ns);
	flags = slots_of(&b, a);
	suspect = all_hear(a, heard_at_end(a, ending), neighbours);
	at_once = attempt_ends_at_once(&b, a, ending, &walk, now);
	if (at_once) {
		if (has_walked_since(&b, walk))
			unsee_late(&b, a);
		if (at_once == AT_ONCE_AMID_DECISION)
			await_decision(&b);
	} else {
		c = a->counted ? find_connection(a->cookie & ~RECORD_ENDS) : NULL;
		now = bpf_ktime_get_ns();
		bpf_spin_lock(&host_of(&b)->lock);
		goes_on = attempt_end(&b, a, ending, c, now);
		bpf_spin_unlock(&host_of(&b)->lock);
		if (c && !goes_on)
			free_connection(a->cookie & ~RECORD_ENDS);
	}
	if (waited)
		tell_turn(EVENT_LEFT, a, 0, now);
	else if (host_of(&b)->queued || is_learned(now))
		tell_turn(EVENT_ENDED, a, ending == ENDING_ESTABLISHED ? flags | TURN_ESTABLISHED : flags, now);
	return suspect;
}

/* The attempt's packets go elsewhere: see attempt_withdraw(). */
__noinline int accounting_withdraw(struct attempt *a)
{
	struct accounting b;
	__u8 waited, flags;
	__u64 now;
	int sent;

	if (!a || !open_accounting(&b, policy_in_force(), a, bpf_ktime_get_ns()))
		return 0;
	waited = a->state == ATTEMPT_QUEUED;
	sent = has_sent(a);
	now = bpf_ktime_get_ns();
	if (waited)
		program_released(a, now);
	else if (!sent && a->flags & (ATTEMPT_FIRST | ATTEMPT_NEIGHBOUR))
		note_known(a, tried_as(a), 0);
	all_hear(a, heard_at_end(a, sent ? ENDING_OTHER : ENDING_NEUTRAL), 0);
	flags = slots_of(&b, a);
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&host_of(&b)->lock);
	attempt_withdraw(&b, a, sent, now);
	bpf_spin_unlock(&host_of(&b)->lock);
	if (waited)
		tell_turn(EVENT_LEFT, a, 0, now);
	else if (host_of(&b)->queued || is_learned(now))
		tell_turn(EVENT_ENDED, a, flags, now);
	return 1;
}

/* Tells what a queued attempt has before it: where turns go round, the turns until its own, not all waiters. */
__noinline int accounting_seen(struct attempt *a, struct queue_seen *seen)
{
	const struct policy *p = policy_in_force();
	const struct limits *l;
	struct accounting b;
	__u64 turns;

	if (!a || !seen || !open_accounting(&b, p, a, bpf_ktime_get_ns()))
		return 0;
	seen->waiting = waits_at(&b, a)->waiting_here;
	seen->is_alone = has_flag(a, ATTEMPT_TO_REACH);
	if (a->flags & ATTEMPT_IN_ROUND && has_parties(&b)) {
		turns = (__u64)b.part->waiters * turns_until(b.top, b.part) * turns_until(&host_of(&b)->parties, b.top);
		seen->soon = turns <= 2 && turns < seen->waiting;
		if (turns < seen->waiting)
			seen->waiting = turns;
	}
	l = limits_of(p, a->blocked_on == CHARGED_OWN ? a->scope : a->blocked_on == CHARGED_INTERFACE ? a->interface : 0);
	seen->interval_ns = l->interval_ns;
	if (has_flag(a, ATTEMPT_TO_OPEN) && l->connect_interval_ns > l->interval_ns)
		seen->interval_ns = l->connect_interval_ns;
	if (has_flag(a, ATTEMPT_TO_REACH)) {
		seen->waiting = b.destination->waiting;
		seen->interval_ns = l->destination.connect_interval_ns;
	}
	seen->max_wait_ns = l->max_wait_ns;
	return 1;
}
