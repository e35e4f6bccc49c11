//! Rules by comm, which may only tighten.
//!
//! A program chooses its own name, and so whether such a rule matches it. The first rule that matches counts, so by its
//! name a program could escape later rules that do not match by name themselves. A rule by comm may therefore not be
//! laxer, in any number, than a later rule that could match the same program, and it has one account for all. A program
//! that changes its name back and forth then gains only that account besides its own. If no other rule matches, only
//! the host's limits apply, and those apply in every rule.

use super::error::Wrong;
use super::place::Origin;
use super::rules::Rule;
use super::value::Action;
use halfopen_bpf::Per;
use halfopen_policy::{FirstContact, Limits, OnSuspect, Rate};

pub(super) fn check_comm(scopes: &[&Rule], host: &Limits) -> Result<(), (Wrong, Origin)> {
    for (at, rule) in scopes.iter().enumerate() {
        let Some(who) = rule.who().filter(|who| who.comm.is_some()) else { continue };
        let refused = |wrong| Err((wrong, rule.origin().clone()));
        if rule.per() != Per::Rule {
            return refused(Wrong::CommPer(rule.name().clone()));
        }
        for later in &scopes[at + 1..] {
            let otherwise = later.who().filter(|other| other.comm.is_none());
            if otherwise.is_some_and(|other| who.may_share_with(other))
                && let Some(key) = laxer(&rule.limits(host), &later.limits(host))
            {
                let (rule, than) = (rule.name().clone(), later.name().clone());
                return refused(Wrong::LaxComm { rule, key, than });
            }
        }
    }
    Ok(())
}

/// The first number in which `one` lets more out than `other`. The length of the queue and of a wait are no such
/// numbers.
fn laxer(one: &Limits, other: &Limits) -> Option<&'static str> {
    let half_open = at_most(one.half_open, other.half_open);
    // The life of a slot matters only if the number of slots is limited.
    let slot_life = other.half_open.is_none() || one.slot_life >= other.slot_life;
    let slowness = |drain: Option<Rate>| drain.map(|rate| std::cmp::Reverse(rate.interval_ns()));
    let drain = at_most(slowness(one.drain), slowness(other.drain));
    let strict = other.half_open.is_none() || one.strict || !other.strict;
    let found = [("half_open", half_open), ("slot_life", slot_life), ("drain", drain), ("strict", strict)];
    let found = found.into_iter().find(|(_, as_strict)| !as_strict).map(|(key, _)| key);
    let found = found.or_else(|| match (&one.first_contact, &other.first_contact) {
        (_, None) => None,
        (None, Some(_)) => Some("first_contacts"),
        (Some(one), Some(other)) => laxer_with_first_contacts(one, other),
    });
    let udp = |limits: &Limits| slowness(limits.datagrams.map(|datagrams| datagrams.rate));
    found.or_else(|| (!at_most(udp(one), udp(other))).then_some("udp_first_contacts"))
}

/// The key in which the worth of an answer differs. Without a test, answers earn nothing, but silence slows nobody, so
/// neither is laxer than the other.
fn differing_share(one: &FirstContact, other: &FirstContact) -> &'static str {
    if one.answers_of_a_scan == other.answers_of_a_scan { "answers_of_peers" } else { "answers_of_a_scan" }
}

fn laxer_with_first_contacts(one: &FirstContact, other: &FirstContact) -> Option<&'static str> {
    let block = |first: &FirstContact| match first.on_suspect {
        OnSuspect::Block(time) => Some(time),
        _ => None,
    };
    let found = [
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
    ];
    found.into_iter().find(|(_, as_strict)| !as_strict).map(|(key, _)| key)
}

/// `None` = unlimited.
fn at_most<T: Ord>(one: Option<T>, other: Option<T>) -> bool {
    other.is_none_or(|other| one.is_some_and(|one| one <= other))
}
