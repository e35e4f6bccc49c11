/* SPDX-License-Identifier: GPL-2.0-only
 *
 * netfilter at FORWARD of the host's network namespace: limits the SYNs of a container that none of its sockets has
 * sent.
 *
 * Root of a container may have packet sockets; and may copy, rewrite or forward packets. What leaves so has no socket,
 * so egress does not see it. All of it comes through the container's gate. What egress has let out passes; any other
 * SYN is a first contact, which costs credit. There is nobody who could wait, so what has no credit is dropped: whoever
 * sent it repeats it.
 */
#pragma once

#include "contacts.h"
#include "let_out.h"
#include "gate_credit.h"
#include "maps.h"
#include "neighbourhood.h"
#include "packet.h"
#include "program.h"
#include "segments.h"

#define NF_DROP 0
#define NF_ACCEPT 1

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym __weak;

/* A TCP segment that passes. */
struct segment {
	__u8 from[16];
	__u8 to[16];
	__u16 from_port; /* in network order, as the next two */
	__u16 to_port;
	__u32 sequence;
	__u8 is_ipv4;
	__u8 is_tcp;
	__u8 is_read; /* up to the flags; else it counts as a SYN */
	__u8 flags;
};

struct tcp_start {
	__u16 from_port;
	__u16 to_port;
	__u32 sequence;
	__u32 acknowledged;
	__u8 length;
	__u8 flags;
};

#define FRAGMENT_OFFSET 0x1fff
#define NFCT_PTRMASK (~7UL) /* include/linux/skbuff.h */

/* Reads the headers of a packet whose fragments behind the first one are nobody's. */
static __always_inline void read_segment(struct bpf_dynptr *packet, struct segment *s)
{
	__u8 ip[40] = {}, extension[4], protocol;
	struct tcp_start tcp = {};
	__u32 transport;

	if (bpf_dynptr_read(ip, 20, packet, 0, 0))
		return;
	s->is_ipv4 = ip[0] >> 4 == 4;
	if (s->is_ipv4) {
		map_ipv4(s->from, *(__u32 *)&ip[12]);
		map_ipv4(s->to, *(__u32 *)&ip[16]);
		protocol = ip[9];
		transport = (ip[0] & 15) * 4;
		if (*(__u16 *)&ip[6] & bpf_htons(FRAGMENT_OFFSET))
			return;
	} else {
		if (bpf_dynptr_read(ip, 40, packet, 0, 0))
			return;
		__builtin_memcpy(s->from, &ip[8], 16);
		__builtin_memcpy(s->to, &ip[24], 16);
		protocol = ip[6];
		transport = 40;
		for (int i = 0; i < IPV6_EXTENSIONS && is_ipv6_extension(protocol); i++) {
			if (bpf_dynptr_read(extension, sizeof(extension), packet, transport, 0))
				break;
			if (protocol == IPV6_FRAGMENT && (extension[2] || extension[3] & 0xf8))
				return;
			transport += protocol == IPV6_FRAGMENT ? 8 : (extension[1] + 1) * 8;
			protocol = extension[0];
		}
		/* What hides behind more extensions than that may be TCP. */
		if (is_ipv6_extension(protocol)) {
			s->is_tcp = 1;
			return;
		}
	}
	s->is_tcp = protocol == IPPROTO_TCP;
	if (!s->is_tcp)
		return;
	s->is_read = !bpf_dynptr_read(&tcp, sizeof(tcp), packet, transport, 0);
	s->from_port = tcp.from_port;
	s->to_port = tcp.to_port;
	s->sequence = tcp.sequence;
	s->flags = tcp.flags;
}

/* The credit of a source on a bridge. */
static __always_inline struct gate_credit *credit_of_source(__u32 gate, const __u8 addr[16])
{
	__u32 at = mix(mix(mix(salt[0], gate), half_of(addr)), half_of(addr + 8)) & (GATE_SOURCES - 1);

	return bpf_map_lookup_elem(&gate_sources, &at);
}

static __always_inline int could_spend(struct gate_credit *credit, const struct first_contact *f, __u32 bucket,
				       __u64 now)
{
	int has;

	bpf_spin_lock(&credit->lock);
	trust_settle(&credit->trust, f, bucket, now);
	has = has_credit(&credit->trust);
	bpf_spin_unlock(&credit->lock);
	return has;
}

static __always_inline int spends(struct gate_credit *credit, const struct first_contact *f, __u32 bucket, __u64 now)
{
	int spent;

	bpf_spin_lock(&credit->lock);
	spent = gate_spends(&credit->trust, f, bucket, now);
	bpf_spin_unlock(&credit->lock);
	return spent;
}

/* The answer of another container proves nothing: ANSWER_OF_GATE in place of the number of neighbours. */
#define ANSWER_OF_GATE 0xffffffffU

static __always_inline void earns(struct gate_credit *credit, const struct first_contact *f, __u32 bucket,
				  __u32 neighbours, __u64 now)
{
	bpf_spin_lock(&credit->lock);
	if (neighbours == ANSWER_OF_GATE)
		gate_is_undone(&credit->trust, f, bucket, now);
	else
		gate_is_answered(&credit->trust, f, bucket, neighbours, now);
	bpf_spin_unlock(&credit->lock);
}

/* Counts an answer of this network to the gate. Returns how many it has had before. */
static __always_inline __u32 note_gate_neighbour(__u32 gate, const __u8 addr[16])
{
	__u64 key = mix(mix(mix(salt[0], salt[1]), gate), network_of(addr, 0));
	__u32 *answered = bpf_map_lookup_elem(&gate_neighbours, &key), one = 1;

	if (answered)
		return __sync_fetch_and_add(answered, 1);
	if (bpf_map_update_elem(&gate_neighbours, &key, &one, BPF_ANY))
		count_fault(FAULT_CONTACT_UNKNOWN);
	return 0;
}

/* Whether a gate lets a first contact of `source` out. A bridge has eight times as much as each of its sources:
 * whoever makes addresses up gets no more than that. */
static __always_inline int gate_lets_out(struct gate *gate, __u32 number, const __u8 source[16], __u64 now)
{
	const struct policy *p = policy_in_force();
	struct gate_credit *own;

	if (gate->kind == GATE_OF_ONE)
		return spends(&gate->credit, &p->of_gate, BUCKET_PORTS, now);
	own = credit_of_source(number, source);
	/* A bridge without credit takes none of its sources'. */
	return own && could_spend(&gate->credit, &p->of_shared_gate, BUCKET_ALL_PORTS, now) &&
	       spends(own, &p->of_gate, BUCKET_PORTS, now) &&
	       spends(&gate->credit, &p->of_shared_gate, BUCKET_ALL_PORTS, now);
}

/* Whether egress has let this SYN out. Its destination may be another one by now, by rules of the host (published
 * ports, services of Kubernetes): connection tracking has the one that the container sent it to. */
static __always_inline int was_let_out(const struct segment *s, const struct sk_buff *skb)
{
	__u64 key = syn_key(s->to, s->to_port, s->sequence);
	const struct nf_conn *ct;
	union nf_inet_addr to;
	__u8 addr[16];
	__u16 port;

	if (!s->is_read)
		return 0;
	if (bpf_map_lookup_elem(&syns_let_out, &key))
		return 1;
	if (!bpf_core_field_exists(skb->_nfct) || !bpf_core_type_exists(struct nf_conn))
		return 0;
	ct = (const struct nf_conn *)(BPF_CORE_READ(skb, _nfct) & NFCT_PTRMASK);
	if (!ct)
		return 0;
	BPF_CORE_READ_INTO(&to, ct, tuplehash[0].tuple.dst.u3);
	port = BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all);
	if (s->is_ipv4)
		map_ipv4(addr, to.all[0]);
	else
		__builtin_memcpy(addr, &to, sizeof(addr));
	key = syn_key(addr, port, s->sequence);
	return bpf_map_lookup_elem(&syns_let_out, &key) != 0;
}

/* The gate with this number; of an interface that the daemon has not seen yet, that of all such. */
static __always_inline struct gate *gate_of(__u32 number)
{
	struct gate *gate = bpf_map_lookup_elem(&gates, &number);
	__u32 unseen = GATE_UNSEEN;

	if (!gate)
		gate = bpf_map_lookup_elem(&gates, &unseen);
	return gate && gate->kind != NO_GATE ? gate : 0;
}

/* A SYN comes through a gate. */
static __always_inline int syn_is_forwarded(const struct segment *s, const struct sk_buff *skb, __u32 number)
{
	struct gate_contact contact = { .gate = number, .port = s->to_port };
	const struct policy *p = policy_in_force();
	struct gate_contacted *known, first = {};
	struct prefix to = { .bits = PREFIX_BITS };
	__u64 now = bpf_ktime_get_ns();
	struct gate *gate = gate_of(number);

	if (!gate)
		return NF_ACCEPT;
	__builtin_memcpy(to.addr, s->to, sizeof(to.addr));
	if (is_exempt(&to))
		return NF_ACCEPT;
	if (was_let_out(s, skb))
		return NF_ACCEPT;
	__builtin_memcpy(contact.near, s->from, sizeof(contact.near));
	__builtin_memcpy(contact.far, s->to, sizeof(contact.far));
	known = bpf_map_lookup_elem(&gate_contacts, &contact);
	if (known && s->is_read && now < known->until_ns)
		return NF_ACCEPT;
	if (!gate_lets_out(gate, number, s->from, now)) {
		__sync_fetch_and_add(&gate->stopped, 1);
		if (p->forwarded == FORWARDED_LIMIT && mode_now(p) == MODE_ENFORCE) {
			count_fault(FAULT_FORWARDED_STOPPED);
			return NF_DROP;
		}
		count_fault(FAULT_FORWARDED_COUNTED);
		return NF_ACCEPT;
	}
	__sync_fetch_and_add(&gate->let_out, 1);
	first.until_ns = now + tried_for_ns(p->known_for_ns);
	if (bpf_map_update_elem(&gate_contacts, &contact, &first, BPF_ANY))
		count_fault(FAULT_CONTACT_UNKNOWN);
	return NF_ACCEPT;
}

/* An answer goes to a gate. */
static __always_inline void answer_is_forwarded(const struct segment *s, __u32 in, __u32 number)
{
	struct gate_contact contact = { .gate = number, .port = s->from_port };
	struct gate *gate = gate_of(number);
	const struct policy *p = policy_in_force();
	__u64 now = bpf_ktime_get_ns();
	struct gate_contacted *known;
	struct gate_credit *own;
	__u32 neighbours;

	if (!gate)
		return;
	__builtin_memcpy(contact.near, s->to, sizeof(contact.near));
	__builtin_memcpy(contact.far, s->from, sizeof(contact.far));
	known = bpf_map_lookup_elem(&gate_contacts, &contact);
	if (!known || now >= known->until_ns)
		return;
	known->until_ns = now + tried_for_ns(p->known_for_ns);
	if (__sync_lock_test_and_set(&known->is_answered, 1))
		return;
	neighbours = gate_of(in) ? ANSWER_OF_GATE : note_gate_neighbour(number, s->from);
	/* It would be free to fill the table so. */
	if (neighbours == ANSWER_OF_GATE)
		bpf_map_delete_elem(&gate_contacts, &contact);
	if (gate->kind == GATE_OF_ONE) {
		earns(&gate->credit, &p->of_gate, BUCKET_PORTS, neighbours, now);
		return;
	}
	earns(&gate->credit, &p->of_shared_gate, BUCKET_ALL_PORTS, neighbours, now);
	own = credit_of_source(number, s->to);
	if (own)
		earns(own, &p->of_gate, BUCKET_PORTS, neighbours, now);
}

SEC("netfilter")
int on_forward(struct bpf_nf_ctx *ctx)
{
	const struct policy *p = policy_in_force();
	struct segment s = {};
	struct bpf_dynptr packet;

	if (!p->forwarded || mode_now(p) == MODE_OFF)
		return NF_ACCEPT;
	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &packet))
		return NF_ACCEPT;
	read_segment(&packet, &s);
	if (!s.is_tcp)
		return NF_ACCEPT;
	if (!s.is_read || asks_to_connect(s.flags))
		return syn_is_forwarded(&s, ctx->skb, ctx->state->in->ifindex);
	if ((s.flags & (FLAG_SYN | FLAG_ACK)) == (FLAG_SYN | FLAG_ACK))
		answer_is_forwarded(&s, ctx->state->in->ifindex, ctx->state->out->ifindex);
	return NF_ACCEPT;
}
