//! One host has many names: an address mapped into IPv6, a label, a neighbourhood of its own. And a packet need not go where
//! connect() was told.

use crate::scene::{ATTACKER, DEAD, LIVE, MOST, Rights, Scene};
use serde_json::{Value, json};
use testkit::desk::PATIENCE;
use testkit::{Family, HostKind, Mix, require_lab};

/// Some of these are carried out several times in one test.
const SECONDS: u32 = 5;
const SOURCE: &str = include_str!("../programs/attacks/twins.py");

fn carried_out(scene: &Scene, what: &str, more: &Value) {
    carried_out_by(Rights::User(ATTACKER), scene, what, more);
}

fn carried_out_by(rights: Rights, scene: &Scene, what: &str, more: &Value) {
    let mut asked = json!({"dead": scene.dead(), "seconds": SECONDS});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let told = scene.run(rights, &scene.attacker, SOURCE, what, &asked).hear(PATIENCE);
    scene.reached_fewer_than(MOST, &format!("{what} {rights:?} ({told})"));
}

/// Some kernels let a plain user set source routes, others ask for CAP_NET_RAW.
fn by_source_route(scene: &Scene, to: &str, kind: &str) {
    for rights in [Rights::User(ATTACKER), Rights::Docker] {
        carried_out_by(rights, scene, "by_source_route", &json!({"to": to, "kind": kind}));
    }
}

#[test]
fn addresses_and_their_mapped_twins() {
    require_lab!();
    carried_out(&Scene::adaptive(), "mapped_after_plain", &json!({}));
}

#[test]
fn flow_labels_for_each_dial() {
    require_lab!();
    carried_out(&Scene::adaptive_v6(), "flow_labels", &json!({}));
}

#[test]
fn many_addresses_of_one_neighbourhood() {
    require_lab!();
    let within = Some("2001:db8:1:2::/64".parse().unwrap());
    let mix = Mix { dead: DEAD, live: LIVE, family: Family::V6, within, ..Mix::default() };
    let scene = Scene::of(mix, |limiter| limiter.set("preset", "adaptive"));
    scene.scan(&scene.dead());
    scene.reached_fewer_than(MOST, "one /64");
}

/// The attacker has a /64 with a host that answers for all of it.
#[test]
fn answers_of_one_neighbourhood_are_not_to_be_farmed() {
    require_lab!();
    let scene = Scene::adaptive_v6();
    let own = scene.more_live(500, Family::V6, Some("2001:db8:7:7::/64".parse().unwrap()));
    carried_out(&scene, "farm_and_scan", &json!({"live": own}));
}

/// Exempt is where a packet goes, not where it is addressed to in the end.
#[test]
fn source_routes_to_an_exempt_address() {
    require_lab!();
    for kind in ["loose", "strict"] {
        by_source_route(&Scene::adaptive(), "127.0.0.1", kind);
    }
}

#[test]
fn source_routes_to_a_known_address() {
    require_lab!();
    let scene = Scene::adaptive();
    let known = scene.live()[0];
    scene.visit_from(&scene.attacker, &[known], 0).hardly_disturbed("a live one");
    by_source_route(&scene, &known.to_string(), "loose");
}

#[test]
fn routing_headers_to_known_and_exempt_addresses() {
    require_lab!();
    let scene = Scene::adaptive_v6();
    let known = scene.addresses(HostKind::Live)[0];
    scene.visit_from(&scene.attacker, &[known], 0).hardly_disturbed("a live one");
    by_source_route(&scene, &known.to_string(), "v6");
    by_source_route(&scene, "::1", "v6");
}
