//! Each account that becomes a suspect is named by an event.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::utc_time::UtcTime;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use testkit::desk::{PATIENCE, ask_well, program, until};
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix, require_lab};

/// A limiter with an account for each cgroup below the lab's.
struct Host {
    limiter: Limiter,
    _directory: tempfile::TempDir,
    lab: Lab,
}

impl Host {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        let rule = format!(
            "[host]\nhalf_open = \"unlimited\"\ndrain = \"unlimited\"\n[[scope]]\nname = \"each\"\n\
             match = {{ cgroup = \"{}/*\" }}\nper = \"cgroup\"\nfirst_contacts = 40\n",
            path_of(lab.cgroup())
        );
        fs::write(&config, rule).unwrap();
        let limiter = Limiter::builder(&lab).program(program()).config(&config).start().unwrap();
        Self { limiter, _directory: directory, lab }
    }

    fn service(&self, number: usize) -> Cgroup {
        self.lab.cgroup().child(format!("service-{number}")).unwrap()
    }

    /// A scan of addresses that do not answer.
    fn scan(&self, service: &Cgroup) -> Dialling {
        let dead = self.lab.draw(&Mix { dead: 50, ..Mix::default() }).unwrap();
        Dialer::new(&self.lab).cgroup(service).destinations(dead.destinations()).spawn().unwrap()
    }

    fn events(&self, id: u64) -> Vec<Value> {
        let events = ask_well(&self.limiter, &["events", "--json"]);
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["id"] == id).collect()
    }
}

/// In the hierarchy, as patterns have it.
fn path_of(cgroup: &Cgroup) -> String {
    let path = cgroup.path();
    let root = path.ancestors().find(|above| !above.join("cgroup.events").exists()).unwrap();
    format!("/{}", path.strip_prefix(root).unwrap().display())
}

fn account_of(service: &Cgroup) -> String {
    format!("each[{}]", path_of(service))
}

#[test]
fn three_that_scan_one_after_the_other_have_an_event_each() {
    require_lab!();
    let host = Host::new();
    let mut scans = Vec::new();
    for number in 0..3 {
        let service = host.service(number);
        scans.push(host.scan(&service));
        let event = until("the event of this account", PATIENCE / 2, || {
            host.events(4227).into_iter().find(|event| event["scope"] == account_of(&service).as_str())
        });
        assert_eq!(event["programs"][0]["pid"], scans[number].pid(), "{event}");
        assert_eq!(event["suspect"]["suspects"], 1, "{event}");
    }
    // All three share the rule, and its event names the account too.
    let reached = &host.events(4226)[0];
    let first = account_of(&host.service(0));
    assert_eq!(
        (&reached["scope"], &reached["programs"][0]["account"]),
        (&"each".into(), &first.as_str().into())
    );
    let line = ask_well(&host.limiter, &["events"]);
    assert!(line.contains(&format!("Scope: each. Account: {first}. Reached by ")), "{line}");
}

#[test]
fn those_over_ten_a_minute_are_listed_in_an_event_of_another() {
    require_lab!();
    let host = Host::new();
    let services: Vec<Cgroup> = (0..12).map(|number| host.service(number)).collect();
    let wanted: BTreeSet<String> = services.iter().map(account_of).collect();
    let mut scans: Vec<Dialling> = services[..10].iter().map(|service| host.scan(service)).collect();
    until("ten events", PATIENCE, || (host.events(4227).len() == 10).then_some(()));
    scans.extend(services[10..].iter().map(|service| host.scan(service)));
    until("twelve suspects", PATIENCE, || {
        let status: Value = serde_json::from_str(&ask_well(&host.limiter, &["status", "--json"])).unwrap();
        let scopes = status["scopes"].as_array().unwrap().iter();
        (scopes.filter(|scope| !scope["suspect_since"].is_null()).count() == 12).then_some(())
    });
    // The daemon looks up their names within a second. Then the names do not go with the services.
    sleep(Duration::from_secs(2));
    drop(scans);
    drop(services);
    let events = until("all to be named", 2 * PATIENCE, || {
        let events = host.events(4227);
        let listed = events.iter().filter_map(|event| event["suspect"]["others"].as_array().cloned());
        let named = events.iter().map(|event| event["scope"].clone()).chain(listed.flatten());
        let named: BTreeSet<String> = named.map(|name| name.as_str().unwrap().to_owned()).collect();
        (named == wanted).then_some(events)
    });
    let stand_for: u64 = events.iter().map(|event| event["suspect"]["suspects"].as_u64().unwrap()).sum();
    assert_eq!(stand_for, 12, "{events:?}");
    let time = |event: &Value| event["time"].as_str().unwrap().parse::<UtcTime>().unwrap();
    let at_once = events.iter().filter(|event| time(event).since(time(&events[0])) < Duration::from_secs(59));
    assert_eq!(at_once.count(), 10, "{events:?}");
}
