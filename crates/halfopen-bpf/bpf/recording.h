/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the recording's programs tell user space: halfopen-bpf/src/recording reads these bytes.
 */
#pragma once

#include <linux/types.h>

enum recorded_kind {
	RECORDED_CGROUP = 1,  /* a cgroup that dials for the first time: only kind and cgroup_id are set */
	RECORDED_ATTEMPT = 2, /* an attempt has come to its end */
	RECORDED_REFUSED = 3, /* connect() failed before there was an attempt */
};

enum recorded_outcome {
	OUTCOME_OPEN = 0, /* none yet */
	OUTCOME_ANSWERED = 1,
	OUTCOME_RESET = 2,
	OUTCOME_UNREACHABLE = 3,
	OUTCOME_SILENT = 4,    /* TCP gave up */
	OUTCOME_CANCELLED = 5, /* the program gave up */
};

/* No padding. Addresses are in their IPv6 form and in network order. */
struct recorded {
	__u64 began_ns;
	__u64 first_syn_ns; /* 0: none has left */
	__u64 last_syn_ns;
	__u64 ended_ns;
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	__u32 syns;
	__u32 error; /* of the socket, or of connect() */
	__u16 from_port;
	__u16 to_port;
	__u8 kind;
	__u8 outcome;
	__u8 pad[2];
	__u8 from[16];
	__u8 to[16];
	char comm[16];
};
