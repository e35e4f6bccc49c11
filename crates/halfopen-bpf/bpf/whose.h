/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Whose a TCP socket is. Pure: no helper is called.
 */
#pragma once

#include "abi.h"

/* What the kernel notes in a socket. */
struct made_as {
	int by_kernel;	  /* sk_kern_sock */
	int cgroup_level; /* of the socket's cgroup; the root's is 0 */
	int is_mptcp;
	int is_smc;
};

/* NFS, iSCSI, Ceph, nvme-tcp: a connect that the kernel makes for itself is never held, because the system may hang on
 * it. Such sockets belong to the root cgroup. MPTCP's subflows and the sockets behind AF_SMC are kernel sockets too,
 * but act for a program. */
static __always_inline int acts_for_program(const struct made_as *s)
{
	return s->is_mptcp || s->is_smc || !s->by_kernel || s->cgroup_level;
}
