//! Events as a request to a collector.

use super::attributes::{ATTRIBUTES, key_value, text};
use super::ocsf;
use crate::events::Event;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::fs;

/// The number of this host that OpenTelemetry's `host.id` takes where no cloud gives one.
const MACHINE_ID: &str = "/etc/machine-id";

/// Which host sends.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    id: Option<String>,
}

impl Host {
    /// This host. Call this before the process is sandboxed.
    pub fn this() -> Self {
        let id = fs::read_to_string(MACHINE_ID).ok().map(|id| id.trim().to_owned());
        Self {
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            id: id.filter(|id| !id.is_empty()),
        }
    }

    /// What the request says of who sends it: [`super::attributes::RESOURCE`].
    fn resource(&self) -> Vec<KeyValue> {
        let known = [
            ("service.name", Some("halfopen")),
            ("service.version", Some(env!("CARGO_PKG_VERSION"))),
            ("host.name", Some(self.name.as_str())),
            ("host.id", self.id.as_deref()),
        ];
        known.iter().filter_map(|(name, value)| Some(key_value(name, text((*value)?)))).collect()
    }

    /// The body of a request with these events.
    pub fn request(&self, events: &[Event]) -> Vec<u8> {
        let scope = InstrumentationScope {
            name: "halfopen".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let log_records = events.iter().map(|event| self.record(event)).collect();
        let resource = Resource { attributes: self.resource(), ..Resource::default() };
        let logs = ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        };
        ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()
    }

    fn record(&self, event: &Event) -> LogRecord {
        let ms: u64 = event.time.as_ms().try_into().unwrap_or_default();
        let time_unix_nano = ms.saturating_mul(1_000_000);
        let own = ATTRIBUTES
            .iter()
            .filter_map(|attribute| Some(key_value(attribute.name, (attribute.value)(event)?)));
        let ocsf = ocsf::of_event(event, &self.name).map(|value| key_value("ocsf", value));
        LogRecord {
            time_unix_nano,
            observed_time_unix_nano: time_unix_nano,
            severity_number: SeverityNumber::Warn.into(),
            severity_text: "WARN".to_owned(),
            body: Some(AnyValue { value: Some(text(&event.to_string())) }),
            attributes: own.chain(ocsf).collect(),
            event_name: event_name(event),
            ..LogRecord::default()
        }
    }
}

/// The name of the kind of event.
fn event_name(event: &Event) -> String {
    format!("halfopen.{}", event.state.name())
}

#[cfg(test)]
mod tests;
