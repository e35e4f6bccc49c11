// SPDX-License-Identifier: GPL-2.0-only
/*
 * A socket in SYN_SENT is its own place in the queue.
 *
 * An outbound connect meets, in this order:
 *
 *   connect4/6        refused here if the queue is full: later no error can be returned
 *   TCP_CONNECT_CB    the attempt begins: a slot, or a place in the queue
 *   TIMEOUT_INIT      the first SYN timer: ours if queued
 *   egress            the SYN of a queued attempt does not leave
 *   RTO_CB            its timer runs: has its turn come? then the SYN that follows leaves
 *   egress            every further SYN is asked for here
 *   STATE_CB          it leaves SYN_SENT: slot or place comes back
 *   ESTABLISHED_CB    the window that the re-checks cost is given back
 *
 * The verdict is the accounting's (decide.h); egress gives it where another program has switched the callbacks off.
 * Nothing here waits for user space. docs/internals/architecture.md tells the same at length.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "callbacks.h"
#include "collect.h"
#include "connect.h"
#include "deny.h"
#include "egress.h"
#include "ingress.h"
#include "sockopts.h"
#include "walks.h"

char LICENSE[] SEC("license") = "GPL";
