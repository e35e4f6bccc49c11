/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which addresses a DNS answer names. A message is read as a whole or not at all: nothing counts until the last record
 * has been checked. Pure: the only memory used is `struct dns_reading`.
 *
 * The chain of names is followed in the order of the records, as resolver libraries do: an address counts if its owner
 * is the name that was asked for, or the target of the CNAME before it. Only records of the type that was asked for
 * count.
 */
#pragma once

#include "abi.h"

#ifdef __bpf__
#define for_steps(most, step, ctx) bpf_loop(most, step, &(ctx), 0)
#else
#define for_steps(most, step, ctx)                                                                                     \
	for (__u32 step_number = 0; step_number < (most); step_number++) {                                             \
		if (step(step_number, &(ctx)))                                                                         \
			break;                                                                                         \
	}
#endif

#define DNS_HEADER 12u
#define DNS_NAME_MOST 255u /* RFC 1035, 2.3.4 */
#define DNS_LABEL_MOST 63u
#define DNS_POINTER 0xc0u
#define DNS_CLASS_IN 1u
#define DNS_TYPE_A 1u
#define DNS_TYPE_CNAME 5u
#define DNS_TYPE_AAAA 28u
#define DNS_RECORD_FIXED 10u /* type, class, TTL, length of data */
/* Steps for one name: its bytes, and as many pointers. */
#define DNS_NAME_STEPS (2 * DNS_NAME_MOST)

enum name_use {
	NAME_QUESTION, /* compared with the question, and kept */
	NAME_OWNER,    /* compared with what is kept */
	NAME_TARGET,   /* kept */
};

/* The byte at `at` of the message; the caller has checked that it is within the message. */
static __always_inline __u8 dns_byte(const struct dns_reading *m, __u32 at)
{
#ifdef __bpf__
	asm volatile("%0 &= 4095" : "+r"(at));
	_Static_assert(DNS_MESSAGE_MOST == 4096, "the mask above is DNS_MESSAGE_MOST - 1");
#else
	if (at >= m->length)
		__builtin_trap();
#endif
	return m->bytes[at];
}

static __always_inline __u32 dns_u16(const struct dns_reading *m, __u32 at)
{
	return (__u32)dns_byte(m, at) << 8 | dns_byte(m, at + 1);
}

static __always_inline __u8 lower(__u8 byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static __always_inline long dns_fault(struct dns_reading *m, enum names_count why)
{
	m->outcome = why;
	return 1;
}

/* Takes a byte of the name that is being walked. Bytes that hold a label's length are below 'A', so lower() keeps
 * them. */
static __always_inline void take_name_byte(struct dns_reading *m, __u8 byte)
{
	__u32 n = m->name_length++ & 0xff;

	byte = lower(byte);
	switch (m->use) {
	case NAME_QUESTION:
		m->same &= lower(m->asked[n]) == byte;
		m->name[n] = byte;
		break;
	case NAME_TARGET:
		m->name[n] = byte;
		break;
	default:
		m->same &= m->name[n] == byte;
	}
}

/* Takes a byte of a name, or follows a pointer. A pointer may only lead backwards, to before this part of the name. */
static long name_step(__u32 step, struct dns_reading **ctx)
{
	struct dns_reading *m = *ctx;
	__u32 target;
	__u8 byte;

	(void)step;
	if (m->at >= m->length)
		return dns_fault(m, NAMES_MALFORMED);
	if (!m->steps_left)
		return dns_fault(m, NAMES_TOO_LONG);
	m->steps_left--;
	byte = dns_byte(m, m->at);
	if (m->label_left) {
		m->label_left--;
		m->at++;
		take_name_byte(m, byte);
		return 0;
	}
	if (byte >= DNS_POINTER) {
		if (m->at + 1 >= m->length)
			return dns_fault(m, NAMES_MALFORMED);
		target = dns_u16(m, m->at) & 0x3fff;
		if (target >= m->part)
			return dns_fault(m, NAMES_MALFORMED);
		if (!m->after)
			m->after = m->at + 2;
		m->part = target;
		m->at = target;
		return 0;
	}
	if (byte > DNS_LABEL_MOST || m->name_length + byte + !!byte >= DNS_NAME_MOST)
		return dns_fault(m, NAMES_MALFORMED);
	m->label_left = byte;
	m->at++;
	take_name_byte(m, byte);
	if (byte)
		return 0;
	if (!m->after)
		m->after = m->at;
	m->walked = 1;
	return 1;
}

/* Walks the name at `at` and sets `after` to its end; on failure `outcome` says why. */
static __always_inline void walk_name(struct dns_reading *m, __u32 at, enum name_use use)
{
	m->use = use;
	m->at = at;
	m->part = at;
	m->after = 0;
	m->label_left = 0;
	m->name_length = 0;
	m->walked = 0;
	m->same = 1;
	for_steps(DNS_NAME_STEPS, name_step, m);
	if (!m->walked && m->outcome == NAMES_READ)
		dns_fault(m, NAMES_MALFORMED);
}

/* Most owners are a pointer to where the same name was walked before. */
static __always_inline void walk_owner(struct dns_reading *m)
{
	__u32 at = m->at;

	if (at + 2 <= m->length && dns_u16(m, at) == (DNS_POINTER << 8 | m->name_at)) {
		m->after = at + 2;
		m->same = 1;
		return;
	}
	walk_name(m, at, NAME_OWNER);
}

static __always_inline void take_record(struct dns_reading *m, __u32 type, __u32 ttl, __u32 data, __u32 length)
{
	__u32 next = data + length;
	struct dns_found *found;

	if (type == DNS_TYPE_CNAME) {
		walk_name(m, data, NAME_TARGET);
		if (m->outcome == NAMES_READ && m->after != next)
			dns_fault(m, NAMES_MALFORMED);
		m->name_at = data;
		return;
	}
	if (type != m->type)
		return;
	if (length != (type == DNS_TYPE_A ? 4 : 16)) {
		dns_fault(m, NAMES_MALFORMED);
		return;
	}
	if (m->found_count >= DNS_RECORDS_MOST)
		return;
	found = &m->found[m->found_count++ & (DNS_RECORDS_MOST - 1)];
	found->at = data;
	/* RFC 2181, 8: a TTL with the highest bit set counts as zero. */
	found->ttl_s = ttl >> 31 ? 0 : ttl;
}

static long record_step(__u32 number, struct dns_reading **ctx)
{
	__u32 type, class, ttl, data, length;
	struct dns_reading *m = *ctx;

	if (number >= m->records)
		return 1;
	walk_owner(m);
	if (m->outcome != NAMES_READ)
		return 1;
	data = m->after + DNS_RECORD_FIXED;
	if (data > m->length)
		return dns_fault(m, NAMES_MALFORMED);
	type = dns_u16(m, data - 10);
	class = dns_u16(m, data - 8);
	ttl = dns_u16(m, data - 6) << 16 | dns_u16(m, data - 4);
	length = dns_u16(m, data - 2);
	if (data + length > m->length)
		return dns_fault(m, NAMES_MALFORMED);
	if (number < m->answers && class == DNS_CLASS_IN && m->same)
		take_record(m, type, ttl, data, length);
	m->at = data + length;
	return m->outcome != NAMES_READ;
}

/* Bits of the header's second word. */
#define DNS_RESPONSE 0x8000u
#define DNS_OPCODE 0x7800u
#define DNS_TRUNCATED 0x0200u
#define DNS_RCODE 0x000fu

/* Whether this is a query for one name, as every resolver library sends it. */
static __always_inline int is_plain_query(const __u8 header[DNS_HEADER])
{
	__u32 flags = header[2] << 8 | header[3];

	return !(flags & (DNS_RESPONSE | DNS_OPCODE | DNS_TRUNCATED)) && !header[4] && header[5] == 1 && !header[6] &&
	       !header[7];
}

static __always_inline void read_question(struct dns_reading *m)
{
	__u32 at;

	walk_name(m, DNS_HEADER, NAME_QUESTION);
	if (m->outcome != NAMES_READ)
		return;
	at = m->after;
	if (at + 4 > m->length) {
		dns_fault(m, NAMES_MALFORMED);
		return;
	}
	m->type = dns_u16(m, at);
	for (__u32 i = 0; i < 4; i++)
		m->same &= m->asked[(m->name_length + i) & 0x1ff] == dns_byte(m, at + i);
	m->at = at + 4;
	m->name_at = DNS_HEADER;
	if (!m->same)
		dns_fault(m, NAMES_OTHER_QUESTION);
	else if (dns_u16(m, at + 2) != DNS_CLASS_IN || (m->type != DNS_TYPE_A && m->type != DNS_TYPE_AAAA))
		m->type = 0;
}

/* Reads the `length` bytes in `bytes` as an answer to the question in `asked`. If `outcome` is NAMES_READ, `found` has
 * the addresses that it names. */
static __always_inline void read_answer(struct dns_reading *m)
{
	__u32 flags;

	m->outcome = NAMES_READ;
	m->found_count = 0;
	m->steps_left = DNS_STEPS_MOST;
	if (m->length < DNS_HEADER) {
		dns_fault(m, NAMES_MALFORMED);
		return;
	}
	flags = dns_u16(m, 2);
	if (!(flags & DNS_RESPONSE) || flags & DNS_OPCODE || dns_u16(m, 4) != 1) {
		dns_fault(m, NAMES_MALFORMED);
		return;
	}
	m->answers = dns_u16(m, 6);
	m->records = m->answers + dns_u16(m, 8) + dns_u16(m, 10);
	read_question(m);
	if (m->outcome != NAMES_READ)
		return;
	if (flags & DNS_TRUNCATED) {
		dns_fault(m, NAMES_TRUNCATED);
		return;
	}
	if (flags & DNS_RCODE) {
		dns_fault(m, NAMES_ERROR);
		return;
	}
	if (m->records > DNS_RECORDS_MOST) {
		dns_fault(m, NAMES_TOO_LONG);
		return;
	}
	for_steps(DNS_RECORDS_MOST, record_step, m);
	/* Bytes after the last record belong to no record. */
	if (m->outcome == NAMES_READ && m->at != m->length)
		dns_fault(m, NAMES_MALFORMED);
}

/* Copies the address at `at`, in mapped form. */
static __always_inline void copy_address(__u8 addr[16], const struct dns_reading *m, __u32 at)
{
	int first = m->type == DNS_TYPE_A ? 12 : 0;

	for (int i = 0; i < 12; i++)
		addr[i] = first ? (i < 10 ? 0 : 0xff) : dns_byte(m, at + i);
	for (int i = 12; i < 16; i++)
		addr[i] = dns_byte(m, at + i - first);
}

/* Whether a connection to this mapped address could reach a peer that has the name: 0.0.0.0 in an answer stands for
 * "none", loopback has no peers, and nobody connects to a multicast address. */
static __always_inline int is_nameable(const __u8 addr[16])
{
	const __u32 *words = (const __u32 *)addr;
	__u8 first = addr[12];

	if (words[0] || words[1])
		return addr[0] != 0xff;
	if (addr[8] || addr[9] || addr[10] != 0xff || addr[11] != 0xff)
		return words[2] || addr[12] || addr[13] || addr[14] || addr[15] > 1;
	return first && first != 127 && first < 224;
}
