/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The conditions of rules on a task: its user, its executable, and for `never_hold` the names of its cgroup.
 * `never_hold` never goes by the task's own name, because a task chooses it itself.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"

/* The rules in `users` or `exes`, which are maps like never_hold_users and never_hold_exes. A field behind a NULL
 * pointer reads as zero. */
static __always_inline __u64 rules_for_user(void *users, __u32 policy, const struct task_struct *task)
{
	struct user_key key = { .policy = policy, .uid = task->cred->uid.val };
	__u64 *rules = bpf_map_lookup_elem(users, &key);

	return rules ? *rules : 0;
}

static __always_inline __u64 rules_for_exe(void *exes, __u32 policy, const struct task_struct *task)
{
	struct inode *inode = task->mm->exe_file->f_inode;
	struct exe_key key = { .policy = policy };
	__u64 *rules;

	if (!inode)
		return 0;
	key.inode = inode->i_ino;
	key.device = inode->i_sb->s_dev;
	rules = bpf_map_lookup_elem(exes, &key);
	return rules ? *rules : 0;
}

/* Goes down from the root as long as some rule names the path. Not inlined: the frames of its callers, and of what they
 * call after it, share 512 bytes of stack. */
static __noinline __u64 rules_for_cgroup(__u32 policy, struct cgroup *cgroup)
{
	struct cgroup_step step = { .from = policy };
	struct cgroup_place *place;
	struct cgroup *ancestor;
	__u64 rules = 0;

	for (int level = 1; cgroup && level <= CGROUP_DEPTH && level <= cgroup->level; level++) {
		if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]) || !ancestor)
			break;
		__builtin_memset(step.name, 0, sizeof(step.name));
		if (bpf_probe_read_kernel_str(step.name, sizeof(step.name), BPF_CORE_READ(ancestor, kn, name)) < 0)
			break;
		place = bpf_map_lookup_elem(&never_hold_cgroups, &step);
		if (!place)
			break;
		rules |= place->rules;
		step.from = place->number;
	}
	return rules;
}
