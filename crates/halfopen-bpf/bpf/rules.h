/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which rule of `[[scope]]` an attempt is charged to: the first that matches its cgroup, user, executable and task
 * name. And which attempts are never held: those of programs that the host cannot do without.
 *
 * Cgroup patterns are matched here and not in user space, so that a cgroup's first process has its account from its
 * first connect on. The result is cached by the cgroup's id until the rules change.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"
#include "remembered.h"
#include "rule_keys.h"

/* NAME_MAX and the terminating zero. Indices into it are bytes, so that no verifier loses their bounds. */
#define NAME_LEN 256
/* Each `*` may try every position in a name. */
#define GLOB_STEPS (NAME_LEN * NAME_LEN)

/* The state of matching a cgroup. */
struct matching {
	__u32 taken;
	__u32 pad;
	__u64 open; /* rules whose pattern matches so far and continues below */
	__u64 fit;
	__u64 left_out; /* rules that leave this cgroup out */
	__u32 policy;
	__u32 level;
	__u8 at; /* position in the name */
	__u8 in; /* position in the pattern */
	__u8 has_star;
	__u8 after_star; /* position in the pattern */
	__u8 star_took;	 /* what the last `*` covers ends here in the name */
	__u8 name_fits;
	char name[NAME_LEN];
};

#define MATCHINGS 256
#define MATCHINGS_TRIED 16

/* array, no flags, 256 entries: the state of matching a cgroup, memory that no program can use up. A CPU takes an entry
 * by an atomic exchange of `taken` and then writes it alone. Entries are not per CPU: another program may interrupt one
 * that matches. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MATCHINGS);
	__type(key, __u32);
	__type(value, struct matching);
} matchings SEC(".maps");

/* Tries the entries of this CPU first. Not inlined: see rules_for_cgroup(). */
static __noinline struct matching *take_matching(void)
{
	__u32 from = bpf_get_smp_processor_id() * 4;
	struct matching *m;

	for (__u32 i = 0; i < MATCHINGS_TRIED; i++) {
		__u32 key = (from + i) & (MATCHINGS - 1);

		m = bpf_map_lookup_elem(&matchings, &key);
		if (m && !__sync_lock_test_and_set(&m->taken, 1))
			return m;
	}
	count_fault(FAULT_NO_STORAGE);
	return NULL;
}

struct name_match {
	struct matching *m;
	const struct cgroup_pattern *pattern;
};

/* A `*` covers as few characters as possible, and one more each time that what follows does not match. */
static long match_character(__u32 step, struct name_match *ctx)
{
	struct matching *m = ctx->m;
	const struct cgroup_pattern *pattern = ctx->pattern;
	char wanted = pattern->text[m->in];
	char found = m->name[m->at];

	if (wanted == '*') {
		m->in++;
		m->has_star = 1;
		m->after_star = m->in;
		m->star_took = m->at;
		return 0;
	}
	if (wanted == '/')
		wanted = 0;
	if (wanted == found) {
		m->name_fits = !found;
		m->in++;
		m->at++;
		return !found;
	}
	if (!m->has_star || !m->name[m->star_took])
		return 1;
	m->star_took++;
	m->at = m->star_took;
	m->in = m->after_star;
	return 0;
}

static long match_rule(__u32 rule, struct matching **ctx)
{
	struct matching *m = *ctx;
	struct name_match match = { .m = m };
	__u32 key, level = m->level - 1;
	__u64 bit;

	if (rule >= RULES)
		return 1;
	bit = 1ULL << rule;
	if (!(m->open & bit))
		return 0;
	key = m->policy * RULES + rule;
	match.pattern = bpf_map_lookup_elem(&rule_cgroups, &key);
	if (!match.pattern || level >= CGROUP_DEPTH)
		return 1;
	m->at = 0;
	m->in = match.pattern->start[level];
	m->has_star = 0;
	m->name_fits = 0;
	bpf_loop(GLOB_STEPS, match_character, &match, 0);
	if (!m->name_fits) {
		m->open &= ~bit;
	} else if (match.pattern->depth == m->level) {
		m->open &= ~bit;
		if (match.pattern->leaves_out)
			m->left_out |= match.pattern->leaves_out;
		else
			m->fit |= bit;
	}
	return 0;
}

/* Goes down from the root as long as some pattern continues. */
static __noinline __u64 match_cgroup(struct matching *m, struct cgroup *cgroup)
{
	int depth = BPF_CORE_READ(cgroup, level);
	struct cgroup *ancestor;

	for (int level = 1; level <= CGROUP_DEPTH && level <= depth && m->open; level++) {
		if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]) || !ancestor)
			break;
		if (bpf_probe_read_kernel_str(m->name, sizeof(m->name), BPF_CORE_READ(ancestor, kn, name)) < 0)
			break;
		m->level = level;
		bpf_loop(RULES, match_rule, &m, 0);
	}
	return m->fit & ~m->left_out;
}

/* The rules for which this cgroup answers the other way round than any_cgroup. */
static __always_inline int match_patterns(const struct policy *p, __u32 policy, struct cgroup *cgroup, __u64 *rules)
{
	struct matching *m;

	*rules = p->rules.rules & ~p->rules.any_cgroup;
	if (!p->rules.patterns)
		return 1;
	m = take_matching();
	/* The account of any rule is better than none. */
	if (!m)
		return 0;
	m->open = p->rules.patterns;
	m->fit = 0;
	m->left_out = 0;
	m->policy = policy;
	*rules = match_cgroup(m, cgroup) | (m->left_out & p->rules.any_cgroup);
	__sync_lock_test_and_set(&m->taken, 0);
	return 1;
}

/* Neither this function nor the next is inlined: see rules_for_cgroup(). */
static __noinline void remember_cgroup_rules(__u64 generation, __u64 id, const struct cgroup_rules *found)
{
	/* Linux 6.1 takes no argument of a global function as a map's value. */
	struct cgroup_rules known = { .rules = found->rules, .never_hold = found->never_hold };

	known.seal = seal_of(id, generation, known.rules, known.never_hold);
	bpf_map_update_elem(&cgroups_known, &id, &known, BPF_ANY);
}

static __noinline int recall_cgroup_rules(__u64 generation, __u64 id, struct cgroup_rules *found)
{
	volatile struct cgroup_rules *known = bpf_map_lookup_elem(&cgroups_known, &id);

	if (!known)
		return 0;
	found->rules = known->rules;
	found->never_hold = known->never_hold;
	return known->seal == seal_of(id, generation, found->rules, found->never_hold);
}

/* The cgroup is given by its address: a global function takes no pointer of the kernel's. Global, for the reason given
 * in accounting.h. */
__noinline int find_cgroup_rules(__u32 policy, __u64 address, __u64 id, struct cgroup_rules *found)
{
	const struct policy *p = &policies[policy & 1];
	struct cgroup *cgroup = (struct cgroup *)address;

	if (!found)
		return 0;
	found->never_hold = p->never_hold.rules ? rules_for_cgroup(policy & 1, cgroup) : 0;
	if (match_patterns(p, policy & 1, cgroup, &found->rules))
		remember_cgroup_rules(p->generation, id, found);
	return 0;
}

/* The rules that name this cgroup. */
static __always_inline struct cgroup_rules cgroup_rules_of(const struct policy *p, __u32 policy, struct cgroup *cgroup)
{
	struct cgroup_rules found = {};
	__u64 address;

	/* Copied by a helper, the pointer is a mere number for the verifier. */
	if (cgroup && !recall_cgroup_rules(p->generation, cgroup->kn->id, &found)) {
		bpf_probe_read_kernel(&address, sizeof(address), &cgroup);
		find_cgroup_rules(policy, address, cgroup->kn->id, &found);
	}
	return found;
}

static __always_inline __u64 rules_for_comm(__u32 policy, const struct task_struct *task)
{
	struct comm_key key = { .policy = policy };
	__u64 *rules;

	__builtin_memcpy(key.comm, task->comm, COMM_LEN);
	rules = bpf_map_lookup_elem(&rule_comms, &key);
	return rules ? *rules : 0;
}

/* The rules that match the task that connects from this socket, which is of this cgroup. */
static __always_inline __u64 rules_for(const struct policy *p, __u32 policy, struct bpf_sock *sk, struct cgroup *cgroup)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u64 rules = p->rules.rules;

	if (rules & p->rules.by_user)
		rules &= p->rules.any_user ^ rules_for_user(&rule_users, policy);
	if (rules & ~p->rules.any_comm)
		rules &= p->rules.any_comm | rules_for_comm(policy, task);
	if (rules & p->rules.by_cgroup)
		rules &= p->rules.any_cgroup ^ cgroup_rules_of(p, policy, cgroup).rules;
	if (rules & p->rules.by_exe)
		rules &= p->rules.any_exe ^ rules_for_exe(&rule_exes, policy);
	return rules;
}

/* Whether the task that connects from a socket of this cgroup is never held. The cgroup is matched first: most cgroups
 * are in no rule, and the result is cached. */
static __always_inline int is_never_held(const struct policy *p, __u32 policy, struct cgroup *cgroup)
{
	__u64 rules = p->never_hold.rules;

	if (rules & ~p->never_hold.any_cgroup)
		rules &= p->never_hold.any_cgroup | cgroup_rules_of(p, policy, cgroup).never_hold;
	if (rules & ~p->never_hold.any_user)
		rules &= p->never_hold.any_user | rules_for_user(&never_hold_users, policy);
	if (rules & ~p->never_hold.any_exe)
		rules &= p->never_hold.any_exe | rules_for_exe(&never_hold_exes, policy);
	return rules != 0;
}

/* The number of the lowest bit set in a word that is not zero. clang 14 cannot compile its builtin for BPF. */
static __always_inline __u64 lowest_bit(__u64 word)
{
	__u64 number = 0;

	for (__u32 half = 32; half; half /= 2) {
		if (!(word & ((1ULL << half) - 1))) {
			word >>= half;
			number += half;
		}
	}
	return number;
}

/* The first of `rules`, which must not be 0. The asm bounds the index again where the compiler cannot see it: see
 * limits_of(). */
static __always_inline const struct rule *first_of(const struct policy *p, __u64 rules)
{
	const struct rule *rule;
	__u64 first = lowest_bit(rules);

	asm volatile("%0 &= 63" : "+r"(first));
	if (first >= RULES)
		return NULL;
	rule = &p->rules.rule[first];
	barrier_var(rule);
	return rule;
}
