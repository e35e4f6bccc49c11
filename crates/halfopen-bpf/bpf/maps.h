/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "abi.h"

/* Two policies, of which policy_now names the one in force: user space writes the other and then turns the number, so
 * that no reader ever sees half of each. Written by user space only. */
struct policy policies[2];
__u32 policy_now;

/* Until when a daemon may be counted on to wake waiters whose turn comes. Written by user space only. */
__u64 woken_until_ns;

/* Whether TCP_RTO_MAX_MS can be set (from 6.15); found out by user space before loading. */
const volatile __u8 rto_max_settable;

/* How many jiffies the kernel counts in a second; found out by user space before loading. */
const volatile __u32 hz;

/* array, 32768 entries unless `records` says otherwise (a power of two): the records of live attempts, by the lowest
 * bits of their sockets' cookies; see records.h. Claimed by any CPU by an atomic exchange of `cookie`, then written
 * under the socket's lock; its counts and `walk` also under the host scope's spin lock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECORDS);
	__type(key, __u32);
	__type(value, struct attempt);
} records SEC(".maps");

/* hash, preallocated, a quarter as many entries: the records of attempts whose entry in `records` is another's, by
 * cookie. Made and removed by the CPU that begins or ends the attempt; written as those. Whose they are: see beside.h.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RECORDS / 4);
	__type(key, __u64);
	__type(value, struct attempt);
} records_beside SEC(".maps");

/* How many records_beside has. Added to atomically by every CPU. */
__u32 beside;

/* One less than `records` has entries, and how many records_beside may have. Set by user space before loading. */
const volatile __u32 records_mask = RECORDS - 1;
const volatile __u32 beside_most = RECORDS / 4;

/* Attempts that began before then, in ns, may have no record: the hooks were not there, nothing was counted, or they
 * were exempt. Written by user space only. */
__u64 counting_from_ns;

/* The walk over sockets that is going on, and when it began, in ns. Written by user space only. */
__u32 socket_walk;
__u64 socket_walk_ns;

/* hash, 256 entries: the network namespaces, by inode number, through which a walk over sockets has gone last: its
 * number. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} walked SEC(".maps");

/* array, 128 entries, the host's first: the accounting. Written by every CPU under the spin lock in entry 0, which
 * guards all entries; slots, and what at_once.h counts, by atomic operations without it too. User space writes an entry
 * only while no attempt is charged to it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCOPES);
	__type(key, __u32);
	__type(value, struct scope);
} scopes SEC(".maps");

/* hash, no preallocation, 16384 entries: the accounting of accounts that rules make. Made by the CPU whose attempt is
 * the first; written as the entries of `scopes`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ACCOUNTS);
	__type(key, struct account_key);
	__type(value, struct scope);
} accounts SEC(".maps");

/* hash, no preallocation, 8192 entries: those of whom an attempt has waited. Made by the CPU whose attempt is the first
 * to wait, or to have a record in records_beside; written under the same lock, but for `beside`, which is added to
 * atomically; the collector removes them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PARTIES);
	__type(key, struct party_key);
	__type(value, struct party);
} parties SEC(".maps");

/* How many of them are parts. Written by every CPU, atomically. */
__u32 parts_made;

/* What a new one begins as. */
const volatile __u8 no_party[sizeof(struct party)];

/* What the hashes of sets begin with, drawn once: nobody can aim at a set. Written by user space only. */
__u64 salt[2];

/* array, 8192 sets of 8 addresses, 1 MiB: those that an account has tried, or that have answered it. Written by every
 * CPU, see remembered.h; a lost update makes of a known address an unknown one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOWN_SETS);
	__type(key, __u32);
	__type(value, struct known_set);
} known SEC(".maps");

/* LRU hash: when an account last sent UDP to an address, in ns. Written at egress by any CPU; a lost race only dates an
 * entry otherwise. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct datagram_contact);
	__type(value, __u64);
} datagram_contacts SEC(".maps");

/* LRU hash: when an address last sent UDP to this host, in ns: whoever answers it contacts nobody. Written at ingress
 * by any CPU. A map of its own: who floods it with forged sources drives out nobody that was contacted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct mapped_address);
	__type(value, __u64);
} datagrams_heard SEC(".maps");

/* Socket storage: written at egress; a race between two senders of one socket costs a look into the other maps. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct datagram_socket);
} datagram_sockets SEC(".maps");

/* hash, no preallocation, room for every account and scope: the last first contact that it stopped. Made at egress by
 * the CPU that stops the first one, written by any under the spin lock in the entry; goes with its account. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ACCOUNTS + SCOPES);
	__type(key, struct account_key);
	__type(value, struct datagram_stop);
} datagram_stops SEC(".maps");

/* What a new entry begins as: a lock may be in no constant of its own type. */
const volatile __u8 no_stop[sizeof(struct datagram_stop)];

/* array, 2048 sets of 8 neighbourhoods, 384 KiB: whose answers an account has had. Written by every CPU, see
 * remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NEIGHBOURHOOD_SETS);
	__type(key, __u32);
	__type(value, struct neighbourhood_set);
} neighbourhoods SEC(".maps");

/* What a new account begins as: it is too large for a program's stack. */
const volatile __u8 no_accounting[sizeof(struct scope)];

/* hash, 63 entries: the scope of a cgroup at depth exec_level. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RULE_SCOPES);
	__type(key, __u64);
	__type(value, __u32);
} scope_of_cgroup SEC(".maps");

/* hash, 128 entries: rules of `never_hold` that ask for a user. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * NEVER_HOLD_RULES);
	__type(key, struct user_key);
	__type(value, __u64);
} never_hold_users SEC(".maps");

/* hash, 128 entries: rules of `never_hold` that ask for an executable. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * NEVER_HOLD_RULES);
	__type(key, struct exe_key);
	__type(value, __u64);
} never_hold_exes SEC(".maps");

/* hash, 2048 entries: the cgroups that rules of `never_hold` ask for, a tree by names, so that a cgroup is known from
 * its first connect on. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct cgroup_step);
	__type(value, struct cgroup_place);
} never_hold_cgroups SEC(".maps");

/* hash, 96 entries: rules of `[[scope]]` that ask for a user. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct user_key);
	__type(value, __u64);
} rule_users SEC(".maps");

/* hash, 96 entries: those that ask for an executable. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct exe_key);
	__type(value, __u64);
} rule_exes SEC(".maps");

/* hash, 96 entries: those that ask for a task's name. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct comm_key);
	__type(value, __u64);
} rule_comms SEC(".maps");

/* array, 96 entries: which cgroups the rules ask for, policy 0's first. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * RULES);
	__type(key, __u32);
	__type(value, struct cgroup_pattern);
} rule_cgroups SEC(".maps");

/* LRU hash, 16384 entries: the rules that ask for a cgroup, found out at its first connect. Written by every CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, struct cgroup_rules);
} cgroups_known SEC(".maps");

/* LRU hash, 16384 entries: the hash of a cgroup's path, made at the first connect from it or below it. Written by every
 * CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, __u64);
} cgroup_paths SEC(".maps");

/* LRU hash, 16384 entries: the process whose account another one shares, so that nothing changes when its parents end.
 * Written by every CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, __u64);
} families SEC(".maps");

/* hash, 32 entries: the scope of an interface. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * INTERFACES);
	__type(key, struct interface_key);
	__type(value, __u32);
} interface_scopes SEC(".maps");

/* array, 128 entries: the names of rules and interfaces, for the next daemon. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCOPES);
	__type(key, __u32);
	__type(value, struct scope_name);
} scope_names SEC(".maps");

/* LRU hash, 1024 entries: at which count of releases an account was released last. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct account_key);
	__type(value, __u32);
} releases SEC(".maps");

/* LRU hash, 4096 entries: programs whose attempts waited, were refused, or would have waited. Written by every CPU with
 * atomic additions; the program that has been quiet for longest makes room for a new one. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROGRAMS);
	__type(key, struct program_key);
	__type(value, struct program_count);
} programs SEC(".maps");

/* LRU hash, 4096 entries: how many programs of a cgroup have had a row, by its id. Rows that have made room for others
 * still count. Written by every CPU with atomic additions. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROGRAMS);
	__type(key, __u64);
	__type(value, __u32);
} program_rows SEC(".maps");

/* hash, 128 entries: whose answers are read. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RESOLVERS);
	__type(key, struct resolver_key);
	__type(value, __u8);
} resolvers SEC(".maps");

/* array, 256 sets of 8 questions, 560 KiB: those that nobody has answered yet. Written by the CPU that sends one, and
 * by the one that reads its answer, see remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, QUERY_SETS);
	__type(key, __u32);
	__type(value, struct query_set);
} queries SEC(".maps");

/* array, 1024 sets of 8 addresses, 384 KiB: those that answers have named. Written by every CPU, see remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMED_SETS);
	__type(key, __u32);
	__type(value, struct named_set);
} named SEC(".maps");

/* per-CPU array: the answer that is being read. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_reading);
} reading SEC(".maps");

/* per-CPU array: how often each enum names_count has happened. Each CPU writes its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAMES_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} names_counts SEC(".maps");

/* array, 1 entry. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct keeper);
} keeper SEC(".maps");

struct prefix {
	__u32 bits; /* of the mapped address: 96 more than an IPv4 prefix has */
	__u8 addr[16];
};

/* LPM trie, no preallocation, at most 4096 prefixes: destinations that are never counted. Written by user space only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct prefix);
	__type(value, __u8);
} exempt SEC(".maps");

/* LPM trie, no preallocation, at most 4096 prefixes of each policy: the rules of `[[deny]]` that cover a destination, a
 * bit each. The longest prefix has those of the shorter ones too. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * DENY_PREFIXES);
	__type(key, struct deny_prefix);
	__type(value, __u64);
} deny_prefixes SEC(".maps");

/* array, 128 entries, policy 0's first: what else a rule of `[[deny]]` asks. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * DENY_RULES);
	__type(key, __u32);
	__type(value, struct deny_rule);
} deny_rules SEC(".maps");

/* array, 64 entries. Written by every CPU under the spin lock in the entry; user space writes an entry only while no
 * policy in force has its rule. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DENY_RULES);
	__type(key, __u32);
	__type(value, struct deny_count);
} deny_counts SEC(".maps");

/* array, 64 entries: the names of those rules, for the next daemon. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DENY_RULES);
	__type(key, __u32);
	__type(value, struct scope_name);
} deny_names SEC(".maps");

/* ring buffer, 2 MiB: attempts that began to wait, and what became of which. Written by every CPU, read by the daemon.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} held SEC(".maps");

/* per-CPU array: how often each fault has happened. Each CPU writes its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAULTS);
	__type(key, __u32);
	__type(value, __u64);
} faults SEC(".maps");

static __always_inline void count_fault(enum fault fault)
{
	__u32 key = fault;
	__u64 *count = bpf_map_lookup_elem(&faults, &key);

	if (count)
		++*count;
}
