/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The functions that native.c offers to crates/halfopen-policy.
 */
#pragma once

#include "abi.h"

/* What an attempt is charged to, in the form of `struct accounting`: the host's first; all others may be NULL. */
struct native_accounting {
	struct scope *scope[CHARGED];
	const struct limits *limits[CHARGED];
	struct party *top;
	struct party *part;
	struct destination *destination;
};

void native_describe(struct attempt *a, int never_hold, int first, int tried, int named, int foreign, __u64 address,
		     __u16 port);
__u32 native_refuse(const struct native_accounting *c, int met, __u64 now);
__u32 native_begin(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now);
void native_known(const struct native_accounting *c, struct attempt *a, __u64 now);
__u32 native_recheck(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now);
__u32 native_resend(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now);
int native_end(const struct native_accounting *c, struct attempt *a, struct connection *connection, __u32 ending,
	       __u32 neighbours, __u64 now);
void native_close(const struct native_accounting *c, struct connection *connection, __u64 now);
void native_connection_seen(const struct native_accounting *c, struct connection *connection);
int native_walk_ends_for_destination(struct destination *d, __u32 walk);
__u32 native_bind(struct destination_set *set, __u64 id, __u64 account, __u64 now);
void native_withdraw(const struct native_accounting *c, struct attempt *a, int decided, __u64 now);
int native_leaves_late(const struct native_accounting *c, struct attempt *a, __u64 now);
int native_asks_for_part(const struct native_accounting *c);
int native_may_have_to_wait(const struct native_accounting *c, struct attempt *a, __u64 now);
void native_turns_until(const struct native_accounting *c, __u32 turns[2]);
int native_settles_exactly(const struct scope *s, const struct limits *l, __u64 now);
void native_walk_will_come(__u32 moment);
void native_set_closed(const struct native_accounting *c, int closed);
__u32 native_begin_shared(const struct native_accounting *c, struct attempt *a, __u32 *lock, __u32 mode, __u64 now);
int native_end_shared(const struct native_accounting *c, struct attempt *a, __u32 *lock, __u32 ending, __u64 now);
void native_others_come_first(__u32 times);
__u32 native_out_at_exchange(const struct scope *s);
void native_drift_slots(struct scope *s, __s64 by);
int native_datagram(struct scope *s, const struct limits *l, __u64 now);
void native_walk_begins(struct scope *host);
void native_seen(const struct native_accounting *c, struct attempt *a);
int native_is_gone(__u64 began_ns, __u64 asked_ns, int met, int has_walked, __u64 walk_ns, __u64 now);
void native_walk_is_over(struct scope *host);
int native_walk_ends(struct scope *s, __u32 walk);
void native_attempt_record(const struct scope *host, const struct attempt *a, __u64 now, struct attempt_record *r);
__u32 native_half_open(const struct scope *s, __u64 now);
void native_ledger(const struct scope *s, __u64 now, __u64 number[22]);
__u32 native_port_cell(__u64 account, __u16 port);
int native_takes_names(__u8 cell);
int native_offer(const struct scope *s, const struct limits *l, __u32 bucket, __u64 now, __u64 number[3]);
int native_beside_is_counted(__u32 by_all, __u32 most);
int native_may_have_beside(__u32 most, __u32 by_all, __u32 by_top, __u32 by_part);
__u32 native_silent_patience_ms(__u32 syn_count, __u32 linear, __u32 rto_max_ms);
__u32 native_syn_count_to_last(__u32 patience_ms, __u32 timer_ms, __u32 rechecks, __u32 linear, __u32 own_count);
__u32 native_bits_of(__u32 number);
__u32 native_longest_wait_ms(__u32 patience_ms, __u32 user_timeout_ms, __u64 max_wait_ns);
__u32 native_first_timer_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most);
__u32 native_first_timer_woken_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most);
__u32 native_next_wait_ms(__u32 held_ms, __u32 rechecks, __u32 waiting, __u32 queue_number, __u64 interval_ns,
			  int woken);
__u32 native_read_answer(struct dns_reading *m, const __u8 *message, __u32 length, const __u8 *question,
			 __u32 question_length);
int native_found_address(const struct dns_reading *m, __u32 at, __u8 addr[16], __u32 *ttl_s);
__u64 native_seal(__u64 cgroup, __u64 generation, __u64 rules, __u64 never_hold);
__u64 native_print(__u64 owner, __u64 key);
int native_set_find(struct known_set *set, __u64 print, __u32 now, __u32 *until);
__u32 native_set_claim(struct known_set *set, __u64 print, __u32 now);
void native_set_publish(struct known_set *set, __u32 place, __u64 print, __u32 now, __u32 until);
int native_neighbourhood_lets(__s32 *credit);
void native_neighbourhood_earns(__s32 *credit);
int native_gate_spends(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now);
void native_gate_is_answered(struct trust *t, const struct first_contact *f, __u32 bucket, __u32 neighbours, __u64 now);
void native_gate_is_undone(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now);
__u64 native_network_of(const __u8 addr[16], int of_all_ports);
int native_is_ipv4(const __u8 addr[16]);
__u32 native_set_time(__u64 ns);
__u32 native_remembered_until(__u32 now, __u64 for_ns);
__u64 native_tried_for_ns(__u64 known_for_ns);
__u64 native_named_for_ns(__u32 ttl_s, __u64 least_ns);
int native_is_of_many(const __u8 addr[16]);
int native_is_younger(__u64 at, __u64 now, __u64 than_ns);
int native_asks_to_connect(__u8 flags);
int native_wrapped_asks_to_connect(__u8 protocol, int waits, int is_due);
int native_is_answer_to_stray(__u8 flags);
int native_acts_for_program(int by_kernel, int cgroup_level, int is_mptcp, int is_smc);
int native_can_be_woken_in_time(__u64 interval_ns);
__u32 native_first_timer_most_ms(__u32 longest_wait_ms);
__u32 native_first_timer_mptcp_ms(__u32 waiting, __u64 interval_ns);
int native_back_off(__u32 held_ms, __u32 rechecks, __u32 timer_ms, __u32 linear, __u32 waiting);
