/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Who connects and where to: the destination as one form of address, the task, the scope of its cgroup.
 */
#pragma once

#include "decide.h"
#include "kernel_types.h"
#include "maps.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define PREFIX_BITS 128

static __always_inline const struct policy *policy_in_force(void)
{
	return &policies[policy_now & 1];
}

/* The mode that holds now. That `halfopen enforce --for` is over is decided here: it must be, whatever has become of
 * the daemon. The clock is read only while a trial runs, or has just ended. */
static __always_inline __u32 mode_now(const struct policy *p)
{
	barrier_var(p); /* see limits_of() */
	if (p->mode != MODE_ENFORCE || !p->enforce_until_ns || bpf_ktime_get_ns() < p->enforce_until_ns)
		return p->mode;
	return p->mode_after;
}

static __always_inline void map_ipv4(__u8 addr[16], __u32 ipv4)
{
	__u32 *words = (__u32 *)addr;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

static __always_inline int is_exempt(const struct prefix *destination)
{
	return bpf_map_lookup_elem(&exempt, destination) != NULL;
}

/* NFS, iSCSI, Ceph, nvme-tcp: a connect that the kernel makes for itself is never held, the system may hang on it.
 * MPTCP's subflows are kernel sockets too, but a program's. */
static __always_inline int is_of_program(const struct tcp_sock *tp)
{
	if (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp)
		return 1;
	return !BPF_CORE_READ_BITFIELD(&tp->inet_conn.icsk_inet.sk, sk_kern_sock);
}

/* The scope of the cgroup that the socket was created in, or of its ancestor at the depth where scopes are. */
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

static __always_inline void note_program(struct attempt *a, struct cgroup *cgroup)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	a->pid = task->tgid;
	a->uid = task->cred->uid.val;
	__builtin_memcpy(a->comm, task->comm, COMM_LEN);
	a->cgroup_id = cgroup ? cgroup->kn->id : 0;
}

/* Verifiers before 6.2 forget the bound of an index that was spilled: it is given here again, where the compiler cannot
 * see that it has one, and the address is made at once. */
static __always_inline const struct limits *limits_of(const struct policy *p, __u64 scope)
{
	const struct limits *l;

	_Static_assert(SCOPES == 128, "the mask below is SCOPES - 1");
	asm volatile("%0 &= 127" : "+r"(scope));
	l = &p->limits[scope];
	barrier_var(l);
	return l;
}

/* Looks up what an attempt is charged to. The host's lock must not be held yet. */
static __always_inline struct scope *books_of(__u32 scope, __u64 account)
{
	struct account_key key = { .scope = scope, .id = account };

	if (!scope)
		return NULL;
	return account ? bpf_map_lookup_elem(&accounts, &key) : bpf_map_lookup_elem(&scopes, &scope);
}

static __always_inline int open_books(struct books *b, const struct policy *p, __u32 own, __u64 account)
{
	__u32 key = 0;

	own &= SCOPES - 1;
	b->host = bpf_map_lookup_elem(&scopes, &key);
	b->own = books_of(own, account);
	b->host_limits = &p->limits[0];
	b->own_limits = limits_of(p, own);
	if (b->host)
		return 1;
	count_fault(FAULT_NO_POLICY);
	return 0;
}
