/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the kernel part, its native build and the Rust side share. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

/* Of everything that is pinned: a daemon adopts only what has its own number. */
#define LAYOUT 7

/* The scopes of the table: the host's, those of `exec`, those of rules, those of interfaces. */
#define SCOPES 128
#define RULE_SCOPES 64	     /* the first of a rule */
#define INTERFACE_SCOPES 112 /* the first of an interface */
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
/* Of one cgroup; what has other names is counted together, under none. */
#define PROGRAMS_OF_CGROUP 64
#define MANY_USERS 0xffffffffu
#define NEVER_HOLD_RULES 64
#define RESOLVERS 64
/* Sets of what is remembered; powers of two. */
#define KNOWN_SETS 8192
#define NEIGHBOURHOOD_SETS 2048
#define NAMED_SETS 1024
#define QUERY_SETS 256

enum mode { MODE_ENFORCE, MODE_AUDIT, MODE_OFF };
enum raw_tcp { RAW_TCP_REFUSE, RAW_TCP_COUNT, RAW_TCP_ALLOW };
/* For whom a DNS answer counts: nobody, the one who asked, everybody. */
enum names { NAMES_OFF, NAMES_CLIENT, NAMES_HOST };

/* The scopes one attempt is charged to: the host always, the others where a rule or its interface names one. */
enum charged { CHARGED_HOST, CHARGED_OWN, CHARGED_INTERFACE, CHARGED };

/* One credit, so that it can be earned in parts. */
#define CREDIT 16u
#define WORKING_SET 8

enum order { ORDER_OLDEST, ORDER_EITHER };

/* What first contacts cost in a scope. */
struct first_contact {
	__u32 credit; /* in parts of CREDIT; 0 = they are attempts like any other */
	__u32 worth;  /* of an answer, in silences, as parts of CREDIT; 0 = nothing speaks for or against anybody */
	__u8 working_set;
	__u8 order;
	__u8 throttle; /* suspects earn no more than the cost and recover as slowly as can be */
	__u8 pad;
	__u16 of_a_scan; /* in a thousand; user space's alone: what `worth` comes from */
	__u16 of_peers;
	__u64 recover_ns; /* between two credits that come back, where nothing speaks against it */
	__u64 block_ns;	  /* 0 = suspects are not blocked */
};

struct limits {
	__u32 half_open; /* UNLIMITED = no limit */
	__u32 queue;
	__u64 slot_life_ns;
	__u64 interval_ns; /* between two releases; 0 = as slots come free */
	__u64 max_wait_ns; /* 0 = as long as the program would have waited for a silent peer */
	__u32 slot_shift;  /* slot_life_ns >> slot_shift lies in [32, 64) */
	__u8 strict;
	__u8 overflow_waits;
	__u8 datagram_dropped; /* one too many: dropped, not refused */
	__u8 pad;
	__u64 datagram_interval_ns; /* between two first contacts over UDP; 0 = as many as there are */
	struct first_contact first;
};

enum per { PER_RULE, PER_CGROUP, PER_USER, PER_PROCESS };

/* Which accounts a rule's attempts are charged to. */
struct rule {
	__u8 per;
	__u8 depth; /* of the cgroup that its pattern names; PER_CGROUP: of those that have the accounts */
	__u16 scope;
};

/* Whom the rules of `[[scope]]` are for: a bit for each rule, the first that holds counts. A rule's conditions must all
 * hold; those it lacks are set here. */
struct rules {
	__u64 rules;
	__u64 any_cgroup;
	__u64 any_user;
	__u64 any_exe;
	__u64 any_comm;
	__u64 ended; /* scopes, from RULE_SCOPES on, that no rule has: their accounts go as soon as they are empty */
	struct rule rule[RULES];
};

/* An account that was made on first use: of the rule with that scope, for that cgroup, user or process. */
struct account_key {
	__u64 id; /* 0 = the rule's own, in the table of scopes; else see account_id() */
	__u32 scope;
	__u32 pad;
};
/* An account's id is its kind (enum per), and below that what it is for. */
#define ACCOUNT_KIND_SHIFT 62
/* A process: its start in milliseconds, and below that its number. No process number has more bits. */
#define PROCESS_NUMBER_BITS 22
/* Of `releases`: every account of the scope. */
#define ALL_ACCOUNTS 0xffffffffffffffffULL

/* Who is never held: up to 64 rules, a bit each. A rule's conditions must all hold; those it lacks are set here. */
struct never_hold {
	__u64 rules;
	__u64 any_cgroup;
	__u64 any_user;
	__u64 any_exe;
};

struct policy {
	__u32 mode;
	__u32 raw_tcp;
	__u32 exec_level;	/* depth of the cgroups that have a scope of their own; 0 = there are none */
	__u32 wakeups;		/* who waits may be woken by packets */
	__u64 enforce_until_ns; /* past it, MODE_ENFORCE is `mode_after`; 0 = it is for good */
	__u32 mode_after;
	__u32 pad;
	struct never_hold never_hold;
	struct rules rules;
	__u64 generation;    /* of the rules: what was found out about a cgroup under another is void */
	__u64 known_for_ns;  /* how long an address that answered stays known */
	__u32 knows;	     /* some scope tells known addresses from others */
	__u32 becomes_known; /* and none goes by addresses contacted instead */
	__u32 more_pad;
	__u32 interfaces;   /* some interface has a scope */
	__u32 released;	    /* how often accounts were released by hand; see `releases` */
	__u32 top_level;    /* of the cgroups among whom the host's turns go round: below the one that is limited */
	__u32 blocks;	    /* some scope blocks its suspects */
	__u32 datagrams;    /* some scope limits first contacts over UDP */
	__u64 names_for_ns; /* how long an answer counts, if its TTL is no longer */
	__u32 names;	    /* enum names */
	__u32 client_level; /* of the cgroups whose processes share what they were answered */
	struct limits limits[SCOPES];
};

/* What a rule asks for. `policy` is the number of the policy that the rule belongs to. */
struct user_key {
	__u32 policy;
	__u32 uid;
};

struct exe_key {
	__u64 inode;
	__u32 device; /* as the kernel numbers it: major << 20 | minor */
	__u32 policy;
};

/* One step from a cgroup to its child of that name; steps begin at the number of the policy, 0 or 1. */
struct cgroup_step {
	__u32 from;
	char name[CGROUP_NAME_LEN]; /* names that do not fit match nothing */
};

struct cgroup_place {
	__u32 number;
	__u32 pad;
	__u64 rules; /* that ask for this cgroup or one above it */
};

#define CGROUP_DEPTH 12
#define CGROUP_PATTERN_LEN 256

/* What a rule of `[[scope]]` asks of a cgroup: that the names of its first ancestors fit. */
struct cgroup_pattern {
	__u32 depth;
	__u8 start[CGROUP_DEPTH]; /* of each name in the text */
	char text[CGROUP_PATTERN_LEN];
};

/* The rules of a policy that ask for this cgroup or one above it: of `[[scope]]`, and of `never_hold`. */
struct cgroup_rules {
	__u64 seal; /* see seal_of() */
	__u64 rules;
	__u64 never_hold;
};

struct comm_key {
	__u32 policy;
	char comm[COMM_LEN];
};

/* `[[deny]]`: a number for each rule, which its name keeps. */
#define DENY_RULES 64
#define DENY_PORTS 8
#define DENY_PREFIXES 4096

enum deny_protocol { DENY_TCP = 1, DENY_UDP = 2 };

struct port_range {
	__u16 first;
	__u16 last;
};

struct deny_rule {
	__u8 audit;	/* counts only */
	__u8 protocols; /* enum deny_protocol, joined */
	__u8 ranges;	/* 0 = every port */
	__u8 pad;
	struct port_range port[DENY_PORTS];
};

/* A prefix of one policy. */
struct deny_prefix {
	__u32 bits; /* of `policy` and the mapped address: 128 more than an IPv4 prefix has */
	__u32 policy;
	__u8 addr[16];
};

/* What a rule has come to since it has its number, and the last that met it. */
struct deny_count {
	struct bpf_spin_lock lock;
	__u32 pid;
	__u64 denied;
	__u64 would_have_denied;
	__u64 last_ns; /* 0 = nobody has */
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

/* Whose a scope number is: a rule's name. User space's. */
#define SCOPE_NAME_LEN 64
struct scope_name {
	char name[SCOPE_NAME_LEN];
};

/* Where in a scope's slot wheel an attempt's slot stands. tick 0 = no slot taken. */
struct slot {
	__u64 tick;
	__u32 grid;
	__u32 pad;
};

/* A re-check is late by up to its timer's granularity; turns that fell due meanwhile are not lost, up to this much. */
#define TURN_TOLERANCE_NS 640000000ULL
/* A SYN leaves a second or more after the last one; TCP's own timer of 1 s may run a tick early. */
#define SYN_GAP_NS 980000000ULL

/* What is decided of a SYN. */
enum verdict { VERDICT_HOLD, VERDICT_GO, VERDICT_GO_AUDITED, VERDICT_TOO_EARLY };

/* Whether connect() fails at once, and why. */
enum refusal { REFUSAL_NONE, REFUSAL_QUEUE_FULL, REFUSAL_BLOCKED, REFUSAL_CHURN };

/* How an attempt ends. Other: refused, unreachable. Cancelled: by the program, unanswered. An answer that is worth
 * nothing is neutral: see earned.h. Unseen: nobody knows when, so its slots are held until they expire. */
enum ending { ENDING_ESTABLISHED, ENDING_TIMED_OUT, ENDING_OTHER, ENDING_CANCELLED, ENDING_NEUTRAL, ENDING_UNSEEN };

/* Where a record is: in records_beside its parties may count it, see beside.h. */
enum record_kept { KEPT_IN_RECORDS, KEPT_BESIDE, KEPT_BESIDE_COUNTED };

enum attempt_state { ATTEMPT_NONE, ATTEMPT_QUEUED, ATTEMPT_OUT };

enum attempt_flag {
	ATTEMPT_DECIDED = 1,	     /* this SYN's verdict was given in a callback: egress follows it */
	ATTEMPT_TIMER_SET = 2,	     /* the first SYN timer was replied */
	ATTEMPT_HELD_ONCE = 4,	     /* its socket options are ours until it ends */
	ATTEMPT_OPTIONS_PENDING = 8, /* released at egress, where options cannot be set */
	ATTEMPT_BACK_OFF = 16,	     /* the next withheld SYN doubles the timer instead of re-checking in 512 ms */
	ATTEMPT_RTO_MAX_OURS = 32,   /* TCP_RTO_MAX_MS is ours until it ends */
	ATTEMPT_MPTCP = 64,
	ATTEMPT_OPTIONS_CHANGED = 128, /* the program set one of the options we hold: work it in at the next timer */
	ATTEMPT_NEVER_HELD = 256,      /* never held, whatever the accounting says */
	ATTEMPT_FIRST = 512,	       /* a first contact */
	ATTEMPT_PENDING = 1024,	       /* a first contact of which neither answer nor silence is known yet */
	ATTEMPT_NEWEST = 2048,	       /* it was the newest waiter's turn, not the oldest's, that it took */
	ATTEMPT_IN_PARTY = 4096,       /* counted among its part's queued */
	ATTEMPT_NAMED = 8192,	       /* a DNS answer has named its address lately; never with the next */
	ATTEMPT_FOREIGN = 16384,       /* from a network namespace that the first user namespace does not own */
	ATTEMPT_REPEATS_LATE = 32768,  /* its next SYN leaves a second after the last one */
	ATTEMPT_IN_ROUND = 65536,      /* counted among those of its part that wait for the host's turns */
	ATTEMPT_ROUTED = 262144,       /* its program chooses the way of its packets: its address says nothing */
	ATTEMPT_AT_EGRESS = 131072,    /* it began where its SYN leaves: no callback is on yet */
	ATTEMPT_NEIGHBOUR = 524288,    /* no first contact only because its neighbourhood lets it */
	ATTEMPT_TRIED = 1048576,       /* no first contact: one was, lately, and its silence was heard */
};

/* Where a socket is: what a packet for it needs. */
struct place {
	__u64 cookie;
	__u32 netns;   /* inode number */
	__u32 device;  /* that the socket is bound to; 0 = none */
	__u8 addr[16]; /* its own: network order, IPv4 mapped */
	__u16 port;    /* host order */
	__u16 pad;
	__u32 more_pad;
};

/* Of a record's cookie: the reconcile walk ends this attempt, and its socket does not find it any more. No socket's
 * cookie has this bit. */
#define RECORD_ENDS (1ULL << 63)

/* One outbound connect. Written under its socket's lock; its counts in the ledger under the host scope's lock. */
struct attempt {
	__u64 cookie; /* its socket's: whose record this is. 0 = nobody's; see records.h */
	__u32 flags;
	__u32 state;	 /* enum attempt_state; whoever ends it takes it out of there, see ends() */
	__u32 scope;	 /* of CHARGED_OWN; 0 = none */
	__u32 interface; /* the scope of CHARGED_INTERFACE; 0 = none */
	__u64 account;	 /* of its scope: account_key's id */
	__u64 began_ns;
	__u64 slot_ns;	   /* when the slot was taken last */
	__u64 last_syn_ns; /* when a SYN left last */
	__u64 out_ns;	   /* when the first SYN was let out */
	struct slot slot[CHARGED];
	__u64 asked_ns; /* when its socket was heard of last: a live one is at each of its timers */
	__u32 walk;	/* the reconcile walk that has seen it */
	__u32 met;	/* the walk over sockets that has met its socket */
	__u64 top;	/* the top-level cgroup's id ... */
	__u64 part;	/* ... and whose it is below that: party_key's */
	__u64 address;	/* a hash of the destination, for working sets */
	__u64 cgroup_id;
	__u64 netns; /* its network namespace's cookie */
	__u32 pid;
	__u32 uid;
	__u8 addr[16]; /* network order, IPv4 mapped */
	char comm[COMM_LEN];
	__u32 place[CHARGED]; /* among those who wait for credit there */
	__u32 rechecks;
	__u32 queue_number;
	__u32 own_user_timeout_ms;
	__u32 own_rto_max_ms;
	__u8 own_syn_count;
	__u8 deadline_set; /* TCP_USER_TIMEOUT is the end of the wait */
	__u8 linear_timeouts;
	__u8 kept; /* enum record_kept */
	__u32 netns_inode;
	__u8 blocked_on; /* enum charged, while queued */
	__u8 cell;	 /* of its port: see port_cell() */
	__u16 port;	 /* host order */
	/* Set where it waits, or would. */
	struct place socket;
	__u8 spare[16]; /* zero: room for later versions of the same layout */
};

/* What a contact is; see contact_of(). With a stranger: this and the cell of its port. */
enum contact { CONTACT_KNOWN, CONTACT_NAMED, CONTACT_FOREIGN, CONTACT_STRANGER };

/* The credit of an account, each with its own evidence. For strangers: by the destination's port, of which several may
 * have one cell in common, and beside it one for the ports together. For addresses that a DNS answer has named lately.
 * For all that is dialled from network namespaces that the first user namespace does not own, where answers are worth
 * nothing.
 */
#define PORT_CELLS 16
enum credit_bucket { BUCKET_PORTS, BUCKET_NAMED = PORT_CELLS, BUCKET_FOREIGN, BUCKET_ALL_PORTS, CREDIT_BUCKETS };
/* The named one rests at so many times the others' credit, as a power of two: a page of today is made of thirty names,
 * of which a browser asks for all at once. */
#define NAMED_SHIFT 1

/* What the first contacts that one credit bucket of an account paid for have come to; see credit.h. */
struct trust {
	__u32 credit;	  /* in parts of CREDIT */
	__u32 steps;	  /* of evidence that it is a scanner's, in parts of CREDIT */
	__u32 answered;	  /* contacts, lately: halves every second */
	__u32 pending;	  /* contacts that are out, neither answered nor silent for long enough */
	__u64 settled_ns; /* when these halved last; 0 = nothing is known yet */
	__u64 recover_ns; /* when the next credit comes back; 0 = none is missing */
	__u64 offered_ns; /* since when there has been credit that nobody took */
	__u64 suspect_ns; /* since when it is a suspect; 0 = it is none */
	__u32 oldest;	  /* place among those who wait for credit, or where that was */
	__u32 newest;
	__u32 places;  /* that were given out */
	__u32 waiting; /* attempts that wait for it here */
	__u32 seen_waiting;
	__u16 heard_answers; /* of the last hundred contacts or so */
	__u16 heard_silences;
	__u8 side;    /* whose turn it is, the newest's (1) or the oldest's */
	__u8 proven;  /* seconds with answers, lately */
	__u8 answers; /* in this second there was one */
	__u8 pad[5];
};

/* A configured resolver. `policy` is the number of the policy that has it. */
struct resolver_key {
	__u8 addr[16];
	__u32 policy;
};

/* What an entry of a set begins with; see remembered.h. */
#define SET_PLACES 8
struct remembered {
	__u64 print; /* of its owner and key */
	__u32 date;  /* when it was written */
	__u32 until; /* when it is past */
};

/* An address is known. */
struct known_set {
	struct remembered of[SET_PLACES];
};

/* A question that a socket has asked. */
#define DNS_QUESTION_MOST 259u /* a name, type and class */
struct query {
	struct remembered head;
	__u8 question[264]; /* as on the wire; behind it whatever followed */
};

struct query_set {
	struct query of[SET_PLACES];
};

/* An address that a client was told. */
struct named {
	struct remembered head;
	__u8 addr[16]; /* in mapped form */
	__u64 client;  /* its cgroup's id; 0 = the host */
	__u64 until_ns;
};

struct named_set {
	struct named of[SET_PLACES];
};

/* What became of the answers of resolvers, and how many addresses they have named. */
enum names_count {
	NAMES_READ,	      /* read to their end */
	NAMES_NAMED,	      /* addresses */
	NAMES_NO_QUERY,	      /* refused: nobody asked this resolver so lately */
	NAMES_OTHER_QUESTION, /* refused: another one was asked */
	NAMES_TRUNCATED,      /* not all of it fits into the answer: the client asks again over TCP */
	NAMES_ERROR,	      /* no such name, or another error */
	NAMES_MALFORMED,
	NAMES_TOO_LONG,	  /* more bytes, records or names in them than are read */
	NAMES_NOT_STORED, /* a map refused what was asked or named */
	NAMES_CPU_BUSY,	  /* it came while another one was being read on the same CPU */
	NAMES_COUNTS
};

#define DNS_MESSAGE_MOST 4096u
#define DNS_RECORDS_MOST 256u
/* Steps for all names of a message: pointers let few bytes stand for many. */
#define DNS_STEPS_MOST 16384u

/* An address in a message. */
struct dns_found {
	__u32 at;
	__u32 ttl_s;
};

/* A message and how far it has been read; see names_parse.h. */
struct dns_reading {
	__u32 busy;    /* some interrupted program on this CPU reads here */
	__u32 outcome; /* enum names_count */
	__u32 length;
	__u32 answers;
	__u32 records;
	__u32 type; /* that was asked for; 0 = one that names no address */
	__u32 at;
	__u32 name_at; /* where the name is that the next address must have */
	__u32 steps_left;
	__u32 found_count;
	/* Of the name being walked. */
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

/* An address in its IPv6 form, in network order. */
struct mapped_address {
	__u8 bytes[16];
};

/* An address that an account has sent UDP to. */
struct datagram_contact {
	__u8 addr[16];
	__u64 account;
	__u32 scope; /* 0 = the host's */
	__u32 pad;
};

/* Whose UDP a socket's is, found out at its first packet under each policy, and where the last one went. */
struct datagram_socket {
	__u64 generation;
	__u64 account;
	__u64 account_cgroup; /* see `scope` */
	__u32 scope;
	__u32 never_hold;
	__u64 sent_ns;
	__u8 addr[16];
};

/* The last first contact over UDP that an account stopped, or in audit mode would have: whose, and where to. */
struct datagram_stop {
	struct bpf_spin_lock lock;
	__u32 pid; /* 0 = it cannot be told whose: comm and uid are void */
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

/* What an account has been answered from one neighbourhood, an IPv4 /24 or an IPv6 /64: from all its ports, or from
 * one. */
struct neighbourhood {
	struct remembered head;
	__u32 answered; /* of all: first contacts, which makes the next worth less elsewhere */
	__s32 credit;	/* of one: contacts; see neighbourhood.h */
};

struct neighbourhood_set {
	struct neighbourhood of[SET_PLACES];
};

/* Those among whom the host's slots, turns and places are shared: top-level cgroups, and in each its parts. A part is
 * an account of a rule's or exec's, or where an attempt has none its user: see part_of(). */
struct party_key {
	__u64 top;
	__u64 part;
};
#define WHOLE_TOP 0ULL	 /* the cgroup as one */
#define OTHER_PARTS 1ULL /* those of its parts for which there is no room, as one */
/* Of a part, above what it is for: the number of its scope. No cgroup and no user has so many bits; of processes those
 * that were started 99 days apart may have one part in common. */
#define PART_SCOPE_SHIFT 55
/* A user that is a user namespace of root's, by its inode number. */
#define USER_IS_NAMESPACE (1ULL << 32)
#define PARTIES 8192
/* Of these so many may be parts. Nobody but the host's manager makes top-level cgroups: there is room for them. */
#define PARTS (PARTIES * 3 / 4)

/* Of the turns that go round among those who wait here (`round`), and in the round above (`served`). */
struct party {
	__u32 waiters;	  /* attempts that wait for the host's turns */
	__u32 served;	  /* the round above in which it last had a turn */
	__u32 round;	  /* among its own parts */
	__u32 waiting;	  /* parts that wait */
	__u32 unserved;	  /* of those, in this round */
	__u32 idle_since; /* in units of IDLE_SHIFT; 0 = asked for since the collector came by */
	__u64 offered_ns; /* since when a turn has been there that those who asked were not to take; 0 = none */
	__u64 turn_ns;	  /* when it last had a turn */
	__u32 joined;	  /* how often a part has begun to wait */
	__u32 join;	  /* its own number in that count of the round above */
	__u32 newcomers;  /* a bit for each of the last that began, the latest the lowest: set until its first turn */
	__u32 owes;	  /* a newcomer had the last turn: the next is not a newcomer's */
	/* Of a part. */
	__u32 queued;	     /* attempts that wait, wherever */
	__u32 waiting_known; /* those of `waiters` that are no first contacts */
	__u32 waiting_named; /* those of them that are first contacts with a named address */
	__u32 beside;	    /* records that it has in records_beside, also of a top-level cgroup; added to atomically */
	__u64 cancelled_ns; /* when one of its queued attempts was cancelled last */
	__u64 paid_ns;	    /* when what it cancelled is paid for; see churn.h */
	__u64 newcomer_ns;  /* the host's: when one that had just begun to wait last went out beside others that wait */
};

/* One account. The host's lock guards every scope, so that an attempt is charged to all of its scopes at once. Slots,
 * and what is counted of attempts that nothing holds, change without it too (at_once.h). What such an attempt asks for
 * comes first, so that it is in few lines of the cache. */
struct scope {
	struct bpf_spin_lock lock;
	__u32 queued; /* attempts that wait and are charged here */
	/* The slot wheel, see slots.h. */
	__u64 slots; /* taken; above 32 bits whether they are closed */
	__u64 tick;
	__u32 grid;
	__u32 slot_shift;
	__u32 in_old_grid;
	__u32 lingering; /* slots of closed attempts */
	__u32 linger_tick;
	/* The reconcile walk: what the walk numbered `walk` (host only) has seen so far. A walk goes on where that is
	 * odd. */
	__u32 walk;
	__u32 out;	    /* attempts whose SYN is out, unanswered */
	__u32 waiting_here; /* attempts of `queued` that this scope holds back */
	/* Since the start. */
	__u64 admitted;
	__u64 established;
	__u64 failed;
	__u64 touched_ns; /* when an attempt began or ended last */
	__u32 bucket[SLOT_BUCKETS];
	__u32 oldest_grid;
	__u32 queue_number;
	__u64 old_grid_until_ns;
	__u64 grid_ended_tick[OLD_GRIDS];    /* where the wheel stood when that grid was left */
	__u32 linger_bucket[LINGER_BUCKETS]; /* by the tick of LINGER_SHIFT in which they expire */
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
	__u32 waiting_known; /* those of waiting_here that are no first contacts */
	__u32 seen_waiting_known;
	__u64 blocked; /* connect() refused because the account is blocked */
	struct trust trust[CREDIT_BUCKETS];
	__u64 working_set[WORKING_SET]; /* hashes of addresses contacted, the latest first */
	__u64 first_contacts;		/* let out since the start */
	__u32 releases;			/* policy's, when it was last looked whether this account was released */
	__u32 pad_of_releases;
	struct party parties; /* the host's: whose turn it is */
	/* Of `accounts`: whose this memory is. Set by who has made the entry; an entry that is collected may be
	 * another's at once. */
	__u64 account;
	__u64 cgroup_id;     /* of an account by cgroup: the one of that name that was seen last */
	__u32 account_scope; /* 0 = nobody's */
	__u32 pad;
	/* First contacts over UDP, since the start; see datagrams.h. */
	__u64 datagram_turn_ns; /* the last that was taken; 0 = none yet */
	__u64 datagrams_let_out;
	__u64 datagrams_stopped;
	__u64 datagrams_audited; /* that would have been stopped */
	__u64 churned_until_ns;	 /* the host's: until when some part has cancelled too much; 0 = none has */
	__u8 spare[8];
};

/* A program, as far as it can be told without asking it. */
struct program_key {
	__u64 cgroup_id;
	__u32 uid;
	__u32 pad;
	char comm[COMM_LEN];
};

/* What became of a program's attempts that had to wait, or would have. */
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

/* What one daemon leaves for the next. Written by user space only. */
struct keeper {
	__u32 layout;
	__u32 pid;
	__u64 seen_ns;	   /* when it last looked */
	__u64 lost_events; /* that it knew of */
	__u64 cgroup_id;   /* what is limited */
	char version[32];
	__u64 counting_since_ns; /* since when the accounting has counted */
	__u8 spare[184];
};

/* Records in the ring buffer begin with their kind. */
enum ring_event {
	EVENT_HELD,    /* held_record */
	EVENT_ASKED,   /* the others: turn_record. A waiter's first timer ran, in vain: it cannot be woken any more */
	EVENT_LEFT,    /* a waiter ended */
	EVENT_OUT,     /* an attempt's first SYN leaves */
	EVENT_ENDED,   /* one that was out ended */
	EVENT_SUSPECT, /* held_record: of the attempt whose silence made its account one */
};

enum turn_flag {
	TURN_ESTABLISHED = 1, /* it ended so */
	TURN_RELEASED = 2,    /* it had waited */
	TURN_HOST_SLOT = 4,   /* it had its slot until it ended */
	TURN_OWN_SLOT = 8,
};

/* An attempt that began to wait (or would have, in audit mode), for the log and for who wakes waiters. */
struct held_record {
	__u8 kind;
	__u8 audited;
	__u16 port;
	__u32 scope; /* where it found no place */
	__u64 at_ns;
	__u64 cgroup_id;
	__u32 own; /* the scopes that it is charged to besides the host; 0 = none */
	__u32 interface;
	__u64 account; /* of its own scope */
	__u64 top;     /* among whom it shares the host's turns: party_key's */
	__u64 part;
	__u32 pid;
	__u32 uid;
	char comm[COMM_LEN];
	__u8 addr[16];
	__u8 contact; /* see contact_of() */
	__u8 pad[7];
	struct place place;
};

/* What became of an attempt, for who wakes waiters: only while he is there and somebody waits. */
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

/* A live attempt as the walk writes it. */
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
	__u8 contact;	 /* see contact_of() */
	__u16 port;
	__u8 named; /* a DNS answer had named its address */
	__u8 pad;
	__u32 more_pad;
	char comm[COMM_LEN];
	__u8 addr[16];
	struct place place;
};

/* Places where something could not be done as intended; `faults` counts them. */
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
	FAULTS,
};
