//! Trust comes from the network: nothing is known, named or earned by answers that the attacker gives himself, and nobody
//! loses what he knows to another's.

use crate::scene::{INNOCENT, MOST, Rights, Scene, WATCHED_S, Waits};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::net::IpAddr;
use testkit::desk::names::named_for;
use testkit::desk::{PATIENCE, ask_well};
use testkit::rig::program::Program;
use testkit::{CLIENT_V4, Family, Mix, WORLD_V4, require_lab};

const SOURCE: &str = include_str!("../programs/attacks/trust.py");
/// So many addresses of an innocent are known or named.
const KNOWN: usize = 30;

fn with_names() -> Scene {
    let mix = Mix { dead: crate::scene::DEAD, live: crate::scene::LIVE, ..Mix::default() };
    Scene::of(mix, |limiter| limiter.set("preset", "adaptive").set("resolvers", WORLD_V4))
}

#[test]
fn answers_in_a_namespace_of_one_s_own() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let told = scene.carried_out(SOURCE, "known_elsewhere", &asked);
    assert!(told["answered"].as_u64().unwrap() > 300, "they have not answered: {told}");
    scene.reached_fewer_than(MOST, &format!("known elsewhere ({told})"));
}

#[test]
fn names_in_a_namespace_of_one_s_own() {
    require_lab!();
    let scene = with_names();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "server": WORLD_V4});
    let told = scene.carried_out(SOURCE, "named_elsewhere", &asked);
    // Names that the network gave are worth twice the credit of strangers; these are worth nothing.
    scene.reached_fewer_than(MOST, &format!("named elsewhere ({told})"));
}

#[test]
fn hundreds_of_tiny_namespaces() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "count": 500, "each": 5, "seconds": 12});
    let attack = scene.attack(SOURCE, "tiny_namespaces", &asked);
    let waits = scene.visit(&scene.live(), 10);
    let told = attack.hear(PATIENCE);
    waits.hardly_disturbed("beside tiny namespaces");
    scene.reached_fewer_than(MOST, &format!("tiny namespaces ({told})"));
}

fn in_a_container(what: &str, more: &Value) {
    let scene = Scene::adaptive();
    let mut asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if more.get("live").is_some() {
        asked["live"] = json!(scene.live());
    }
    let mut attack = scene.attack(SOURCE, what, &asked);
    scene.connect(&mut attack);
    let told = attack.hear(PATIENCE);
    scene.reached_fewer_than(MOST, &format!("{what} in a container ({told})"));
}

/// What the rest is measured by.
#[test]
fn a_container_s_scan_reaches_a_few() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let mut attack = scene.attack(
        "def inside(dead, seconds):\n    container()\n    return scan(dead, seconds)\n",
        "inside",
        &asked,
    );
    scene.connect(&mut attack);
    attack.hear(PATIENCE);
    assert!(scene.reached() >= 5, "it has no way out: nothing is shown");
    scene.reached_fewer_than(MOST, "a container's scan");
}

/// The host's own rules turn dead addresses to the host itself, which answers.
fn answered_by_the_host_itself(rule: &str) {
    let scene = Scene::adaptive();
    let client = scene.lab.client();
    let server = scene.lab.new_cgroup("server").unwrap();
    let server = Scene::run_in(client, Rights::Root, &server, SOURCE, "answer_here", &json!({}));
    server.hear(PATIENCE);
    let chain = "type nat hook output priority -100;";
    client
        .nft(&format!("table ip here {{\n chain out {{ {chain} ip daddr 198.18.0.0/15 {rule}; }}\n}}"))
        .unwrap();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let mut attack = scene.attack(SOURCE, "visit_and_scan", &asked);
    let told = attack.hear(PATIENCE);
    assert!(told["answered"].as_u64().unwrap() > 300, "they have not answered: {told}");
    client.nft("delete table ip here").unwrap();
    attack.tell(&json!("nobody answers"));
    attack.hear(PATIENCE);
    scene.reached_fewer_than(MOST, &format!("{rule} ({told})"));
    assert!(scene.reached() >= 10, "the first ten are free: else nothing is shown");
}

#[test]
fn answers_of_the_host_itself_by_redirect() {
    require_lab!();
    answered_by_the_host_itself("tcp dport 80 redirect");
}

#[test]
fn answers_of_the_host_itself_by_translation() {
    require_lab!();
    answered_by_the_host_itself(&format!("dnat to {CLIENT_V4}"));
}

/// Exempt is where a packet goes.
#[test]
fn exempt_addresses_translated_in_a_container() {
    require_lab!();
    in_a_container("translated", &json!({}));
}

/// An innocent that has spent its credit, and what it is to visit once told.
fn spent(scene: &Scene, what: &str) -> (Program, Vec<IpAddr>) {
    let live: Vec<IpAddr> = scene.live().into_iter().take(KNOWN).collect();
    let asked = json!({"server": WORLD_V4, "dead": scene.dead(), "live": live, "seconds": 8});
    let mut asked = asked.as_object().unwrap().clone();
    if what == "know_and_stay" {
        asked.remove("server");
    }
    let innocent = scene.run(Rights::User(INNOCENT), &scene.innocent, SOURCE, what, &Value::Object(asked));
    assert_eq!(innocent.hear(PATIENCE)["spent"], scene.dead().len());
    (innocent, live)
}

fn goes_on(mut innocent: Program, what: &str) {
    innocent.tell(&json!("go on"));
    Waits::of(&innocent.hear(PATIENCE)).hardly_disturbed(what);
}

#[test]
fn the_table_of_known_addresses_flooded() {
    require_lab!();
    let scene = Scene::adaptive();
    let (innocent, _) = spent(&scene, "know_and_stay");
    // As many as there are in the prefix, each in a namespace of its own.
    let flood = scene.attack(SOURCE, "flood_known", &json!({"count": 65_536, "each": 1, "networks": 2}));
    println!("flood: {}", flood.hear(PATIENCE));
    goes_on(innocent, "known addresses after a flood");
}

#[test]
fn the_table_of_named_addresses_flooded() {
    require_lab!();
    let scene = with_names();
    let live: Vec<IpAddr> = scene.live().into_iter().take(KNOWN).collect();
    let server = scene.lab.new_cgroup("server").unwrap();
    let asked = json!({"server": WORLD_V4, "addresses": live});
    let server = Scene::run_in(scene.lab.world(), Rights::Root, &server, SOURCE, "name_server", &asked);
    server.hear(PATIENCE);
    let (innocent, live) = spent(&scene, "ask_and_stay");
    let still_named =
        || live.iter().filter(|address| named_for(&scene.limiter, **address) == ["innocent"]).count();
    assert_eq!(still_named(), KNOWN);
    let told = scene.carried_out(SOURCE, "name_others", &json!({"server": WORLD_V4, "count": 40_000}));
    println!("flood: {told}");
    println!("still named: {} of {KNOWN}", still_named());
    assert_eq!(still_named(), KNOWN);
    goes_on(innocent, "named addresses after a flood");
}

/// The live neighbours of an innocent have been answered from before, for somebody else: what they earn is still his.
#[test]
fn neighbourhoods_used_up_for_others() {
    require_lab!();
    let served = |flooded: bool| {
        let scene =
            Scene::of(Mix { dead: 250, live: 250, family: Family::V4, ..Mix::default() }, |limiter| {
                limiter.set("preset", "adaptive")
            });
        if flooded {
            // 32 of each neighbourhood of the prefix.
            let asked = json!({"count": 65_536, "each": 8, "networks": 2});
            println!("flood: {}", scene.attack(SOURCE, "flood_known", &asked).hear(PATIENCE));
        }
        let mut half_dead = [scene.dead(), scene.live()].concat();
        half_dead.shuffle(&mut rand::rng());
        scene.visit(&half_dead, 60).connected
    };
    let (before, after) = (served(false), served(true));
    println!("live of 250 in 17 s: {before} undisturbed, {after} after a flood");
    assert!(before >= 150, "undisturbed: {before} of 250");
    assert!(after * 10 >= before * 8, "{before} of 250 before, {after} after");
}

#[test]
fn the_table_of_programs_flooded() {
    require_lab!();
    let scene = Scene::adaptive();
    let (innocent, _) = spent(&scene, "know_and_stay");
    let row = || {
        let report: Value = serde_json::from_str(&ask_well(&scene.limiter, &["report", "--json"])).unwrap();
        let rows = report["programs"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["cgroup"].as_str().is_some_and(|path| path.ends_with("/innocent")))
    };
    let before = row().expect("the innocent has waited, and is told of");
    let asked = json!({"dead": scene.dead(), "count": 10_000, "seconds": 1});
    println!("flood: {}", scene.carried_out(SOURCE, "names_of_programs", &asked));
    let after = row().expect("the innocent is no longer told of");
    println!("held before {}, after {}", before["held"], after["held"]);
    assert!(after["held"].as_u64() >= before["held"].as_u64(), "{before} became {after}");
    goes_on(innocent, "known addresses after thousands of names");
}
