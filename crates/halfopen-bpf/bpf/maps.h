/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "abi.h"

/* Two policies; policy_now is the number of the one in force. User space writes the other one and then switches the
 * number, so that no reader sees half of each. Written by user space only. */
struct policy policies[2];
__u32 policy_now;

/* Until when a daemon can be relied on to wake waiters whose turn comes. Written by user space only. */
__u64 woken_until_ns;

/* Until when the daemon is told of every beginning and end in audit mode, from which it learns how long attempts would
 * have waited. Moved on by any CPU whose attempt would have had to wait, and by user space. */
__u64 learned_until_ns;

/* Whether TCP_RTO_MAX_MS can be set (Linux 6.15 and later). User space finds out before loading. */
const volatile __u8 rto_max_settable;

/* Jiffies in a second. User space finds out before loading. */
const volatile __u32 hz;

/* array, no flags, 32768 entries unless `records` says otherwise (a power of two): the records of live attempts, by the
 * lowest bits of their sockets' cookies; see records.h. Any CPU claims an entry by an atomic exchange of `cookie` and
 * then writes it under the socket's lock; the reconcile walk writes entries that it has seized. What counts an attempt,
 * and `walk`, are written under the host scope's spin lock too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECORDS);
	__type(key, __u32);
	__type(value, struct attempt);
} records SEC(".maps");

/* hash, preallocated, a quarter as many entries: the records, by cookie, of attempts whose entry in `records` belongs
 * to another attempt. The CPU that begins or ends the attempt makes or removes its entry; entries are written like
 * those of `records`. beside.h says which parties may have one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RECORDS / 4);
	__type(key, __u64);
	__type(value, struct attempt);
} records_beside SEC(".maps");

/* Entries in records_beside. Every CPU adds to it atomically. */
__u32 beside;

/* The number of entries in `records` less one, and the most entries in records_beside. Set by user space before
 * loading. */
const volatile __u32 records_mask = RECORDS - 1;
const volatile __u32 beside_most = RECORDS / 4;

/* Attempts that began before this time, in ns, may have no record: the hooks were not attached, nothing was counted, or
 * the attempts were exempt. Written by user space only. */
__u64 counting_from_ns;

/* The number of the current socket walk, and when it began, in ns. Written by user space only. */
__u32 socket_walk;
__u64 socket_walk_ns;

/* hash, preallocated, 256 entries: by a network namespace's inode number, the number of the last socket walk that went
 * through it. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} walked SEC(".maps");

/* hash, BPF_F_NO_PREALLOC, 262144 entries: by their sockets' cookies, the connections that some scope counts. The CPU
 * that begins an attempt makes the entry; whoever ends the connection removes it. See struct connection for who writes
 * it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CONNECTIONS);
	__type(key, __u64);
	__type(value, struct connection);
} connections SEC(".maps");

/* Entries in `connections`. Every CPU adds to it atomically. */
__u32 connections_held;

/* array, no flags, 8704 sets of 8 destinations, 4.25 MiB: the connections of an account to each of its destinations, by
 * a salted hash. Every CPU writes it under the host scope's spin lock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DESTINATION_SETS + SHARED_DESTINATION_SETS);
	__type(key, __u32);
	__type(value, struct destination_set);
} destinations SEC(".maps");

/* array, no flags, 128 entries, the host's first: the accounting. Every CPU writes it under the spin lock in entry 0,
 * which guards all entries. Slots, and what at_once.h counts, also change by atomic operations without the lock, and
 * `touched_ns` by plain writes. User space writes an entry only while no attempt is charged to it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCOPES);
	__type(key, __u32);
	__type(value, struct scope);
} scopes SEC(".maps");

/* hash, BPF_F_NO_PREALLOC, 16384 entries: the accounting of accounts that rules make. The CPU with the first attempt of
 * an account makes its entry; entries are written like those of `scopes`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ACCOUNTS);
	__type(key, struct account_key);
	__type(value, struct scope);
} accounts SEC(".maps");

/* hash, BPF_F_NO_PREALLOC, 8192 entries: the parties that have had an attempt wait. The CPU with the first attempt of a
 * party that may have to wait, or whose record in records_beside is counted, makes its entry. Every CPU writes entries
 * under the host scope's spin lock, except `beside`, to which it adds atomically, and `idle_since`, which a lookup sets
 * to 0. The collector removes them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PARTIES);
	__type(key, struct party_key);
	__type(value, struct party);
} parties SEC(".maps");

/* Parties that are parts. Every CPU adds to it atomically. */
__u32 parts_made;

/* The contents of a new party. */
const volatile __u8 no_party[sizeof(struct party)];

/* Whether the packets of some attempt went to another address than the one that was dialled. Any CPU sets it. */
__u32 translated;

/* The salt of the sets' hashes, drawn once, so that nobody can aim at a set. Written by user space only. */
__u64 salt[2];

/* array, no flags, 8192 sets of 8 addresses, 1 MiB: the addresses that an account has tried, or that have answered it.
 * Written by every CPU without a lock, see remembered.h; a lost update makes a known address unknown. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOWN_SETS);
	__type(key, __u32);
	__type(value, struct known_set);
} known SEC(".maps");

/* LRU hash, no flags, 65536 entries: when an account last sent UDP to an address, in ns. Any CPU writes it at egress; a
 * lost race only changes the date of an entry. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct datagram_contact);
	__type(value, __u64);
} datagram_contacts SEC(".maps");

/* LRU hash, no flags, 32768 entries: when an address last sent UDP to this host, in ns. A program that answers this
 * address makes no contact. Any CPU writes it at ingress. It is a map of its own so that a flood with forged sources
 * evicts no address that was contacted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct mapped_address);
	__type(value, __u64);
} datagrams_heard SEC(".maps");

/* socket storage, BPF_F_NO_PREALLOC, an entry for each socket that sends UDP. Any CPU writes it at egress; a race
 * between two senders on one socket costs a lookup in the other maps. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct datagram_socket);
} datagram_sockets SEC(".maps");

/* hash, BPF_F_NO_PREALLOC, 16512 entries, one for every account and scope: the last first contact over UDP that it
 * stopped. The CPU that stops the first one makes the entry at egress. Any CPU writes it under the spin lock in the
 * entry. It is removed with its account. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ACCOUNTS + SCOPES);
	__type(key, struct account_key);
	__type(value, struct datagram_stop);
} datagram_stops SEC(".maps");

/* The contents of a new entry: a constant of the type itself may not contain a lock. */
const volatile __u8 no_stop[sizeof(struct datagram_stop)];

/* array, no flags, 2048 sets of 8 neighbourhoods, 384 KiB: the neighbourhoods whose answers an account has had. Written
 * by every CPU without a lock, see remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NEIGHBOURHOOD_SETS);
	__type(key, __u32);
	__type(value, struct neighbourhood_set);
} neighbourhoods SEC(".maps");

/* The contents of a new account, which is too large for a program's stack. */
const volatile __u8 no_accounting[sizeof(struct scope)];

/* hash, preallocated, 64 entries: the scope of a cgroup at depth exec_level. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RULE_SCOPES);
	__type(key, __u64);
	__type(value, __u32);
} scope_of_cgroup SEC(".maps");

/* hash, preallocated, 128 entries: the rules of `never_hold` that name a user. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * NEVER_HOLD_RULES);
	__type(key, struct user_key);
	__type(value, __u64);
} never_hold_users SEC(".maps");

/* hash, preallocated, 128 entries: the rules of `never_hold` that name an executable. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * NEVER_HOLD_RULES);
	__type(key, struct exe_key);
	__type(value, __u64);
} never_hold_exes SEC(".maps");

/* hash, preallocated, 2048 entries: the cgroups that rules of `never_hold` name, as a tree of names, so that a cgroup
 * is recognised from its first connect on. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct cgroup_step);
	__type(value, struct cgroup_place);
} never_hold_cgroups SEC(".maps");

/* hash, preallocated, 96 entries: the rules of `[[scope]]` that name a user. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct user_key);
	__type(value, __u64);
} rule_users SEC(".maps");

/* hash, preallocated, 96 entries: the rules of `[[scope]]` that name an executable. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct exe_key);
	__type(value, __u64);
} rule_exes SEC(".maps");

/* hash, preallocated, 96 entries: the rules of `[[scope]]` that name a task. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RULES);
	__type(key, struct comm_key);
	__type(value, __u64);
} rule_comms SEC(".maps");

/* array, no flags, 96 entries, policy 0's first: the cgroup patterns of the rules of `[[scope]]`. Written by user space
 * only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * RULES);
	__type(key, __u32);
	__type(value, struct cgroup_pattern);
} rule_cgroups SEC(".maps");

/* LRU hash, no flags, 16384 entries: the rules that name a cgroup, looked up at its first connect. Written by every CPU
 * without a lock; a seal shows torn entries, see seal_of(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, struct cgroup_rules);
} cgroups_known SEC(".maps");

/* LRU hash, no flags, 16384 entries: the hash of a cgroup's path, made at the first connect from it or below it.
 * Written by every CPU without a lock. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, __u64);
} cgroup_paths SEC(".maps");

/* LRU hash, no flags, 16384 entries: by a process, the process whose account it shares, so that nothing changes when
 * its parents end. Written by every CPU without a lock. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ACCOUNTS);
	__type(key, __u64);
	__type(value, __u64);
} families SEC(".maps");

/* hash, preallocated, 32 entries: the scope of an interface. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * INTERFACES);
	__type(key, struct interface_key);
	__type(value, __u32);
} interface_scopes SEC(".maps");

/* array, no flags, 128 entries: the names of rules and interfaces, for the next daemon. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCOPES);
	__type(key, __u32);
	__type(value, struct scope_name);
} scope_names SEC(".maps");

/* LRU hash, no flags, 1024 entries: the number of the last release by hand (`released`) that covered an account.
 * Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct account_key);
	__type(value, __u32);
} releases SEC(".maps");

/* hash, preallocated, 256 entries: until when (ns) an account is blocked by hand. An entry that has ended means
 * nothing. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HAND_BLOCKS);
	__type(key, struct account_key);
	__type(value, __u64);
} hand_blocks SEC(".maps");

/* LRU hash, no flags, 4096 entries: the programs whose attempts waited, were refused, or would have waited. Every CPU
 * adds to the counts atomically; `last_ns`, `last_pid` and `longest_wait_ns` are plain writes, of which the last one
 * wins. The program that has been quiet for longest makes room for a new one. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROGRAMS);
	__type(key, struct program_key);
	__type(value, struct program_count);
} programs SEC(".maps");

/* LRU hash, no flags, 4096 entries: by a cgroup's id, how many of its programs have had a row in `programs`. Evicted
 * rows still count. Every CPU adds to entries atomically. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROGRAMS);
	__type(key, __u64);
	__type(value, __u32);
} program_rows SEC(".maps");

/* hash, preallocated, 128 entries: the resolvers whose answers are read. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * RESOLVERS);
	__type(key, struct resolver_key);
	__type(value, __u8);
} resolvers SEC(".maps");

/* array, no flags, 256 sets of 8 questions, 560 KiB: the DNS questions that are not answered yet. Written without a
 * lock by the CPU that sends a question and the CPU that reads its answer, see remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, QUERY_SETS);
	__type(key, __u32);
	__type(value, struct query_set);
} queries SEC(".maps");

/* array, no flags, 1024 sets of 8 addresses, 384 KiB: the addresses that answers have named. Written by every CPU
 * without a lock, see remembered.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMED_SETS);
	__type(key, __u32);
	__type(value, struct named_set);
} named SEC(".maps");

/* per-CPU array, no flags, 1 entry: the answer that is being read. Each CPU writes its own; `busy` keeps a program that
 * interrupts another one out. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_reading);
} reading SEC(".maps");

/* per-CPU array, no flags, an entry for each enum names_count: how often it has happened. Each CPU writes its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAMES_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} names_counts SEC(".maps");

/* array, no flags, 1 entry: what a daemon leaves for the next one. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct keeper);
} keeper SEC(".maps");

struct prefix {
	__u32 bits; /* length of the mapped prefix: 96 more than an IPv4 prefix has */
	__u8 addr[16];
};

/* LPM trie, BPF_F_NO_PREALLOC, 4096 entries: destinations that are never counted. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct prefix);
	__type(value, __u8);
} exempt SEC(".maps");

/* LPM trie, BPF_F_NO_PREALLOC, 8192 entries, 4096 for each policy: the rules of `[[deny]]` that cover a destination, a
 * bit each. The longest prefix also has the bits of the shorter ones. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * DENY_PREFIXES);
	__type(key, struct deny_prefix);
	__type(value, __u64);
} deny_prefixes SEC(".maps");

/* array, no flags, 128 entries, policy 0's first: the other conditions of a rule of `[[deny]]`. Written by user space
 * only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * DENY_RULES);
	__type(key, __u32);
	__type(value, struct deny_rule);
} deny_rules SEC(".maps");

/* array, no flags, 64 entries: what each rule of `[[deny]]` has denied. Every CPU writes it under the spin lock in the
 * entry. User space writes an entry only while no policy in force has its rule. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DENY_RULES);
	__type(key, __u32);
	__type(value, struct deny_count);
} deny_counts SEC(".maps");

/* array, no flags, 64 entries: the names of those rules, for the next daemon. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DENY_RULES);
	__type(key, __u32);
	__type(value, struct scope_name);
} deny_names SEC(".maps");

/* hash, preallocated, 2049 entries: the gates, and what is none, by the number of the interface. User space makes and
 * removes entries; any CPU writes the credit under the spin lock in the entry, and adds to the counts atomically. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INTERFACES_LISTED + 1);
	__type(key, __u32);
	__type(value, struct gate);
} gates SEC(".maps");

/* array, no flags, 4096 entries: the credit of a source on a bridge, by a salted hash. Two sources may share an entry.
 * Any CPU writes an entry under the spin lock in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_SOURCES);
	__type(key, __u32);
	__type(value, struct gate_credit);
} gate_sources SEC(".maps");

/* LRU hash, no flags, 65536 entries: the first contacts through gates. A new entry costs credit until it is gone, so
 * nobody can push out those of others at will. Any CPU writes it; a lost race costs one credit. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct gate_contact);
	__type(value, struct gate_contacted);
} gate_contacts SEC(".maps");

/* LRU hash, no flags, 16384 entries: by a salted hash of gate and network, how many first contacts of it have been
 * answered. Any CPU adds to it atomically. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} gate_neighbours SEC(".maps");

/* LRU hash, no flags, 16384 entries: the SYNs that egress has let out in a container, by a salted hash of destination,
 * port and sequence number. They reach the gate at once. Any CPU writes it; what is lost or evicted
 * counts as forwarded. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} syns_let_out SEC(".maps");

/* The inode number of the daemon's network namespace: sockets there pass no gate. Set by user space before loading. */
const volatile __u32 host_netns;

/* ring buffer, no flags, 2 MiB: the attempts that began to wait, and what became of attempts. Every CPU writes it; the
 * daemon reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} held SEC(".maps");

/* per-CPU array, no flags, 48 entries: for each enum timed a histogram of its durations. Each CPU writes its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DURATIONS);
	__type(key, __u32);
	__type(value, __u64);
} durations SEC(".maps");

/* per-CPU array, no flags, an entry for each enum fault: how often it has happened. Each CPU writes its own. */
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
