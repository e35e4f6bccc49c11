//! The API on the control socket is what its own description says, whatever is asked.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

/// A rule with accounts, so that there is something to page through.
const CONFIGURATION: &str =
    "[[scope]]\nname = \"each\"\nmatch = { user = 0 }\nper = \"process\"\nhalf_open = 2\n";

/// An answer: its status, its media type and its body.
#[derive(Debug)]
struct Answered {
    status: u16,
    kind: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        assert_eq!(self.kind, "application/json", "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

fn send(limiter: &Limiter, method: &str, target: &str, headers: &str, body: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(limiter.run_directory().join("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
    BufReader::new(stream)
}

/// The status and media type of an answer, whose body follows.
fn head(stream: &mut impl BufRead) -> (u16, String) {
    let lines: Vec<String> =
        stream.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let kind = lines.iter().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (status, kind.to_owned())
}

fn http(limiter: &Limiter, method: &str, target: &str, body: &str) -> Answered {
    let mut stream = send(limiter, method, target, "", body);
    let (status, kind) = head(&mut stream);
    let mut body = String::new();
    stream.read_to_string(&mut body).unwrap();
    Answered { status, kind, body }
}

fn get(limiter: &Limiter, target: &str) -> Value {
    let answered = http(limiter, "GET", target, "");
    assert_eq!(answered.status, 200, "{target}: {answered:?}");
    answered.json()
}

fn daemon(lab: &Lab, directory: &tempfile::TempDir) -> Limiter {
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, CONFIGURATION).unwrap();
    limit(lab, 5).config(&config).start().unwrap()
}

/// Why `value` does not match `schema`; only the words of JSON Schema that the description uses.
fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let known = [
        "$ref",
        "type",
        "properties",
        "required",
        "items",
        "oneOf",
        "anyOf",
        "const",
        "enum",
        "description",
        "format",
        "minimum",
        "maximum",
        "default",
        "additionalProperties",
        "title",
    ];
    let object = schema.as_object().unwrap();
    if let Some(word) = object.keys().find(|word| !known.contains(&word.as_str())) {
        return Some(format!("this test does not know {word}"));
    }
    if let Some(place) = schema["$ref"].as_str() {
        let referred = document.pointer(place.strip_prefix('#').unwrap());
        return referred.map_or_else(|| Some(format!("no {place}")), |to| mismatch(document, to, value));
    }
    for (word, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
        if let Some(of) = schema[word].as_array() {
            let matching = of.iter().filter(|one| mismatch(document, one, value).is_none()).count();
            if matching == 0 || matching > most {
                return Some(format!("{value} matches {matching} of {word}"));
            }
        }
    }
    let is_of = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is_of(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind.as_str().unwrap())),
        _ => true,
    };
    let is_const = schema["const"].is_null() || schema["const"] == *value;
    let is_one = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let is_least = value.as_f64().zip(schema["minimum"].as_f64()).is_none_or(|(value, least)| value >= least);
    if !(fits && is_const && is_one && is_least) {
        return Some(format!("{value} does not match {schema}"));
    }
    let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let (Some(fields), Some(name)) =
        (value.as_object(), missing.clone().find(|name| value.get(name).is_none()))
    {
        return Some(format!("{name} is missing in {fields:?}"));
    }
    let of_fields = value.as_object().into_iter().flatten().filter_map(|(name, value)| {
        mismatch(document, schema["properties"].get(name)?, value).map(|why| format!("{name}: {why}"))
    });
    let of_items = value.as_array().into_iter().flatten().filter_map(|item| {
        mismatch(document, schema.get("items")?, item).map(|why| format!("an item: {why}"))
    });
    of_fields.chain(of_items).next()
}

/// What means something as the parameter of this name.
fn words(name: &str, account: &str) -> Vec<String> {
    let words: &[&str] = match name {
        "scope" => &["each", "each", "host"],
        "name" => &["half_open", "mode", "host.drain", "scope.each.half_open", "each", "exec-1"],
        "account" | "subject" => &["each", "host", "1", "198.18.0.1", "198.18.0.1:80", "lab-dial", account],
        "since" => &["2026-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"],
        "cursor" => &["1.2", "0.0"],
        "value" => &["7", "unlimited", "10/s", "audit", "enforce"],
        "order" => &["begin", "confirm", "cancel"],
        _ => &["1.2", "unlimited"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Values of a parameter: those that mean something, others of its type, and such as are none.
fn values(name: &str, schema: &Value, account: &str) -> BoxedStrategy<Value> {
    let is = |kind: &str| schema["type"].to_string().contains(kind);
    let usual = if is("integer") {
        prop_oneof![(0_u64..20_000).prop_map(Value::from), any::<u64>().prop_map(Value::from)].boxed()
    } else if is("boolean") {
        any::<bool>().prop_map(Value::from).boxed()
    } else {
        let meant = proptest::sample::select(words(name, account)).prop_map(Value::from);
        prop_oneof![12 => meant, 1 => ".{0,12}".prop_map(Value::from)].boxed()
    };
    let odd = vec![json!(null), json!(-1), json!("\u{0}\u{1b}[2J"), json!([1]), json!({})];
    prop_oneof![19 => usual, 1 => proptest::sample::select(odd)].boxed()
}

/// A request that the description allows, or nearly: method, target and body.
fn requests(document: &Value, account: &str) -> BoxedStrategy<(String, String, String, String)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if ["/v1/off", "/v1/exec"].contains(&path.as_str()) {
                continue;
            }
            let resolve = |schema: &Value| match schema["$ref"].as_str() {
                Some(place) => document.pointer(&place[1..]).unwrap().clone(),
                None => schema.clone(),
            };
            let body = resolve(&operation["requestBody"]["content"]["application/json"]["schema"]);
            // The members of an enum, if it is one.
            let fields = body["properties"].as_object().cloned().unwrap_or_else(|| {
                let members = body["oneOf"].as_array().into_iter().flatten();
                members
                    .flat_map(|member| member["properties"].as_object().cloned().unwrap_or_default())
                    .collect()
            });
            let outside = operation["parameters"].as_array().cloned().unwrap_or_default();
            let outside: BTreeMap<String, (bool, Value)> = outside
                .iter()
                .map(|parameter| {
                    let name = parameter["name"].as_str().unwrap().to_owned();
                    (name, (parameter["in"] == "path", parameter["schema"].clone()))
                })
                .collect();
            let drawn = |fields: Vec<(String, Value)>| {
                fields
                    .into_iter()
                    .map(|(name, schema)| {
                        let values = values(&name, &schema, account);
                        (Just(name), proptest::option::weighted(0.6, values))
                    })
                    .collect::<Vec<_>>()
            };
            let of_outside =
                outside.iter().map(|(name, (_, schema))| (name.clone(), schema.clone())).collect();
            let (path, method) = (path.clone(), method.to_uppercase());
            let made = (drawn(of_outside), drawn(fields.into_iter().collect()));
            all.push(
                made.prop_map(move |(given, in_body)| {
                    let mut target = path.clone();
                    let mut query = form_urlencoded::Serializer::new(String::new());
                    for (name, value) in given {
                        let text =
                            value.map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into));
                        if outside[&name].0 {
                            // A name that is empty is another path.
                            let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| "x".into());
                            let segment = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
                            target = target.replace(&format!("{{{name}}}"), &segment);
                        } else if let Some(text) = text {
                            query.append_pair(&name, &text);
                        }
                    }
                    let body: Map<String, Value> =
                        in_body.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                    let body = if method == "GET" { String::new() } else { Value::Object(body).to_string() };
                    (method.clone(), path.clone(), format!("{target}?{}", query.finish()), body)
                })
                .boxed(),
            );
        }
    }
    proptest::strategy::Union::new(all).boxed()
}

#[test]
fn whatever_is_asked_the_answer_is_as_described() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = daemon(&lab, &directory);
    let dead = lab.draw(&Mix { dead: 12, ..Mix::default() }).unwrap().destinations();
    let _dialling = Dialer::new(&lab).destinations(dead).spawn().unwrap();
    limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
    let document = get(&limiter, "/v1/openapi.json");
    let accounts = get(&limiter, "/v1/accounts");
    let account = accounts["accounts"][0]["name"].as_str().unwrap();
    let statuses = RefCell::new(BTreeMap::<(String, u16), u32>::new());
    let config = Config { cases: 800, failure_persistence: None, ..Config::default() };
    let checked =
        TestRunner::new(config).run(&requests(&document, account), |(method, path, target, body)| {
            let answered = http(&limiter, &method, &target, &body);
            *statuses.borrow_mut().entry((format!("{method} {path}"), answered.status)).or_default() += 1;
            let responses = &document["paths"][&path][method.to_lowercase()]["responses"];
            let described = &responses[answered.status.to_string()];
            prop_assert!(described.is_object(), "{} {} {}: {:?}", method, target, body, answered);
            let schema = &described["content"]["application/json"]["schema"];
            if !schema.is_null() {
                let why = mismatch(&document, schema, &answered.json());
                prop_assert!(why.is_none(), "{} {} {}: {:?}\n{:?}", method, target, body, why, answered);
            }
            Ok(())
        });
    if let Err(e) = checked {
        panic!("{e}");
    }
    let statuses = statuses.into_inner();
    println!("{statuses:#?}");
    let succeeded = statuses.keys().filter(|(_, status)| *status == 200).count();
    // Which ones is a matter of chance; some sixteen of twenty.
    assert!(succeeded >= 13, "{statuses:?}");
    ask_well(&limiter, &["status"]);
}

#[test]
fn accounts_are_paged_and_filtered() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = daemon(&lab, &directory);
    let dead = lab.draw(&Mix { dead: 4, ..Mix::default() }).unwrap().destinations();
    let _dialling: Vec<_> =
        (0..5).map(|_| Dialer::new(&lab).destinations(dead.clone()).spawn().unwrap()).collect();
    let all = until("an account for each program", PATIENCE, || {
        let all = get(&limiter, "/v1/accounts?scope=each");
        (all["accounts"].as_array().unwrap().len() == 5).then_some(all)
    });
    let names = |page: &Value| -> Vec<String> {
        let accounts = page["accounts"].as_array().unwrap().iter();
        accounts.map(|account| account["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(all["next"].is_null(), "{all}");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = get(&limiter, &format!("/v1/accounts?limit=2{cursor}"));
        assert!(page["accounts"].as_array().unwrap().len() <= 2, "{page}");
        paged.extend(names(&page));
        cursor = format!("&cursor={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!((paged.clone(), cursor.as_str()), (names(&all), "&cursor="));
    let name: String = form_urlencoded::byte_serialize(paged[1].as_bytes()).collect();
    assert_eq!(names(&get(&limiter, &format!("/v1/accounts?name={name}"))), [paged[1].clone()]);
    assert!(names(&get(&limiter, "/v1/accounts?suspects=true")).is_empty());
    let waiting = get(&limiter, "/v1/attempts?limit=3");
    assert_eq!(waiting["attempts"].as_array().unwrap().len(), 3, "{waiting}");
    assert!(waiting["in_all"].as_u64() > Some(3), "{waiting}");
    let scopes = get(&limiter, "/v1/scopes");
    let scopes: Vec<&str> =
        scopes["scopes"].as_array().unwrap().iter().map(|scope| scope["name"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["host", "each"]);
}

/// A client whose connection broke asks for what came after the last event that it has got.
#[test]
fn a_stream_of_events_goes_on_after_the_last_one() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = daemon(&lab, &directory);
    let follow = |headers: &str| {
        let headers = format!("Accept: text/event-stream\r\n{headers}");
        let mut stream = send(&limiter, "GET", "/v1/events", &headers, "");
        assert_eq!(head(&mut stream), (200, "text/event-stream".to_owned()));
        stream
    };
    // The id and the data of the next event.
    let next = |stream: &mut BufReader<UnixStream>| {
        let (mut id, mut data) = (None, None);
        while data.is_none() || id.is_none() {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            id = id.or_else(|| line.strip_prefix("id: ").map(|id| id.trim_end().to_owned()));
            data =
                data.or_else(|| line.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap()));
        }
        (id.unwrap(), data.unwrap())
    };
    let mut first: BufReader<UnixStream> = follow("");
    let dead = lab.draw(&Mix { dead: 12, ..Mix::default() }).unwrap().destinations();
    let dialling = Dialer::new(&lab).destinations(dead).spawn().unwrap();
    let (id, event): (String, Value) = next(&mut first);
    assert_eq!(event["id"], 4226, "{event}");
    drop(first);
    drop(dialling);
    let (later, again): (String, Value) = next(&mut follow(&format!("Last-Event-ID: {id}\r\n")));
    assert!(later > id && again != event, "{later} after {id}: {again}");
    let (same, _): (String, Value) = next(&mut follow("Last-Event-ID: nonsense\r\n"));
    assert_eq!(same, id);
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_would_have_been() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = daemon(&lab, &directory);
    let put = |value: &str, dry_run: bool| {
        let body = json!({ "value": value, "dry_run": dry_run }).to_string();
        let answered = http(&limiter, "PUT", "/v1/settings/host.half_open", &body);
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.json()
    };
    let changed = put("7", true);
    assert_eq!((&changed["was"], &changed["now"]), (&"5".into(), &"7".into()));
    assert_eq!(get(&limiter, "/v1/settings/half_open"), json!({ "value": "5" }));
    put("7", false);
    assert_eq!(get(&limiter, "/v1/settings/half_open"), json!({ "value": "7" }));
    let refused = http(&limiter, "PUT", "/v1/settings/half_open", "{\"value\":\"many\",\"dry_run\":true}");
    assert_eq!((refused.status, &refused.json()["kind"]), (400, &"wrong_use".into()));
    let settings = get(&limiter, "/v1/settings");
    let own = settings["settings"].as_array().unwrap().iter().find(|one| one["name"] == "host.half_open");
    assert_eq!(own.unwrap()["value"], "7", "{settings}");
}

#[test]
fn the_history_is_what_the_command_reads() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let mut limiter = daemon(&lab, &directory);
    let dead = lab.draw(&Mix { dead: 12, ..Mix::default() }).unwrap().destinations();
    let dialling = Dialer::new(&lab).destinations(dead).spawn().unwrap();
    limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
    // The last minute is written at the end.
    limiter.signal(rustix::process::Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    drop(dialling);
    limiter.start_again().unwrap();
    let by_command: Value =
        serde_json::from_str(&ask_well(&limiter, &["history", "--account", "host", "--json"])).unwrap();
    let history = get(&limiter, "/v1/history?account=host");
    assert_eq!(history["minutes"], by_command["minutes"]);
    assert!(history["minutes"][0]["begun"].as_u64() > Some(5), "{history}");
    assert_eq!(get(&limiter, "/v1/history?limit=1")["minutes"].as_array().unwrap().len(), 1);
    assert_eq!(get(&limiter, "/v1/history?account=nobody")["minutes"], json!([]));
    let tuning = get(&limiter, "/v1/tuning?half_open=1000");
    assert_eq!((&tuning["tried"]["half_open"], &tuning["tried"]["minutes_over"]), (&1000.into(), &0.into()));
    let body = json!({ "value": "1", "dry_run": true }).to_string();
    let tried = http(&limiter, "PUT", "/v1/settings/half_open", &body).json();
    assert!(tried["would_have"]["unanswered_held_at_most"].as_u64() > Some(5), "{tried}");
}
