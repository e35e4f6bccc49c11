//! The table of the keys of `[otlp]`.

use super::collector_url::CollectorUrl;
use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, put};
use super::value::Typed;
use std::path::PathBuf;

/// Where events are sent to, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// The collector; `None` = none.
    pub endpoint: Option<CollectorUrl>,
    /// The file of headers that go with each request.
    pub headers: Option<PathBuf>,
    /// The file of the certificates that vouch for the collector; `None` = those of the system.
    pub ca: Option<PathBuf>,
    /// How many events wait for the collector at most.
    pub queue: u32,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: None, headers: None, ca: None, queue: 1_000 }
    }
}

fields! {
    /// All of them, in the order of the sample file.
    pub static OTLP: Otlp, in Table::Otlp;

    /// A collector of OpenTelemetry, to which each event is sent as a log record: OTLP over HTTP, in Protobuf. It is an
    /// address to which /v1/logs is added. Limiting never waits for it.
    endpoint: Form::COLLECTOR.or("off") => Place {
        get: |otlp| otlp.endpoint.value(),
        set: |otlp, value| put(&mut otlp.endpoint, value),
    }, "when the daemon starts";

    /// A file of headers that go with each request, such as a token: one "Name: value" a line. It must belong to root,
    /// and nobody else may read it (mode 0600).
    headers: Form::PATH.or("off").such_as("\"/etc/halfopen/otlp.headers\"") => Place {
        get: |otlp| otlp.headers.value(),
        set: |otlp, value| put(&mut otlp.headers, value),
    }, "when the daemon starts";

    /// A file of certificates in PEM form that vouch for the collector's. "system" stands for those that this system
    /// trusts.
    ca: Form::PATH.or("system").such_as("\"/etc/halfopen/otlp-ca.pem\"") => Place {
        get: |otlp| otlp.ca.value(),
        set: |otlp, value| put(&mut otlp.ca, value),
    }, "when the daemon starts";

    /// How many events wait at most while the collector takes none. The oldest ones make room for new ones, and are
    /// counted as lost.
    queue: Form::number(1, 100_000).such_as("1000") => Place {
        get: |otlp| otlp.queue.value(),
        set: |otlp, value| put(&mut otlp.queue, value),
    }, "when the daemon starts";
}
