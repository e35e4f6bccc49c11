//! In what one rule lets more out than another.

use super::value::Action;
use halfopen_policy::{ConnectRate, Connections, FirstContact, Limits, OnSuspect, Rate};

/// The keys in which `one` lets more out than `other`. The length of the queue and of a wait are no such keys.
pub(super) fn laxer(one: &Limits, other: &Limits) -> Vec<&'static str> {
    let half_open = at_most(one.half_open, other.half_open);
    // The life of a slot matters only if the number of slots is limited.
    let slot_life = other.half_open.is_none() || one.slot_life >= other.slot_life;
    let slowness = |drain: Option<Rate>| drain.map(|rate| std::cmp::Reverse(rate.interval_ns()));
    let drain = at_most(slowness(one.drain), slowness(other.drain));
    let strict = other.half_open.is_none() || one.strict || !other.strict;
    let udp = |limits: &Limits| slowness(limits.datagrams.map(|datagrams| datagrams.rate));
    let mut all =
        vec![("half_open", half_open), ("slot_life", slot_life), ("drain", drain), ("strict", strict)];
    match (&one.first_contact, &other.first_contact) {
        (_, None) => {}
        (None, Some(_)) => all.push(("first_contacts", false)),
        (Some(one), Some(other)) => all.extend(with_first_contacts(one, other)),
    }
    all.push(("udp_first_contacts", at_most(udp(one), udp(other))));
    all.extend(with_connections(&one.connections, &other.connections));
    all.into_iter().filter(|(_, as_strict)| !as_strict).map(|(key, _)| key).collect()
}

/// Each key of connections, and whether `one` is as strict in it as `other`. A longer burst lets more out in a moment
/// only.
fn with_connections(one: &Connections, other: &Connections) -> [(&'static str, bool); 4] {
    let slowness = |of: Option<ConnectRate>| of.map(|of| std::cmp::Reverse(of.rate.interval_ns()));
    let (near, far) = (&one.per_destination, &other.per_destination);
    [
        ("connect_rate", at_most(slowness(one.rate), slowness(other.rate))),
        ("established", at_most(one.established, other.established)),
        ("time_wait", other.established.is_none() || one.time_wait >= other.time_wait),
        (
            "per_destination",
            at_most(near.half_open, far.half_open)
                && at_most(slowness(near.rate), slowness(far.rate))
                && at_most(near.established, far.established),
        ),
    ]
}

/// The key in which the worth of an answer differs. Without a test, answers earn nothing, but silence slows nobody, so
/// neither is laxer than the other.
fn differing_share(one: &FirstContact, other: &FirstContact) -> &'static str {
    if one.answers_of_a_scan == other.answers_of_a_scan { "answers_of_peers" } else { "answers_of_a_scan" }
}

/// Each key of first contacts, and whether `one` is as strict in it as `other`.
fn with_first_contacts(one: &FirstContact, other: &FirstContact) -> [(&'static str, bool); 6] {
    let block = |first: &FirstContact| match first.on_suspect {
        OnSuspect::Block(time) => Some(time),
        _ => None,
    };
    [
        ("first_contacts", one.credit <= other.credit),
        (
            differing_share(one, other),
            one.worth().is_some() == other.worth().is_some() && one.worth() <= other.worth(),
        ),
        ("credit_rate", one.rate.interval_ns() >= other.rate.interval_ns()),
        // Either addresses that answered are known, or those that were contacted: neither is laxer than the other.
        (
            "working_set",
            one.working_set <= other.working_set && (one.working_set == 0) == (other.working_set == 0),
        ),
        ("on_suspect", Action::from(one.on_suspect) >= Action::from(other.on_suspect)),
        ("block_for", block(one) >= block(other)),
    ]
}

/// `None` = unlimited.
fn at_most<T: Ord>(one: Option<T>, other: Option<T>) -> bool {
    other.is_none_or(|other| one.is_some_and(|one| one <= other))
}
