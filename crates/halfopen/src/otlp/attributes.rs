//! The attributes of a log record, and of the resource that sends it. Their names are those of OpenTelemetry's semantic
//! conventions where these have one, else they begin with `halfopen.`; they are a contract with queries and alerts.

use crate::events::{Event, ProgramRecord, Protocol, State};
use crate::runs_in::RunsIn;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use std::net::SocketAddr;

/// An attribute of a log record.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
    /// `None` leaves it out.
    pub(super) value: fn(&Event) -> Option<Value>,
}

/// All of them but `ocsf`.
pub const ATTRIBUTES: [Attribute; 28] = [
    of("halfopen.event.id", "`id`", |event| Some(number(event.id.into()))),
    of("halfopen.state", "`state`", |event| Some(text(event.state.name()))),
    of("halfopen.scope", "`scope`", |event| Some(text(&event.scope))),
    of("halfopen.account", "`account` of the first program", |event| maybe(top(event)?.account.as_ref())),
    of("halfopen.limit", "`limit`; left out if unlimited", |event| Some(number(event.limit?.into()))),
    of("halfopen.queued", "`queued`", |event| Some(number(event.queued))),
    of("halfopen.audited", "`audited`", |event| Some(Value::BoolValue(event.audited))),
    of("halfopen.reason", "`reason`", |event| Some(text(event.reason?.name()))),
    of("halfopen.programs", "how many `programs` the event lists", |event| {
        Some(number(event.programs.len() as u64))
    }),
    of("halfopen.attempts", "`attempts` of the first program", |event| Some(number(top(event)?.attempts))),
    of("halfopen.comm", "its `comm`", |event| Some(text(&top(event)?.comm))),
    of("halfopen.unit", "its `unit`", |event| maybe(runs_in(event)?.unit.as_ref())),
    of("halfopen.workload", "the name of its `pod.workload`", |event| {
        Some(text(&runs_in(event)?.pod.as_ref()?.workload.as_ref()?.name))
    }),
    of("process.pid", "its `pid`", |event| Some(number(top(event)?.pid.into()))),
    of("process.executable.path", "its `exe`", |event| maybe(top(event)?.exe.as_ref())),
    of("process.executable.name", "the file name of its `exe`", |event| {
        Some(text(file_name(top(event)?.exe.as_ref()?)))
    }),
    of("process.owner", "its `user`", |event| Some(text(&top(event)?.user))),
    of("process.linux.cgroup", "its `cgroup`", |event| maybe(top(event)?.cgroup.as_ref())),
    of("container.id", "`container.id` of the first program", |event| {
        Some(text(&runs_in(event)?.container.as_ref()?.id))
    }),
    of("container.name", "its `container.name`", |event| {
        maybe(runs_in(event)?.container.as_ref()?.name.as_ref())
    }),
    of("container.image.name", "its `container.image`", |event| {
        maybe(runs_in(event)?.container.as_ref()?.image.as_ref())
    }),
    of("k8s.pod.uid", "its `pod.uid`", |event| Some(text(&runs_in(event)?.pod.as_ref()?.uid))),
    of("k8s.pod.name", "its `pod.name`", |event| maybe(runs_in(event)?.pod.as_ref()?.name.as_ref())),
    of("k8s.namespace.name", "its `pod.namespace`", |event| {
        maybe(runs_in(event)?.pod.as_ref()?.namespace.as_ref())
    }),
    of("destination.address", "the address of a destination, such as the first of its `sample`", |event| {
        Some(text(&destination(event)?.ip().to_string()))
    }),
    of("destination.port", "the port of that destination", |event| {
        Some(number(destination(event)?.port().into()))
    }),
    of("network.transport", "`tcp` or `udp`", |event| Some(text(&transport(event).to_string()))),
    of("network.type", "`ipv4` or `ipv6`, of that destination", |event| {
        Some(text(if destination(event)?.is_ipv4() { "ipv4" } else { "ipv6" }))
    }),
];

/// The attributes of the resource, with what they hold.
pub const RESOURCE: [(&str, &str); 4] = [
    ("service.name", "`halfopen`"),
    ("service.version", "the version of the daemon"),
    ("host.name", "the name of the host"),
    ("host.id", "the host's machine-id; left out where there is none"),
];

const fn of(name: &'static str, meaning: &'static str, value: fn(&Event) -> Option<Value>) -> Attribute {
    Attribute { name, meaning, value }
}

pub(super) fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn maybe(found: Option<&String>) -> Option<Value> {
    found.map(|found| text(found))
}

pub(super) fn number(number: u64) -> Value {
    Value::IntValue(number.try_into().unwrap_or(i64::MAX))
}

pub(super) fn top(event: &Event) -> Option<&ProgramRecord> {
    event.programs.first()
}

fn runs_in(event: &Event) -> Option<&RunsIn> {
    Some(&top(event)?.runs_in)
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A destination that the event is about.
pub(super) fn destination(event: &Event) -> Option<SocketAddr> {
    let of_udp = event.udp.as_ref().map(|udp| &udp.destination);
    let of_connections = || Some(&event.connections.as_ref()?.destinations.first()?.destination);
    let of_program = || top(event)?.sample.first();
    of_udp.or_else(of_connections).or_else(of_program)?.parse().ok()
}

/// The protocol that the event is about.
pub(super) fn transport(event: &Event) -> Protocol {
    match (event.state, &event.denied) {
        (State::UdpStopped, _) => Protocol::Udp,
        (_, Some(denied)) => denied.protocol,
        _ => Protocol::Tcp,
    }
}
