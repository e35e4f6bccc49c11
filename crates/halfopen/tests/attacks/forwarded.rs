//! What leaves a container without a socket: packet sockets, copies, rewritten and forwarded packets. The limiter runs in
//! the network namespace of the host's end of the container's pair of devices.

use crate::scene::{MOST, Rights, Scene, WATCHED_S, Waits};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::desk::{PATIENCE, until};
use testkit::rig::faults;
use testkit::rig::program::Program;
use testkit::{Cgroup, Family, LimiterBuilder, Mix, require_lab};

const SOURCE: &str =
    concat!(include_str!("../programs/attacks/raw.py"), include_str!("../programs/attacks/forwarded.py"));
const DEAD: usize = 400;
const LIVE: usize = 60;

fn scene(more: impl FnOnce(LimiterBuilder) -> LimiterBuilder) -> Scene {
    let mix = Mix { dead: DEAD, live: LIVE, ..Mix::default() };
    Scene::of(mix, |limiter| {
        more(limiter.set("preset", "adaptive").set("forwarded_tcp", "limit").in_client())
    })
}

fn gate(scene: &Scene, name: &str) -> Option<Value> {
    let output = scene.limiter.command().args(["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let gates = status["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["interface"] == name).cloned()
}

/// Starts it in a container of its own, which has a way out that the limiter watches.
fn contained(scene: &Scene, cgroup: &Cgroup, rights: Rights, what: &str, arguments: &Value) -> Program {
    let mut container = scene.run(rights, cgroup, SOURCE, what, arguments);
    scene.link(&mut container);
    until("the container's link to be watched", PATIENCE, || gate(scene, "ct0"));
    container.tell(&json!("connected"));
    container
}

fn escapes(rights: Rights, what: &str) {
    require_lab!();
    let scene = scene(|limiter| limiter);
    let asked = json!({"dead": scene.dead(), "live": scene.live(), "seconds": WATCHED_S});
    let told = contained(&scene, &scene.attacker, rights, what, &asked).hear(PATIENCE);
    scene.reached_fewer_than(MOST, &format!("{what} ({told})"));
    let stopped = gate(&scene, "ct0").unwrap()["stopped"].as_u64().unwrap();
    println!("{what}: {stopped} stopped, faults {:?}", faults(&scene.limiter));
}

#[test]
fn packet_sockets() {
    escapes(Rights::Root, "packets_without_administration");
}

#[test]
fn packet_sockets_over_ipv6() {
    require_lab!();
    let mix = Mix { dead: DEAD, live: LIVE, family: Family::V6, ..Mix::default() };
    let scene =
        Scene::of(mix, |limiter| limiter.set("preset", "adaptive").set("forwarded_tcp", "limit").in_client());
    scene.lab.client().sysctl("net.ipv6.conf.all.forwarding", "1").unwrap();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    contained(&scene, &scene.attacker, Rights::Root, "packets_over_ipv6", &asked).hear(PATIENCE);
    assert!(scene.reached() > 0, "packets get through");
    scene.reached_fewer_than(MOST, "packet sockets over IPv6");
}

#[test]
fn copies_of_what_waits() {
    escapes(Rights::Root, "copies");
}

#[test]
fn rewritten_at_the_device() {
    escapes(Rights::Root, "rewritten_at_the_device");
}

#[test]
fn forwarded_from_a_pair_of_devices() {
    escapes(Rights::Root, "forwarded_from_a_pair");
}

#[test]
fn forwarded_from_a_tunnel() {
    escapes(Rights::Root, "forwarded_from_a_tunnel");
}

/// Audit mode withholds nothing.
#[test]
fn audit_mode_counts_them() {
    require_lab!();
    let scene = scene(|limiter| limiter.set("mode", "audit"));
    let asked = json!({"dead": scene.dead(), "live": [], "seconds": 1});
    let what = "packets_without_administration";
    contained(&scene, &scene.attacker, Rights::Root, what, &asked).hear(PATIENCE);
    assert_eq!(scene.reached(), DEAD);
    let counted = faults(&scene.limiter).get("forwarded_counted").copied().unwrap_or_default();
    assert!(counted > DEAD as u64 / 2, "{counted}");
}

/// Asked in another network namespace, which does not have the gate's name.
#[test]
fn without_a_daemon_the_pins_tell_what_came_through() {
    require_lab!();
    let mut scene = scene(|limiter| limiter.set("mode", "enforce").persist());
    let asked = json!({"dead": scene.dead(), "live": [], "seconds": 1});
    let what = "packets_without_administration";
    let _container = contained(&scene, &scene.attacker, Rights::Root, what, &asked).hear(PATIENCE);
    scene.limiter.kill();
    let output = scene.limiter.command().args(["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let gates = status["gates"].as_array().unwrap();
    let stopped = gates.iter().filter(|gate| gate["stopped"].as_u64() > Some(DEAD as u64 / 2));
    let names: Vec<&str> = stopped.filter_map(|gate| gate["interface"].as_str()).collect();
    assert!(matches!(names.as_slice(), [name] if name.starts_with("number ")), "{status}");
}

/// What a container's own sockets send was judged at the socket: nothing of it is stopped, or costs anything, here.
#[test]
fn a_container_s_own_sockets_are_not_judged_twice() {
    require_lab!();
    let scene = scene(|limiter| limiter.set("host.half_open", "unlimited"));
    let live = scene.live();
    let asked = json!({"live": live});
    let told =
        contained(&scene, &scene.innocent, Rights::Root, "visit_from_container", &asked).hear(PATIENCE);
    let connected = told.as_array().unwrap().iter().filter(|ended| ended[0].is_null()).count();
    assert_eq!(connected, live.len(), "{told}");
    let gate = gate(&scene, "ct0").unwrap();
    assert_eq!((&gate["first_contacts"], &gate["stopped"]), (&json!(0), &json!(0)), "{gate}");
}

/// The host may translate where they go (published ports, services of Kubernetes): the SYN is the container's own all the
/// same.
#[test]
fn nor_are_those_that_the_host_translates() {
    require_lab!();
    let scene = scene(|limiter| limiter.set("host.half_open", "unlimited"));
    let live = scene.live();
    let rules = format!(
        "table ip services {{ chain pre {{ type nat hook prerouting priority dstnat; ip daddr 10.96.0.0/16 dnat to {}; }}\n}}",
        live[0]
    );
    scene.lab.client().nft(&rules).unwrap();
    let services: Vec<String> = (1..=20).map(|number| format!("10.96.0.{number}")).collect();
    let asked = json!({"live": services});
    let told =
        contained(&scene, &scene.innocent, Rights::Root, "visit_from_container", &asked).hear(PATIENCE);
    let connected = told.as_array().unwrap().iter().filter(|ended| ended[0].is_null()).count();
    assert_eq!(connected, services.len(), "{told}");
    let gate = gate(&scene, "ct0").unwrap();
    assert_eq!((&gate["first_contacts"], &gate["stopped"]), (&json!(0), &json!(0)), "{gate}");
}

/// A container that forwards for others, or translates what its sockets dial, is honest as long as it is answered.
#[test]
fn what_is_forwarded_and_answered_is_let_out() {
    require_lab!();
    let scene = scene(|limiter| limiter);
    let live = scene.live();
    let asked = json!({"dead": [], "live": live, "seconds": WATCHED_S});
    let told = contained(&scene, &scene.innocent, Rights::Root, "visits_past_sockets", &asked).hear(PATIENCE);
    let arrived: BTreeSet<_> = scene.arrived_at();
    let reached = live.iter().filter(|address| arrived.contains(address)).count();
    println!("forwarded to {} live: {reached} reached, {}", live.len(), gate(&scene, "ct0").unwrap());
    assert_eq!(reached, live.len(), "{told}");
}

/// A bridge has eight times the credit of one source, whatever addresses are made up; and who is behind it and dials by
/// its sockets notices nothing.
#[test]
fn a_bridge_limits_made_up_sources_and_no_sockets() {
    require_lab!();
    let mix = Mix { dead: 2_000, live: LIVE, ..Mix::default() };
    let scene =
        Scene::of(mix, |limiter| limiter.set("preset", "adaptive").set("forwarded_tcp", "limit").in_client());
    let (live, dead) = (scene.live(), scene.dead());
    let asked = json!({"dead": dead, "live": [], "seconds": WATCHED_S});
    let mut attack = scene.run(Rights::Root, &scene.attacker, SOURCE, "made_up_sources", &asked);
    let asked = json!({"live": live, "address": "10.78.0.9", "per_s": 5});
    let mut visits = scene.run(Rights::Root, &scene.innocent, SOURCE, "visits_behind_a_bridge", &asked);
    let pids = [&mut attack, &mut visits].map(|container| container.hear(PATIENCE)["pid"].clone());
    let client = scene.lab.client();
    client.sysctl("net.ipv4.ip_forward", "1").unwrap();
    client.ip("link add br0 type bridge\naddr add 10.78.0.1/16 dev br0\nlink set br0 up\n").unwrap();
    for (number, pid) in pids.iter().enumerate() {
        let made = format!("link add ct{number} type veth peer name eth0 netns {pid}");
        client.ip(&format!("{made}\nlink set ct{number} master br0\nlink set ct{number} up\n")).unwrap();
    }
    scene.lab.world().ip("route add 10.78.0.0/16 via 10.77.0.1\n").unwrap();
    let found = until("the bridge to be watched", PATIENCE, || gate(&scene, "br0"));
    assert_eq!(found["shared"], json!(true));
    attack.tell(&json!("connected"));
    visits.tell(&json!("connected"));
    Waits::of(&visits.hear(PATIENCE)).hardly_disturbed("behind the same bridge");
    attack.hear(PATIENCE);
    scene.reached_fewer_than(8 * MOST, "made-up sources behind a bridge");
}

/// The hook is pinned like the others: it holds without a daemon, and the next one takes its credit over.
#[test]
#[allow(clippy::redundant_closure_for_method_calls, reason = "the method itself has one lifetime")]
fn it_holds_while_no_daemon_runs() {
    require_lab!();
    let mut scene = scene(|limiter| limiter.persist());
    let asked = json!({"dead": scene.dead()});
    let mut attack = scene.run(Rights::Root, &scene.attacker, SOURCE, "packets_and_stay", &asked);
    scene.link(&mut attack);
    until("the container's link to be watched", PATIENCE, || gate(&scene, "ct0"));
    scene.limiter.kill();
    attack.tell(&json!("connected"));
    attack.hear(PATIENCE);
    scene.reached_fewer_than(MOST, "without a daemon");
    scene.limiter.start_again().unwrap();
    let found = until("the link to be watched again", PATIENCE, || gate(&scene, "ct0"));
    assert!(found["stopped"].as_u64().unwrap() > 0, "{found}");
    attack.tell(&json!("end"));
}

/// A setting takes effect at once, and without it nothing is attached.
#[test]
fn it_is_detached_while_it_is_allowed() {
    require_lab!();
    let scene = scene(|limiter| limiter);
    let asked = json!({"dead": scene.dead(), "live": [], "seconds": 1});
    let what = "packets_without_administration";
    let mut attack = scene.run(Rights::Root, &scene.attacker, SOURCE, what, &asked);
    scene.link(&mut attack);
    until("the container's link to be watched", PATIENCE, || gate(&scene, "ct0"));
    scene.limiter.set("forwarded_tcp", "allow").unwrap();
    until("no link to be watched", PATIENCE, || gate(&scene, "ct0").is_none().then_some(()));
    attack.tell(&json!("connected"));
    attack.hear(PATIENCE);
    assert_eq!(scene.reached(), DEAD);
}

/// Nothing is earned where another container of the host answers, for however many addresses.
#[test]
fn answers_of_another_container_earn_nothing() {
    require_lab!();
    let scene = scene(|limiter| limiter);
    let asked = json!({"dead": scene.dead(), "answered": 1_000, "seconds": WATCHED_S});
    let mut attack = scene.run(Rights::Root, &scene.attacker, SOURCE, "farm_and_scan", &asked);
    scene.link(&mut attack);
    let mut accomplice =
        scene.run(Rights::Root, &scene.attacker, SOURCE, "answers_for_a_network", &json!({}));
    let client = scene.lab.client();
    let pid = &accomplice.hear(PATIENCE)["pid"];
    let made = format!("link add ct1 type veth peer name eth0 netns {pid}");
    client.ip(&format!("{made}\naddr add 10.79.0.1/24 dev ct1\nlink set ct1 up\n")).unwrap();
    until("both links to be watched", PATIENCE, || gate(&scene, "ct0").and(gate(&scene, "ct1")));
    accomplice.tell(&json!("connected"));
    accomplice.hear(PATIENCE);
    client.ip("route add 10.80.0.0/16 via 10.79.0.2\n").unwrap();
    attack.tell(&json!("connected"));
    attack.hear(PATIENCE);
    scene.reached_fewer_than(MOST, "with answers of another container");
    accomplice.tell(&json!("end"));
}
