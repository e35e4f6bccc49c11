//! An event as OCSF's Network Activity (class 4001, <https://schema.ocsf.io/1.6.0/classes/network_activity>), with the
//! profiles `host` and `security_control`. A field that OCSF does not have is not made up: what has no place there is in
//! the record's other attributes.

use super::attributes::{destination, file_name, key_value, number, text, top, transport};
use crate::events::{Event, Protocol, State};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

/// The version of the schema.
pub const VERSION: &str = "1.6.0";
const CLASS: u64 = 4001;
const REFUSE: u64 = 5;
const OTHER: u64 = 99;

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Where it is, from the outermost object.
    pub path: &'static str,
    /// What it holds.
    pub meaning: &'static str,
    /// `None` leaves it out. The second argument is the name of this host.
    value: fn(&Event, &str) -> Option<Value>,
}

/// All fields. Those below the same object follow each other.
pub const FIELDS: [Field; 31] = [
    of("class_uid", "4001, Network Activity", |_, _| Some(number(CLASS))),
    of("category_uid", "4, Network Activity", |_, _| Some(number(CLASS / 1_000))),
    of("activity_id", "5, Refuse, where connects fail; else 99, Other", |event, _| {
        Some(number(activity(event)))
    }),
    of("activity_name", "`Refuse`, or `state`", |event, _| {
        Some(text(if activity(event) == REFUSE { "Refuse" } else { event.state.name() }))
    }),
    of("type_uid", "400105 or 400199", |event, _| Some(number(CLASS * 100 + activity(event)))),
    of("severity_id", "3, Medium", |_, _| Some(number(3))),
    of("time", "`time`, in milliseconds since 1970", |event, _| {
        Some(number(event.time.as_ms().try_into().unwrap_or_default()))
    }),
    of("message", "`message`", |event, _| Some(text(&event.message))),
    of("action_id", "2, Denied, where connects fail; else 1, Allowed", |event, _| {
        Some(number(if activity(event) == REFUSE { 2 } else { 1 }))
    }),
    of(
        "disposition_id",
        "2, Blocked, where connects fail; 14, Delayed, where they wait; 20, Count, in audit mode; 15, Detected, for a \
         suspect",
        |event, _| Some(number(disposition(event))),
    ),
    of("firewall_rule.name", "the rule of `[[deny]]`", |event, _| {
        event.denied.as_ref().map(|_| text(&event.scope))
    }),
    of("metadata.version", "`1.6.0`", |_, _| Some(text(VERSION))),
    of("metadata.event_code", "`id`", |event, _| Some(text(&event.id.to_string()))),
    of("metadata.profiles", "`host`, `security_control`", |_, _| {
        let values = ["host", "security_control"].map(|name| AnyValue { value: Some(text(name)) });
        Some(Value::ArrayValue(ArrayValue { values: values.to_vec() }))
    }),
    of("metadata.product.name", "`halfopen`", |_, _| Some(text("halfopen"))),
    of("metadata.product.vendor_name", "`halfopen`", |_, _| Some(text("halfopen"))),
    of("metadata.product.version", "the version of the daemon", |_, _| Some(text(env!("CARGO_PKG_VERSION")))),
    of("actor.process.pid", "`pid` of the first program", |event, _| Some(number(top(event)?.pid.into()))),
    of("actor.process.name", "its `comm`", |event, _| Some(text(&top(event)?.comm))),
    of("actor.process.file.name", "the file name of its `exe`", |event, _| {
        Some(text(file_name(top(event)?.exe.as_ref()?)))
    }),
    of("actor.process.file.path", "its `exe`", |event, _| Some(text(top(event)?.exe.as_ref()?))),
    of("actor.process.file.type_id", "1, Regular File", |event, _| {
        top(event)?.exe.as_ref().map(|_| number(1))
    }),
    of("actor.process.user.name", "its `user`", |event, _| Some(text(&top(event)?.user))),
    of("device.hostname", "the name of the host", |_, host| Some(text(host))),
    of("device.type_id", "0, Unknown", |_, _| Some(number(0))),
    of("src_endpoint.hostname", "the name of the host", |_, host| Some(text(host))),
    of("dst_endpoint.ip", "the address of a destination", |event, _| {
        Some(text(&destination(event)?.ip().to_string()))
    }),
    of("dst_endpoint.port", "its port", |event, _| Some(number(destination(event)?.port().into()))),
    of("connection_info.direction_id", "2, Outbound", |_, _| Some(number(2))),
    of("connection_info.protocol_num", "6 or 17", |event, _| {
        Some(number(match transport(event) {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }))
    }),
    of("connection_info.protocol_name", "`tcp` or `udp`", |event, _| {
        Some(text(&transport(event).to_string()))
    }),
];

const fn of(path: &'static str, meaning: &'static str, value: fn(&Event, &str) -> Option<Value>) -> Field {
    Field { path, meaning, value }
}

/// Whether the attempts of an event fail rather than wait.
fn activity(event: &Event) -> u64 {
    let fails = matches!(event.state, State::Denied | State::UdpStopped) && !event.audited;
    if fails { REFUSE } else { OTHER }
}

fn disposition(event: &Event) -> u64 {
    match event.state {
        _ if activity(event) == REFUSE => 2,
        State::Suspect => 15,
        _ if event.audited => 20,
        _ => 14,
    }
}

/// The event in this form; `None` for one that OCSF has no activity for: the end of an episode.
pub(super) fn of_event(event: &Event, host: &str) -> Option<Value> {
    if event.state == State::Cleared {
        return None;
    }
    let mut all = Vec::new();
    for field in &FIELDS {
        if let Some(value) = (field.value)(event, host) {
            put(&mut all, field.path, value);
        }
    }
    Some(Value::KvlistValue(KeyValueList { values: all }))
}

fn put(all: &mut Vec<KeyValue>, path: &str, value: Value) {
    let Some((object, rest)) = path.split_once('.') else { return all.push(key_value(path, value)) };
    let last = all.last_mut().filter(|last| last.key == object).and_then(|last| last.value.as_mut());
    if let Some(AnyValue { value: Some(Value::KvlistValue(inner)) }) = last {
        return put(&mut inner.values, rest, value);
    }
    let mut values = Vec::new();
    put(&mut values, rest, value);
    all.push(key_value(object, Value::KvlistValue(KeyValueList { values })));
}
