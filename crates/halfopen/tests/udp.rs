//! First contacts over UDP: who sends to more new addresses than allowed is refused or nothing leaves; who answers, or
//! goes on with whom it knows, notices nothing.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::io::Errno;
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use testkit::desk::{PATIENCE, ask_well, limit, unbroken, until};
use testkit::rig::host;
use testkit::rig::program::Program;
use testkit::{CLIENT_V4, Cgroup, Family, HostKind, Lab, Limiter, require_lab};

const PORT: u16 = 4_500;
/// One at once, and the next after the test.
const ONE: &str = "1/3600s";

struct Scene {
    program: Program,
    world: Program,
    limiter: Limiter,
    _config: tempfile::TempDir,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        let path = lab.cgroup().path();
        let root = path.ancestors().find(|above| !above.join("cgroup.events").exists()).unwrap();
        let below = path.strip_prefix(root).unwrap().display();
        let rule =
            format!("[[scope]]\nname = \"mine\"\nmatch = {{ cgroup = \"/{below}/*\" }}\nper = \"cgroup\"\n");
        std::fs::write(&config, rule).unwrap();
        let limiter = limit(&lab, 1).config(&config).start().unwrap();
        let program = Self::program(&lab, lab.cgroup());
        let mut world = Program::start(lab.world(), lab.cgroup(), "datagrams.py", &[]);
        world.tell(&json!({"bind": PORT}));
        world.hear(PATIENCE);
        Self { program, world, limiter, _config: directory, lab }
    }

    fn program(lab: &Lab, cgroup: &Cgroup) -> Program {
        let mut program = Program::start(lab.client(), cgroup, "datagrams.py", &[]);
        program.tell(&json!({"bind": 0}));
        program.hear(PATIENCE);
        program
    }

    /// Fresh addresses that hear what is sent to them.
    fn hosts(&self, count: usize, family: Family) -> Vec<IpAddr> {
        (0..count).map(|_| host(&self.lab, HostKind::Live, family).ip()).collect()
    }

    fn send_as(&mut self, how: &str, to: &[IpAddr]) -> Vec<Result<(), Errno>> {
        send(&mut self.program, how, to)
    }

    fn send(&mut self, to: &[IpAddr]) -> Vec<Result<(), Errno>> {
        self.send_as("sendto", to)
    }

    /// What has arrived, up to what was sent to this address.
    fn heard_until(&mut self, last: IpAddr) -> Vec<IpAddr> {
        self.world.tell(&json!({"until": last.to_string()}));
        let heard = self.world.hear(PATIENCE);
        heard["heard"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// Of the scope whose name has these at its ends.
    fn udp(&self, begins: &str, ends: &str) -> Value {
        let status: Value = serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap();
        let mut all = std::iter::once(&status["host"]).chain(status["scopes"].as_array().unwrap());
        let is_it = |name: &str| name.starts_with(begins) && name.ends_with(ends);
        all.find(|scope| is_it(scope["name"].as_str().unwrap())).unwrap()["udp"].clone()
    }

    /// Let out, stopped, and would have been, of the scope whose name begins so.
    fn counts(&self, name: &str) -> [u64; 3] {
        let udp = self.udp(name, "");
        ["let_out", "stopped", "would_have_been_stopped"].map(|count| udp[count].as_u64().unwrap())
    }

    /// A program in a cgroup of its own below that of the rule.
    fn tenant(&self, name: &str) -> (Cgroup, Program) {
        let cgroup = self.lab.cgroup().child(name).unwrap();
        let program = Self::program(&self.lab, &cgroup);
        (cgroup, program)
    }

    /// The first event 4229 of the scope whose name has these at its ends.
    fn event(&self, begins: &str, ends: &str) -> Value {
        until(&format!("event 4229 of {begins}{ends}"), PATIENCE, || {
            let text = ask_well(&self.limiter, &["events", "--json"]);
            let mut events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let is_it = |scope: &str| scope.starts_with(begins) && scope.ends_with(ends);
            events.find(|event| event["id"] == 4229 && is_it(event["scope"].as_str().unwrap()))
        })
    }
}

fn send(program: &mut Program, how: &str, to: &[IpAddr]) -> Vec<Result<(), Errno>> {
    let to: Vec<_> = to.iter().map(|address| (address.to_string(), PORT)).collect();
    program.tell(&json!({"send": to, "how": how}));
    let answer = program.hear(PATIENCE);
    let error = |errno: &Value| match errno.as_i64().unwrap() {
        0 => Ok(()),
        errno => Err(Errno::from_raw_os_error(errno.try_into().unwrap())),
    };
    answer["errno"].as_array().unwrap().iter().map(error).collect()
}

const REFUSED: Result<(), Errno> = Err(Errno::PERM);

#[test]
fn one_first_contact_too_many_is_refused_or_dropped_and_nobody_else_notices() {
    require_lab!();
    let mut scene = Scene::new();
    let hosts = scene.hosts(12, Family::V4);
    // Nothing is limited, nothing is noted.
    assert_eq!(scene.send(&hosts[..2]), [Ok(()), Ok(())]);
    assert_eq!(scene.heard_until(hosts[1]).len(), 2);

    scene.limiter.set("host.udp_first_contacts", ONE).unwrap();
    assert_eq!(scene.send(&hosts[..4]), [Ok(()), REFUSED, REFUSED, REFUSED]);
    assert_eq!(scene.send_as("connected", &hosts[2..4]), [REFUSED, REFUSED]);
    let v6 = scene.hosts(1, Family::V6);
    assert_eq!(scene.send(&v6), [REFUSED]);
    // Whom it knows it goes on with, by whatever socket.
    assert_eq!(scene.send(&hosts[..1]), [Ok(())]);
    assert_eq!(scene.send_as("connected", &hosts[..1]), [Ok(())]);
    assert_eq!(scene.heard_until(hosts[0]), [hosts[0]]);
    assert_eq!(scene.counts("host"), [1, 6, 0]);

    // An answer is no first contact.
    let asks = hosts[4];
    scene.program.tell(&json!({"bind": PORT + 1}));
    scene.program.hear(PATIENCE);
    scene
        .world
        .tell(&json!({"send_from": [asks.to_string(), PORT + 2], "to": [CLIENT_V4.to_string(), PORT + 1]}));
    assert_eq!(scene.world.hear(PATIENCE), json!({"errno": [0]}));
    scene.program.tell(&json!({"until": CLIENT_V4.to_string()}));
    assert_eq!(scene.program.hear(PATIENCE)["heard"].as_array().unwrap().len(), 1);
    assert_eq!(scene.send(&[asks]), [Ok(())]);

    // Dropped: the sender hears nothing of it.
    scene.limiter.set("host.udp_excess", "drop").unwrap();
    assert_eq!(scene.send(&hosts[5..8]), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(scene.send(&[asks]), [Ok(())]);
    let heard = scene.heard_until(asks);
    assert!(!heard.iter().any(|address| hosts[5..8].contains(address)), "{heard:?}");

    scene.limiter.set("exempt", json!([format!("{}/32", hosts[5])])).unwrap();
    scene.limiter.set("host.udp_excess", "refuse").unwrap();
    assert_eq!(scene.send(&hosts[5..7]), [Ok(()), REFUSED]);
    let [let_out, stopped, _] = scene.counts("host");
    assert_eq!((let_out, stopped), (1, 10));
    scene.limiter.set("mode", "audit").unwrap();
    assert_eq!(scene.send(&hosts[6..9]), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(scene.counts("host"), [1, 10, 3]);
    scene.limiter.set("mode", "enforce").unwrap();
    scene.limiter.set("host.udp_first_contacts", "off").unwrap();
    assert_eq!(scene.send(&hosts[9..]), [Ok(()), Ok(()), Ok(())]);

    // Each account of a rule has its own.
    scene.limiter.set("scope.mine.udp_first_contacts", ONE).unwrap();
    let fresh = scene.hosts(3, Family::V4);
    for name in ["one", "other"] {
        let cgroup = scene.lab.cgroup().child(name).unwrap();
        let mut program = Scene::program(&scene.lab, &cgroup);
        assert_eq!(send(&mut program, "sendto", &fresh), [Ok(()), REFUSED, REFUSED], "{name}");
    }
    assert_eq!(scene.send(&fresh), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(scene.counts("mine["), [1, 2, 0]);
}

/// One who was sent to, and one who has sent, are known for `known_for`. Who is never held needs to know nobody.
#[test]
fn what_is_known_is_so_for_its_time_and_who_is_never_held_goes_on() {
    require_lab!();
    let mut scene = Scene::new();
    let hosts = scene.hosts(5, Family::V4);
    let [sent_to, has_sent] = [hosts[0], hosts[1]];
    scene.limiter.set("known_for", "10s").unwrap();
    scene.limiter.set("host.udp_first_contacts", ONE).unwrap();
    assert_eq!(scene.send_as("connected", &[sent_to]), [Ok(())]);
    scene.program.tell(&json!({"bind": PORT + 1}));
    scene.program.hear(PATIENCE);
    let from = json!([has_sent.to_string(), PORT + 2]);
    scene.world.tell(&json!({"send_from": from, "to": [CLIENT_V4.to_string(), PORT + 1]}));
    assert_eq!(scene.world.hear(PATIENCE), json!({"errno": [0]}));
    scene.program.tell(&json!({"until": CLIENT_V4.to_string()}));
    scene.program.hear(PATIENCE);
    assert_eq!(scene.send_as("connected", &[sent_to, has_sent, hosts[2]]), [Ok(()), Ok(()), REFUSED]);
    until("both to be forgotten", PATIENCE, || {
        (scene.send_as("connected", &[sent_to, has_sent]) == [REFUSED; 2]).then_some(())
    });

    let (_cgroup, mut free) = scene.tenant("free");
    let lab = scene.lab.cgroup().path().file_name().unwrap().to_str().unwrap();
    scene.limiter.set("never_hold", format!("[{{ cgroup = \"/{lab}/free\" }}]")).unwrap();
    assert_eq!(send(&mut free, "connected", &hosts), [Ok(()); 5]);
    assert_eq!(scene.send_as("connected", &hosts), [REFUSED; 5], "what it knows, others do not");
}

/// What an event of `program` is about, which sent to all of `to` and was let out once.
fn is_of(event: &Value, program: &Program, to: &[IpAddr]) {
    assert_eq!((&event["state"], &event["udp"]["let_out"]), (&json!("udp_stopped"), &json!(1)), "{event}");
    let who = &event["programs"][0];
    let expected = json!([program.pid(), "python3", "root"]);
    assert_eq!(json!([who["pid"], who["comm"], who["user"]]), expected, "{event}");
    assert!(who["exe"].as_str().unwrap().contains("/python3"), "{event}");
    let destination: SocketAddr = who["sample"][0].as_str().unwrap().parse().unwrap();
    assert!(destination.port() == PORT && to[1..].contains(&destination.ip()), "{event}");
    assert_eq!(event["udp"]["destination"], who["sample"][0], "{event}");
}

#[test]
fn an_event_names_the_program_that_sends_to_many_addresses() {
    require_lab!();
    let mut scene = Scene::new();
    let hosts = scene.hosts(10, Family::V4);
    let last = SocketAddr::new(hosts[9], PORT).to_string();
    scene.limiter.set("scope.mine.udp_first_contacts", ONE).unwrap();
    let (_cgroup, mut tenant) = scene.tenant("tenant");
    assert!(scene.udp("mine", "")["last"].is_null(), "nothing was stopped");
    assert_eq!(send(&mut tenant, "sendto", &hosts)[1..], [REFUSED; 9]);
    let event = scene.event("mine[/", "/tenant]");
    is_of(&event, &tenant, &hosts);
    let stopped = event["udp"]["stopped"].as_u64().unwrap();
    assert!((1..=9).contains(&stopped) && event.get("audited").is_none(), "{event}");
    let message = "First contacts over UDP were refused: there were more than udp_first_contacts allows.";
    assert_eq!(event["message"], message);
    let line = format!("event 4229: {message} Scope: {}. Since its last", event["scope"].as_str().unwrap());
    assert!(scene.limiter.stderr().contains(&line), "{}", scene.limiter.stderr());

    let udp = scene.udp("mine[/", "/tenant]");
    let expected = json!([1, 9, 0, tenant.pid(), 0, "python3", last, false]);
    let told = &udp["last"];
    assert_eq!(
        json!([
            udp["let_out"],
            udp["stopped"],
            udp["would_have_been_stopped"],
            told["pid"],
            told["uid"],
            told["comm"],
            told["destination"],
            told["audited"]
        ]),
        expected
    );
    assert!(told["cgroup"].as_str().unwrap().ends_with("/tenant"), "{told}");
    assert!(told["exe"].as_str().unwrap().contains("/python3"), "{told}");
    let named = format!(
        "9 stopped, 0 would have been; the last was sent by python3 (pid {}) to {last} at",
        tenant.pid()
    );
    for shows in ["status", "report"] {
        let text = unbroken(&ask_well(&scene.limiter, &[shows]));
        assert!(text.contains(&named), "{shows}: {text}");
    }
    let report: Value = serde_json::from_str(&ask_well(&scene.limiter, &["report", "--json"])).unwrap();
    let of_tenant =
        report["udp"].as_array().unwrap().iter().find(|of| of["scope"] == event["scope"]).unwrap();
    assert_eq!(&of_tenant["last"], told);

    // The host's own limit, in audit mode.
    scene.limiter.set("mode", "audit").unwrap();
    scene.limiter.set("host.udp_first_contacts", ONE).unwrap();
    scene.limiter.set("host.udp_excess", "drop").unwrap();
    assert_eq!(scene.send(&hosts), [Ok(()); 10]);
    let event = scene.event("host", "");
    is_of(&event, &scene.program, &hosts);
    assert_eq!((&event["audited"], &event["udp"]["stopped"]), (&json!(true), &json!(0)), "{event}");
    let message = event["message"].as_str().unwrap();
    assert!(message.starts_with("First contacts over UDP would have been dropped: "), "{message}");
    assert_eq!(scene.udp("host", "")["last"]["audited"], true);
    scene.limiter.set("mode", "enforce").unwrap();
    let (_other, mut other) = scene.tenant("other");
    let _ = send(&mut other, "sendto", &scene.hosts(3, Family::V6));
    assert_eq!(scene.udp("host", "")["last"]["pid"], other.pid(), "the host had no turn");

    // Who sends is in another cgroup than the socket was made in: it might be anybody.
    let elsewhere = scene.lab.cgroup().child("elsewhere").unwrap();
    fs::write(elsewhere.path().join("cgroup.procs"), other.pid().to_string()).unwrap();
    let _ = send(&mut other, "sendto", &scene.hosts(1, Family::V6));
    let told = scene.udp("host", "")["last"].clone();
    assert_eq!((&told["pid"], &told["comm"], &told["exe"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(told["cgroup"].as_str().unwrap().ends_with("/other"), "{told}");
    let text = unbroken(&ask_well(&scene.limiter, &["status"]));
    assert!(text.contains("the last was sent by an unknown program (its socket is of cgroup /"), "{text}");
}
