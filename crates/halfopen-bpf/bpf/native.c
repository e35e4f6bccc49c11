// SPDX-License-Identifier: GPL-2.0-only
/*
 * The deciding part of the kernel code, compiled for user space: crates/halfopen-policy/src/native.rs calls it.
 *
 * Structures begin zeroed, as the kernel has them in its maps.
 */
#include <sched.h>
#include <stddef.h>

#undef __always_inline
#define __always_inline inline
#define __noinline static

/* Test hooks: how many exchanges of this thread find that another thread came first and added one, and what *to_read
 * held at the last exchange. */
static __thread unsigned int others_first, read_then;
static __thread const unsigned int *to_read;

/* Test hook: where in this thread's next question a reconcile walk begins. WALK_AND_END: another thread then ends the
 * attempt too. */
enum walk_moment { NO_WALK, WALK_BEFORE_END, WALK_AT_EXCHANGE, WALK_AND_END };
static void walk_comes(enum walk_moment here);

#define __sync_lock_test_and_set(at, to)                                                                               \
	({                                                                                                             \
		walk_comes(WALK_BEFORE_END);                                                                           \
		__sync_lock_test_and_set(at, to);                                                                      \
	})
#define __sync_val_compare_and_swap(at, was, to)                                                                       \
	({                                                                                                             \
		walk_comes(WALK_AT_EXCHANGE);                                                                          \
		if (to_read)                                                                                           \
			read_then = *to_read;                                                                          \
		if (others_first) {                                                                                    \
			others_first--;                                                                                \
			__sync_fetch_and_add(at, 1);                                                                   \
		}                                                                                                      \
		__sync_val_compare_and_swap(at, was, to);                                                              \
	})

#include "at_once.h"
#include "attempt_record.h"
#include "beside.h"
#include "datagrams.h"
#include "destination_sets.h"
#include "gate_credit.h"
#include "heard.h"
#include "names_parse.h"
#include "native.h"
#include "neighbourhood.h"
#include "outcome.h"
#include "patience.h"
#include "ports.h"
#include "reconcile.h"
#include "refuse.h"
#include "remembered.h"
#include "segments.h"
#include "whose.h"

static struct accounting open_accounting(const struct native_accounting *c)
{
	struct accounting b = { .top = c->top, .part = c->part, .destination = c->destination };

	for (int i = 0; i < CHARGED; i++) {
		b.scope[i] = c->scope[i];
		b.charged |= (__u64) !!c->scope[i] << i;
		b.limits[i] = c->limits[i];
	}
	return b;
}

/* The same for an attempt, which may be bound to its destination. */
static struct accounting open_accounts(const struct native_accounting *c, const struct attempt *a)
{
	struct accounting b = open_accounting(c);

	b.charged |= c->destination && a->destination ? BY_DESTINATION : 0;
	return b;
}

/* As prepare_connection() in connected.h does. */
static void prepare_connection(struct accounting *b, struct attempt *a)
{
	const struct limits *own = b->limits[CHARGED_OWN];

	for_each_charged(i) {
		if (is_charged(b, i) && needs_connection(b->limits[i]))
			a->counted |= HAS_CONNECTION;
	}
	if (a->destination || !b->destination || !is_charged(b, CHARGED_OWN) || !own->per_destination)
		return;
	bind_to(b->destination, 1, 1, host_of(b)->walk);
	a->destination = 1;
	b->charged |= BY_DESTINATION;
}

static __thread enum walk_moment walk_moment;
static __thread struct accounting *walk_in;
static __thread struct attempt *walk_meets;

/* The walk meets the attempt that is asked about. */
static void walk_comes(enum walk_moment here)
{
	int ends = walk_moment == WALK_AND_END;

	if (!walk_in || here != (ends ? WALK_BEFORE_END : walk_moment))
		return;
	walk_moment = NO_WALK;
	walk_begins(host_of(walk_in));
	attempt_seen(walk_in, walk_meets);
	if (ends)
		attempt_end(walk_in, walk_meets, ENDING_ESTABLISHED, NULL, walk_meets->slot_ns);
}

static void walk_may_come(struct accounting *b, struct attempt *a)
{
	walk_in = b;
	walk_meets = a;
}

void native_walk_will_come(__u32 moment)
{
	walk_moment = moment;
}

void native_describe(struct attempt *a, int never_hold, int first, int tried, int named, int foreign, __u64 address,
		     __u16 port)
{
	a->flags = (never_hold ? ATTEMPT_NEVER_HELD : 0) | (first ? ATTEMPT_FIRST : 0) | (named ? ATTEMPT_NAMED : 0);
	a->flags |= tried ? ATTEMPT_TRIED : 0;
	if (foreign)
		a->flags = (a->flags & ~ATTEMPT_NAMED) | ATTEMPT_FOREIGN;
	a->address = address;
	a->cell = port_cell(a->account, port);
	if (!takes_names(a->cell))
		a->flags &= ~ATTEMPT_NAMED;
}

/* Settles the scopes, as the hooks do before each question. */
static void settle_all(struct accounting *b, const struct attempt *a, __u64 now)
{
	for_each_charged(i) {
		struct scope *s = b->scope[i];
		const struct limits *l = b->limits[i];

		if (s && slots_are_unsettled(s, now))
			slots_turn(s, now);
		if (s && grid_or_turns_are_unsettled(s, l, now)) {
			grid_settle(s, l, now);
			turns_settle(s, l, now);
			connections_settle(s, l, now);
		}
		if (s && trust_is_unsettled(trust_of(s, a), &l->first, credit_bucket_of(a), now))
			trust_settle(trust_of(s, a), &l->first, credit_bucket_of(a), now);
		if (s && trust_is_unsettled(trust_beside(s, a), &l->first, credit_bucket_beside(a), now))
			trust_settle(trust_beside(s, a), &l->first, credit_bucket_beside(a), now);
	}
}

/* Whether each of the questions that spare the lock says what settling does: it changes nothing if they say no, and
 * something if they say yes. */
int native_settles_exactly(const struct scope *s, const struct limits *l, __u64 now)
{
	int asked, exactly = 1;
	struct scope then = *s;

	asked = slots_are_unsettled(s, now);
	slots_turn(&then, now);
	exactly &= asked ? then.tick != s->tick || then.linger_tick != s->linger_tick : then.slots == s->slots;
	then = *s;
	asked = grid_or_turns_are_unsettled(s, l, now);
	grid_settle(&then, l, now);
	turns_settle(&then, l, now);
	connections_settle(&then, l, now);
	exactly &= asked == !!__builtin_memcmp(&then, s, sizeof(then));
	for (__u32 i = 0; i < CREDIT_BUCKETS; i++) {
		struct trust t = s->trust[i];

		asked = trust_is_unsettled(&t, &l->first, i, now);
		trust_settle(&t, &l->first, i, now);
		exactly &= asked == !!__builtin_memcmp(&t, &s->trust[i], sizeof(t));
	}
	return exactly;
}

/* Notes when a SYN leaves, as egress does. */
static enum verdict syn_leaves(struct attempt *a, enum verdict verdict, __u64 now)
{
	if (verdict == VERDICT_GO || verdict == VERDICT_GO_AUDITED)
		a->last_syn_ns = now;
	return verdict;
}

/* Whether connect() fails at once; counts the refusal. */
__u32 native_refuse(const struct native_accounting *c, int met, __u64 now)
{
	struct accounting b = open_accounting(c);
	enum refusal refusal = refusal_of(&b, met, now);

	if (refusal != REFUSAL_NONE)
		count_refusal(&b, refusal);
	return refusal;
}

__u32 native_begin(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now)
{
	struct accounting b = open_accounts(c, a);

	settle_all(&b, a, now);
	tell_first(&b, a);
	prepare_connection(&b, a);
	walk_may_come(&b, a);
	if (attempt_begins_at_once(&b, a, now)) {
		walk_in = NULL;
		if (has_walked_since(&b, a->walk))
			attempt_seen(&b, a);
		return syn_leaves(a, VERDICT_GO, now);
	}
	walk_in = NULL;
	return syn_leaves(a, attempt_begin(&b, a, mode, now), now);
}

/* A waiter's address has become known. */
void native_known(const struct native_accounting *c, struct attempt *a, __u64 now)
{
	struct accounting b = open_accounts(c, a);

	if (is_first(a))
		is_first_no_more(&b, a, now);
}

__u32 native_recheck(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now)
{
	struct accounting b = open_accounts(c, a);

	settle_all(&b, a, now);
	prepare_connection(&b, a);
	return syn_leaves(a, attempt_recheck(&b, a, mode, now), now);
}

/* As all_hear() in accounting.h does. */
static void all_hear(struct accounting *b, struct attempt *a, enum heard heard, __u32 neighbours, __u64 now)
{
	if (heard == HEARD_NOTHING)
		return;
	for_each_charged(i) {
		if (!b->scope[i])
			continue;
		trust_hears(b->scope[i], b->limits[i], a, credit_bucket_of(a), heard, neighbours, now);
		if (is_stranger(a))
			trust_hears(b->scope[i], b->limits[i], a, BUCKET_ALL_PORTS, heard, neighbours, now);
	}
	a->flags &= ~ATTEMPT_PENDING;
}

__u32 native_resend(const struct native_accounting *c, struct attempt *a, __u32 mode, __u64 now)
{
	struct accounting b = open_accounts(c, a);

	settle_all(&b, a, now);
	all_hear(&b, a, heard_at_resend(a, now), 0, now);
	return syn_leaves(a, attempt_resend(&b, a, mode, now), now);
}

/* `connection` becomes the record of the attempt's connection. Returns whether that goes on. */
int native_end(const struct native_accounting *c, struct attempt *a, struct connection *connection, __u32 ending,
	       __u32 neighbours, __u64 now)
{
	struct accounting b = open_accounts(c, a);
	enum at_once at_once;
	int goes_on = 0;
	__u32 walk;

	settle_all(&b, a, now);
	all_hear(&b, a, heard_at_end(a, ending), neighbours, now);
	walk_may_come(&b, a);
	at_once = attempt_ends_at_once(&b, a, ending, &walk, now);
	walk_in = NULL;
	if (!at_once)
		goes_on = attempt_end(&b, a, ending, connection, now);
	else if (has_walked_since(&b, walk))
		attempt_unseen(&b, a);
	return goes_on;
}

/* A connection that is open ends, as in accounting_close(). */
void native_close(const struct native_accounting *c, struct connection *connection, __u64 now)
{
	struct accounting b = open_accounting(c);

	b.charged |= c->destination && connection->destination ? BY_DESTINATION : 0;
	for_each_charged(i) {
		if (is_charged(&b, i) && connections_are_unsettled(b.scope[i], b.limits[i], now))
			connections_settle(b.scope[i], b.limits[i], now);
	}
	connection_closes(&b, connection, now);
}

/* The walk meets an open connection. */
void native_connection_seen(const struct native_accounting *c, struct connection *connection)
{
	struct accounting b = open_accounting(c);

	b.charged |= c->destination && connection->destination ? BY_DESTINATION : 0;
	connection_seen(&b, connection);
}

/* Returns whether a destination's counts had drifted. */
int native_walk_ends_for_destination(struct destination *d, __u32 walk)
{
	return walk_ends_for_destination(d, walk);
}

/* Binds to the destination with this id in a set, as bind_destination() does. Returns its place, or DESTINATION_PLACES.
 */
__u32 native_bind(struct destination_set *set, __u64 id, __u64 account, __u64 now)
{
	__u32 place = destination_place(set, id, account, now);

	if (place < DESTINATION_PLACES)
		bind_to(&set->of[place], id, account, 0);
	return place;
}

/* The attempt's packets go to another address, as in accounting_withdraw(). `decided`: its SYN has its verdict, but has
 * not left. */
void native_withdraw(const struct native_accounting *c, struct attempt *a, int decided, __u64 now)
{
	struct accounting b = open_accounts(c, a);
	int sent;

	a->flags |= decided ? ATTEMPT_DECIDED : 0;
	sent = has_sent(a);
	settle_all(&b, a, now);
	all_hear(&b, a, heard_at_end(a, sent ? ENDING_OTHER : ENDING_NEUTRAL), 0, now);
	attempt_withdraw(&b, a, sent, now);
}

/* Its SYN leaves later than egress allows for. Returns whether it does. */
int native_leaves_late(const struct native_accounting *c, struct attempt *a, __u64 now)
{
	struct accounting b = open_accounts(c, a);

	if (now - a->slot_ns <= LATE_NS)
		return 0;
	settle_all(&b, a, now);
	attempt_leaves_late(&b, a, now);
	return 1;
}

/* What hooks ask before they look at parties: whether connect() has to, and whether a newcomer has to. */
int native_asks_for_part(const struct native_accounting *c)
{
	return asks_for_part(c->scope[CHARGED_HOST], c->limits[CHARGED_HOST]);
}

int native_may_have_to_wait(const struct native_accounting *c, struct attempt *a, __u64 now)
{
	struct accounting b = open_accounting(c);

	settle_all(&b, a, now);
	return may_have_to_wait(&b, a, now);
}

/* The turns until its top-level cgroup has its own, and those of that cgroup until the part has its own. */
void native_turns_until(const struct native_accounting *c, __u32 turns[2])
{
	turns[0] = turns_until(&c->scope[CHARGED_HOST]->parties, c->top);
	turns[1] = turns_until(c->top, c->part);
}

/* The host's lock, for accounting that threads share. */
static void lock_word(__u32 *lock)
{
	while (__sync_lock_test_and_set(lock, 1))
		sched_yield();
}

static void unlock_word(__u32 *lock)
{
	__sync_lock_release(lock);
}

static void settle_shared(struct accounting *b, const struct attempt *a, __u32 *lock, __u64 now)
{
	int unsettled = 0;

	for_each_charged(i)
		unsettled |= b->scope[i] && (slots_are_unsettled(b->scope[i], now) ||
					     grid_or_turns_are_unsettled(b->scope[i], b->limits[i], now));
	if (!unsettled)
		return;
	lock_word(lock);
	settle_all(b, a, now);
	unlock_word(lock);
}

/* As accounting_begin() does, on accounting that several threads use at once. */
__u32 native_begin_shared(const struct native_accounting *c, struct attempt *a, __u32 *lock, __u32 mode, __u64 now)
{
	struct accounting b = open_accounting(c);
	enum verdict verdict;

	settle_shared(&b, a, lock, now);
	tell_first(&b, a);
	if (attempt_begins_at_once(&b, a, now))
		return VERDICT_GO;
	lock_word(lock);
	close_all(&b);
	verdict = attempt_begin(&b, a, mode, now);
	open_all(&b);
	unlock_word(lock);
	return verdict;
}

/* Another CPU has begun or ended a decision. */
void native_set_closed(const struct native_accounting *c, int closed)
{
	struct accounting b = open_accounting(c);

	if (closed)
		close_all(&b);
	else
		open_all(&b);
}

/* As accounting_end() does. Returns whether the attempt ended at once (1), whether an attempt is then seen to wait (2),
 * and whether another CPU was deciding (4). */
int native_end_shared(const struct native_accounting *c, struct attempt *a, __u32 *lock, __u32 ending, __u64 now)
{
	struct accounting b = open_accounting(c);
	enum at_once at_once;
	__u32 walk;

	settle_shared(&b, a, lock, now);
	at_once = attempt_ends_at_once(&b, a, ending, &walk, now);
	if (at_once != AT_ONCE_ENDED)
		lock_word(lock);
	if (!at_once)
		attempt_end(&b, a, ending, NULL, now);
	if (at_once != AT_ONCE_ENDED)
		unlock_word(lock);
	return (at_once ? 1 : 0) | (*(volatile __u32 *)&host_of(&b)->queued ? 2 : 0) |
	       (at_once == AT_ONCE_AMID_DECISION ? 4 : 0);
}

void native_others_come_first(__u32 times)
{
	others_first = times;
}

/* How many attempts were out at this thread's last exchange since the last call; 0 on the first call. */
__u32 native_out_at_exchange(const struct scope *s)
{
	__u32 was = read_then;

	to_read = &s->out;
	read_then = 0;
	return was;
}

void native_drift_slots(struct scope *s, __s64 by)
{
	count_slots(s, by);
}

/* Whether a first contact over UDP may leave; if so, it takes its turn. */
int native_datagram(struct scope *s, const struct limits *l, __u64 now)
{
	if (!datagram_may_leave(s, l, now))
		return 0;
	datagram_takes_turn(s, l, now);
	return 1;
}

void native_walk_begins(struct scope *host)
{
	walk_begins(host);
}

void native_seen(const struct native_accounting *c, struct attempt *a)
{
	struct accounting b = open_accounts(c, a);

	attempt_seen(&b, a);
}

/* Whether the socket of an attempt with these numbers counts as ended. */
int native_is_gone(__u64 began_ns, __u64 asked_ns, int met, int has_walked, __u64 walk_ns, __u64 now)
{
	const __u32 walk = 7;
	const struct attempt a = { .began_ns = began_ns, .asked_ns = asked_ns, .met = met ? walk : walk - 1 };

	return is_gone(&a, has_walked, walk, walk_ns, now);
}

void native_walk_is_over(struct scope *host)
{
	walk_is_over(host);
}

/* Returns whether the counters had drifted. */
int native_walk_ends(struct scope *s, __u32 walk)
{
	return walk_ends(s, walk);
}

/* An attempt as a walk that began now would write it. */
void native_attempt_record(const struct scope *host, const struct attempt *a, __u64 now, struct attempt_record *r)
{
	struct scope then = *host;

	slots_turn(&then, now);
	fill_attempt_record(r, a, a->state == ATTEMPT_OUT && slot_is_held(&then, &a->slot[CHARGED_HOST]));
}

/* Attempts that are out and hold a slot. `out` is too low by one until the next reconcile if a walk was missed, see
 * at_once.h; the lump of an old grid may still count slots of attempts that have ended. */
static __u32 half_open(const struct scope *s, __u32 held)
{
	__u32 out = (__s32)s->out < 0 ? 0 : s->out;

	return held < out ? held : out;
}

/* The slots that are taken `now`, once those that have expired are given back. */
static __u32 slots_held_at(const struct scope *s, __u64 now)
{
	struct scope then;

	if (!slots_are_unsettled(s, now) && !s->in_old_grid)
		return slots_held(s);
	then = *s;
	slots_turn(&then, now);
	if (then.in_old_grid && now >= then.old_grid_until_ns)
		count_slots(&then, -(__s64)then.in_old_grid);
	return slots_held(&then);
}

__u32 native_half_open(const struct scope *s, __u64 now)
{
	return half_open(s, slots_held_at(s, now));
}

/* The ledger of one scope as an attempt that asked now would find it, in the order of native/scope.rs. */
void native_ledger(const struct scope *s, __u64 now, __u64 number[22])
{
	struct scope then = *s;

	ended_stop_counting(&then, now);
	number[0] = native_half_open(s, now);
	number[1] = half_open(s, UNLIMITED) - number[0];
	number[2] = s->queued;
	number[3] = s->admitted;
	number[4] = s->released;
	number[5] = s->cancelled;
	number[6] = s->gave_up;
	number[7] = s->established;
	number[8] = s->failed;
	number[9] = s->refused;
	number[10] = s->blocked;
	number[11] = s->would_have_waited;
	number[12] = s->longest_wait_ns;
	number[13] = s->last_waiter_ns;
	number[14] = s->datagrams_let_out;
	number[15] = s->datagrams_stopped;
	number[16] = s->datagrams_audited;
	number[17] = (__s32)s->connections.open < 0 ? 0 : s->connections.open;
	number[18] = then.ended;
	number[19] = s->waited_to_open;
	number[20] = s->waited_to_reach;
	number[21] = s->closed;
}

__u32 native_port_cell(__u64 account, __u16 port)
{
	return port_cell(account, port);
}

int native_takes_names(__u8 cell)
{
	return takes_names(cell);
}

/* What a credit bucket would offer now: credits, whether the newest goes first, and when the next credit comes back (0
 * = none is missing). Returns whether a first contact costs credit there. */
int native_offer(const struct scope *s, const struct limits *l, __u32 bucket, __u64 now, __u64 number[3])
{
	struct trust then = s->trust[bucket % CREDIT_BUCKETS];

	if (!l->first.credit)
		return 0;
	trust_settle(&then, &l->first, bucket % CREDIT_BUCKETS, now);
	number[0] = then.credit / CREDIT;
	number[1] = newest_goes(&then, &l->first);
	number[2] = then.recover_ns;
	return 1;
}

int native_beside_is_counted(__u32 by_all, __u32 most)
{
	return beside_is_counted(by_all, most);
}

int native_may_have_beside(__u32 most, __u32 by_all, __u32 by_top, __u32 by_part)
{
	struct beside_held held = { .most = most, .by_all = by_all, .by_top = by_top, .by_part = by_part };

	return may_have_beside(&held);
}

__u32 native_silent_patience_ms(__u32 syn_count, __u32 linear, __u32 rto_max_ms)
{
	return silent_patience_ms(syn_count, linear, rto_max_ms);
}

__u32 native_syn_count_to_last(__u32 patience_ms, __u32 timer_ms, __u32 rechecks, __u32 linear, __u32 own_count)
{
	return syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own_count);
}

__u32 native_bits_of(__u32 number)
{
	return bits_of(number);
}

__u32 native_longest_wait_ms(__u32 patience_ms, __u32 user_timeout_ms, __u64 max_wait_ns)
{
	return longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ns);
}

__u32 native_first_timer_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	return first_timer_ms(waiting, queue_number, interval_ns, most);
}

__u32 native_first_timer_woken_ms(__u32 waiting, __u32 queue_number, __u64 interval_ns, __u32 most)
{
	return first_timer_woken_ms(waiting, queue_number, interval_ns, most);
}

__u32 native_next_wait_ms(__u32 held_ms, __u32 rechecks, __u32 waiting, __u32 queue_number, __u64 interval_ns,
			  int woken)
{
	return next_wait_ms(held_ms, rechecks, waiting, queue_number, interval_ns, woken);
}

/* Reads a message as an answer to the question. Refuses excessive lengths as the kernel part does. Returns enum
 * names_count. */
__u32 native_read_answer(struct dns_reading *m, const __u8 *message, __u32 length, const __u8 *question,
			 __u32 question_length)
{
	/* What is refused unread takes no steps. */
	m->steps_left = DNS_STEPS_MOST;
	if (length > DNS_MESSAGE_MOST)
		return NAMES_TOO_LONG;
	if (question_length > DNS_QUESTION_MOST)
		return NAMES_OTHER_QUESTION;
	__builtin_memset(m->asked, 0, sizeof(m->asked));
	__builtin_memcpy(m->asked, question, question_length);
	__builtin_memcpy(m->bytes, message, length);
	m->length = length;
	read_answer(m);
	return m->outcome;
}

/* The mapped address found at index `at`, and its TTL in seconds. Returns whether it may be named. */
int native_found_address(const struct dns_reading *m, __u32 at, __u8 addr[16], __u32 *ttl_s)
{
	copy_address(addr, m, m->found[at].at);
	*ttl_s = m->found[at].ttl_s;
	return is_nameable(addr);
}

__u64 native_seal(__u64 cgroup, __u64 generation, __u64 rules, __u64 never_hold)
{
	return seal_of(cgroup, generation, rules, never_hold);
}

__u64 native_print(__u64 owner, __u64 key)
{
	return print_of(owner, key);
}

/* Whether the key's entry is there; `until` receives its expiry. */
int native_set_find(struct known_set *set, __u64 print, __u32 now, __u32 *until)
{
	struct remembered *e = find_in(set, sizeof(*e), print, now);

	if (!e)
		return 0;
	*until = *(volatile __u32 *)&e->until;
	return is_still(e, print);
}

/* Claims the entry that is given up or rewritten, and returns its place; SET_PLACES if another thread is writing it. */
__u32 native_set_claim(struct known_set *set, __u64 print, __u32 now)
{
	struct remembered *e = claim_in(set, sizeof(*e), print, now);

	return e ? e - set->of : SET_PLACES;
}

void native_set_publish(struct known_set *set, __u32 place, __u64 print, __u32 now, __u32 until)
{
	set->of[place].date = now;
	set->of[place].until = until;
	publish(&set->of[place], print);
}

/* A neighbourhood's credit as the kernel part keeps it: whether it lets one more out, and below, that it has
 * answered. */
int native_neighbourhood_lets(__s32 *credit)
{
	struct neighbourhood n = { .credit = *credit };
	int lets = neighbourhood_lets(&n);

	*credit = n.credit;
	return lets;
}

void native_neighbourhood_earns(__s32 *credit)
{
	struct neighbourhood n = { .credit = *credit };

	neighbourhood_earns(&n);
	*credit = n.credit;
}

__u64 native_network_of(const __u8 addr[16], int of_all_ports)
{
	return network_of(addr, of_all_ports);
}

int native_is_ipv4(const __u8 addr[16])
{
	return is_ipv4(addr);
}

__u32 native_set_time(__u64 ns)
{
	return set_time(ns);
}

__u32 native_remembered_until(__u32 now, __u64 for_ns)
{
	return remembered_until(now, for_ns);
}

__u64 native_tried_for_ns(__u64 known_for_ns)
{
	return tried_for_ns(known_for_ns);
}

__u64 native_named_for_ns(__u32 ttl_s, __u64 least_ns)
{
	return named_for_ns(ttl_s, least_ns);
}

int native_is_of_many(const __u8 addr[16])
{
	return is_of_many(addr);
}

int native_is_younger(__u64 at, __u64 now, __u64 than_ns)
{
	return is_younger(at, now, than_ns);
}

int native_wrapped_asks_to_connect(__u8 protocol, int waits, int is_due)
{
	return wrapped_asks_to_connect(protocol, waits, is_due);
}

int native_asks_to_connect(__u8 flags)
{
	return asks_to_connect(flags);
}

int native_is_answer_to_stray(__u8 flags)
{
	return is_answer_to_stray(flags);
}

int native_acts_for_program(int by_kernel, int cgroup_level, int is_mptcp, int is_smc)
{
	const struct made_as made = { by_kernel, cgroup_level, is_mptcp, is_smc };

	return acts_for_program(&made);
}

int native_can_be_woken_in_time(__u64 interval_ns)
{
	return can_be_woken_in_time(interval_ns);
}

__u32 native_first_timer_most_ms(__u32 longest_wait_ms)
{
	return first_timer_most_ms(longest_wait_ms);
}

__u32 native_first_timer_mptcp_ms(__u32 waiting, __u64 interval_ns)
{
	return first_timer_mptcp_ms(waiting, interval_ns);
}

int native_back_off(__u32 held_ms, __u32 rechecks, __u32 timer_ms, __u32 linear, __u32 waiting)
{
	return back_off(held_ms, rechecks, timer_ms, linear, waiting);
}

/* A gate's credit; see gate_credit.h. */
int native_gate_spends(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	return gate_spends(t, f, bucket, now);
}

void native_gate_is_answered(struct trust *t, const struct first_contact *f, __u32 bucket, __u32 neighbours, __u64 now)
{
	gate_is_answered(t, f, bucket, neighbours, now);
}

void native_gate_is_undone(struct trust *t, const struct first_contact *f, __u32 bucket, __u64 now)
{
	gate_is_undone(t, f, bucket, now);
}
