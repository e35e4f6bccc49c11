//! `[[deny]]`: who connects or sends where a rule says no is told so at once, and nobody pays for it while there is none.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::io::Errno;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::processes::Helper;
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::rig::host;
use testkit::rig::program::Program;
use testkit::{Family, HostKind, Lab, Limiter, require_lab};

const REFUSED: Result<(), Errno> = Err(Errno::PERM);
/// Each way to connect or send by either protocol.
const CALLS: [&str; 6] = ["tcp", "mptcp", "fast_open", "udp", "udp_send", "udp_send_connected"];

/// Hosts that do not answer, a program that calls them, and a limiter in whose way there are two rules.
struct Scene {
    program: RefCell<Program>,
    limiter: Limiter,
    denied: [SocketAddr; 2],
    ports: SocketAddr,
    free: [SocketAddr; 2],
    config: PathBuf,
    _directory: tempfile::TempDir,
    lab: Lab,
}

impl Scene {
    fn with(settings: &[(&str, &str)], persist: bool) -> Self {
        let lab = Lab::new().unwrap();
        let [denied, free] = [(); 2].map(|()| [Family::V4, Family::V6].map(|family| dead(&lab, family)));
        let ports = dead(&lab, Family::V4);
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        let spread: Vec<String> = denied.iter().map(|host| around(host.ip())).collect();
        let text = format!(
            "[[deny]]\nname = \"all\"\nto = {spread:?}\nexcept = {:?}\n\n\
             [[deny]]\nname = \"ports\"\nto = [\"{}\"]\nprotocol = \"tcp\"\nport = [22, \"6881-6889\"]\n",
            [ports, free[0], free[1]].map(|host| host.ip().to_string()),
            ports.ip(),
        );
        fs::write(&config, text).unwrap();
        let mut builder = limit(&lab, 1).config(&config);
        for (name, value) in settings {
            builder = builder.set(name, value);
        }
        let limiter = if persist { builder.persist() } else { builder }.start().unwrap();
        let program = Program::start(lab.client(), lab.cgroup(), "deny_calls.py", &[]);
        let program = RefCell::new(program);
        Self { program, limiter, denied, ports, free, config, _directory: directory, lab }
    }

    fn call(&self, call: &str, to: SocketAddr) -> Result<(), Errno> {
        self.call_as(call, &to.ip().to_string(), to.port())
    }

    fn call_as(&self, call: &str, host: &str, port: u16) -> Result<(), Errno> {
        let mut program = self.program.borrow_mut();
        let free = self.free[usize::from(host.contains(':'))];
        let elsewhere =
            if host.starts_with("::ffff:") { mapped(self.free[0]) } else { free.ip().to_string() };
        program.tell(&json!({"call": call, "host": host, "port": port, "elsewhere": [elsewhere, 9]}));
        match program.hear(PATIENCE)["errno"].as_i64().unwrap() {
            0 => Ok(()),
            errno => Err(Errno::from_raw_os_error(errno.try_into().unwrap())),
        }
    }

    fn status(&self) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap()
    }

    /// How many a rule has refused, and would have.
    fn counts(&self, rule: &str) -> (u64, u64) {
        let status = self.status();
        let rule = status["deny"].as_array().unwrap().iter().find(|found| found["name"] == rule).unwrap();
        (rule["denied"].as_u64().unwrap(), rule["would_have_denied"].as_u64().unwrap())
    }

    /// The programs of rules that are attached.
    fn attached(&self) -> BTreeSet<String> {
        let path = self.lab.cgroup().path();
        let output = Command::new("bpftool").args(["-j", "cgroup", "show"]).arg(path).output().unwrap();
        let list: Vec<Value> =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        let names = list.iter().filter_map(|program| program["name"].as_str().map(ToOwned::to_owned));
        names.filter(|name| name.starts_with("deny_")).collect()
    }

    fn attached_are(&self, wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        until(&format!("{wanted:?} to be what is attached"), PATIENCE, || {
            (self.attached() == wanted).then_some(())
        });
    }

    fn set(&self, name: &str, value: &str) {
        ask_well(&self.limiter, &["set", name, value]);
    }
}

const ALL: [&str; 4] = ["deny_connect4", "deny_connect6", "deny_sendmsg4", "deny_sendmsg6"];

fn dead(lab: &Lab, family: Family) -> SocketAddr {
    host(lab, HostKind::Dead, family)
}

/// A prefix that `address` is somewhere in.
fn around(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{address}/20"),
        IpAddr::V6(_) => format!("{address}/100"),
    }
}

fn mapped(address: SocketAddr) -> String {
    format!("::ffff:{}", address.ip())
}

#[test]
fn every_way_to_a_denied_address_is_refused_at_once_and_none_enters_the_books() {
    require_lab!();
    let scene = Scene::with(&[("host.queue", "1")], false);
    scene.attached_are(&ALL);
    let mut refused = 0;
    for call in CALLS {
        for to in scene.denied.map(|to| (to.ip().to_string(), to.port())) {
            assert_eq!(scene.call_as(call, &to.0, to.1), REFUSED, "{call} to {}", to.0);
            refused += 1;
        }
        let host = mapped(scene.denied[0]);
        assert_eq!(scene.call_as(call, &host, scene.denied[0].port()), REFUSED, "{call} to {host}");
        refused += 1;
    }
    let denied = scene.denied[0];
    let arguments = [denied.ip().to_string(), denied.port().to_string(), "2500".to_owned()];
    let uring = Program::start(scene.lab.client(), scene.lab.cgroup(), "uring_connect.py", &arguments);
    assert_eq!(uring.hear(PATIENCE), -Errno::PERM.raw_os_error());
    refused += 1;
    assert_eq!(scene.counts("all"), (refused, 0));
    for to in scene.free {
        for call in ["udp", "udp_send", "udp_send_connected", "unspec"] {
            let free = scene.call(call, to);
            assert_eq!(free, Ok(()), "{call} to {to}");
        }
    }
    let port = |port| scene.call_as("tcp", &scene.ports.ip().to_string(), port);
    assert_eq!([port(22), port(6881), port(6889)], [REFUSED; 3]);
    assert_eq!(scene.call_as("udp", &scene.ports.ip().to_string(), 22), Ok(()), "the rule is for TCP");
    assert_eq!(scene.counts("ports"), (3, 0));

    let host = scene.status()["host"].clone();
    let accounting =
        ["half_open", "queued", "admitted", "failed", "cancelled"].map(|name| host[name].as_i64());
    assert_eq!(accounting, [Some(0); 5], "{host}");
    assert_eq!([scene.call("tcp", scene.free[0]), port(23)], [Ok(()); 2], "out, and queued");
    assert_eq!(scene.call("tcp", scene.free[1]), Err(Errno::NOBUFS), "the queue is full");
    assert_eq!(scene.call("tcp", scene.denied[1]), REFUSED, "and a rule comes before it");
    let host = scene.status()["host"].clone();
    let accounting = ["half_open", "queued", "refused_overflow"].map(|name| host[name].as_i64());
    assert_eq!(accounting, [Some(1); 3], "{host}");

    let why = ask_well(&scene.limiter, &["why", &denied.ip().to_string()]);
    assert!(why.starts_with("deny rule all refuses TCP and UDP to"), "{why}");
    let why = ask_well(&scene.limiter, &["why", &scene.free[0].ip().to_string()]);
    assert!(!why.contains("deny rule"), "{why}");
    let last = scene.status()["deny"][0]["last"].clone();
    let expected = json!(["python3", scene.denied[1].to_string(), "tcp", false]);
    assert_eq!(json!([last["comm"], last["destination"], last["protocol"], last["audited"]]), expected);
    assert_eq!(last["pid"], scene.program.borrow().pid(), "{last}");
    let event = until("an event of each rule", PATIENCE, || {
        let text = ask_well(&scene.limiter, &["events", "--json"]);
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut denials = events.filter(|event| event["id"] == 4228);
        let first = denials.find(|event| event["scope"] == "all")?;
        denials.any(|event| event["scope"] == "ports").then_some(first)
    });
    assert_eq!((&event["state"], &event["programs"][0]["comm"]), (&json!("denied"), &json!("python3")));
}

#[test]
fn rules_change_while_the_daemon_runs_and_cost_nothing_once_they_are_off() {
    require_lab!();
    let scene = Scene::with(&[("mode", "audit"), ("half_open", "100")], false);
    let [v4, v6] = scene.denied;
    assert_eq!([scene.call("tcp", v4), scene.call("udp_send", v6)], [Ok(()); 2], "audit counts only");
    assert_eq!(scene.counts("all"), (0, 2));
    ask_well(&scene.limiter, &["enforce", "--for", "3s"]);
    assert_eq!([scene.call("tcp", v4), scene.call("udp", v6)], [REFUSED; 2], "on trial");
    until("the trial's end", PATIENCE, || scene.call("udp", v4).ok());
    scene.set("mode", "enforce");
    assert_eq!(scene.call("udp_send", v6), REFUSED);

    let exempt = json!([v4.ip().to_string(), v6.ip().to_string()]);
    scene.set("exempt", &exempt.to_string());
    assert_eq!([scene.call("tcp", v4), scene.call("udp", v6)], [REFUSED; 2], "exempt from the limit only");

    scene.set("deny.all.mode", "audit");
    assert_eq!(scene.call("udp_send", v6), Ok(()), "a rule's own mode");
    scene.set("deny.all.mode", "enforce");
    scene.set("deny.all.protocol", "tcp");
    assert_eq!([scene.call("udp_send", v6), scene.call("tcp", v6)], [Ok(()), REFUSED]);
    scene.attached_are(&ALL[..2]);
    scene.set("deny.all.except", &format!("{}, {}", v6.ip(), scene.free[0].ip()));
    assert_eq!([scene.call("tcp", v6), scene.call("tcp", v4)], [Ok(()), REFUSED]);
    scene.set("deny.all.mode", "off");
    scene.attached_are(&ALL[..2]);
    scene.set("deny.ports.mode", "off");
    scene.attached_are(&[]);
    assert_eq!(scene.call("tcp", v4), Ok(()));
    let before = scene.counts("all");
    ask_well(&scene.limiter, &["set", "--save", "deny.all.port", "80,1-65535"]);
    reload(&scene);
    scene.set("mode", "enforce");
    scene.attached_are(&ALL);
    assert_eq!(
        [scene.call("udp_send", v6), scene.call("tcp", v4)],
        [REFUSED; 2],
        "what was not saved is dropped"
    );
    assert_eq!(scene.counts("all"), (before.0 + 2, before.1), "a rule that was off is the same rule");
    assert_eq!(ask_well(&scene.limiter, &["get", "deny.all.port"]).trim(), "1-65535, 80");
    scene.set("mode", "off");
    scene.attached_are(&[]);

    Helper::of(scene.limiter.pid()).kill_for_good();
    scene.set("mode", "enforce");
    let reasons = || {
        let status = scene.status();
        let all = status["degraded"].as_array().unwrap().iter();
        all.map(|found| found["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until("the want of hooks to be told", PATIENCE, || {
        let told = reasons();
        (told.contains(&"hook_not_attached".into()) && told.contains(&"no_helper".into())).then_some(())
    });
    assert_eq!(scene.call("tcp", v4), Ok(()));
}

fn reload(scene: &Scene) {
    scene.limiter.signal(Signal::HUP).unwrap();
    until("the files to be read", PATIENCE, || scene.limiter.stderr().contains("reloaded ").then_some(()));
}

#[test]
fn pinned_rules_hold_without_a_daemon_and_go_on_in_the_next() {
    require_lab!();
    let mut scene = Scene::with(&[("half_open", "100")], true);
    let to = scene.denied[0];
    let pins = scene.lab.pins().to_owned();
    let pinned = |pins: &Path| ALL.iter().filter(|name| pins.join(name).exists()).count();
    assert_eq!((scene.call("tcp", to), pinned(&pins)), (REFUSED, 4));
    scene.set("deny.all.protocol", "tcp");
    assert_eq!((scene.call("udp", to), pinned(&pins)), (Ok(()), 2));
    scene.set("deny.all.protocol", "both");
    assert_eq!((scene.call("udp", to), pinned(&pins)), (REFUSED, 4));

    scene.limiter.kill();
    assert_eq!([scene.call("tcp", to), scene.call("udp_send", to)], [REFUSED; 2], "with nobody there");
    scene.limiter.start_again().unwrap();
    assert_eq!(scene.call("udp", to), REFUSED);
    assert_eq!(scene.counts("all"), (5, 0), "counts go on");
    scene.set("mode", "off");
    scene.attached_are(&[]);
    assert_eq!(pinned(&pins), 0);
    let looked = std::time::Instant::now();
    until("some looks", PATIENCE, || (looked.elapsed().as_secs() > 2).then_some(()));
    scene.set("mode", "enforce");
    assert_eq!((scene.call("tcp", to), pinned(&pins)), (REFUSED, 4), "{}", scene.limiter.stderr());
    fs::remove_file(&scene.config).unwrap();
    fs::write(&scene.config, "").unwrap();
    scene.limiter.kill();
    scene.limiter.start_again().unwrap();
    assert_eq!((scene.call("tcp", to), pinned(&pins)), (Ok(()), 0), "the next daemon has no rules");
    ask_well(&scene.limiter, &["off"]);
    assert!(!pins.exists());
}
