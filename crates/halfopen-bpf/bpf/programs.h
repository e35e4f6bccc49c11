/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What waiting did to each program. Used only for attempts that wait, would have waited, or are refused.
 */
#pragma once

#include "kernel_types.h"
#include "maps.h"

/* Not on the stack, which is small. */
static const struct program_count uncounted;

/* A task chooses its own name: one that takes thousands of names must not push other programs out of the table. */
static __always_inline int has_row_left(__u64 cgroup_id)
{
	__u32 *rows = bpf_map_lookup_elem(&program_rows, &cgroup_id), first = 1;

	if (!rows) {
		bpf_map_update_elem(&program_rows, &cgroup_id, &first, BPF_NOEXIST);
		return 1;
	}
	if (*rows >= PROGRAMS_OF_CGROUP)
		return 0;
	__sync_fetch_and_add(rows, 1);
	return 1;
}

static __always_inline struct program_count *count_of(struct program_key *key)
{
	struct program_count *count = bpf_map_lookup_elem(&programs, key);

	if (count)
		return count;
	if (!has_row_left(key->cgroup_id)) {
		key->uid = MANY_USERS;
		__builtin_memset(key->comm, 0, sizeof(key->comm));
		count = bpf_map_lookup_elem(&programs, key);
		if (count)
			return count;
	}
	/* Another CPU may have been first. */
	bpf_map_update_elem(&programs, key, &uncounted, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&programs, key);
	if (!count)
		count_fault(FAULT_PROGRAM_UNCOUNTED);
	return count;
}

static __always_inline struct program_count *program_of(const struct attempt *a, __u64 now)
{
	struct program_key key = { .cgroup_id = a->cgroup_id, .uid = a->uid };
	struct program_count *count;

	__builtin_memcpy(key.comm, a->comm, COMM_LEN);
	count = count_of(&key);
	if (count) {
		count->last_ns = now;
		count->last_pid = a->pid;
	}
	return count;
}

static __always_inline void program_began_to_wait(const struct attempt *a, int audited, __u64 now)
{
	struct program_count *count = program_of(a, now);

	if (count)
		__sync_fetch_and_add(audited ? &count->would_have_waited : &count->held, 1);
}

static __always_inline void program_waited(struct program_count *count, const struct attempt *a, __u64 now)
{
	__u64 waited = now - a->began_ns;

	__sync_fetch_and_add(&count->waited_ns, waited);
	if (waited > count->longest_wait_ns)
		count->longest_wait_ns = waited;
}

static __always_inline void program_released(const struct attempt *a, __u64 now)
{
	struct program_count *count = program_of(a, now);

	if (!count)
		return;
	__sync_fetch_and_add(&count->released, 1);
	program_waited(count, a, now);
}

static __always_inline void program_ended_waiting(const struct attempt *a, int timed_out, __u64 now)
{
	struct program_count *count = program_of(a, now);

	if (!count)
		return;
	__sync_fetch_and_add(timed_out ? &count->gave_up : &count->cancelled, 1);
	program_waited(count, a, now);
}

/* Called in connect(), before there is an attempt. Global, for the reason given in accounting.h. */
__noinline int program_refused(__u64 cgroup_id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct program_key key = { .cgroup_id = cgroup_id, .uid = task->cred->uid.val };
	struct program_count *count;

	__builtin_memcpy(key.comm, task->comm, COMM_LEN);
	count = count_of(&key);
	if (!count)
		return 0;
	count->last_ns = bpf_ktime_get_ns();
	count->last_pid = task->tgid;
	__sync_fetch_and_add(&count->refused, 1);
	return 1;
}
