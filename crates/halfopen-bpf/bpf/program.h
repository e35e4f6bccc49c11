/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which task connects, and where to: the destination in a single address form, the task, and its cgroup's scope.
 */
#pragma once

#include "addresses.h"
#include "decide.h"
#include "kernel_types.h"
#include "maps.h"
#include "whose.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define PREFIX_BITS 128
#define USER_NAMESPACES_DEEP 33 /* at most, including the initial one */

static __always_inline const struct policy *policy_in_force(void)
{
	return &policies[policy_now & 1];
}

/* The mode in force now. The end of `halfopen enforce --for` is decided here, so that it takes effect whatever has
 * become of the daemon. The clock is read only during a trial, and after one has just ended. */
static __always_inline __u32 mode_now(const struct policy *p)
{
	barrier_var(p); /* see limits_of() */
	if (p->mode != MODE_ENFORCE || !p->enforce_until_ns || bpf_ktime_get_ns() < p->enforce_until_ns)
		return p->mode;
	return p->mode_after;
}

static __always_inline int is_exempt(const struct prefix *destination)
{
	return bpf_map_lookup_elem(&exempt, destination) != NULL;
}

static __always_inline int is_of_program(const struct tcp_sock *tp)
{
	const struct made_as made = {
		.by_kernel = BPF_CORE_READ_BITFIELD(&tp->inet_conn.icsk_inet.sk, sk_kern_sock),
		.cgroup_level = tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup->level,
		.is_mptcp = bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp,
		.is_smc = bpf_core_field_exists(tp->syn_smc) && BPF_CORE_READ_BITFIELD(tp, syn_smc),
	};

	return acts_for_program(&made);
}

/* The id of this cgroup's top-level cgroup, or of the cgroup itself if it is above that level. */
static __always_inline __u64 top_of(const struct policy *p, struct cgroup *cgroup)
{
	__u32 level = p->top_level & 0xff;
	struct cgroup *top = cgroup;

	if (cgroup && cgroup->level > (int)level && bpf_core_read(&top, sizeof(top), &cgroup->ancestors[level]))
		return 0;
	return top ? BPF_CORE_READ(top, kn, id) : 0;
}

static __always_inline struct party *find_party(__u64 top, __u64 part)
{
	struct party_key key = { .top = top, .part = part };
	struct party *party = bpf_map_lookup_elem(&parties, &key);

	if (party)
		party->idle_since = 0;
	return party;
}

static __always_inline int parts_are_full(void)
{
	return parts_made >= PARTS;
}

static __always_inline int make_party(__u64 top, __u64 part)
{
	struct party_key key = { .top = top, .part = part };

	if (bpf_map_lookup_elem(&parties, &key))
		return 1;
	if (part > OTHER_PARTS && parts_are_full())
		return 0;
	if (!bpf_map_update_elem(&parties, &key, (const void *)no_party, BPF_NOEXIST)) {
		if (part > OTHER_PARTS)
			__sync_fetch_and_add(&parts_made, 1);
		return 1;
	}
	/* Another CPU may have been first. */
	return bpf_map_lookup_elem(&parties, &key) != NULL;
}

/* Makes the parties of an attempt that may have to wait. If there is no room for its part, it joins its cgroup's
 * OTHER_PARTS. Global, for the reason given in accounting.h. */
__noinline int make_parties(struct attempt *a)
{
	if (!a)
		return 0;
	if (make_party(a->top, WHOLE_TOP)) {
		if (make_party(a->top, a->part))
			return 1;
		a->part = OTHER_PARTS;
		make_party(a->top, OTHER_PARTS);
	}
	count_fault(FAULT_PARTY_UNKNOWN);
	return 0;
}

/* The user of the current task, disregarding user namespaces that a user can make: tasks in such namespaces count as
 * the owner of the outermost one. If root owns it, the namespace is a user of its own. */
__noinline __u64 user_of_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct user_namespace *ns = task->cred->user_ns;

	if (!ns->level)
		return task->cred->uid.val;
	for (int i = 0; i < USER_NAMESPACES_DEEP && ns->level > 1; i++)
		ns = ns->parent;
	return ns->owner.val ? ns->owner.val : USER_IS_NAMESPACE | ns->ns.inum;
}

/* The scope of the cgroup in which the socket was created, or of its ancestor at the depth that has scopes. */
static __always_inline __u32 scope_of(const struct policy *p, struct cgroup *cgroup)
{
	__u32 *scope, level = p->exec_level & 0xff;
	struct cgroup *ancestor = NULL;
	__u64 id;

	if (!level || !cgroup || cgroup->level < (int)level)
		return 0;
	if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]) || !ancestor)
		return 0;
	id = BPF_CORE_READ(ancestor, kn, id);
	scope = bpf_map_lookup_elem(&scope_of_cgroup, &id);
	return scope ? *scope & (SCOPES - 1) : 0;
}

/* The socket's cookie; 0 if nobody has asked for it. For programs that have no helper for it. */
static __always_inline __u64 cookie_of(const struct sock *sk)
{
	return sk->__sk_common.skc_cookie.counter;
}

static __always_inline void note_program(struct attempt *a, struct cgroup *cgroup)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	a->pid = task->tgid;
	a->uid = task->cred->uid.val;
	__builtin_memcpy(a->comm, task->comm, COMM_LEN);
	a->cgroup_id = cgroup ? cgroup->kn->id : 0;
}

/* Verifiers before 6.2 forget the bound of a spilled index. So the index is bounded here again, where the compiler
 * cannot see that it already is, and the address is computed at once. */
static __always_inline const struct limits *limits_of(const struct policy *p, __u64 scope)
{
	const struct limits *l;

	_Static_assert(SCOPES == 128, "the mask below is SCOPES - 1");
	asm volatile("%0 &= 127" : "+r"(scope));
	l = &p->limits[scope];
	barrier_var(l);
	return l;
}

static __always_inline struct scope *host_scope(void)
{
	__u32 key = CHARGED_HOST;

	return bpf_map_lookup_elem(&scopes, &key);
}

/* The scope of a rule's account, or a scope of the table. */
static __always_inline struct scope *find_scope(__u32 number, __u64 account)
{
	struct account_key key = { .id = account, .scope = number };

	if (account)
		return bpf_map_lookup_elem(&accounts, &key);
	return bpf_map_lookup_elem(&scopes, &number);
}

/* Looks up the scopes with these numbers (0 = none); if `account` is not 0, `own` is that account of the rule's. The
 * host's lock must not be held yet. Number 0 is the host's, so there is a scope to point to in any case. */
static __always_inline int open_scopes(struct accounting *b, const struct policy *p, __u32 own, __u64 account,
				       __u32 interface)
{
	struct account_key key = { .id = account };
	struct scope *s;

	own &= SCOPES - 1;
	interface &= SCOPES - 1;
	key.scope = own;
	b->charged = some(own) << CHARGED_OWN | some(interface) << CHARGED_INTERFACE;
	b->limits[CHARGED_HOST] = &p->limits[0];
	b->limits[CHARGED_OWN] = limits_of(p, own);
	b->limits[CHARGED_INTERFACE] = limits_of(p, interface);
	b->top = NULL;
	b->part = NULL;
	b->destination = NULL;
	b->scope[CHARGED_HOST] = host_scope();
	b->scope[CHARGED_OWN] = bpf_map_lookup_elem(&scopes, &own);
	b->scope[CHARGED_INTERFACE] = bpf_map_lookup_elem(&scopes, &interface);
	if (!b->scope[CHARGED_HOST] || !b->scope[CHARGED_OWN] || !b->scope[CHARGED_INTERFACE]) {
		count_fault(FAULT_NO_POLICY);
		return 0;
	}
	if (account) {
		s = bpf_map_lookup_elem(&accounts, &key);
		if (s)
			b->scope[CHARGED_OWN] = s;
		else
			b->charged &= ~(1 << CHARGED_OWN);
	}
	FORGET(b->charged);
	return 1;
}

/* Whether an account is blocked by hand now. Global, for the reason given in accounting.h. */
__noinline int is_blocked_by_hand(__u32 scope, __u64 account)
{
	struct account_key key = { .id = account, .scope = scope };
	__u64 *until = bpf_map_lookup_elem(&hand_blocks, &key);

	return until && bpf_ktime_get_ns() < *until;
}

static __always_inline int is_unreleased(const struct policy *p, const struct scope *s)
{
	return s->releases != p->released;
}

/* Resets all but the members that live attempts rely on. */
static __always_inline void trust_begins_anew(struct trust *t)
{
	t->credit = 0;
	t->steps = 0;
	t->answered = 0;
	t->settled_ns = 0;
	t->recover_ns = 0;
	t->offered_ns = 0;
	t->suspect_ns = 0;
	t->heard_answers = 0;
	t->heard_silences = 0;
	t->side = 0;
	t->proven = 0;
	t->answers = 0;
}

/* Called when some account was released by hand since this one was last checked: resets this one if it was among
 * them. */
__noinline int release_scope(__u32 number, __u64 account, __u32 released)
{
	struct account_key key = { .id = account, .scope = number };
	struct scope *host, *s;
	int is_it = 0;
	__u32 *at;

	number &= SCOPES - 1;
	host = host_scope();
	s = find_scope(number, account);
	if (!host || !s)
		return 0;
	at = bpf_map_lookup_elem(&releases, &key);
	is_it = at && (__s32)(*at - s->releases) > 0;
	key.id = ALL_ACCOUNTS;
	at = bpf_map_lookup_elem(&releases, &key);
	is_it |= at && (__s32)(*at - s->releases) > 0;
	bpf_spin_lock(&host->lock);
	for (int i = 0; is_it && i < CREDIT_BUCKETS; i++)
		trust_begins_anew(&s->trust[i]);
	for (int i = 0; is_it && i < WORKING_SET; i++)
		s->working_set[i] = 0;
	s->releases = released;
	bpf_spin_unlock(&host->lock);
	return is_it;
}

/* Brings a scope up to now. Global, for the reason given in accounting.h, and one function for each step: otherwise the
 * verifier would walk every path through one step for every path through the others. */
__noinline int settle_slots(__u32 number, __u64 account)
{
	struct scope *host = host_scope(), *s = find_scope(number & (SCOPES - 1), account);
	__u64 now = bpf_ktime_get_ns();

	if (!host || !s)
		return 0;
	bpf_spin_lock(&host->lock);
	slots_turn(s, now);
	bpf_spin_unlock(&host->lock);
	return 1;
}

__noinline int settle_grid_and_turns(__u32 number, __u64 account)
{
	struct scope *host = host_scope(), *s = find_scope(number & (SCOPES - 1), account);
	const struct limits *l = limits_of(policy_in_force(), number);
	__u64 now = bpf_ktime_get_ns();

	if (!host || !s)
		return 0;
	bpf_spin_lock(&host->lock);
	grid_settle(s, l, now);
	turns_settle(s, l, now);
	connections_settle(s, l, now);
	bpf_spin_unlock(&host->lock);
	return 1;
}

__noinline int settle_trust(__u32 number, __u64 account, __u32 bucket)
{
	struct scope *host = host_scope(), *s = find_scope(number & (SCOPES - 1), account);
	const struct limits *l = limits_of(policy_in_force(), number);
	__u64 now = bpf_ktime_get_ns();

	if (!host || !s)
		return 0;
	bpf_spin_lock(&host->lock);
	trust_settle(&s->trust[credit_bucket_within(bucket)], &l->first, bucket, now);
	bpf_spin_unlock(&host->lock);
	return 1;
}

static __always_inline void settle_accounting(struct accounting *b, const struct policy *p, const struct attempt *a,
					      __u64 now)
{
	const __u32 number[CHARGED] = { 0, a->scope, a->interface };
	const __u64 account[CHARGED] = { 0, a->account, 0 };

	for_each_charged(i) {
		if (is_charged(b, i) && is_unreleased(p, b->scope[i]))
			release_scope(number[i], account[i], p->released);
		if (is_charged(b, i) && slots_are_unsettled(b->scope[i], now))
			settle_slots(number[i], account[i]);
		if (is_charged(b, i) && grid_or_turns_are_unsettled(b->scope[i], b->limits[i], now))
			settle_grid_and_turns(number[i], account[i]);
		if (!is_charged(b, i) || !b->limits[i]->first.credit)
			continue;
		if (trust_is_unsettled(trust_of(b->scope[i], a), &b->limits[i]->first, credit_bucket_of(a), now))
			settle_trust(number[i], account[i], credit_bucket_of(a));
		if (trust_is_unsettled(trust_beside(b->scope[i], a), &b->limits[i]->first, credit_bucket_beside(a),
				       now))
			settle_trust(number[i], account[i], credit_bucket_beside(a));
	}
}

/* See limits_of(). */
static __always_inline struct destination *destination_at(struct destination_set *set, __u64 place)
{
	struct destination *d;

	_Static_assert(DESTINATION_PLACES == 8, "the mask below is DESTINATION_PLACES - 1");
	asm volatile("%0 &= 7" : "+r"(place));
	d = &set->of[place];
	barrier_var(d);
	return d;
}

/* Looks up the destination with this number (0 = none). Entry 0 takes its place if there is none, for the reason given
 * at struct accounting. */
static __always_inline int find_destination(struct accounting *b, __u32 number)
{
	__u32 key = number - some(number), place = key;
	struct destination_set *set;

	key /= DESTINATION_PLACES;
	set = bpf_map_lookup_elem(&destinations, &key);
	if (!set) {
		count_fault(FAULT_NO_POLICY);
		return 0;
	}
	b->destination = destination_at(set, place);
	b->charged |= some(number) << CHARGED;
	FORGET(b->charged);
	return 1;
}

static __always_inline void find_parties(struct accounting *b, const struct attempt *a)
{
	struct party *top = find_party(a->top, WHOLE_TOP), *part = find_party(a->top, a->part);

	b->top = top && part ? top : NULL;
	b->part = top && part ? part : NULL;
}

/* Looks up what an attempt is charged to, but not its parties. */
static __always_inline int open_accounts(struct accounting *b, const struct policy *p, const struct attempt *a,
					 __u64 now)
{
	if (!open_scopes(b, p, a->scope, a->account, a->interface) || !find_destination(b, a->destination))
		return 0;
	settle_accounting(b, p, a, now);
	return 1;
}

/* The same, and its parties if it is counted in them: only an attempt that is queued is. */
static __always_inline int open_accounting(struct accounting *b, const struct policy *p, const struct attempt *a,
					   __u64 now)
{
	if (!open_accounts(b, p, a, now))
		return 0;
	if (a->flags & ATTEMPT_IN_PARTY)
		find_parties(b, a);
	return 1;
}
