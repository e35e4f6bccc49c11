/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The structures and numbers that the kernel part, its native build and the Rust side share. Times are nanoseconds of
 * CLOCK_MONOTONIC.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

/* The version of all pinned maps: a daemon adopts only maps that carry its own number. */
#define LAYOUT 13

/* The table of scopes: the host's first, then those of `exec`, of rules, and of interfaces. */
#define SCOPES 128
#define RULE_SCOPES 64	     /* first scope of a rule */
#define INTERFACE_SCOPES 112 /* first scope of an interface */
#define RULES (INTERFACE_SCOPES - RULE_SCOPES)
#define INTERFACES (SCOPES - INTERFACE_SCOPES)
#define ACCOUNTS 16384
#define SLOT_BUCKETS 128
#define LINGER_BUCKETS 8
#define OLD_GRIDS 4
#define UNLIMITED 0xffffffffu
#define COMM_LEN 16
#define CGROUP_NAME_LEN 60
#define PROGRAMS 4096
#define RECORDS 32768
#define CONNECTIONS 262144
/* Programs of one cgroup that are counted by name; further names are counted together, under the empty name. */
#define PROGRAMS_OF_CGROUP 64
#define MANY_USERS 0xffffffffu
#define NEVER_HOLD_RULES 64
#define RESOLVERS 64
/* Sets of the tables in remembered.h; powers of two. */
#define KNOWN_SETS 8192
#define NEIGHBOURHOOD_SETS 2048
#define NAMED_SETS 1024
#define QUERY_SETS 256

enum mode { MODE_ENFORCE, MODE_AUDIT, MODE_OFF };
enum raw_tcp { RAW_TCP_REFUSE, RAW_TCP_COUNT, RAW_TCP_ALLOW };
/* What happens to a container's SYNs that none of its sockets has sent; see forwarded.h. */
enum forwarded { FORWARDED_ALLOW, FORWARDED_COUNT, FORWARDED_LIMIT };
/* For whom a DNS answer counts: nobody, the client that asked, or every process of the host. */
enum names { NAMES_OFF, NAMES_CLIENT, NAMES_HOST };

/* The scopes that an attempt is charged to: the host's always, the others where a rule or an interface names one. */
enum charged { CHARGED_HOST, CHARGED_OWN, CHARGED_INTERFACE, CHARGED };

/* The parts of one credit: an account can earn a fraction of it. */
#define CREDIT 16u
#define WORKING_SET 8

enum order { ORDER_OLDEST, ORDER_EITHER };

/* What a first contact costs in a scope. */
struct first_contact {
	__u32 credit; /* in parts of CREDIT; 0 = first contacts cost nothing */
	__u32 worth;  /* of an answer, in silences, in parts of CREDIT; 0 = answers and silences are no evidence */
	__u8 working_set;
	__u8 order;
	__u8 throttle; /* suspects earn no more than a contact cost, and recover at the slowest rate */
	__u8 pad;
	__u16 of_a_scan; /* per thousand; read by user space only, which derives `worth` from these two */
	__u16 of_peers;
	__u64 recover_ns; /* between two credits that come back while no evidence slows this down */
	__u64 block_ns;	  /* 0 = suspects are not blocked */
};

/* What one destination of an account allows: an address and port. */
struct destination_limits {
	__u32 half_open; /* UNLIMITED = no limit */
	__u32 established;
	__u64 connect_interval_ns; /* between two connections; 0 = no limit */
	__u64 connect_burst_ns;
};

struct limits {
	__u32 half_open; /* UNLIMITED = no limit */
	__u32 queue;
	__u64 slot_life_ns;
	__u64 interval_ns; /* between two releases; 0 = one for each free slot */
	__u64 max_wait_ns; /* 0 = as long as the program's connect() would last towards a silent peer */
	__u32 slot_shift;  /* slot_life_ns >> slot_shift lies in [32, 64) */
	__u8 strict;
	__u8 overflow_waits;
	__u8 datagram_dropped; /* drop a datagram over the limit instead of refusing it */
	__u8 pad;
	__u64 datagram_interval_ns; /* between two first contacts over UDP; 0 = no limit */
	struct first_contact first;
	__u64 connect_interval_ns; /* between two connections; 0 = no limit */
	__u64 connect_burst_ns;	   /* how far connections may be ahead of that */
	__u64 time_wait_ns;	   /* how long a connection counts after its end */
	__u32 established;	   /* connections open at once; UNLIMITED = no limit */
	__u32 per_destination;	   /* `destination` limits something */
	struct destination_limits destination;
};

enum per { PER_RULE, PER_CGROUP, PER_USER, PER_PROCESS };

/* The accounts that a rule charges its attempts to. */
struct rule {
	__u8 per;
	__u8 depth; /* depth of its pattern's cgroup; PER_CGROUP: of the cgroups with an account each */
	__u16 scope;
};

/* The conditions of the rules of `[[scope]]`, a bit for each rule; the first rule that matches counts. All conditions
 * of a rule must match. `any_...`: the rules that match what the table of that condition does not list; for what it
 * lists, the rules there answer the other way round. So a rule without the condition is set here and never there, one
 * that names some is set there, and one that leaves some out is set here and there. */
struct rules {
	__u64 rules;
	__u64 any_cgroup;
	__u64 any_user;
	__u64 any_exe;
	__u64 any_comm;
	__u64 by_cgroup; /* rules that have this condition, either way */
	__u64 by_user;
	__u64 by_exe;
	__u64 patterns; /* those that have a cgroup pattern: rules, and beyond them what rules leave out */
	__u64 ended;	/* scopes, from RULE_SCOPES on, that no rule has: their empty accounts go early */
	struct rule rule[RULES];
};

/* The key of an account that is made on first use: the account of this scope's rule for one cgroup, user or process. */
struct account_key {
	__u64 id; /* 0 = the rule's own account, in the table of scopes; else see account_id() */
	__u32 scope;
	__u32 pad;
};
/* An account's id: its kind (enum per) in the high bits, the cgroup, user or process below them. */
#define ACCOUNT_KIND_SHIFT 62
/* A process is identified by its start time in milliseconds, above its PID. No PID has more bits than this. */
#define PROCESS_NUMBER_BITS 22
/* Accounts that can be blocked by hand at the same time. */
#define HAND_BLOCKS 256
/* A key of `releases`: every account of the scope. */
#define ALL_ACCOUNTS 0xffffffffffffffffULL

/* The conditions of `never_hold`: up to 64 rules, a bit each. All conditions of a rule must match; the bits of
 * conditions that a rule lacks are set here. */
struct never_hold {
	__u64 rules;
	__u64 any_cgroup;
	__u64 any_user;
	__u64 any_exe;
};

struct policy {
	__u32 mode;
	__u32 raw_tcp;
	__u32 exec_level;	/* depth of the cgroups that have a scope of their own; 0 = none has */
	__u32 wakeups;		/* packets may wake waiters */
	__u64 enforce_until_ns; /* after this time MODE_ENFORCE means `mode_after`; 0 = no end */
	__u32 mode_after;
	__u32 forwarded;		     /* enum forwarded */
	struct first_contact of_gate;	     /* of what one container, or one of a bridge's, forwards */
	struct first_contact of_shared_gate; /* of what all of a bridge forward */
	struct never_hold never_hold;
	struct rules rules;
	__u64 generation;    /* of the rules: what was cached of a cgroup under another generation is void */
	__u64 known_for_ns;  /* how long an address that answered stays known */
	__u32 knows;	     /* some scope distinguishes known addresses from others */
	__u32 becomes_known; /* and no scope goes by a working set instead */
	__u32 contacts;	     /* some scope limits first contacts */
	__u32 interfaces;    /* some interface has a scope */
	__u32 released;	     /* number of releases by hand so far; see `releases` */
	__u32 top_level;    /* depth of the top-level cgroups, which share the host's turns: the level below the limited
			       cgroup */
	__u32 blocks;	    /* some scope blocks its suspects, or an account is blocked by hand */
	__u32 datagrams;    /* some scope limits first contacts over UDP */
	__u32 connections;  /* some scope limits connections, or those to each destination */
	__u32 destinations; /* some scope limits those to each destination */
	__u64 names_for_ns; /* how long an answer counts, unless its TTL is shorter */
	__u32 names;	    /* enum names */
	__u32 client_level; /* depth of the cgroups whose processes share the answers that one of them got */
	struct limits limits[SCOPES];
};

/* Conditions of a rule. `policy` is the number of the policy that the rule belongs to. */
struct user_key {
	__u32 policy;
	__u32 uid;
};

struct exe_key {
	__u64 inode;
	__u32 device; /* in the kernel's encoding: major << 20 | minor */
	__u32 policy;
};

/* A step from a cgroup to its child of that name; the first step starts from the number of the policy, 0 or 1. */
struct cgroup_step {
	__u32 from;
	char name[CGROUP_NAME_LEN]; /* names that do not fit match nothing */
};

struct cgroup_place {
	__u32 number;
	__u32 pad;
	__u64 rules; /* rules that name this cgroup or one above it */
};

#define CGROUP_DEPTH 12
#define CGROUP_PATTERN_LEN 256

/* The cgroup pattern of a rule of `[[scope]]`: it matches the names of a cgroup's first ancestors. */
struct cgroup_pattern {
	__u64 leaves_out; /* the rules that leave such cgroups out; 0 = a rule's own pattern */
	__u32 depth;
	__u8 start[CGROUP_DEPTH]; /* where each name begins in `text` */
	char text[CGROUP_PATTERN_LEN];
};

/* The rules of a policy that name this cgroup or one above it: those of `[[scope]]`, and those of `never_hold`. */
struct cgroup_rules {
	__u64 seal; /* see seal_of() */
	__u64 rules;
	__u64 never_hold;
};

struct comm_key {
	__u32 policy;
	char comm[COMM_LEN];
};

/* `[[deny]]`: each rule has a number, which stays with the rule's name. */
#define DENY_RULES 64
#define DENY_PORTS 8
#define DENY_PREFIXES 4096

enum deny_protocol { DENY_TCP = 1, DENY_UDP = 2 };

struct port_range {
	__u16 first;
	__u16 last;
};

struct deny_rule {
	__u8 audit;	/* only count, do not refuse */
	__u8 protocols; /* enum deny_protocol, joined */
	__u8 ranges;	/* 0 = every port */
	__u8 pad;
	struct port_range port[DENY_PORTS];
};

/* A prefix of one policy. */
struct deny_prefix {
	__u32 bits; /* length of `policy` and of the mapped address: 128 more than an IPv4 prefix has */
	__u32 policy;
	__u8 addr[16];
};

/* What a rule has denied since it got its number, and the last attempt that it matched. */
struct deny_count {
	struct bpf_spin_lock lock;
	__u32 pid;
	__u64 denied;
	__u64 would_have_denied;
	__u64 last_ns; /* 0 = it never matched */
	__u64 cgroup_id;
	__u32 uid;
	__u16 port; /* host order */
	__u8 protocol;
	__u8 audited;
	char comm[COMM_LEN];
	__u8 addr[16]; /* network order, IPv4 mapped */
	__u8 spare[32];
};

#define INTERFACE_NAME_LEN 16
struct interface_key {
	__u32 policy;
	char name[INTERFACE_NAME_LEN];
};

/* The name of the rule that has a scope's number. Used by user space only. */
#define SCOPE_NAME_LEN 64
struct scope_name {
	char name[SCOPE_NAME_LEN];
};

/* The position of an attempt's slot in a scope's slot wheel. tick 0 = no slot taken. */
struct slot {
	__u64 tick;
	__u32 grid;
	__u32 pad;
};

/* A re-check can be late by its timer's granularity. Turns that fell due in the meantime are not lost, up to this
 * much. */
#define TURN_TOLERANCE_NS 640000000ULL
/* TCP sends SYNs at least a second apart; its 1 s timer may run a tick early. */
#define SYN_GAP_NS 980000000ULL

/* The decision about a SYN. */
enum verdict { VERDICT_HOLD, VERDICT_GO, VERDICT_GO_AUDITED, VERDICT_TOO_EARLY };

/* Whether connect() fails at once, and why. */
enum refusal { REFUSAL_NONE, REFUSAL_QUEUE_FULL, REFUSAL_BLOCKED, REFUSAL_CHURN };

/* How an attempt ends. OTHER: refused or unreachable. CANCELLED: the program closed it unanswered. NEUTRAL: an answer
 * that proves nothing, see earned.h. UNSEEN: nobody saw when, so that the attempt keeps its slots until they expire. */
enum ending { ENDING_ESTABLISHED, ENDING_TIMED_OUT, ENDING_OTHER, ENDING_CANCELLED, ENDING_NEUTRAL, ENDING_UNSEEN };

/* Which map holds a record. A record in records_beside may be counted in its parties, see beside.h. */
enum record_kept { KEPT_IN_RECORDS, KEPT_BESIDE, KEPT_BESIDE_COUNTED };

enum attempt_state { ATTEMPT_NONE, ATTEMPT_QUEUED, ATTEMPT_OUT };

enum attempt_flag {
	ATTEMPT_DECIDED = 1,	     /* a callback has decided on this SYN: egress only applies the verdict */
	ATTEMPT_TIMER_SET = 2,	     /* TIMEOUT_INIT has returned the first SYN timer */
	ATTEMPT_HELD_ONCE = 4,	     /* the limiter owns its socket options until it ends */
	ATTEMPT_OPTIONS_PENDING = 8, /* released at egress, which cannot set options */
	ATTEMPT_BACK_OFF = 16,	     /* the next withheld SYN doubles the timer instead of re-checking in 512 ms */
	ATTEMPT_RTO_MAX_OURS = 32,   /* the limiter owns TCP_RTO_MAX_MS until it ends */
	ATTEMPT_MPTCP = 64,
	ATTEMPT_OPTIONS_CHANGED = 128, /* the program set an option that the limiter owns: merge it at the next timer */
	ATTEMPT_NEVER_HELD = 256,      /* never held, whatever the state of the accounting */
	ATTEMPT_FIRST = 512,	       /* a first contact */
	ATTEMPT_PENDING = 1024,	       /* a first contact that is neither answered nor silent yet */
	ATTEMPT_NEWEST = 2048,	       /* it took the newest waiter's turn, not the oldest's */
	ATTEMPT_IN_PARTY = 4096,       /* counted in its part's `queued` */
	ATTEMPT_NAMED = 8192,	       /* a DNS answer has named its address lately; excludes ATTEMPT_FOREIGN */
	ATTEMPT_FOREIGN = 16384,       /* from a network namespace that the initial user namespace does not own */
	ATTEMPT_REPEATS_LATE = 32768,  /* its next SYN must leave a second or more after the last */
	ATTEMPT_IN_ROUND = 65536,      /* counted in its part's waiters for the host's turns */
	ATTEMPT_ROUTED = 262144,       /* the program source-routes its packets: its address says nothing */
	ATTEMPT_AT_EGRESS = 131072,    /* it began at egress: its callbacks are not switched on yet */
	ATTEMPT_NEIGHBOUR = 524288,    /* not a first contact, only because of its neighbourhood's credit */
	ATTEMPT_TRIED = 1048576,       /* not a first contact: an earlier one to this address was silent lately */
	ATTEMPT_PROVISIONAL = 2097152, /* its address was translated lately: egress decides, by where its packet goes */
	ATTEMPT_TRANSLATED = 4194304,  /* its address is that of its packets, not the one that was dialled */
	ATTEMPT_TO_EXEMPT = 8388608,   /* never held, because its packets are translated to an exempt destination */
	ATTEMPT_TO_OPEN = 16777216,    /* it waits for the connections of its scope; see connections.h */
	ATTEMPT_TO_REACH = 33554432,   /* it waits for those to its destination; excludes ATTEMPT_TO_OPEN */
};

/* The limit that an attempt waits for. */
enum waits_for { WAITS_FOR_SLOT, WAITS_TO_OPEN, WAITS_TO_REACH };

/* What is needed to build a packet for a socket. */
struct place {
	__u64 cookie;
	__u32 netns;   /* inode number */
	__u32 device;  /* interface that the socket is bound to; 0 = none */
	__u8 addr[16]; /* local address: network order, IPv4 mapped */
	__u16 port;    /* host order */
	__u16 pad;
	__u32 more_pad;
};

/* Set in a record's cookie while the reconcile walk ends the attempt, so that its socket no longer finds the record. No
 * socket cookie has this bit. */
#define RECORD_ENDS (1ULL << 63)

/* One outbound connect(). Written under its socket's lock; what counts it in the ledger, under the host scope's
 * lock. */
struct attempt {
	__u64 cookie; /* of the socket that owns this record; 0 = free; see records.h */
	__u32 flags;
	__u32 state;	 /* enum attempt_state; whoever ends it exchanges this atomically, see ends() */
	__u32 scope;	 /* of CHARGED_OWN; 0 = none */
	__u32 interface; /* the scope of CHARGED_INTERFACE; 0 = none */
	__u64 account;	 /* id of its account in its scope (struct account_key) */
	__u64 began_ns;
	__u64 slot_ns;	   /* when a slot was last taken */
	__u64 last_syn_ns; /* when a SYN last left */
	__u64 out_ns;	   /* when the first SYN was let out */
	struct slot slot[CHARGED];
	__u64 asked_ns; /* last sign of life of its socket, which gives one at each of its timers */
	__u32 walk;	/* the last reconcile walk that saw it */
	__u32 met;	/* the last socket walk that met its socket */
	__u64 top;	/* id of its top-level cgroup */
	__u64 part;	/* its part of that cgroup (struct party_key) */
	__u64 address;	/* a hash of the destination, for working sets */
	__u64 cgroup_id;
	__u64 netns; /* its network namespace's cookie */
	__u32 pid;
	__u32 uid;
	__u8 addr[16]; /* network order, IPv4 mapped */
	char comm[COMM_LEN];
	__u32 place[CHARGED]; /* its place among the waiters for credit there */
	__u32 rechecks;
	__u32 queue_number;
	__u32 own_user_timeout_ms;
	__u32 own_rto_max_ms;
	__u8 own_syn_count;
	__u8 deadline_set; /* TCP_USER_TIMEOUT is set to the end of the wait */
	__u8 linear_timeouts;
	__u8 kept; /* enum record_kept */
	__u32 netns_inode;
	__u8 blocked_on; /* enum charged, while queued */
	__u8 cell;	 /* the cell of its port: see port_cell() */
	__u16 port;	 /* host order */
	/* Set if it waits, or would in audit mode. */
	struct place socket;
	__u32 destination;   /* its entry in `destinations`, plus one; 0 = none */
	__u32 line[CHARGED]; /* its place in the line for connections there */
	__u8 counted;	     /* a bit for each enum charged that counts its connection */
	__u8 far_counted;    /* its destination counts it */
	__u8 spare[6];	     /* zero: room for later versions of the same layout */
};

/* A connection that some scope counts: from before its SYN until its socket has ended. Made in the task that connects;
 * after that written under its socket's lock, and what counts it under the host scope's lock. */
struct connection {
	__u64 account;
	__u32 scope;
	__u32 interface;
	__u64 cgroup_id;
	__u64 opened_ns; /* when its handshake was over; 0 = it is an attempt yet, and its record counts it */
	__u32 pid;
	__u32 uid;
	__u32 destination; /* as an attempt's */
	__u32 netns_inode;
	__u32 walk; /* the last reconcile walk that saw it */
	__u32 met;  /* the last socket walk that met its socket */
	__u8 addr[16];
	__u16 port;	  /* host order */
	__u8 counted;	  /* a bit for each enum charged */
	__u8 far_counted; /* its destination counts it */
	__u32 closed;	  /* exchanged atomically by whoever ends it */
	char comm[COMM_LEN];
	__u8 spare[16];
};

/* The connections that a scope or a destination has. */
struct connections {
	__u64 next_ns; /* when the next one would be due if all came evenly; see connections.h */
	__u32 open;    /* half-open, or open */
	__u32 seen_open;
};

/* The connections of an account to an address and port. */
struct destination {
	__u64 id; /* a salted hash of account, address and port; 0 = free */
	struct connections connections;
	__u64 account; /* a salted hash */
	__u32 users;   /* attempts and connections that are bound to this entry */
	__u32 seen_users;
	__u32 out; /* attempts that are out */
	__u32 seen_out;
	__u32 waiting; /* attempts that wait for this destination */
	__u32 seen_waiting;
	__u32 walk;
	__u32 pad;
};
#define DESTINATION_SETS 8192 /* a power of two */
#define DESTINATION_PLACES 8
/* Places of a set that one account may use. */
#define DESTINATION_PLACES_OF_ONE 4
/* Sets after those, of entries that stand for all destinations of an account for which there was no room. */
#define SHARED_DESTINATION_SETS 512

struct destination_set {
	struct destination of[DESTINATION_PLACES];
};

/* Ended connections that still count, by the tick (1 << TIME_WAIT_SHIFT ns) in which they stop. */
#define TIME_WAIT_BUCKETS 32
#define TIME_WAIT_SHIFT 33

/* The kind of a contact; see contact_of(). For a stranger: this number plus the cell of its port. */
enum contact { CONTACT_KNOWN, CONTACT_NAMED, CONTACT_FOREIGN, CONTACT_STRANGER };

/* The credit buckets of an account, each with its own evidence. Contacts with strangers have a bucket for each cell of
 * destination ports (several ports may share a cell) and one for all ports together. Contacts with addresses that a DNS
 * answer named lately have one. So have all contacts from network namespaces that the initial user namespace does not
 * own, where answers are worth nothing. */
#define PORT_CELLS 16
enum credit_bucket { BUCKET_PORTS, BUCKET_NAMED = PORT_CELLS, BUCKET_FOREIGN, BUCKET_ALL_PORTS, CREDIT_BUCKETS };
/* The full level of the bucket for named contacts, as a shift of the others': a web page today is made of thirty names,
 * and a browser asks for all of them at once. */
#define NAMED_SHIFT 1

/* What became of the first contacts that one credit bucket of an account paid for; see credit.h. */
struct trust {
	__u32 credit;	  /* in parts of CREDIT */
	__u32 steps;	  /* evidence that the account is a scanner's, in parts of CREDIT */
	__u32 answered;	  /* contacts answered lately: halves every second */
	__u32 pending;	  /* contacts that are out, and neither answered nor silent yet */
	__u64 settled_ns; /* when `answered` last halved; 0 = the bucket is new */
	__u64 recover_ns; /* when the next credit comes back; 0 = the bucket is full */
	__u64 offered_ns; /* since when credit has been available and unused */
	__u64 suspect_ns; /* since when the account is a suspect; 0 = it is none */
	__u32 oldest;	  /* place of the oldest waiter for credit, or where it was */
	__u32 newest;
	__u32 places;  /* places given out so far */
	__u32 waiting; /* attempts that wait for this credit */
	__u32 seen_waiting;
	__u16 heard_answers; /* of about the last hundred contacts */
	__u16 heard_silences;
	__u8 side;    /* whose turn it is: the newest's (1) or the oldest's (0) */
	__u8 proven;  /* number of recent seconds with answers */
	__u8 answers; /* 1 = an answer came in this second */
	__u8 pad[5];
};

/* The credit of what comes through a gate, or of one source on a bridge, without a socket. */
struct gate_credit {
	struct bpf_spin_lock lock;
	__u32 pad;
	struct trust trust;
};

/* What an interface is: nothing that containers use, one container's, or a bridge's, where each source has a credit of
 * its own, too. */
enum gate_kind { NO_GATE, GATE_OF_ONE, GATE_OF_MANY };

/* A gate: the host's end of a container's pair of devices, or a bridge that has only such ends. */
struct gate {
	struct gate_credit credit;
	__u32 kind; /* enum gate_kind */
	__u32 pad;
	__u64 let_out;
	__u64 stopped; /* in audit mode: that would have been */
};

/* A first contact through a gate. */
struct gate_contact {
	__u8 near[16];
	__u8 far[16];
	__u32 gate; /* number of the interface */
	__u16 port;
	__u16 pad;
};

struct gate_contacted {
	__u64 until_ns; /* until when dialling it again costs nothing */
	__u32 is_answered;
	__u32 pad;
};

#define GATES 512
#define INTERFACES_LISTED 2048
#define GATE_UNSEEN 0 /* in place of the number of an interface that is not listed yet */
#define GATE_SOURCES 4096

/* A configured resolver. `policy` is the number of the policy that names it. */
struct resolver_key {
	__u8 addr[16];
	__u32 policy;
};

/* The head of an entry in a set; see remembered.h. */
#define SET_PLACES 8
struct remembered {
	__u64 print; /* fingerprint of its owner and key */
	__u32 date;  /* when it was written */
	__u32 until; /* when it expires */
};

/* A set of known addresses. */
struct known_set {
	struct remembered of[SET_PLACES];
};

/* A DNS question that a socket has asked. */
#define DNS_QUESTION_MOST 259u /* a name, type and class */
struct query {
	struct remembered head;
	__u8 question[264]; /* as on the wire, followed by whatever came after it */
};

struct query_set {
	struct query of[SET_PLACES];
};

/* An address that a DNS answer gave to a client. */
struct named {
	struct remembered head;
	__u8 addr[16]; /* in mapped form */
	__u64 client;  /* its cgroup's id; 0 = the host */
	__u64 until_ns;
};

struct named_set {
	struct named of[SET_PLACES];
};

/* What became of the resolvers' answers, and how many addresses they named. */
enum names_count {
	NAMES_READ,	      /* read to their end */
	NAMES_NAMED,	      /* addresses */
	NAMES_NO_QUERY,	      /* refused: nobody asked this resolver that recently */
	NAMES_OTHER_QUESTION, /* refused: a different question was asked */
	NAMES_TRUNCATED,      /* truncated: the client asks again over TCP */
	NAMES_ERROR,	      /* no such name, or another error */
	NAMES_MALFORMED,
	NAMES_TOO_LONG,	  /* exceeds the limits on bytes, records or names that are read */
	NAMES_NOT_STORED, /* a map had no room for the question or the address */
	NAMES_CPU_BUSY,	  /* it came while this CPU was reading another answer */
	NAMES_COUNTS
};

#define DNS_MESSAGE_MOST 4096u
#define DNS_RECORDS_MOST 256u
/* The most steps through all names of a message: compression pointers let a few bytes stand for many. */
#define DNS_STEPS_MOST 16384u

/* An address in a message. */
struct dns_found {
	__u32 at;
	__u32 ttl_s;
};

/* A message and how far it has been read; see names_parse.h. */
struct dns_reading {
	__u32 busy;    /* a program that was interrupted on this CPU uses this */
	__u32 outcome; /* enum names_count */
	__u32 length;
	__u32 answers;
	__u32 records;
	__u32 type; /* the type asked for; 0 = a type that names no address */
	__u32 at;
	__u32 name_at; /* offset of the name that the next address must have */
	__u32 steps_left;
	__u32 found_count;
	/* State of the name that is being walked. */
	__u32 use;
	__u32 part;  /* where the part that is being walked began */
	__u32 after; /* where the name ends; 0 = not known yet */
	__u32 label_left;
	__u32 name_length;
	__u32 walked;
	__u32 same;
	__u32 pad;
	struct dns_found found[DNS_RECORDS_MOST];
	__u8 name[256]; /* that the next address must have, in lower case */
	__u8 asked[512];
	__u8 bytes[DNS_MESSAGE_MOST];
};

/* An address in its IPv6 form (IPv4 mapped), in network order. */
struct mapped_address {
	__u8 bytes[16];
};

/* An address to which an account has sent UDP. */
struct datagram_contact {
	__u8 addr[16];
	__u64 account;
	__u32 scope; /* 0 = the host's */
	__u32 pad;
};

/* The account of a socket's UDP, looked up at its first packet under each policy, and the destination of the last
 * packet. */
struct datagram_socket {
	__u64 generation;
	__u64 account;
	__u64 account_cgroup; /* see `scope` */
	__u32 scope;
	__u32 never_hold;
	__u64 sent_ns;
	__u8 addr[16];
};

/* The last first contact over UDP that an account's limit stopped, or would have stopped in audit mode: its program and
 * its destination. */
struct datagram_stop {
	struct bpf_spin_lock lock;
	__u32 pid; /* 0 = the program is unknown: comm and uid are void */
	__u64 last_ns;
	__u64 cgroup_id; /* the socket's */
	__u32 uid;
	__u16 port; /* host order */
	__u8 audited;
	__u8 pad;
	char comm[COMM_LEN];
	__u8 addr[16]; /* network order, IPv4 mapped */
	__u8 spare[16];
};

/* The answers that an account got from one neighbourhood: from all its ports (an IPv4 /24 or an IPv6 /48), or from one
 * port (an IPv4 /24 or an IPv6 /64). */
struct neighbourhood {
	struct remembered head;
	__u32 answered; /* of all ports: answered first contacts, each of which makes the next answer worth less
			   elsewhere */
	__s32 credit;	/* of one port: contacts that are free; see neighbourhood.h */
};

struct neighbourhood_set {
	struct neighbourhood of[SET_PLACES];
};

/* The parties that share the host's slots, turns and places: top-level cgroups, and the parts of each. A part is an
 * account of a rule or of `exec`, or, for attempts that have none, a user: see part_of(). */
struct party_key {
	__u64 top;
	__u64 part;
};
#define WHOLE_TOP 0ULL	 /* the top-level cgroup itself */
#define OTHER_PARTS 1ULL /* all parts for which there is no room, as one */
/* The shift of a part's scope number, above the id of its cgroup, user or process. Ids of cgroups and users are shorter
 * than this. Processes that were started 99 days apart may share a part. */
#define PART_SCOPE_SHIFT 55
/* Marks a user that stands for a user namespace owned by root; its inode number is below. */
#define USER_IS_NAMESPACE (1ULL << 32)
#define PARTIES 8192
/* Parties that may be parts. The rest is for top-level cgroups, which only the host's manager creates. */
#define PARTS (PARTIES * 3 / 4)

/* A party's position in the round of turns among its own members (`round`), and in the round above it (`served`). */
struct party {
	__u32 waiters;	  /* attempts that wait for the host's turns */
	__u32 served;	  /* the round above in which it last had a turn */
	__u32 round;	  /* number of the current round among its own parts */
	__u32 waiting;	  /* parts that wait */
	__u32 unserved;	  /* of those, the parts without a turn in this round */
	__u32 idle_since; /* in units of IDLE_SHIFT; 0 = used since the collector last looked */
	__u64 offered_ns; /* since when a turn has been due that no waiter that asked was entitled to; 0 = none */
	__u64 turn_ns;	  /* when it last had a turn */
	__u32 joined;	  /* number of times that a part began to wait */
	__u32 join;	  /* its own number in that count, in the round above */
	__u32 newcomers;  /* a bit for each of the last to begin, the latest lowest; set until its first turn */
	__u32 owes;	  /* a newcomer had the last turn: the next is for the others */
	/* Of a part. */
	__u32 queued;	     /* attempts that wait, at any scope */
	__u32 waiting_known; /* those of `waiters` that are not first contacts */
	__u32 waiting_named; /* those of `waiters` that are first contacts with a named address */
	__u32 beside;	     /* its records in records_beside, also kept for a top-level cgroup; added to atomically */
	__u64 cancelled_ns;  /* when one of its queued attempts was last cancelled */
	__u64 paid_ns;	     /* when it has paid for what it cancelled; see churn.h */
	__u64 newcomer_ns;   /* host only: when a newcomer last went out while others waited */
};

/* One account. The host's lock guards all scopes, so that an attempt is charged to all of its scopes at once. Slots,
 * and the counters of attempts that nothing holds, also change without the lock (at_once.h). The members that such
 * attempts use come first, so that they occupy few cache lines. */
struct scope {
	struct bpf_spin_lock lock;
	__u32 queued; /* attempts charged here that wait, at any scope */
	/* The slot wheel, see slots.h. */
	__u64 slots; /* slots taken; bit 32 is set while they are closed */
	__u64 tick;
	__u32 grid;
	__u32 slot_shift;
	__u32 in_old_grid;
	__u32 lingering; /* slots of closed attempts */
	__u32 linger_tick;
	/* What the reconcile walk with the number `walk` has seen so far. The host's `walk` is odd while a walk
	 * runs. */
	__u32 walk;
	__u32 out;	    /* attempts whose SYN is out, unanswered */
	__u32 waiting_here; /* those of `queued` that this scope holds back */
	/* Totals since the accounting began. */
	__u64 admitted;
	__u64 established;
	__u64 failed;
	__u64 touched_ns; /* when an attempt, or UDP, last used this account */
	__u32 bucket[SLOT_BUCKETS];
	__u32 oldest_grid;
	__u32 queue_number;
	__u64 old_grid_until_ns;
	__u64 grid_ended_tick[OLD_GRIDS];    /* where the wheel stood when each grid was left */
	__u32 linger_bucket[LINGER_BUCKETS]; /* by the tick (1 << LINGER_SHIFT ns) in which they expire */
	__u64 next_turn_ns;
	__u64 released;
	__u64 cancelled;
	__u64 gave_up;
	__u64 refused;
	__u64 would_have_waited;
	__u64 longest_wait_ns;
	__u64 last_waiter_ns;
	__u32 seen_queued;
	__u32 seen_waiting_here;
	__u32 seen_out;
	__u32 pad_of_seen;
	__u32 waiting_known; /* those of waiting_here that are not first contacts */
	__u32 seen_waiting_known;
	__u64 blocked; /* connect() calls refused because the account is blocked */
	struct trust trust[CREDIT_BUCKETS];
	__u64 working_set[WORKING_SET]; /* hashes of contacted addresses, the latest first */
	__u64 first_contacts;		/* first contacts let out since the accounting began */
	__u32 releases;			/* the policy's `released` when this account was last checked for a release */
	__u32 pad_of_releases;
	struct party parties; /* host only: whose turn it is */
	/* In `accounts`: the owner of this entry. The CPU that makes the entry sets it. The memory of a collected entry
	 * may belong to another account at once. */
	__u64 account;
	__u64 cgroup_id;     /* for an account by cgroup: the last cgroup seen with that path */
	__u32 account_scope; /* 0 = unowned */
	__u32 pad;
	/* First contacts over UDP since the accounting began; see datagrams.h. */
	__u64 datagram_turn_ns; /* the last turn taken; 0 = none yet */
	__u64 datagrams_let_out;
	__u64 datagrams_stopped;
	__u64 datagrams_audited; /* those that audit mode would have stopped */
	__u64 churned_until_ns;	 /* host only: until when some part is in debt for cancelled attempts; 0 = none is */
	struct connections connections;
	__u32 waiting_to_open; /* those of waiting_here that wait for a connection here; in no rank */
	__u32 seen_waiting_to_open;
	__u32 waiting_to_reach; /* those of waiting_here that wait for their destination; in no rank */
	__u32 seen_waiting_to_reach;
	__u32 ended; /* connections that have ended and still count */
	__u32 ended_tick;
	__u32 ended_bucket[TIME_WAIT_BUCKETS];
	__u64 waited_to_open;  /* attempts that a limit on connections has held, or would have, since the beginning */
	__u64 waited_to_reach; /* the same for limits on a destination */
	__u64 closed;	       /* counted connections that have ended */
	/* The line for connections, see connections.h. */
	__u32 line_places;   /* places given out so far */
	__u32 line_oldest;   /* the first place that may be taken */
	__u64 line_moved_ns; /* when a connection last began or ended */
	__u8 spare[8];
};

/* A program, identified by what the kernel knows of it without the program's help. */
struct program_key {
	__u64 cgroup_id;
	__u32 uid;
	__u32 pad;
	char comm[COMM_LEN];
};

/* What became of a program's attempts that had to wait, or would have had to in audit mode. */
struct program_count {
	__u64 held;
	__u64 would_have_waited;
	__u64 released;
	__u64 gave_up;
	__u64 cancelled;
	__u64 refused;
	__u64 waited_ns;
	__u64 longest_wait_ns;
	__u64 last_ns;
	__u32 last_pid;
	__u32 pad;
	__u64 spare[4];
};

/* What a daemon leaves for the next one. Written by user space only. */
struct keeper {
	__u32 layout;
	__u32 pid;
	__u64 seen_ns;	   /* when the daemon last looked */
	__u64 lost_events; /* lost events that the daemon knew of */
	__u64 cgroup_id;   /* the limited cgroup */
	char version[32];
	__u64 counting_since_ns; /* when the accounting began */
	__u8 spare[184];
};

/* Each record in the ring buffer begins with its kind, and is a held_record or a turn_record. */
enum ring_event {
	EVENT_HELD,    /* held_record */
	EVENT_ASKED,   /* the others: turn_record. A waiter's first timer ran and it still waits: it cannot be woken any
			  more */
	EVENT_LEFT,    /* a waiter ended */
	EVENT_OUT,     /* an attempt's first SYN leaves */
	EVENT_ENDED,   /* an attempt that was out ended */
	EVENT_SUSPECT, /* held_record: the attempt whose silence made its account a suspect */
	EVENT_CLOSED,  /* turn_record: a counted connection has ended */
	EVENT_BEGAN,   /* held_record, in audit mode: an attempt that would not have had to wait, soon after one that
			* would have. `audited` if the limit applies to it */
};

enum turn_flag {
	TURN_ESTABLISHED = 1, /* it was established */
	TURN_RELEASED = 2,    /* it had waited */
	TURN_HOST_SLOT = 4,   /* it still had its slot at the host when it ended */
	TURN_OWN_SLOT = 8,
};

/* An attempt that began to wait, or would have in audit mode, for the log and for the daemon's waker. */
struct held_record {
	__u8 kind;
	__u8 audited;
	__u16 port;
	__u32 scope; /* the scope that held it back */
	__u64 at_ns;
	__u64 cgroup_id;
	__u32 own; /* its scopes besides the host's; 0 = none */
	__u32 interface;
	__u64 account; /* account in its own scope */
	__u64 top;     /* its parties at the host (struct party_key) */
	__u64 part;
	__u32 pid;
	__u32 uid;
	char comm[COMM_LEN];
	__u8 addr[16];
	__u8 contact;	/* enum contact, see contact_of() */
	__u8 waits_for; /* enum waits_for */
	__u8 pad[6];
	struct place place;
};

/* How long after an attempt that audit mode would have held the daemon is told of every beginning and end. */
#define LEARNED_NS 3000000000ULL

/* What became of an attempt, for the daemon's waker. Sent only while the waker runs and an attempt waits, or in audit
 * mode would. */
struct turn_record {
	__u8 kind;
	__u8 flags;
	__u16 pad;
	__u32 own;
	__u64 account;
	__u64 at_ns;
	__u64 out_ns;
	__u64 cookie;
	__u8 addr[16];
};

/* A live attempt, as the reconcile walk writes it. */
struct attempt_record {
	__u64 began_ns;
	__u64 out_ns;
	__u64 cgroup_id;
	__u64 account;
	__u64 top; /* party_key's */
	__u64 part;
	__u32 scope;
	__u32 interface;
	__u32 pid;
	__u32 uid;
	__u32 rechecks;
	__u8 state;
	__u8 in_slot;
	__u8 blocked_on; /* enum charged */
	__u8 contact;	 /* enum contact, see contact_of() */
	__u16 port;
	__u8 named;	/* a DNS answer had named its address */
	__u8 waits_for; /* enum waits_for, while queued */
	__u32 more_pad;
	char comm[COMM_LEN];
	__u8 addr[16];
	struct place place;
};

/* What is timed: a wait that ended with a SYN that left, and from the first SYN that left to its answer. */
enum timed { TIMED_WAIT, TIMED_HANDSHAKE, TIMED };

/* Bucket i of a histogram counts durations below 2^(i-14) seconds and not below half of that; the first one all that
 * are shorter, and the last one all of 128 s and more. After the buckets comes the sum in nanoseconds. */
#define DURATION_BUCKETS 23
#define SHORTEST_DURATION_NS 61035
#define DURATION_ENTRIES (DURATION_BUCKETS + 1)
#define DURATIONS (TIMED * DURATION_ENTRIES)

/* Events in which the limiter could not act as intended; `faults` counts them. */
enum fault {
	FAULT_NO_STORAGE,
	FAULT_CALLBACK_FLAGS,
	FAULT_CALLBACKS_CLEARED,
	FAULT_DECIDED_AT_EGRESS,
	FAULT_HOLD_OPTIONS,
	FAULT_RESTORE_OPTIONS,
	FAULT_INITIAL_WINDOW,
	FAULT_EVENT_LOST,
	FAULT_NO_POLICY,
	FAULT_RAW_TCP_REFUSED,
	FAULT_RAW_TCP_COUNTED,
	FAULT_RECONCILED,
	FAULT_PROGRAM_UNCOUNTED,
	FAULT_CONTACT_UNKNOWN,
	FAULT_PARTY_UNKNOWN,
	FAULT_ACCOUNTS_FULL,
	FAULT_DATAGRAM_UNKNOWN,
	FAULT_NO_RECORD,
	FAULT_SYN_WITHOUT_RECORD,
	FAULT_EXEMPT_ELSEWHERE,
	FAULT_CHURN_REFUSED,
	FAULT_FORWARDED_STOPPED,
	FAULT_FORWARDED_COUNTED,
	FAULT_NO_CONNECTION,
	FAULT_DESTINATION_SHARED,
	FAULTS,
};
