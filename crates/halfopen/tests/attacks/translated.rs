//! Trust belongs to the address that packets really go to: rules that turn a known address into others reach no more than
//! a scanner that knows nothing, and a service whose address is turned to its backends loses nothing.

use crate::scene::{INNOCENT, MOST, Rights, Scene, WATCHED_S, Waits};
use serde_json::{Value, json};
use testkit::desk::PATIENCE;
use testkit::{WORLD_V4, require_lab};

const SOURCE: &str = include_str!("../programs/attacks/translated.py");
/// For one live address that they have met, scanners reach nineteen more.
const MOST_AFTER_AN_ANSWER: usize = MOST + 15;
const BACKENDS: usize = 20;
const DIALS: usize = 200;
const SERVICES: [&str; 2] = ["10.96.0.1", "10.96.0.2"];
/// A proxy beside the program takes what it sends anywhere.
const PROXIED: &str = "198.19.255.0/24";
const PROXY: u16 = 15_001;

/// By root of a container, in a user namespace of its own and in that of the host.
fn in_containers(what: &str) {
    for of_the_host in [false, true] {
        let scene = Scene::adaptive();
        let asked = json!({
            "dead": scene.dead(), "live": scene.live(), "seconds": WATCHED_S, "of_the_host": of_the_host
        });
        let rights = if of_the_host { Rights::Root } else { Rights::User(crate::scene::ATTACKER) };
        let mut attack = scene.run(rights, &scene.attacker, SOURCE, what, &asked);
        scene.connect(&mut attack);
        let told = attack.hear(PATIENCE);
        let has_way_out = scene.reached() >= 5 || told["answered"].as_u64() > Some(300);
        assert!(has_way_out, "it has no way out: nothing is shown");
        scene.reached_fewer_than(
            MOST_AFTER_AN_ANSWER,
            &format!("{what}, of the host: {of_the_host} ({told})"),
        );
    }
}

#[test]
fn a_known_address_with_a_port_for_each_dead() {
    require_lab!();
    in_containers("by_port");
}

#[test]
fn a_known_address_with_a_rule_for_each_dial() {
    require_lab!();
    in_containers("by_rules");
}

#[test]
fn a_known_address_with_a_map_to_the_dead() {
    require_lab!();
    in_containers("by_turns");
}

#[test]
fn a_known_address_that_is_turned_elsewhere_by_each_repeated_syn() {
    require_lab!();
    in_containers("by_forgotten_turns");
}

#[test]
fn addresses_that_were_turned_to_a_known_one() {
    require_lab!();
    in_containers("by_provision");
}

/// As kube-proxy, docker's published ports and sidecars translate on a host.
fn translate(scene: &Scene) {
    let client = scene.lab.client();
    client.ip(&format!("route add 10.96.0.0/24 via {WORLD_V4}\n")).unwrap();
    let backends: Vec<String> = (scene.live().iter().take(BACKENDS).enumerate())
        .map(|(number, address)| format!("{number} : {address}"))
        .collect();
    client
        .nft(&format!(
            "table ip services {{ chain out {{ type nat hook output priority -100;
                ip daddr 10.96.0.0/24 dnat to numgen inc mod {BACKENDS} map {{ {} }};
                ip daddr {PROXIED} tcp dport 80 redirect to :{PROXY};
            }}\n}}",
            backends.join(", ")
        ))
        .unwrap();
}

#[test]
fn services_are_served_by_backends_that_are_known() {
    require_lab!();
    let scene = Scene::adaptive();
    translate(&scene);
    let asked = json!({"live": scene.live(), "dead": scene.dead(), "services": SERVICES, "each": DIALS});
    let mut innocent = scene.run(Rights::User(INNOCENT), &scene.innocent, SOURCE, "use", &asked);
    let first = innocent.hear(PATIENCE);
    Waits::of(&first["first"]).hardly_disturbed("a service, first");
    // The first ten backends cost the credit that there is, and bring more.
    let released = scene.limiter.status().unwrap().host.released;
    assert!(usize::try_from(released).is_ok_and(|released| released <= BACKENDS), "{released} waited");
    innocent.tell(&json!("go on"));
    let again = innocent.hear(PATIENCE);
    for (service, waits) in SERVICES.iter().zip(again["again"].as_array().unwrap()) {
        Waits::of(waits).hardly_disturbed(&format!("{service}, without credit"));
    }
}

#[test]
fn a_proxy_on_the_host_takes_all_at_once() {
    require_lab!();
    let scene = Scene::adaptive();
    translate(&scene);
    let server = scene.lab.new_cgroup("server").unwrap();
    let client = scene.lab.client();
    let server =
        Scene::run_in(client, Rights::Root, &server, SOURCE, "answer_locally", &json!({"port": PROXY}));
    server.hear(PATIENCE);
    let anywhere: Vec<Value> = (0..DIALS).map(|number| json!(format!("198.19.255.{number}"))).collect();
    let asked = json!({"live": anywhere, "per_s": 0});
    let waits = scene.run(Rights::User(INNOCENT), &scene.innocent, "", "visit_only", &asked).hear(PATIENCE);
    Waits::of(&waits).hardly_disturbed("through a proxy");
}
