//! What a collector finds in a request.

use super::*;
use crate::events::record::tests::scanned;
use crate::events::record::{DENIED_ID, DeniedRecord};
use crate::events::{Protocol, State};
use crate::otlp::attributes::RESOURCE;
use crate::otlp::ocsf::FIELDS;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Map, Value as Json, json};

fn host() -> Host {
    Host { name: "web1".to_owned(), id: Some("0123".to_owned()) }
}

fn json(value: &Value) -> Json {
    let inner = |value: &AnyValue| json(value.value.as_ref().unwrap());
    match value {
        Value::StringValue(text) => json!(text),
        Value::IntValue(number) => json!(number),
        Value::BoolValue(flag) => json!(flag),
        Value::ArrayValue(list) => list.values.iter().map(inner).collect(),
        Value::KvlistValue(list) => object(&list.values),
        other => panic!("{other:?}"),
    }
}

fn object(values: &[KeyValue]) -> Json {
    let pairs = values
        .iter()
        .map(|found| (found.key.clone(), json(found.value.as_ref().unwrap().value.as_ref().unwrap())));
    let map: Map<String, Json> = pairs.collect();
    assert_eq!(map.len(), values.len(), "no key twice: {map:?}");
    Json::Object(map)
}

fn sent(event: &Event) -> (Json, LogRecord) {
    let body = host().request(std::slice::from_ref(event));
    let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
    let [logs] = request.resource_logs.as_slice() else { panic!("{request:?}") };
    let resource = object(&logs.resource.as_ref().unwrap().attributes);
    (resource, logs.scope_logs[0].log_records[0].clone())
}

fn at<'a>(object: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(object, |object, name| &object[name])
}

#[test]
fn a_record_has_the_line_the_attributes_and_the_resource() {
    let event = Event { time: crate::utc_time::UtcTime::of_ms(1_700_000_000_123), ..scanned() };
    let (resource, record) = sent(&event);
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({"service.name": "halfopen", "service.version": version, "host.name": "web1", "host.id": "0123"});
    assert_eq!(resource, expected);
    assert!(RESOURCE.iter().all(|(name, _)| resource.get(name).is_some()));
    assert_eq!(record.time_unix_nano, 1_700_000_000_123_000_000);
    assert_eq!((record.severity_number, record.event_name.as_str()), (13, "halfopen.reached"));
    assert_eq!(json(record.body.unwrap().value.as_ref().unwrap()), json!(event.to_string()));
    let mut attributes = object(&record.attributes);
    attributes.as_object_mut().unwrap().remove("ocsf");
    let expected = json!({
        "halfopen.event.id": 4226, "halfopen.state": "reached", "halfopen.scope": "host", "halfopen.limit": 10,
        "halfopen.queued": 244, "halfopen.audited": false, "halfopen.programs": 1, "halfopen.attempts": 244,
        "halfopen.comm": "nmap\n", "process.pid": 4242, "process.executable.path": "/usr/bin/nmap",
        "process.executable.name": "nmap", "process.owner": "root", "process.linux.cgroup": "/user.slice",
        "destination.address": "198.18.0.7", "destination.port": 80, "network.transport": "tcp", "network.type": "ipv4",
    });
    assert_eq!(attributes, expected);
}

#[test]
fn the_ocsf_form_has_what_its_class_requires() {
    let denied = Event {
        id: DENIED_ID,
        state: State::Denied,
        scope: "mail".to_owned(),
        denied: Some(DeniedRecord { denied: 3, would_have_denied: 0, protocol: Protocol::Udp }),
        ..scanned()
    };
    let audited = Event { audited: true, ..scanned() };
    for (event, activity, disposition, protocol) in
        [(scanned(), 99, 14, 6), (audited, 99, 20, 6), (denied, 5, 2, 17)]
    {
        let (_, record) = sent(&event);
        let ocsf = object(&record.attributes)["ocsf"].clone();
        for required in
            ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]
        {
            assert!(ocsf.get(required).is_some(), "{required} in {ocsf}");
        }
        let found = ["activity_id", "type_uid", "disposition_id", "connection_info.protocol_num"]
            .map(|path| at(&ocsf, path).as_u64());
        assert_eq!(found, [activity, 400_100 + activity, disposition, protocol].map(Some), "{ocsf}");
        assert_eq!(at(&ocsf, "actor.process.file.path"), "/usr/bin/nmap");
        assert_eq!(at(&ocsf, "dst_endpoint"), &json!({"ip": "198.18.0.7", "port": 80}));
        assert_eq!(at(&ocsf, "src_endpoint.hostname"), "web1");
        assert_eq!(at(&ocsf, "metadata.profiles"), &json!(["host", "security_control"]));
        let rule = FIELDS.iter().filter(|field| at(&ocsf, field.path).is_null()).map(|field| field.path);
        let lacks: Vec<_> = rule.collect();
        assert_eq!(lacks, if activity == 5 { vec![] } else { vec!["firewall_rule.name"] });
    }
    let cleared = Event { state: State::Cleared, ..scanned() };
    assert!(object(&sent(&cleared).1.attributes).get("ocsf").is_none());
}
