//! Events on their way to a collector of OpenTelemetry, and what becomes of them when it fails.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod collector;
mod real;
mod scene;

use collector::{Answer, Asked, Collector, apart, json_of, object};
use rustix::process::Signal;
use scene::{HERE, Scene, certificate};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use testkit::desk::mounts::OWN_USER;
use testkit::desk::processes::{kill, state};
use testkit::desk::{PATIENCE, ask_well, has, until};
use testkit::require_lab;

fn first(asked: &Asked) -> Value {
    object(&asked.records()[0].attributes)
}

#[test]
fn an_event_arrives_with_program_and_account_and_the_token() {
    require_lab!();
    let limits =
        "[host]\nslot_life = \"5m\"\n[[scope]]\nname = \"lab\"\nmatch = { cgroup = \"LAB\" }\nhalf_open = 3";
    let scene = Scene::of(limits, |place| {
        let file = place.join("headers");
        fs::write(&file, "Authorization: Bearer secret\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        (format!("http://{HERE}/tenant"), format!("headers = \"{}\"", file.display()))
    });
    let collector = Collector::listen(&scene.lab, HERE, &[]);
    let dead = scene.lab.draw(&testkit::Mix { dead: 10, ..testkit::Mix::default() }).unwrap();
    let _dialling = testkit::Dialer::new(&scene.lab).destinations(dead.destinations()).spawn().unwrap();
    let asked = collector.await_asked(1).remove(0);
    assert_eq!(asked.path, "/tenant/v1/logs");
    assert_eq!(asked.headers["content-type"], "application/x-protobuf");
    assert_eq!(asked.headers["authorization"], "Bearer secret");
    assert!(!ask_well(&scene.limiter, &["check"]).contains("secret"));
    assert_eq!(asked.resource()["service.name"], "halfopen");
    assert!(asked.resource()["host.name"].is_string());
    let record = asked.records().remove(0);
    let attributes = first(&asked);
    assert_eq!(record.event_name, "halfopen.reached", "{attributes}");
    let kept = ask_well(&scene.limiter, &["events", "--json"]);
    let event: Value = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
    for (name, expected) in [
        ("halfopen.event.id", json!(4226)),
        ("halfopen.scope", json!("lab")),
        ("halfopen.account", json!("lab")),
        ("halfopen.limit", json!(3)),
        ("process.pid", event["programs"][0]["pid"].clone()),
        ("halfopen.comm", event["programs"][0]["comm"].clone()),
        ("process.executable.path", event["programs"][0]["exe"].clone()),
        ("process.linux.cgroup", event["programs"][0]["cgroup"].clone()),
        ("process.owner", json!("root")),
        ("halfopen.audited", json!(false)),
    ] {
        assert_eq!(attributes[name], expected, "{name} in {attributes}");
    }
    assert_eq!(attributes["ocsf"]["disposition_id"], 14, "{attributes}");
    let told = json_of(record.body.as_ref().unwrap());
    assert!(scene.limiter.stderr().contains(told.as_str().unwrap()), "{told}");
    scene.await_well();

    let process = state(scene.process()).unwrap();
    let own = format!("{OWN_USER} {OWN_USER} {OWN_USER} {OWN_USER}");
    assert_eq!(process["Uid"], own, "{process:?}");
    let rights = ["CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp"].map(|name| process[name].as_str());
    assert_eq!(rights, ["0000000000000000", "0000000000000000", "0000000000000000", "1", "2"]);
}

#[test]
fn what_a_dead_collector_misses_it_gets_when_it_is_there() {
    require_lab!();
    let scene = Scene::new();
    let _dialling = scene.scan();
    let why = scene.await_degraded("cannot connect to the collector");
    assert!(why.contains("Connection refused") && why.contains("waiting: 1, lost so far: 0"), "{why}");
    let collector = Collector::listen(&scene.lab, HERE, &[]);
    assert_eq!(first(&collector.await_asked(1)[0])["halfopen.event.id"], 4226);
    scene.await_well();
}

#[test]
fn a_busy_collector_is_asked_again_when_it_says() {
    require_lab!();
    let scene = Scene::new();
    let collector = Collector::listen(&scene.lab, HERE, &[Answer::Status(503, "Retry-After: 4\r\n")]);
    let _dialling = scene.scan();
    scene.await_degraded("HTTP status 503");
    let asked = collector.await_asked(2);
    assert!(apart(&asked) >= Duration::from_secs(4), "{:?}", apart(&asked));
    assert_eq!(asked[0].body, asked[1].body);
    scene.await_well();
}

#[test]
fn what_a_collector_refuses_is_dropped_and_counted() {
    require_lab!();
    let scene = Scene::new();
    let collector = Collector::listen(&scene.lab, HERE, &[Answer::Status(400, "Retry-After: 1\r\n")]);
    let dialling = scene.scan();
    let why = scene.await_degraded("HTTP status 400");
    assert!(why.contains("waiting: 0, lost so far: 1 events"), "{why}");
    // The next event goes out, and the first does not come again.
    drop(dialling);
    let asked = collector.await_asked(2);
    let names: Vec<_> = asked[1].records().iter().map(|record| record.event_name.clone()).collect();
    assert_eq!(names, ["halfopen.cleared"]);
    scene.await_well();
}

#[test]
fn what_a_collector_takes_in_part_is_counted() {
    require_lab!();
    let scene = Scene::new();
    let _collector = Collector::listen(&scene.lab, HERE, &[Answer::Partial(1, "no such tenant\n")]);
    let _dialling = scene.scan();
    let why = scene.await_degraded("no such tenant");
    assert!(why.contains("waiting: 0, lost so far: 1 events"), "{why}");
}

#[test]
fn a_collector_that_hangs_or_talks_nonsense_holds_nothing_up() {
    require_lab!();
    let scene = Scene::new();
    let collector = Collector::listen(&scene.lab, HERE, &[Answer::Garbage, Answer::Nothing]);
    let _dialling = scene.scan();
    let why = scene.await_degraded("does not answer as HTTP does");
    assert!(why.contains("4318"), "{why}");
    collector.await_asked(2);
    // While it hangs, the limit holds and the daemon answers.
    assert!(ask_well(&scene.limiter, &["events", "--json"]).contains("4226"));
    scene.limiter.await_status("seven to wait", PATIENCE, |status| status.host.queued == 7).unwrap();
    scene.await_degraded("takes more than 10 s to answer");
    let asked = collector.await_asked(3);
    assert_eq!(asked[0].body, asked[2].body);
    scene.await_well();
}

#[test]
fn more_than_may_wait_is_counted_as_lost() {
    require_lab!();
    let scene = Scene::with(|_| (format!("http://{HERE}"), "queue = 1".to_owned()));
    let dialling = scene.scan();
    scene.await_degraded("waiting: 1, lost so far: 0");
    drop(dialling);
    scene.await_degraded("waiting: 1, lost so far: 1");
    let collector = Collector::listen(&scene.lab, HERE, &[]);
    let asked = collector.await_asked(1);
    assert_eq!(asked[0].records().len(), 1);
    assert_eq!(asked[0].records()[0].event_name, "halfopen.cleared", "the newest is kept");
}

#[test]
fn in_audit_mode_the_record_says_that_nothing_was_held() {
    require_lab!();
    let scene = Scene::of("mode = \"audit\"\nhost.half_open = 3\nhost.slot_life = \"5m\"", |_| {
        (format!("http://{HERE}"), String::new())
    });
    let collector = Collector::listen(&scene.lab, HERE, &[]);
    let dead = scene.lab.draw(&testkit::Mix { dead: 10, ..testkit::Mix::default() }).unwrap();
    let _dialling = testkit::Dialer::new(&scene.lab).destinations(dead.destinations()).spawn().unwrap();
    let attributes = first(&collector.await_asked(1)[0]);
    assert_eq!(
        (&attributes["halfopen.audited"], &attributes["ocsf"]["disposition_id"]),
        (&json!(true), &json!(20))
    );
}

#[test]
fn tls_proves_the_collector_by_the_certificates_that_vouch_for_it() {
    require_lab!();
    if !has("openssl", "openssl") {
        return;
    }
    let other = tempfile::tempdir().unwrap();
    let other = certificate(other.path());
    let scene = Scene::with(|place| {
        let ca = certificate(place);
        (format!("https://{HERE}"), format!("ca = \"{}\"", ca.display()))
    });
    let collector = Collector::with_tls(&scene.lab, HERE, scene.directory.path());
    let _dialling = scene.scan();
    assert_eq!(first(&collector.await_asked(1)[0])["halfopen.event.id"], 4226);
    scene.await_well();

    let scene = Scene::with(|place| {
        certificate(place);
        (format!("https://{HERE}"), format!("ca = \"{}\"", other.display()))
    });
    let collector = Collector::with_tls(&scene.lab, HERE, scene.directory.path());
    let _dialling = scene.scan();
    let why = scene.await_degraded("does not prove who it is");
    assert!(why.contains("otlp.ca") && why.contains("lost so far: 0"), "{why}");
    assert!(collector.asked().is_empty());
}

#[test]
fn a_file_of_headers_that_others_can_read_is_not_used() {
    require_lab!();
    let scene = Scene::with(|place| {
        let file = place.join("headers");
        fs::write(&file, "Authorization: Bearer secret\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        (format!("http://{HERE}"), format!("headers = \"{}\"", file.display()))
    });
    let why = scene.await_degraded("chmod 600");
    assert!(!why.contains("secret"), "{why}");
    let _dialling = scene.scan();
    scene.await_degraded("lost so far: 1 events");
}

#[test]
fn without_its_process_the_limit_goes_on_and_says_so() {
    require_lab!();
    let scene = Scene::new();
    kill(scene.process(), Signal::KILL);
    scene.await_degraded("its process has ended");
    let _dialling = scene.scan();
    scene.await_degraded("lost so far: 1 events");
}

#[test]
fn what_waits_is_sent_when_the_daemon_ends() {
    require_lab!();
    let mut scene = Scene::new();
    let collector = Collector::listen(&scene.lab, HERE, &[]);
    let dialling = scene.scan();
    until("the event", PATIENCE, || ask_well(&scene.limiter, &["events"]).contains("4226").then_some(()));
    scene.limiter.signal(Signal::TERM).unwrap();
    scene.limiter.await_end(PATIENCE).unwrap();
    let asked = collector.asked();
    assert_eq!(asked.len(), 1, "{}", scene.limiter.stderr());
    assert_eq!(first(&asked[0])["halfopen.event.id"], 4226);
    drop(dialling);
}
