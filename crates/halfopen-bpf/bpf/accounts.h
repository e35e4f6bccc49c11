/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The account that an attempt is charged to: made on first use, and found again by rule and by cgroup, user or process.
 *
 * A process shares the account of the process it descends from: the topmost ancestor in the same cgroup, as of the
 * process's first connect. A process whose parent has ended by then descends from init. So a program that forks twice
 * before its first connect has a new account: `per = "process"` is for programs that do not try to evade it.
 */
#pragma once

#include "interfaces.h"
#include "maps.h"
#include "program.h"
#include "remembered.h"
#include "rules.h"

static __always_inline __u64 account_id(enum per per, __u64 of)
{
	return (__u64)per << ACCOUNT_KIND_SHIFT | (of & ((1ULL << ACCOUNT_KIND_SHIFT) - 1));
}

/* The part to which an attempt belongs in its top-level cgroup. */
static __always_inline __u64 part_of(__u32 scope, __u64 account)
{
	if (!scope)
		return account_id(PER_USER, user_of_current());
	return account ^ (__u64)scope << PART_SCOPE_SHIFT;
}

#define FAMILY_DEPTH 16

/* Identifies a process among all since boot. */
static __always_inline __u64 process_number(__u64 start_boottime, __u32 tgid)
{
	return start_boottime / 1000000 << PROCESS_NUMBER_BITS | (tgid & ((1U << PROCESS_NUMBER_BITS) - 1));
}

/* Finds the process whose account the current one shares. Global, for the reason given in accounting.h. Reads by
 * probing, for the reason given at uid_of_current(): the verifier walks this loop many times. */
__noinline __u64 find_family(__u64 process)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	__u64 family = process, top = process, *known;
	__u32 tgid;

	for (int i = 0; i < FAMILY_DEPTH; i++) {
		task = BPF_CORE_READ(task, group_leader, real_parent, group_leader);
		tgid = BPF_CORE_READ(task, tgid);
		if (tgid <= 1 || BPF_CORE_READ(task, cgroups, dfl_cgrp) != cgroup)
			break;
		top = process_number(BPF_CORE_READ(task, start_boottime), tgid);
		family = top;
		known = bpf_map_lookup_elem(&families, &top);
		if (known) {
			family = *known;
			break;
		}
	}
	/* Other processes may descend from it after it has ended and its line of ancestors is lost. */
	if (top != process)
		bpf_map_update_elem(&families, &top, &family, BPF_NOEXIST);
	bpf_map_update_elem(&families, &process, &family, BPF_ANY);
	return family;
}

static __always_inline __u64 family_of_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;
	__u64 process = process_number(leader->start_boottime, leader->tgid);
	__u64 *known = bpf_map_lookup_elem(&families, &process);

	return known ? *known : find_family(process);
}

/* Returns the ancestor of `cgroup`, or itself, at this depth. */
static __always_inline struct cgroup *cgroup_at(struct cgroup *cgroup, __u64 depth)
{
	struct cgroup *ancestor = cgroup;

	if ((int)depth < cgroup->level &&
	    (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[depth & 0xff]) || !ancestor))
		return NULL;
	return ancestor;
}

#define NAME_PARTS 4 /* enough for the longest name */

/* The name is an address in the kernel. Global, for the reason given in accounting.h. */
__noinline __u64 mix_name(__u64 hash, __u64 name)
{
	__u64 part[8];
	long length;

	for (int i = 0; i < NAME_PARTS; i++) {
		__builtin_memset(part, 0, sizeof(part));
		length = bpf_probe_read_kernel_str(part, sizeof(part), (const void *)name);
		if (length <= 0)
			break;
		for (int word = 0; word < 8; word++)
			hash = mix(hash, part[word]);
		if (length < (long)sizeof(part))
			break;
		name += length - 1;
	}
	return hash;
}

/* Hashes the names from the root down: a cgroup that is removed and made again gets no new account. */
static __noinline __u64 hash_path(struct cgroup *cgroup)
{
	int depth = BPF_CORE_READ(cgroup, level);
	struct cgroup *ancestor;
	__u64 hash = salt[1];

	for (int level = 1; level <= CGROUP_DEPTH && level <= depth; level++) {
		ancestor = BPF_CORE_READ(cgroup, ancestors[level]);
		if (!ancestor)
			break;
		hash = mix_name(mix(hash, level), (__u64)BPF_CORE_READ(ancestor, kn, name));
	}
	return hash;
}

/* Cgroups below CGROUP_DEPTH share a path: rules cannot have accounts there. */
static __always_inline __u64 path_of(struct cgroup *cgroup, __u64 id)
{
	__u64 *known = bpf_map_lookup_elem(&cgroup_paths, &id), path;

	if (known)
		return *known;
	path = hash_path(cgroup);
	bpf_map_update_elem(&cgroup_paths, &id, &path, BPF_ANY);
	return path;
}

/* What an attempt is charged to besides the host. */
struct charge {
	__u64 account;
	__u64 cgroup_id; /* id of the cgroup whose account it is */
	__u32 scope;
	__u32 interface;
};

/* An account that was touched this recently is not collected: an attempt may be on its way to it. */
#define JUST_TOUCHED_NS 5000000000ULL

/* Whether the entry that was looked up still is this account's. An entry may be collected at any moment, and its memory
 * then becomes another account's. The CPU that `made` the entry writes its owner. */
static __always_inline int touch_account(struct scope *s, const struct account_key *key, __u64 cgroup_id, int made)
{
	struct scope *host = host_scope();
	__u64 now = bpf_ktime_get_ns();
	int is_it;

	if (!host)
		return 0;
	if (!made && s->account_scope && s->cgroup_id == cgroup_id && now - s->touched_ns < JUST_TOUCHED_NS)
		return 1;
	bpf_spin_lock(&host->lock);
	if (made) {
		s->account = key->id;
		s->account_scope = key->scope;
	}
	is_it = s->account_scope == key->scope && s->account == key->id;
	if (is_it) {
		s->touched_ns = now;
		s->cgroup_id = cgroup_id;
	}
	bpf_spin_unlock(&host->lock);
	return is_it;
}

/* Looks the account up, and makes it if there is none. Returns 0 if that is not possible. */
static __always_inline int find_account(__u32 scope, __u64 id, __u64 cgroup_id)
{
	struct account_key key = { .scope = scope, .id = id };
	struct scope *s = bpf_map_lookup_elem(&accounts, &key);
	int made = 0;

	if (!s) {
		made = !bpf_map_update_elem(&accounts, &key, (const void *)no_accounting, BPF_NOEXIST);
		/* Another CPU may have been first. */
		s = bpf_map_lookup_elem(&accounts, &key);
	}
	if (s)
		return touch_account(s, &key, cgroup_id, made);
	count_fault(FAULT_ACCOUNTS_FULL);
	return 0;
}

/* A scope of `exec` comes before all rules. */
static __always_inline void find_charge(struct charge *c, __u32 policy, struct bpf_sock *sk, struct cgroup *cgroup)
{
	const struct policy *p = &policies[policy & 1];
	const struct rule *rule;
	__u64 rules;

	c->scope = scope_of(p, cgroup);
	if (c->scope || !p->rules.rules)
		return;
	rules = rules_for(p, policy, sk, cgroup);
	if (!rules)
		return;
	rule = first_of(p, rules);
	if (!rule)
		return;
	c->scope = rule->scope & (SCOPES - 1);
	switch (rule->per) {
	case PER_CGROUP:
		cgroup = cgroup ? cgroup_at(cgroup, rule->depth) : NULL;
		if (!cgroup)
			break;
		c->cgroup_id = BPF_CORE_READ(cgroup, kn, id);
		c->account = account_id(PER_CGROUP, path_of(cgroup, c->cgroup_id));
		break;
	case PER_USER:
		c->account = account_id(PER_USER, user_of_current());
		break;
	case PER_PROCESS:
		c->account = account_id(PER_PROCESS, family_of_current());
		break;
	}
}

/* `c` must be zeroed. Returns the TCP socket, or NULL. */
static __always_inline struct tcp_sock *charge_socket(struct charge *c, __u32 policy, struct bpf_sock *sk)
{
	struct tcp_sock *tp = c && sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (tp)
		find_charge(c, policy, sk, tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup);
	return tp;
}

/* Global, for the reason given in accounting.h. */
__noinline int charge_of_connect(struct bpf_sock_ops *op, struct charge *c, __u32 policy)
{
	struct tcp_sock *tp = charge_socket(c, policy, op->sk);

	if (!tp)
		return 0;
	if (c->account && !find_account(c->scope, c->account, c->cgroup_id))
		c->account = 0;
	if (policies[policy & 1].interfaces)
		c->interface = scope_of_interface(policy, tp);
	return 0;
}

/* The same before connect() goes on: there is no route yet, and no account is made. */
__noinline int charge_before_connect(struct bpf_sock_addr *ctx, struct charge *c, __u32 policy)
{
	charge_socket(c, policy, ctx->sk);
	return 0;
}
