//! Event 4230, and what commands say of attempts that limits on connections hold back.

use serde_json::Value;
use std::net::SocketAddr;
use testkit::desk::{PATIENCE, ask_well, unbroken, until};
use testkit::dial::Outcome;
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix, require_lab};

/// A tenant of a rule with these limits on connections.
struct Scene {
    tenant: Cgroup,
    limiter: Limiter,
    _config: tempfile::TempDir,
    lab: Lab,
}

impl Scene {
    fn new(limits: &str, more: &[(&str, &str)]) -> Self {
        let lab = Lab::new().unwrap();
        let tenant = lab.cgroup().child("shop.service").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        // A lab's cgroups lie directly below the root.
        let path = lab.cgroup().path().file_name().unwrap().to_str().unwrap().to_owned();
        let rule = format!(
            "[[scope]]\nname = \"mine\"\nmatch = {{ cgroup = \"/{path}/*\" }}\nper = \"cgroup\"\n{limits}\n"
        );
        std::fs::write(&config, rule).unwrap();
        let builder = Limiter::builder(&lab).config(&config);
        let builder = builder.set("drain", "unlimited");
        let half_open =
            more.iter().find(|(key, _)| *key == "half_open").is_none().then_some(("half_open", "unlimited"));
        let builder = more
            .iter()
            .copied()
            .chain(half_open)
            .fold(builder, |builder, (key, value)| builder.set(key, value));
        let limiter = builder.start().unwrap();
        Self { tenant, limiter, _config: directory, lab }
    }

    fn live(&self, count: usize) -> Vec<SocketAddr> {
        self.lab.draw(&Mix { live: count, ..Mix::default() }).unwrap().destinations()
    }

    fn dial(&self, destinations: &[SocketAddr]) -> Dialling {
        self.dial_in(&self.tenant, destinations)
    }

    /// The cgroup of the lab itself has no account.
    fn dial_in(&self, cgroup: &Cgroup, destinations: &[SocketAddr]) -> Dialling {
        let dialer = Dialer::new(&self.lab).cgroup(cgroup).destinations(destinations.to_vec());
        let dialling = dialer.spawn().unwrap();
        dialling.await_all_dialled(PATIENCE).unwrap();
        dialling
    }

    /// Dials, and waits until all have connected.
    fn connect(&self, destinations: &[SocketAddr]) -> Dialling {
        let dialling = self.dial(destinations);
        let reports = dialling.await_all_done(PATIENCE).unwrap();
        assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
        dialling
    }

    fn events(&self) -> Vec<Value> {
        let text = ask_well(&self.limiter, &["events", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn event(&self) -> Value {
        until("event 4230", PATIENCE, || self.events().into_iter().find(|event| event["id"] == 4230))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap()
    }

    /// The numbers of the tenant's account.
    fn account(&self) -> Value {
        let status = self.status();
        let mut scopes = status["scopes"].as_array().unwrap().iter();
        scopes.find(|scope| scope["name"].as_str().unwrap().ends_with("/shop.service]")).unwrap().clone()
    }

    fn says(&self, arguments: &[&str], part: &str) {
        let said = ask_well(&self.limiter, arguments);
        assert!(unbroken(&said).contains(part), "{arguments:?} does not say {part:?}:\n{said}");
    }
}

fn has_name(event: &Value, dialling: &Dialling) {
    assert!(event["scope"].as_str().unwrap().ends_with("/shop.service]"), "{event}");
    assert!(event["scope"].as_str().unwrap().starts_with("mine[/"), "{event}");
    let program = &event["programs"][0];
    assert_eq!(program["pid"], dialling.pid(), "{event}");
    assert_eq!(program["comm"], "lab-dial", "{event}");
    assert!(program["exe"].as_str().unwrap().ends_with("/lab-dial"), "{event}");
}

#[test]
fn a_flood_has_one_event_a_minute_with_program_account_limit_and_destinations() {
    require_lab!();
    let scene = Scene::new("connect_rate = \"20/s\"\nconnect_burst = 5", &[]);
    let others = scene.live(20);
    let most = scene.live(1)[0];
    let destinations: Vec<SocketAddr> = std::iter::repeat_n(most, 60).chain(others).collect();
    let flood = scene.dial(&destinations);
    let pid = flood.pid().to_string();
    scene.says(
        &["why", &pid],
        "waits for its turn to connect: 20.0 connections per second may begin in mine[",
    );
    let event = scene.event();
    has_name(&event, &flood);
    assert_eq!(event["reason"], "connect_rate", "{event}");
    let held = &event["connections"];
    assert_eq!((&held["key"], &held["value"]), (&"connect_rate".into(), &"20/s".into()), "{event}");
    assert!((1..=75).contains(&held["waited"].as_u64().unwrap()), "{event}");
    // No limit counts open connections here.
    assert_eq!(held["open"], Value::Null, "{event}");
    let there = held["destinations"].as_array().unwrap();
    assert_eq!((there.len(), &there[0]["destination"]), (5, &most.to_string().into()), "{event}");
    assert!(there[0]["waited"].as_u64() > there[1]["waited"].as_u64(), "{event}");
    flood.await_all_done(PATIENCE).unwrap();
    // Another flood in the same minute: each of its attempts waits, the last ones for longer than `event_after`.
    drop(scene.connect(&destinations));
    scene.says(&["report"], "events 4230 name the programs");
    let events = scene.events();
    assert_eq!(events.iter().filter(|event| event["id"] == 4230).count(), 1, "{events:?}");
    assert!(events.iter().all(|event| event["id"] != 4226), "{events:?}");
    assert!(scene.account()["connections"]["waited"].as_u64().unwrap() > 100, "{}", scene.account());
}

#[test]
fn a_full_account_names_where_its_connections_go() {
    require_lab!();
    let scene = Scene::new("established = 10", &[]);
    let (open_to, next) = (scene.live(1)[0], scene.live(1)[0]);
    let _open = scene.connect(&[open_to; 10]);
    let waiting = scene.dial(&[next; 5]);
    let event = scene.event();
    has_name(&event, &waiting);
    let held = &event["connections"];
    assert_eq!((&event["reason"], &held["key"]), (&"established".into(), &"established".into()), "{event}");
    assert_eq!((&held["waited"], &held["open"]), (&5.into(), &10.into()), "{event}");
    let expected = serde_json::json!([
        {"destination": open_to.to_string(), "open": 10, "waited": 0},
        {"destination": next.to_string(), "open": 0, "waited": 5},
    ]);
    assert_eq!(held["destinations"], expected, "{event}");
    let waits = "waits for the end of a connection: 10 of 10 are open in mine[";
    scene.says(&["why", &next.to_string()], waits);
    scene.says(&["inspect", &waiting.pid().to_string()], waits);
    scene.says(&["inspect", event["scope"].as_str().unwrap()], "event 4230: New connections wait");
    scene.says(&["status"], "/shop.service]: queued 5, half-open 0, open 10 of 10, waited for connections 5");
    scene.says(&["report"], "/shop.service]: open 10 of 10, waited for connections 5");
    assert_eq!(scene.account()["connections"]["open"], 10);
}

#[test]
fn a_full_destination_is_named_and_others_are_not_held() {
    require_lab!();
    let scene = Scene::new("per_destination = { established = 3 }", &[]);
    let (full, free) = (scene.live(1)[0], scene.live(1)[0]);
    let _others = scene.connect(&[free; 2]);
    let waiting = scene.dial(&[full; 5]);
    let event = scene.event();
    has_name(&event, &waiting);
    let held = &event["connections"];
    assert_eq!(
        (&event["reason"], &held["key"]),
        (&"destination_established".into(), &"per_destination.established".into())
    );
    let expected = serde_json::json!([
        {"destination": full.to_string(), "open": 3, "waited": 2},
        {"destination": free.to_string(), "open": 2, "waited": 0},
    ]);
    assert_eq!((&held["destinations"], &held["open"]), (&expected, &5.into()), "{event}");
    let waits = "waits for the end of a connection to its destination: 3 may be open to one in mine[";
    scene.says(&["why", &waiting.pid().to_string()], waits);
    assert_eq!(scene.account()["connections"]["waited_for_destination"], 2);
}

#[test]
fn a_limit_of_the_host_opens_no_episode_either() {
    require_lab!();
    let scene = Scene::new("", &[("connect_rate", "10/s"), ("connect_burst", "1"), ("event_after", "0s")]);
    let flood = scene.dial_in(scene.lab.cgroup(), &scene.live(40));
    let event = scene.event();
    assert_eq!((&event["scope"], &event["reason"]), (&"host".into(), &"connect_rate".into()), "{event}");
    assert_eq!(event["programs"][0]["pid"], flood.pid(), "{event}");
    scene.says(&["status"], "host: connections 10.0/s at most, waited for connections ");
    flood.await_all_done(PATIENCE).unwrap();
    assert!(scene.events().iter().all(|event| event["id"] == 4230), "{:?}", scene.events());
}

/// Two connections may be open, and one attempt half-open.
const TWO: [(&str, &str); 2] = [("established", "2"), ("half_open", "1")];

/// An episode is over once nobody waits for a slot, whoever waits for connections then.
fn is_cleared_while_others_wait_for_connections(scene: &Scene, cgroup: &Cgroup) {
    let silent = scene.lab.draw(&Mix { dead: 2, ..Mix::default() }).unwrap().destinations();
    let scan = scene.dial_in(cgroup, &silent);
    let of_scan = |state: &str| {
        until(&format!("event 4226, {state}"), PATIENCE, || {
            scene.events().into_iter().find(|event| event["id"] == 4226 && event["state"] == state)
        })
    };
    assert_eq!(of_scan("reached")["reason"], "slot");
    drop(scan.kill());
    let waiting = scene.dial_in(cgroup, &scene.live(6));
    of_scan("cleared");
    let pid = waiting.pid().to_string();
    scene.says(&["why", &pid], "waits for the end of a connection: 2 of 2 are open in ");
    assert_eq!(scene.events().iter().filter(|event| event["id"] == 4226).count(), 2);
}

#[test]
fn those_who_wait_for_connections_of_an_account_keep_no_episode_open() {
    require_lab!();
    let limits = TWO.map(|(key, value)| format!("{key} = {value}")).join("\n");
    let scene = Scene::new(&limits, &[]);
    is_cleared_while_others_wait_for_connections(&scene, &scene.tenant);
}

#[test]
fn those_who_wait_for_connections_of_the_host_keep_no_episode_open() {
    require_lab!();
    let scene = Scene::new("", &TWO);
    is_cleared_while_others_wait_for_connections(&scene, scene.lab.cgroup());
}

#[test]
fn audit_mode_counts_and_says_that_nothing_is_held() {
    require_lab!();
    let scene = Scene::new("connect_rate = \"1/m\"", &[("mode", "audit")]);
    let flood = scene.connect(&scene.live(10));
    let event = scene.event();
    has_name(&event, &flood);
    assert_eq!((&event["audited"], &event["queued"]), (&true.into(), &0.into()), "{event}");
    assert_eq!(event["connections"]["waited"], 9, "{event}");
    let message = event["message"].as_str().unwrap();
    assert!(message.ends_with("Audit mode: nothing is held."), "{message}");
    scene.says(&["report"], "or a limit on connections reached");
    assert!(scene.events().iter().all(|event| event["id"] != 4226));
}

#[test]
fn who_is_never_held_and_mode_off_have_no_event() {
    require_lab!();
    let scene = Scene::new("connect_rate = \"1/m\"\nestablished = 1", &[]);
    let path = scene.lab.cgroup().path().file_name().unwrap().to_str().unwrap().to_owned();
    let rule = format!("[{{ cgroup = \"/{path}/shop.service\", reason = \"a test\" }}]");
    scene.limiter.set("never_hold", &rule).unwrap();
    drop(scene.connect(&scene.live(5)));
    scene.limiter.set("never_hold", "[]").unwrap();
    scene.limiter.set("mode", "off").unwrap();
    drop(scene.connect(&scene.live(5)));
    assert_eq!(scene.events(), [] as [Value; 0]);
    assert_eq!(scene.status()["host"]["would_have_waited"], 0);
}
