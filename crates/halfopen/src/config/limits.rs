//! The table of the limits: of `[host]`, and of each `[[scope]]` and `[[interface]]`. A new limit is one more entry;
//! the comment above it is what documentation says about it.
//!
//! The order is that of the sample file, and that in which limits are put in place.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, key, put};
use super::value::{Action, Typed, Value};
use halfopen_policy::{
    ConnectRate, Connections, Excess, FirstContact, FirstDatagrams, Limits, OnSuspect, Order, Overflow,
};
use halfopen_policy::{PerDestination, Rate};
use std::time::Duration;

/// The value that the kernel part takes as no limit on the queue.
pub const QUEUE_UNLIMITED: u32 = u32::MAX;
/// How long a block lasts by default.
const USUAL_BLOCK: Duration = Duration::from_mins(10);

// The limits that the program itself refers to.
/// `half_open`.
pub const HALF_OPEN: &Key = key(LIMITS, "half_open");
/// `drain`.
pub const DRAIN: &Key = key(LIMITS, "drain");
/// `queue`.
pub const QUEUE: &Key = key(LIMITS, "queue");
/// `first_contacts`.
pub const FIRST_CONTACTS: &Key = key(LIMITS, "first_contacts");
/// `answers_of_a_scan`.
pub const ANSWERS_OF_A_SCAN: &Key = key(LIMITS, "answers_of_a_scan");
/// `answers_of_peers`.
pub const ANSWERS_OF_PEERS: &Key = key(LIMITS, "answers_of_peers");

/// `per_destination`.
pub const PER_DESTINATION: &Key = key(LIMITS, "per_destination");

/// A field of [`Limits`], or of its [`FirstContact`].
macro_rules! at {
    ($field:ident) => {
        Place { get: |limits| limits.$field.value(), set: |limits, value| put(&mut limits.$field, value) }
    };
    (connections.$field:ident) => {
        Place {
            get: |limits| limits.connections.$field.value(),
            set: |limits, value| put(&mut limits.connections.$field, value),
        }
    };
    (first_contact.$field:ident) => {
        Place {
            get: |limits| first(limits).$field.value(),
            set: |limits, value| {
                if let Some(first) = &mut limits.first_contact {
                    put(&mut first.$field, value);
                }
            },
        }
    };
}

fields! {
    /// All limits.
    pub static LIMITS: Limits, in Table::Host;

    /// How many attempts may be out and unanswered at once, or "unlimited". If event 4226 names a program that you
    /// trust, raise this a little and watch whether the event comes back before you raise it again. (The original had
    /// 10, and no credit.)
    half_open: Form::number(1, u32::MAX).or("unlimited") => at!(half_open);

    /// How long an unanswered attempt keeps its slot. Nearly every peer that answers does so sooner. With a longer
    /// time, dead peers hold slots for longer (in the original 21 s, until it gave the attempt up). With a shorter
    /// time, more attempts are out at once.
    slot_life: Form::time(Limits::SLOT_LIFE.0, Limits::SLOT_LIFE.1, "\"21s\"") => at!(slot_life);

    /// How many waiting attempts may go out per unit of time, or "unlimited": each then goes out as soon as a slot is
    /// free.
    drain: Form::rate("releases", "\"10/s\"").or("unlimited") => at!(drain);

    /// true: a waiting attempt needs its turn and a free slot, so half_open always holds. false: its turn is enough.
    strict: Form::FLAG => at!(strict);

    /// How many attempts may wait, including those in the accounts of rules. Beyond that, each user or account may
    /// still have eight. A waiting attempt costs kernel memory for as long as its program keeps the socket.
    queue: Form::number(1, u32::MAX).such_as("10000").or_number("unlimited", QUEUE_UNLIMITED) => at!(queue);

    /// What happens to an attempt that finds the queue full. refuse: connect() fails at once with ENOBUFS. wait: it
    /// waits too.
    overflow: Form::words::<Overflow>() => at!(overflow);

    /// The longest wait, after which connect() fails with ETIMEDOUT. program: as long as the program would have waited
    /// for a silent peer.
    max_wait: Form::ANY_TIME.or("program").meaning(" to wait as long as the program would have waited")
        => at!(max_wait);

    /// A first contact is an attempt to an address that is not known. This key and the next ones make each first
    /// contact cost a credit; answers earn credit, silence earns none. The value is the number of first contacts that
    /// may go out before any is answered, and the amount that credit recovers to, for each destination port and for all
    /// ports together. "20/m": 20 may go out at once and 20 come back in a minute, whatever is answered; credit_rate
    /// and the shares of answers then have no effect, and nobody becomes a suspect. off: first contacts are attempts
    /// like any other, and the keys up to block_for have no effect.
    first_contacts: Form::number_or_quota(FirstContact::MOST).such_as("32").or("off") => Place {
        get: |limits| limits.first_contact.map(|first| first.credit).value(),
        set: |limits, value| {
            let usual = first(limits);
            limits.first_contact = match *value {
                Value::Number(credit) => Some(FirstContact { credit, ..usual }),
                Value::Quota(quota) => {
                    let (credit, rate) = (quota.count, quota.rate());
                    Some(FirstContact { credit, rate, answers_of_a_scan: None, ..usual })
                }
                _ => None,
            };
        },
    };

    /// What share of a scan's first contacts is answered. A sequential test (Jung, Paxson, Berger, Balakrishnan 2004)
    /// derives from this key and the next how many silences an answer outweighs: 19 with "2%" and "10%". An answer
    /// earns that much credit on its destination port, halved once for each earlier answer from the same neighbourhood
    /// (IPv4 /24, IPv6 /64); within that neighbourhood and on that port, it always lets out eight more. An account
    /// becomes a suspect after 43 silences that no answer outweighs. off: answers earn nothing, silence slows nobody,
    /// and nobody becomes a suspect.
    answers_of_a_scan: Form::SHARE.or("off") => at!(first_contact.answers_of_a_scan);

    /// The same share for a program that looks for peers. It must be above answers_of_a_scan.
    answers_of_peers: Form::SHARE.such_as("\"10%\"") => at!(first_contact.answers_of_peers);

    /// How much credit comes back by itself per unit of time. The rate halves with every twelve silences that no answer
    /// outweighs, down to one credit in 512 s.
    credit_rate: Form::rate("first contacts", "\"2/s\"") => at!(first_contact.rate);

    /// 0: an address is known if it answered within known_for. 1 to 8: the last so many contacted addresses are known,
    /// whether they answered or not.
    working_set: Form::number(0, FirstContact::WORKING_SET_MOST).such_as("5") => at!(first_contact.working_set);

    /// Which of the attempts that wait for credit goes out next. oldest: the one that has waited longest. either: the
    /// newest or the oldest, taken from the side whose last attempt was answered.
    order: Form::words::<Order>() => at!(first_contact.order);

    /// What happens to an account whose first contacts mostly fail. notify: status and events (4227) say so. throttle:
    /// in addition, its answers earn no more than they cost, and its credit comes back at the slowest rate. block: in
    /// addition, its connect() calls fail at once with EPERM, whatever the address, for block_for. `halfopen release`
    /// ends each of these.
    on_suspect: Form::words::<Action>() => Place {
        get: |limits| Action::from(first(limits).on_suspect).value(),
        set: |limits, value| {
            let on_suspect = Action::of(value).map(|action| match action {
                Action::Notify => OnSuspect::Notify,
                Action::Throttle => OnSuspect::Throttle,
                Action::Block => OnSuspect::Block(block_for(limits)),
            });
            if let Some((first, on_suspect)) = limits.first_contact.as_mut().zip(on_suspect) {
                first.on_suspect = on_suspect;
            }
        },
    };

    /// How long a block lasts.
    block_for: Form::time(Duration::from_secs(1), Duration::from_hours(24), "\"10m\"") => Place {
        get: |limits| block_for(limits).value(),
        set: |limits, value| {
            if let Some(FirstContact { on_suspect: OnSuspect::Block(time), .. }) = &mut limits.first_contact {
                put(time, value);
            }
        },
    };

    /// How many new addresses may be sent UDP packets per unit of time; a second's worth may go out at once. An address
    /// is new if nothing was sent to it within known_for and it has not sent anything itself. TCP limits never see a
    /// scan over UDP. off: no limit, and halfopen looks at no packet. Exempt destinations, multicast, broadcast, and
    /// programs that are never held do not count. A resolver that asks the name servers of the world, a DHT node or a
    /// monitor needs hundreds: count first, with mode = "audit". An [[interface]] cannot have this limit.
    udp_first_contacts: Form::rate("addresses", "\"20/s\"").or("off") => Place {
        get: |limits| limits.datagrams.map(|of| of.rate).value(),
        set: |limits, value| {
            let rate: Option<Rate> = Option::of(value).flatten();
            limits.datagrams = rate.map(|rate| FirstDatagrams { rate, excess: excess(limits) });
        },
    };

    /// What happens to packets over that limit. refuse: the send fails with EPERM. drop: the send succeeds, but nothing
    /// leaves. Status and events (4229) name the program.
    udp_excess: Form::words::<Excess>() => Place {
        get: |limits| excess(limits).value(),
        set: |limits, value| {
            if let Some(datagrams) = &mut limits.datagrams {
                put(&mut datagrams.excess, value);
            }
        },
    };

    /// How many connections may begin per unit of time, whatever becomes of them. Known addresses and answered
    /// connections count as well. Attempts beyond it wait for their turn, in the order in which they came, for max_wait
    /// at most. Those that wait also keep to drain. unlimited: no limit.
    connect_rate: Form::rate("connections", "\"1000/m\"").or("unlimited") => Place {
        get: |limits| limits.connections.rate.map(|of| of.rate).value(),
        set: |limits, value| {
            let burst = limits.connections.rate.and_then(|of| of.burst);
            let rate: Option<Rate> = Option::of(value).flatten();
            limits.connections.rate = rate.map(|rate| ConnectRate { rate, burst });
        },
    };

    /// How many connections may begin at once after a pause. auto: as many as connect_rate allows in a second, but at
    /// least one.
    connect_burst: Form::number(1, ConnectRate::BURST_MOST).or("auto").meaning(" for a second's worth") => Place {
        get: |limits| limits.connections.rate.and_then(|of| of.burst).value(),
        set: |limits, value| {
            if let Some(rate) = &mut limits.connections.rate {
                put(&mut rate.burst, value);
            }
        },
    };

    /// How many connections may be open at once, half-open ones included. The next one waits until one has ended, in
    /// whatever way. Only connections that began while this limit was in force count, and accepted ones never do.
    /// halfopen has room to count 262144 connections of all accounts. unlimited: no limit.
    established: Form::number(1, u32::MAX - 1).such_as("4000").or("unlimited") => at!(connections.established);

    /// How long an ended connection still counts for established. A NAT box keeps the state of a closed connection for
    /// two minutes (Linux) and drops new ones once it has no room. off: it does not count.
    time_wait: Form::time(Connections::TIME_WAIT.0, Connections::TIME_WAIT.1, "\"2m\"").or("off")
        => at!(connections.time_wait);

    /// The same limits for each destination (address and port) of an account. Only [[scope]] and [accounts] can have
    /// them. An account can use half of a table of 65536 destinations at once; further destinations share a count.
    /// off: none.
    per_destination: Form::PER_DESTINATION.or("off") => Place {
        get: |limits| Some(limits.connections.per_destination).filter(PerDestination::limits).value(),
        set: |limits, value| {
            let given: Option<PerDestination> = Option::of(value).flatten();
            limits.connections.per_destination = given.unwrap_or_default();
        },
    };
}

/// What first contacts cost. If they cost nothing, what they would if they did.
fn first(limits: &Limits) -> FirstContact {
    limits.first_contact.unwrap_or_else(FirstContact::adaptive)
}

fn block_for(limits: &Limits) -> Duration {
    if let OnSuspect::Block(time) = first(limits).on_suspect { time } else { USUAL_BLOCK }
}

fn excess(limits: &Limits) -> Excess {
    limits.datagrams.map_or_else(Excess::default, |of| of.excess)
}

/// Limits that limit nothing.
#[must_use]
pub fn open() -> Limits {
    Limits { half_open: None, drain: None, queue: QUEUE_UNLIMITED, ..Limits::xp_sp2() }
}

fn field(key: &Key) -> Option<&'static Field<Limits>> {
    LIMITS.iter().find(|field| field.key == *key)
}

/// The limit of `limits` that `key` names.
#[must_use]
pub fn get(limits: &Limits, key: &Key) -> Option<Value> {
    field(key).map(|field| (field.place.get)(limits))
}

/// Puts all limits into `limits` that are `given`, in the order of the table: limits of first contacts have no effect
/// while first contacts cost nothing, nor has `block_for` while suspects are not blocked. Where first contacts have a
/// quota, that decides how credit comes back, whatever other keys say.
pub fn put_all<'v>(limits: &mut Limits, given: impl Fn(&Key) -> Option<&'v Value>) {
    for field in LIMITS {
        if let Some(value) = given(&field.key) {
            (field.place.set)(limits, value);
        }
    }
    if let Some(quota @ Value::Quota(_)) = given(FIRST_CONTACTS) {
        set(limits, FIRST_CONTACTS, quota);
    }
}

/// Puts the limit that `key` names into `limits`.
pub fn set(limits: &mut Limits, key: &Key, value: &Value) {
    if let Some(field) = field(key) {
        (field.place.set)(limits, value);
    }
}

/// The limit of `limits` that `key` names, as `halfopen get` prints it.
#[must_use]
pub fn shown(limits: &Limits, key: &Key) -> String {
    get(limits, key).map_or_else(String::new, |value| key.form.show(&value))
}
