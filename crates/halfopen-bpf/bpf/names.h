/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses a DNS answer has named lately. Questions are noted as they leave, and answers are read as they
 * arrive, each at the socket that asks; see names_parse.h for what counts. Nothing is dropped here, and nothing
 * waits.
 */
#pragma once

#include "contacts.h"
#include "maps.h"
#include "names_parse.h"
#include "packet.h"
#include "remembered.h"
#include "program.h"

#define DNS_PORT 53
#define UDP_HEADER 8u
#define DNS_QUESTION_LEAST 5u /* name, type and class of the root */
/* By then a resolver library has long asked again. */
#define QUERY_LIFE_NS 10000000000ULL

static __always_inline void count_names(enum names_count what, __u64 many)
{
	__u32 key = what;
	__u64 *count = bpf_map_lookup_elem(&names_counts, &key);

	if (count)
		*count += many;
}

/* A UDP packet: its remote end, and where its payload is. */
struct datagram {
	__u8 addr[16];
	__u16 port; /* host order */
	__u32 payload;
	__u32 length;
};

static __always_inline int read_datagram(struct __sk_buff *skb, int leaves, struct datagram *d)
{
	struct packet packet = {};
	__u16 udp[4];

	if (!read_packet(skb, leaves, &packet) || packet.protocol != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, packet.transport, udp, UDP_HEADER))
		return 0;
	__builtin_memcpy(d->addr, packet.far.addr, sizeof(d->addr));
	d->port = bpf_ntohs(udp[leaves ? 1 : 0]);
	d->payload = packet.transport + UDP_HEADER;
	d->length = bpf_ntohs(udp[2]);
	if (d->length < UDP_HEADER + DNS_HEADER)
		return 0;
	d->length -= UDP_HEADER;
	return 1;
}

static __always_inline int is_resolver(const struct datagram *d, __u32 policy)
{
	struct resolver_key key = { .policy = policy };

	if (d->port != DNS_PORT)
		return 0;
	__builtin_memcpy(key.addr, d->addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&resolvers, &key) != NULL;
}

/* The client whose answers this cgroup's processes may use: its ancestor at client_level (the level of containers,
 * pods, services and sessions), or itself if it is above that. */
static __always_inline __u64 client_of(const struct policy *p, struct cgroup *cgroup)
{
	__u32 level = p->client_level & 0xff;
	struct cgroup *client;

	/* The verifier does not learn from a check of a copied pointer whether the original is NULL. */
	barrier_var(cgroup);
	client = cgroup;
	if (cgroup && cgroup->level > (int)level && bpf_core_read(&client, sizeof(client), &cgroup->ancestors[level]))
		return 0;
	return client ? BPF_CORE_READ(client, kn, id) : 0;
}

static __always_inline __u64 client_of_packet(const struct policy *p, struct __sk_buff *skb)
{
	__u64 id = bpf_skb_ancestor_cgroup_id(skb, p->client_level & 0xff);

	return id ? id : bpf_skb_cgroup_id(skb);
}

/* The key of a question, for the client that owns the socket. Some libraries ask several resolvers through one socket
 * with one id. */
static __always_inline __u64 query_key(__u64 owner, struct __sk_buff *skb, const struct datagram *d, __u16 id)
{
	const __u64 *halves = (const __u64 *)d->addr;

	return mix(mix(mix(mix(owner, bpf_get_socket_cookie(skb)), halves[0]), halves[1]), id ^ salt[1]);
}

static __always_inline struct query_set *query_set_of(__u64 key)
{
	__u32 set = key & (QUERY_SETS - 1);

	return bpf_map_lookup_elem(&queries, &set);
}

/* Whether the socket's network namespace belongs to a user namespace other than the initial one, whose owner can answer
 * the socket's questions; see is_foreign(). */
static __always_inline int is_of_foreign(struct __sk_buff *skb)
{
	const struct sk_buff *packet = (const struct sk_buff *)skb;

	return BPF_CORE_READ(packet, sk, __sk_common.skc_net.net, user_ns, level) != 0;
}

/* Notes a DNS question that leaves a UDP socket at egress. Global, so that it is verified once. */
__noinline int note_query(struct __sk_buff *skb)
{
	__u32 now = set_time(bpf_ktime_get_ns()), length;
	struct datagram d = {};
	__u8 header[DNS_HEADER];
	__u64 owner, key, print;
	struct query_set *set;
	struct query *query;

	if (!read_datagram(skb, 1, &d) || !is_resolver(&d, policy_now & 1) || is_of_foreign(skb))
		return 0;
	if (bpf_skb_load_bytes(skb, d.payload, header, DNS_HEADER) || !is_plain_query(header))
		return 0;
	if (d.length < DNS_HEADER + DNS_QUESTION_LEAST)
		return 0;
	owner = mix(salt[0], client_of_packet(policy_in_force(), skb));
	key = query_key(owner, skb, &d, *(__u16 *)header);
	print = print_of(owner, key);
	set = query_set_of(key);
	if (!set)
		return 0;
	query = (struct query *)claim_in(set, sizeof(*query), print, now);
	if (!query) {
		count_names(NAMES_NOT_STORED, 1);
		return 0;
	}
	__builtin_memset(query->question, 0, sizeof(query->question));
	query->head.date = now;
	query->head.until = remembered_until(now, QUERY_LIFE_NS);
	/* Each bound has its own comparison, which verifiers before 6.8 need, right before its use: they forget the
	 * lower bound of a spilled register. */
	length = d.length - DNS_HEADER;
	if (length > DNS_QUESTION_MOST)
		length = DNS_QUESTION_MOST;
	barrier_var(length);
	if (length < DNS_QUESTION_LEAST || bpf_skb_load_bytes(skb, d.payload + DNS_HEADER, query->question, length))
		print = PRINT_FREE;
	publish(&query->head, print);
	return 1;
}

struct naming {
	struct dns_reading *m;
	__u64 client;
	__u64 now;
	__u64 least_ns;
	__u64 named;
};

static __always_inline __u64 named_key(__u64 owner, const __u8 addr[16])
{
	return mix(mix(mix(owner, half_of(addr)), half_of(addr + 8)), salt[1]);
}

static __always_inline struct named_set *named_set_of(__u64 key)
{
	__u32 set = key & (NAMED_SETS - 1);

	return bpf_map_lookup_elem(&named, &set);
}

static long name_address(__u32 number, struct naming *n)
{
	__u32 now = set_time(n->now);
	struct dns_reading *m = n->m;
	const struct dns_found *found;
	struct named_set *set;
	struct named *new;
	__u64 owner, key, ttl_ns;
	__u8 addr[16];

	if (number >= m->found_count)
		return 1;
	found = &m->found[number & (DNS_RECORDS_MOST - 1)];
	copy_address(addr, m, found->at);
	if (!is_nameable(addr))
		return 0;
	ttl_ns = named_for_ns(found->ttl_s, n->least_ns);
	owner = mix(salt[0], n->client);
	key = named_key(owner, addr);
	set = named_set_of(key);
	if (!set)
		return 1;
	new = (struct named *)claim_in(set, sizeof(*new), print_of(owner, key), now);
	if (!new) {
		count_names(NAMES_NOT_STORED, 1);
		return 0;
	}
	__builtin_memcpy(new->addr, addr, sizeof(new->addr));
	new->client = n->client;
	new->until_ns = n->now + ttl_ns;
	new->head.date = now;
	new->head.until = remembered_until(now, ttl_ns);
	publish(&new->head, print_of(owner, key));
	n->named++;
	return 0;
}

/* Reads an answer to `query` into this CPU's memory. */
static __always_inline enum names_count read_packet_as_answer(struct __sk_buff *skb, const struct datagram *d,
							      const struct query *query, struct dns_reading *m)
{
	__u32 length = d->length;

	/* The query's entry may be given to another question in the meantime. */
	__builtin_memcpy(m->asked, query->question, sizeof(query->question));
	m->length = length;
	/* As in note_query(). */
	barrier_var(length);
	if (length > DNS_MESSAGE_MOST)
		return NAMES_TOO_LONG;
	barrier_var(length);
	if (length < DNS_HEADER || bpf_skb_load_bytes(skb, d->payload, m->bytes, length))
		return NAMES_MALFORMED;
	read_answer(m);
	return m->outcome;
}

/* Reads a DNS answer that arrives at a UDP socket at ingress. Global, so that it is verified once. */
__noinline int hear_answer(struct __sk_buff *skb)
{
	const struct policy *p = policy_in_force();
	struct naming naming = {};
	enum names_count outcome;
	struct datagram d = {};
	struct dns_reading *m;
	__u64 owner, key, print;
	struct query_set *set;
	struct query *query;
	__u32 first = 0;
	__u16 id;

	if (!p->names || !read_datagram(skb, 0, &d) || !is_resolver(&d, policy_now & 1) || is_of_foreign(skb))
		return 0;
	if (bpf_skb_load_bytes(skb, d.payload, &id, sizeof(id)))
		return 0;
	naming.now = bpf_ktime_get_ns();
	owner = mix(salt[0], client_of_packet(p, skb));
	key = query_key(owner, skb, &d, id);
	print = print_of(owner, key);
	set = query_set_of(key);
	query = set ? (struct query *)find_in(set, sizeof(*query), print, set_time(naming.now)) : NULL;
	if (!query) {
		count_names(NAMES_NO_QUERY, 1);
		return 0;
	}
	m = bpf_map_lookup_elem(&reading, &first);
	if (!m)
		return 0;
	if (__sync_lock_test_and_set(&m->busy, 1)) {
		count_names(NAMES_CPU_BUSY, 1);
		return 0;
	}
	outcome = read_packet_as_answer(skb, &d, query, m);
	/* Each question takes one answer. After an answer to a different question, the client goes on waiting for the
	 * right one. */
	if (outcome == NAMES_OTHER_QUESTION
		    ? !is_still(&query->head, print)
		    : __sync_val_compare_and_swap(&query->head.print, print, PRINT_FREE) != print)
		outcome = NAMES_NO_QUERY;
	count_names(outcome, 1);
	if (outcome == NAMES_READ && m->found_count) {
		naming.m = m;
		naming.client = p->names == NAMES_CLIENT ? client_of_packet(p, skb) : 0;
		naming.least_ns = p->names_for_ns;
		bpf_loop(DNS_RECORDS_MOST, name_address, &naming, 0);
		count_names(NAMES_NAMED, naming.named);
	}
	m->busy = 0;
	return 1;
}

/* Whether an answer has lately named this address (in mapped form) to the client to which this cgroup belongs. */
static __always_inline int is_named(const struct policy *p, struct cgroup *cgroup, const __u8 addr[16], __u64 now)
{
	__u64 owner = mix(salt[0], p->names == NAMES_CLIENT ? client_of(p, cgroup) : 0);
	__u64 key = named_key(owner, addr), until_ns;
	struct named_set *set = named_set_of(key);
	struct named *found;

	if (!set)
		return 0;
	found = (struct named *)find_in(set, sizeof(*found), print_of(owner, key), set_time(now));
	if (!found)
		return 0;
	until_ns = *(volatile __u64 *)&found->until_ns;
	return is_still(&found->head, print_of(owner, key)) && now < until_ns;
}
