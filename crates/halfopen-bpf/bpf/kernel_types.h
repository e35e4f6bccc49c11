/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The few fields of kernel structures that are read here. CO-RE relocates each access to the field's place in the
 * running kernel.
 */
#pragma once

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct bpf_prog_array_item {
	struct bpf_prog *prog;
};

struct bpf_prog_array {
	struct bpf_prog_array_item items[0];
};

enum cgroup_bpf_attach_type { CGROUP_SOCK_OPS = 3 };

struct cgroup_bpf {
	struct bpf_prog_array *effective[8]; /* more in the kernel */
};

struct cgroup {
	struct cgroup_bpf bpf;
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct net_device {
	char name[16];
	unsigned int flags;
	int ifindex;
};

struct dst_ops {
	unsigned short family;
};

struct dst_entry {
	struct net_device *dev;
	struct dst_ops *ops;
};

struct rtable {
	struct dst_entry dst;
	__u16 rt_type;
};

struct rt6_info {
	struct dst_entry dst;
	__u32 rt6i_flags;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct netns_ipv4 {
	__u8 sysctl_tcp_syn_linear_timeouts; /* from 6.5 */
};

struct ns_common {
	unsigned int inum;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct user_namespace {
	struct user_namespace *parent;
	int level;
	kuid_t owner;
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
	struct user_namespace *user_ns;
	__u64 net_cookie;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	__s64 counter;
} atomic64_t;

struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	atomic64_t skc_cookie;
	struct in6_addr skc_v6_daddr;	  /* where IPv6 is built in */
	struct in6_addr skc_v6_rcv_saddr; /* where IPv6 is built in */
};

struct sock {
	struct sock_common __sk_common;
	__u8 sk_kern_sock : 1;
	__u16 sk_protocol;
	int sk_err;
	struct dst_entry *sk_dst_cache;
	struct sock_cgroup_data sk_cgrp_data;
};

struct ip_options {
	unsigned char srr;
};

struct ip_options_rcu {
	struct ip_options opt;
};

struct ipv6_txoptions {
	struct ipv6_rt_hdr *srcrt;
};

struct ipv6_pinfo {
	struct ipv6_txoptions *opt;
};

struct inet_sock {
	struct sock sk;
	struct ip_options_rcu *inet_opt;
	struct ipv6_pinfo *pinet6; /* where IPv6 is built in */
	__u16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u8 icsk_retransmits;
	__u32 icsk_rto; /* jiffies */
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u8 repair : 1;
	__u8 syn_smc : 1;     /* where SMC is built */
	_Bool is_mptcp;	      /* where MPTCP is built in */
	__u32 retrans_stamp;  /* time of the attempt's first SYN, until it is repeated; see tcp_connect() */
	__u8 tcp_usec_ts : 1; /* from 6.7: in microseconds, not milliseconds */
};

/* The kernel's own context of a program at egress. */
struct sk_buff {
	struct sock *sk;
	int skb_iif;
	unsigned long _nfct; /* where connection tracking is built */
};

/* The kernel's own context of a program at a TCP callback. */
struct bpf_sock_ops_kern {
	struct sk_buff *skb;
};

/* The kernel's own context of a program at connect() or sendmsg(). */
struct bpf_sock_addr_kern {
	struct sock *sk;
};

/* The kernel's own context of a program at setsockopt() or getsockopt(). */
struct bpf_sockopt_kern {
	struct sock *sk;
};

struct cred {
	kuid_t uid;
	struct user_namespace *user_ns;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	struct css_set *cgroups;
	struct mm_struct *mm;
	const struct cred *cred;
	char comm[16];
};

union nf_inet_addr {
	__u32 all[4];
};

struct nf_conntrack_tuple {
	struct {
		union nf_inet_addr u3;
		union {
			__u16 all;
		} u;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2]; /* the original direction's first */
};

struct nf_hook_state {
	struct net_device *in;
	struct net_device *out;
};

/* The context of a netfilter program (from 6.4). */
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	unsigned int uid;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#pragma clang attribute pop
