/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The conditions of rules on a task: its user, its executable, and for `never_hold` the names of its cgroup.
 * `never_hold` never goes by the task's own name, because a task chooses it itself.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"

/* The user of the current task. This function and the next are global, so that the verifier walks them once: at each
 * pointer that is read through one that it trusts, such as the current task, it may search all types of the kernel
 * (btf_nested_type_is_trusted()), which takes as long as a thousand other instructions. */
__noinline __u32 uid_of_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	return task->cred->uid.val;
}

/* Finds the executable of the current task; 0 if it has none. A field behind a NULL pointer reads as zero. */
__noinline int exe_of_current(struct exe_key *key)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct inode *inode = task->mm->exe_file->f_inode;

	if (!key || !inode)
		return 0;
	key->inode = inode->i_ino;
	key->device = inode->i_sb->s_dev;
	return 1;
}

/* The rules in `users` or `exes`, which are maps like never_hold_users and never_hold_exes. */
static __always_inline __u64 rules_for_user(void *users, __u32 policy)
{
	struct user_key key = { .policy = policy, .uid = uid_of_current() };
	__u64 *rules = bpf_map_lookup_elem(users, &key);

	return rules ? *rules : 0;
}

static __always_inline __u64 rules_for_exe(void *exes, __u32 policy)
{
	struct exe_key key = { .policy = policy };
	__u64 *rules;

	if (!exe_of_current(&key))
		return 0;
	rules = bpf_map_lookup_elem(exes, &key);
	return rules ? *rules : 0;
}

/* Goes down from the root as long as some rule names the path. Not inlined: the frames of its callers, and of what they
 * call after it, share 512 bytes of stack. `cgroup` may be a mere address, hence the probing reads. */
static __noinline __u64 rules_for_cgroup(__u32 policy, struct cgroup *cgroup)
{
	struct cgroup_step step = { .from = policy };
	struct cgroup_place *place;
	int depth = BPF_CORE_READ(cgroup, level);
	struct cgroup *ancestor;
	__u64 rules = 0;

	for (int level = 1; level <= CGROUP_DEPTH && level <= depth; level++) {
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
