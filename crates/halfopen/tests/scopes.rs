//! Rules in force: whom they hold, what asking says of them, and how they are changed.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use testkit::desk::{PATIENCE, ask, ask_well, program, unbroken, until};
use testkit::dial::Outcome;
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

/// A limiter of a cgroup of the lab, with its configuration. The cgroup is found by the last name of its path.
struct Host {
    limiter: Limiter,
    directory: tempfile::TempDir,
    lab: Lab,
}

impl Host {
    /// `CGROUP` in the configuration stands for the lab's.
    fn with(configuration: &str) -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        fs::write(&config, configuration.replace("CGROUP", &path_of(&lab))).unwrap();
        let limiter = Limiter::builder(&lab).program(program()).config(&config).start().unwrap();
        Self { limiter, directory, lab }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("halfopen.toml")
    }

    fn dial_dead(&self, count: u32) -> Dialling {
        let dead = self.lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
        let dialling = Dialer::new(&self.lab).destinations(dead.destinations()).spawn().unwrap();
        dialling.await_all_dialled(PATIENCE).unwrap();
        dialling
    }

    fn status(&self) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap()
    }

    /// Of the scope whose name begins so.
    fn scope(&self, name: &str) -> Option<Value> {
        let status = self.status();
        let mut scopes = status["scopes"].as_array().unwrap().iter();
        scopes.find(|scope| scope["name"].as_str().unwrap().starts_with(name)).cloned()
    }

    fn until_scope(&self, name: &str, half_open: u64, queued: u64) -> Value {
        until(&format!("{half_open} half-open and {queued} queued in {name}"), PATIENCE, || {
            self.scope(name).filter(|scope| scope["half_open"] == half_open && scope["queued"] == queued)
        })
    }
}

/// In the hierarchy, as patterns have it.
fn path_of(lab: &Lab) -> String {
    let path = lab.cgroup().path();
    let root = path.ancestors().find(|above| !above.join("cgroup.events").exists()).unwrap();
    format!("/{}", path.strip_prefix(root).unwrap().display())
}

const OPEN: &str = "[host]\nhalf_open = \"unlimited\"\ndrain = \"unlimited\"\n";

#[test]
fn a_rule_holds_those_it_is_for_and_is_changed_live() {
    require_lab!();
    let rule = "[[scope]]\nname = \"mine\"\nmatch = { cgroup = \"CGROUP\" }\nhalf_open = 2\n";
    let host = Host::with(&[OPEN, rule].concat());
    let dialling = host.dial_dead(6);
    let mine = host.until_scope("mine", 2, 4);
    assert_eq!((&mine["kind"], &mine["half_open_limit"]), (&"rule".into(), &2.into()));
    assert_eq!(host.status()["host"]["half_open_limit"], Value::Null);
    let why = ask_well(&host.limiter, &["why", &dialling.pid().to_string()]);
    assert!(why.lines().all(|line| line.contains(", also in mine")), "{why}");
    assert!(why.contains("waits for a slot of mine: 2 of 2 are in use, 4 attempts wait"), "{why}");
    let event = until("the event of the rule's scope", PATIENCE, || {
        let events = host.limiter.events().unwrap();
        events.into_iter().find(|event| event.state == "reached")
    });
    assert_eq!((event.scope.as_str(), event.limit), ("mine", Some(2)));

    assert_eq!(ask_well(&host.limiter, &["get", "scope.mine.half_open"]), "2");
    assert_eq!(ask_well(&host.limiter, &["get", "scope.mine.drain"]), "unlimited");
    let set = ask_well(&host.limiter, &["set", "--save", "scope.mine.half_open", "4"]);
    assert!(set.starts_with("scope.mine.half_open = 4 (was 2), saved to "), "{set}");
    host.until_scope("mine", 4, 2);
    let saved = host.directory.path().join("conf.d/90-local.toml");
    assert_eq!(fs::read_to_string(&saved).unwrap(), "[[scope]]\nname = \"mine\"\nhalf_open = 4\n");
    assert_eq!(host.limiter.stderr().matches("dropped").count(), 0);
    host.limiter.set("scope.mine.half_open", 5).unwrap();
    host.until_scope("mine", 5, 1);
    host.limiter.signal(Signal::HUP).unwrap();
    until("the value that was not saved to be dropped", PATIENCE, || {
        let log = host.limiter.stderr();
        log.contains("scope.mine.half_open = 5 was set without --save and is dropped: now 4").then_some(())
    });

    let unknown = ask(&host.limiter, &["get", "scope.yours.half_open"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.error.contains("the scopes are host, mine"), "{unknown:?}");
    let unknown = ask(&host.limiter, &["set", "scope.yours.half_open", "3"]);
    assert!(unknown.code == Some(2) && unknown.error.contains("the scopes are host, mine"), "{unknown:?}");

    // Without its rule nothing holds them.
    fs::remove_file(saved).unwrap();
    fs::write(host.config(), OPEN).unwrap();
    host.limiter.signal(Signal::HUP).unwrap();
    until("the rule to end", PATIENCE, || host.scope("mine").is_none().then_some(()));
    host.limiter.await_status("all to be out", PATIENCE, |status| status.host.queued == 0).unwrap();
    let cleared = until("the event of the scope's end", PATIENCE, || {
        let events = host.limiter.events().unwrap();
        events.into_iter().find(|event| event.state == "cleared")
    });
    assert_eq!(cleared.scope, "mine");
}

#[test]
fn a_full_queue_of_an_account_is_told_of_its_rule_and_not_of_the_host() {
    require_lab!();
    let host = Host::with(
        "preset = \"none\"\nevent_after = \"1h\"\n[host]\nslot_life = \"10m\"\n\
         [[scope]]\nname = \"each\"\nper = \"cgroup\"\nhalf_open = 1\nqueue = 2\n\
         match = { cgroup = [\"CGROUP/deeper/*\", \"CGROUP\"] }\n",
    );
    let dialling = host.dial_dead(8);
    let account = host.until_scope("each[", 1, 2);
    assert_eq!(account["refused_overflow"], 5, "{account}");
    let events = until("the event", PATIENCE, || {
        Some(host.limiter.events().unwrap()).filter(|events| !events.is_empty())
    });
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.scope.as_str(), event.queued, event.programs.len()), ("each", 2, 1));
    assert_eq!((event.programs[0].pid, event.programs[0].attempts), (dialling.pid(), 2));
    host.limiter.set("scope.each.half_open", 2).unwrap();
    host.until_scope("each[", 2, 1);
}

#[test]
fn who_waits_for_an_address_that_another_has_reached_costs_nothing() {
    require_lab!();
    let rule = "[[scope]]\nname = \"mine\"\nmatch = { cgroup = \"CGROUP\" }\nfirst_contacts = 1\n\
                credit_rate = \"1/5s\"\n";
    let host = Host::with(&[OPEN, rule].concat());
    let dead = host.dial_dead(1);
    host.until_scope("mine", 1, 0);
    let stranger = host.lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap().destinations()[0];
    let dialling = Dialer::new(&host.lab).destinations([stranger; 20]).spawn().unwrap();
    let reports = dialling.await_reports(20, PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    assert_eq!(host.scope("mine").unwrap()["first_contacts"], 2);
    drop(dead);
}

#[test]
fn an_interface_has_a_limit_by_either_name() {
    require_lab!();
    let host = Host::with(OPEN);
    let name = "Interfaces\\nowhere0\\TcpNumConnections";
    let none = ask(&host.limiter, &["get", name]);
    assert!(none.code == Some(2) && none.error.contains("there is no [[interface]] in force"), "{none:?}");
    assert_eq!(
        ask_well(&host.limiter, &["set", name, "0x32"]),
        "interface.nowhere0.half_open = 50 (was not set)"
    );
    assert_eq!(ask_well(&host.limiter, &["get", name]), "50");
    assert_eq!(host.scope("nowhere0").unwrap()["kind"], "interface");
    host.limiter.set(name, "0xfffffe").unwrap();
    assert_eq!(ask_well(&host.limiter, &["get", "interface.nowhere0.half_open"]), "unlimited");
}

#[test]
fn accounts_have_names_by_which_they_are_released() {
    require_lab!();
    let host = Host::with(
        &[
            OPEN,
            "[[scope]]\nname = \"each\"\nmatch = { cgroup = \"CGROUP\" }\nper = \"cgroup\"\nhalf_open = 2\n",
        ]
        .concat(),
    );
    let _dialling = host.dial_dead(6);
    let account = host.until_scope("each[", 2, 4);
    let name = format!("each[{}]", path_of(&host.lab));
    assert_eq!((&account["name"], &account["kind"]), (&name.as_str().into(), &"account".into()));
    assert_eq!(host.status()["accounts_unlisted"], 0);
    let table = unbroken(&ask_well(&host.limiter, &["status"]));
    assert!(
        table.lines().any(|line| line.starts_with(&format!("{name}: queued 4, half-open 2 of 2"))),
        "{table}"
    );
    let none = "nothing to release: no account is a suspect or blocked";
    assert_eq!(ask_well(&host.limiter, &["release", "--all"]), none);
    let none = "nothing to release: it is neither a suspect nor blocked";
    for whom in ["each", "host", name.as_str()] {
        assert_eq!(ask_well(&host.limiter, &["release", whom]), none, "{whom}");
    }
    for (whom, code, named) in [
        ("eech", 1, "there is no scope eech: the names most like it are 'each'"),
        ("each[user root]", 1, "there is no account each[user root]"),
        ("each[cgroup 1]", 1, "there is no account each[cgroup 1]"),
        ("each[/no/such/cgroup]", 1, "there is no account each[/no/such/cgroup]"),
        ("each[user no such user]", 1, "no user no such user"),
    ] {
        let refused = ask(&host.limiter, &["release", whom]);
        assert!(refused.code == Some(code) && refused.error.contains(named), "{whom}: {refused:?}");
    }
}

#[test]
fn a_suspect_is_named_blocked_and_released() {
    require_lab!();
    let host = Host::with(
        &[
            OPEN,
            "[[scope]]\nname = \"each\"\nmatch = { cgroup = \"CGROUP\" }\nper = \"cgroup\"\n",
            "first_contacts = 40\non_suspect = \"block\"\nblock_for = \"1h\"\n",
        ]
        .concat(),
    );
    let name = format!("each[{}]", path_of(&host.lab));
    let dialling = host.dial_dead(60);
    let why = until("first contacts to wait for credit", PATIENCE, || {
        let why = ask_well(&host.limiter, &["why", &dialling.pid().to_string()]);
        why.contains("waits for credit: ").then_some(why)
    });
    assert!(
        why.contains(&format!("also in {name}; waits for credit: it is a first contact, and {name} has")),
        "{why}"
    );

    let event: Value = until("event 4227", PATIENCE, || {
        let events = ask_well(&host.limiter, &["events", "--json"]);
        let event = events.lines().find(|line| line.contains("\"id\":4227"))?;
        Some(serde_json::from_str(event).unwrap())
    });
    assert_eq!((&event["state"], &event["scope"]), (&"suspect".into(), &name.as_str().into()));
    let suspect = &event["suspect"];
    assert_eq!((&suspect["on_suspect"], &suspect["suspects"]), (&"block".into(), &1.into()));
    assert!(suspect["first_contacts"].as_u64().unwrap() >= 12, "{event}");
    assert_eq!(event["programs"][0]["pid"], dialling.pid());
    assert!(
        host.limiter.stderr().contains("event 4227: First contacts mostly fail"),
        "{}",
        host.limiter.stderr()
    );
    let account = host.scope(&name).unwrap();
    assert!(account["suspect_since"].is_string() && account["blocked_until"].is_string(), "{account}");
    let table = unbroken(&ask_well(&host.limiter, &["status"]));
    assert!(table.lines().any(|line| line.starts_with(&name) && line.contains("BLOCKED until ")), "{table}");

    let live = || {
        let live = host.lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap();
        let dialling = Dialer::new(&host.lab).destinations(live.destinations()).spawn().unwrap();
        let reports = dialling.await_all_done(PATIENCE).unwrap();
        reports.iter().filter(|report| report.outcome == Outcome::Connected).count()
    };
    assert_eq!(live(), 0, "it is blocked");
    assert!(host.scope(&name).unwrap()["refused_blocked"].as_u64().unwrap() > 0);
    let is_released = || {
        let account = host.scope(&name).unwrap();
        assert!(account["suspect_since"].is_null() && account["blocked_until"].is_null(), "{account}");
        account["credit"].as_u64().unwrap()
    };
    assert_eq!(ask_well(&host.limiter, &["release", &name]), format!("released {name}"));
    assert!(is_released() > 0, "shown at once, before it dials again");
    let why = ask_well(&host.limiter, &["why", &dialling.pid().to_string()]);
    assert!(!why.contains("has been a suspect since"), "{why}");
    assert_eq!(live(), 1, "it is released");
    is_released();
}

/// A scope without accounts is its own account.
#[test]
fn a_scope_that_is_a_suspect_itself_is_released_at_once() {
    require_lab!();
    let host = Host::with(
        &[OPEN, "[[scope]]\nname = \"all\"\nmatch = { cgroup = \"CGROUP\" }\nfirst_contacts = 40\n"].concat(),
    );
    let _dialling = host.dial_dead(60);
    let is_suspect = || host.scope("all").unwrap()["suspect_since"].is_string();
    until("a suspect", PATIENCE, || is_suspect().then_some(()));
    assert_eq!(ask_well(&host.limiter, &["release", "all"]), "released all");
    assert!(!is_suspect());
    assert!(host.scope("all").unwrap()["credit"].as_u64().unwrap() > 0);
}

#[test]
fn a_rule_that_tightens_sets_no_scanner_free() {
    require_lab!();
    let rule =
        "[[scope]]\nname = \"tight\"\nmatch = { cgroup = \"CGROUP\" }\nper = \"cgroup\"\nhalf_open = 20\n";
    let host = Host::with(&["preset = \"adaptive\"\n", rule].concat());
    let scan = host.dial_dead(600);
    let account = until("the scanner to be a suspect", PATIENCE, || {
        host.scope("tight[").filter(|account| !account["suspect_since"].is_null())
    });
    // Under half_open = 20 alone, all of them would be out within half a minute. Credit lets out 32 and two a second,
    // less with each silence: under `adaptive` 45 in three quarters of a minute.
    let out = account["admitted"].as_u64().unwrap() + account["released"].as_u64().unwrap();
    assert!((43..=60).contains(&out), "{account}");
    assert_eq!(account["half_open_limit"], 20, "{account}");
    let event = until("event 4227", PATIENCE, || {
        host.limiter.events().unwrap().into_iter().find(|event| event.id == 4227)
    });
    assert_eq!(event.scope, account["name"], "{event:?}");
    assert_eq!(ask_well(&host.limiter, &["get", "scope.tight.first_contacts"]), "32");
    let said = ask_well(&host.limiter, &["check", "--config", &host.config().display().to_string()]);
    assert!(said.lines().any(|line| line.starts_with("# inherits first_contacts = 32, ")), "{said}");
    // Whoever is to be free says so.
    host.limiter.set("scope.tight.first_contacts", "off").unwrap();
    until("hundreds to be out", PATIENCE, || {
        host.scope("tight[").filter(|account| account["released"].as_u64() > Some(150))
    });
    drop(scan);
}

/// Without `per`, what the rule names is for all together, but it names no amount.
#[test]
fn a_rule_that_blocks_suspects_blocks_no_neighbour_of_theirs() {
    require_lab!();
    let rule = "[[scope]]\nname = \"strict\"\nmatch = { cgroup = \"CGROUP\" }\non_suspect = \"block\"\n\
                block_for = \"1h\"\n[[scope]]\nname = \"adaptive\"\nper = \"cgroup\"\n\
                match = { cgroup = [\"CGROUP/*\", \"/*\", \"/\"] }\nfirst_contacts = 32\n";
    let host = Host::with(&["preset = \"adaptive\"\n", rule].concat());
    let [scanner, neighbour] = ["scanner", "neighbour"].map(|name| host.lab.cgroup().child(name).unwrap());
    let dead = host.lab.draw(&Mix { dead: 80, ..Mix::default() }).unwrap();
    let scan = Dialer::new(&host.lab).destinations(dead.destinations()).cgroup(&scanner).spawn().unwrap();
    until("the scanner to be blocked", PATIENCE, || {
        host.scope("strict[").filter(|account| !account["blocked_until"].is_null())
    });
    let live = host.lab.draw(&Mix { live: 10, ..Mix::default() }).unwrap();
    let dialling =
        Dialer::new(&host.lab).destinations(live.destinations()).cgroup(&neighbour).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    drop(scan);
}
