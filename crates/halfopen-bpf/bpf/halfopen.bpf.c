// SPDX-License-Identifier: GPL-2.0-only
/*
 * A socket in SYN_SENT is its own place in the queue.
 *
 * An outbound connect() meets these hooks, in this order:
 *
 *   connect4/6        connect() fails here if the queue is full: later no error can be returned
 *   TCP_CONNECT_CB    the attempt begins: a slot, or a place in the queue
 *   TIMEOUT_INIT      the first SYN timer: the limiter's if queued
 *   egress            the SYN of a queued attempt does not leave
 *   RTO_CB            its timer runs: if its turn has come, the SYN that follows leaves
 *   egress            every later SYN is judged here
 *   STATE_CB          it leaves SYN_SENT: its slot or place is free again
 *   ESTABLISHED_CB    restores the window that the re-checks cost
 *
 * The accounting decides (decide.h); egress asks it where another program has switched the callbacks off. Nothing here
 * waits for user space. docs/internals/architecture.md has the details.
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
#include "forwarded.h"
#include "ingress.h"
#include "sockopts.h"
#include "walks.h"

char LICENSE[] SEC("license") = "GPL";
