//! Keys that have no effect beside the others.

use super::limits::QUEUE_UNLIMITED;
use super::value::Value;
use halfopen_policy::{Limits, OnSuspect};

/// Why the limit called `name` has no effect among these; `None` if it has one.
pub(super) fn why_limit(name: &str, limits: &Limits, first_contacts: &Value) -> Option<&'static str> {
    let first = limits.first_contact;
    let is_a_test = || first.is_some_and(|first| first.worth().is_some());
    let is_block = || first.is_some_and(|first| matches!(first.on_suspect, OnSuspect::Block(_)));
    match name {
        "answers_of_a_scan" | "answers_of_peers" | "credit_rate" | "working_set" | "order" | "on_suspect"
        | "block_for"
            if first.is_none() =>
        {
            Some("first_contacts is \"off\"")
        }
        "credit_rate" | "answers_of_a_scan" | "answers_of_peers" | "on_suspect" | "block_for"
            if matches!(first_contacts, Value::Quota(_)) =>
        {
            Some("first_contacts gives a number per unit of time, whatever is answered")
        }
        "answers_of_peers" if !is_a_test() => Some("answers_of_a_scan is \"off\""),
        "on_suspect" if !is_a_test() => Some("answers_of_a_scan is \"off\", so no account becomes a suspect"),
        "block_for" if !is_block() => Some("on_suspect is not \"block\""),
        "udp_excess" if limits.datagrams.is_none() => Some("udp_first_contacts is \"off\""),
        "connect_burst" if limits.connections.rate.is_none() => Some("connect_rate is \"unlimited\""),
        "time_wait" if limits.connections.established.is_none() => Some("established is \"unlimited\""),
        "strict" if limits.half_open.is_none() => Some("half_open is \"unlimited\""),
        "overflow" if limits.queue == QUEUE_UNLIMITED => Some("queue is \"unlimited\""),
        _ => None,
    }
}
