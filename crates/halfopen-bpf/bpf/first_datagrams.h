/* SPDX-License-Identifier: GPL-2.0-only
 *
 * First contacts over UDP, at egress. A first contact is a packet to an address to which its account has not sent
 * lately. A packet to an address that has sent something is an answer, not a contact.
 */
#pragma once

#include "accounts.h"
#include "contacts.h"
#include "datagrams.h"
#include "maps.h"
#include "packet.h"
#include "program.h"
#include "stopped_datagrams.h"

/* What a UDP socket gets: EPERM, or no error (udp_send_skb() ignores ENOBUFS). */
#define DATAGRAM_REFUSED 0
#define DATAGRAM_DROPPED 2
/* The socket's account has not been looked up under this policy yet. */
#define DATAGRAM_OF_UNKNOWN 3
/* A contact is dated again this often, not with each packet. */
#define DATED_NS 10000000000ULL

static __always_inline int is_same(const __u8 one[16], const __u8 other[16])
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;

	return a[0] == b[0] && a[1] == b[1];
}

/* Looks up the socket's account. UDP reaches egress in its sender's context. Tunnels of the kernel may interrupt
 * another task: then the cgroups differ, and only the host is charged. Global, for the reason given in accounting.h. */
__noinline int find_sender(struct __sk_buff *skb)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;
	__u32 policy = policy_now & 1;
	const struct policy *p = &policies[policy];
	struct datagram_socket *d = NULL;
	struct bpf_sock *sk = skb->sk;
	struct attribution attribution = {};

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk)
		d = bpf_sk_storage_get(&datagram_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sk || !d) {
		count_fault(FAULT_NO_STORAGE);
		return 0;
	}
	d->generation = p->generation;
	d->sent_ns = 0;
	d->never_hold = 0;
	if (cgroup && bpf_sk_cgroup_id(sk) == cgroup->kn->id) {
		d->never_hold = p->never_hold.rules && is_never_held(p, policy, cgroup);
		if (p->exec_level || p->rules.rules)
			find_attribution(&attribution, policy, sk, cgroup);
		if (attribution.account && !find_account(attribution.scope, attribution.account, attribution.cgroup_id))
			attribution.account = 0;
	}
	d->scope = attribution.scope;
	d->account = attribution.account;
	d->account_cgroup = attribution.cgroup_id;
	return 1;
}

/* Returns the account's scope, made again if it was collected. */
static __always_inline struct scope *sender_scope(const struct datagram_socket *d)
{
	struct scope *s = find_scope(d->scope, d->account);

	if (s)
		return s;
	return find_scope(d->scope, find_account(d->scope, d->account, d->account_cgroup) ? d->account : 0);
}

static __always_inline int was_contacted(const struct datagram_contact *key, __u64 now, __u64 known_for_ns)
{
	__u64 *at = bpf_map_lookup_elem(&datagram_contacts, key);

	if (!at || !is_younger(*at, now, known_for_ns))
		return 0;
	if (!is_younger(*at, now, DATED_NS))
		*at = now;
	return 1;
}

static __always_inline void note_contacted(const struct datagram_contact *key, __u64 now)
{
	if (bpf_map_update_elem(&datagram_contacts, key, &now, BPF_ANY))
		count_fault(FAULT_DATAGRAM_UNKNOWN);
}

static __always_inline int was_heard(const __u8 addr[16], __u64 now, __u64 known_for_ns)
{
	struct mapped_address key;
	__u64 *at;

	__builtin_memcpy(&key, addr, sizeof(key));
	at = bpf_map_lookup_elem(&datagrams_heard, &key);
	return at && is_younger(*at, now, known_for_ns);
}

/* Judges a first contact for the host, for the account, or for both: each of them must have a turn for it. */
static __always_inline int first_datagram(struct __sk_buff *skb, const struct packet *packet, const struct policy *p,
					  const struct datagram_socket *d, int of_host, int of_own, __u64 now)
{
	const struct limits *host_limits = &p->limits[0], *own_limits = limits_of(p, d->scope);
	struct scope *host = host_scope(), *own = of_own ? sender_scope(d) : NULL;
	int audited = mode_now(p) == MODE_AUDIT, host_may = 1, own_may = 1;

	if (!host)
		return LEAVES;
	bpf_spin_lock(&host->lock);
	if (of_host)
		host_may = datagram_may_leave(host, host_limits, now);
	if (own)
		own_may = datagram_may_leave(own, own_limits, now);
	if (host_may && own_may) {
		if (of_host)
			datagram_takes_turn(host, host_limits, now);
		if (own)
			datagram_takes_turn(own, own_limits, now);
	} else if (!own_may && own) {
		/* An account that keeps trying is not idle. */
		own->touched_ns = now;
		*(audited ? &own->datagrams_audited : &own->datagrams_stopped) += 1;
	} else {
		*(audited ? &host->datagrams_audited : &host->datagrams_stopped) += 1;
	}
	bpf_spin_unlock(&host->lock);
	if (host_may && own_may)
		return LEAVES;
	note_stopped(skb, packet, own_may ? 0 : d->scope, own_may ? 0 : d->account, audited);
	if (audited)
		return LEAVES;
	return (own_may ? host_limits : own_limits)->datagram_dropped ? DATAGRAM_DROPPED : DATAGRAM_REFUSED;
}

/* Judges a packet of a UDP socket at egress, if some scope limits first contacts. Global, for the reason given in
 * accounting.h. */
__noinline int datagram_leaves(struct __sk_buff *skb)
{
	struct datagram_contact contact = {};
	int host_first, own_first, verdict = LEAVES;
	__u64 now = bpf_ktime_get_ns(), known_for;
	const struct policy *p = policy_in_force();
	struct datagram_socket *d;
	struct packet packet = {};
	struct bpf_sock *sk = skb->sk;

	if (!sk || mode_now(p) == MODE_OFF || !read_packet(skb, 1, &packet) || packet.protocol != IPPROTO_UDP)
		return LEAVES;
	if (is_of_many(packet.far.addr) || is_exempt(&packet.far))
		return LEAVES;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return LEAVES;
	d = bpf_sk_storage_get(&datagram_sockets, sk, NULL, 0);
	if (!d || d->generation != p->generation)
		return DATAGRAM_OF_UNKNOWN;
	if (d->never_hold)
		return LEAVES;
	__builtin_memcpy(contact.addr, packet.far.addr, sizeof(contact.addr));
	if (is_younger(d->sent_ns, now, DATED_NS) && is_same(d->addr, contact.addr))
		return LEAVES;
	known_for = p->known_for_ns;
	host_first = p->limits[0].datagram_interval_ns && !was_contacted(&contact, now, known_for);
	contact.scope = d->scope;
	contact.account = d->account;
	own_first =
		d->scope && limits_of(p, d->scope)->datagram_interval_ns && !was_contacted(&contact, now, known_for);
	if ((host_first || own_first) && !was_heard(contact.addr, now, known_for))
		verdict = first_datagram(skb, &packet, p, d, host_first, own_first, now);
	if (verdict != LEAVES)
		return verdict;
	if (own_first)
		note_contacted(&contact, now);
	contact.scope = 0;
	contact.account = 0;
	if (host_first)
		note_contacted(&contact, now);
	d->sent_ns = now;
	__builtin_memcpy(d->addr, contact.addr, sizeof(d->addr));
	return LEAVES;
}

/* Notes the sender of a packet for a UDP socket at ingress. Global, for the reason given in accounting.h. */
__noinline int datagram_arrives(struct __sk_buff *skb)
{
	__u64 now = bpf_ktime_get_ns(), *at;
	struct packet packet = {};
	struct mapped_address key;

	if (!policy_in_force()->datagrams || !read_packet(skb, 0, &packet) || packet.protocol != IPPROTO_UDP)
		return 0;
	__builtin_memcpy(&key, packet.far.addr, sizeof(key));
	at = bpf_map_lookup_elem(&datagrams_heard, &key);
	if (at && is_younger(*at, now, DATED_NS))
		return 1;
	if (bpf_map_update_elem(&datagrams_heard, &key, &now, BPF_ANY))
		count_fault(FAULT_DATAGRAM_UNKNOWN);
	return 1;
}
