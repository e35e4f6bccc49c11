//! The memory that a socket's options count against is its program's to fill: what the limiter knows of an attempt must
//! not depend on it.

use crate::scene::{ATTACKER, MOST, Rights, Scene, WATCHED_S};
use serde_json::json;
use testkit::desk::PATIENCE;
use testkit::require_lab;

const SOURCE: &str = include_str!("../programs/attacks/memory.py");
const SYSCTL: &str = "net.core.optmem_max";

fn filled(scene: &Scene, way: &str) {
    filled_by(Rights::User(ATTACKER), scene, way);
}

fn filled_by(rights: Rights, scene: &Scene, way: &str) {
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let told = scene.run(rights, &scene.attacker, SOURCE, way, &asked).hear(PATIENCE);
    scene.reached_fewer_than(MOST, &format!("{way} ({told})"));
}

/// A plain user's filters are refused where the kernel's limit of compiled ones is used up.
const WITH_FILTERS: Rights = Rights::Root;

/// What all others are measured by.
#[test]
fn a_scanner_that_knows_nothing_reaches_a_few() {
    require_lab!();
    let scene = Scene::adaptive();
    scene.scan(&scene.dead());
    assert!(scene.reached() >= 10, "the first ten are free: else nothing is shown");
    scene.reached_fewer_than(MOST, "a scanner that knows nothing");
}

#[test]
fn filled_with_a_classic_filter() {
    require_lab!();
    filled_by(WITH_FILTERS, &Scene::adaptive(), "with_classic_filter");
}

#[test]
fn filled_with_filters_that_replace_each_other() {
    require_lab!();
    filled_by(WITH_FILTERS, &Scene::adaptive(), "with_filters_in_turn");
}

#[test]
fn filled_with_keys_of_peers() {
    require_lab!();
    filled(&Scene::adaptive(), "with_keys");
}

#[test]
fn filled_with_options_of_ipv6() {
    require_lab!();
    filled(&Scene::adaptive_v6(), "with_sticky_options");
}

#[test]
fn filled_with_whatever_is_accepted() {
    require_lab!();
    filled(&Scene::adaptive(), "with_whatever_is_accepted");
}

/// Before 6.7 a host has less of it unless told otherwise.
#[test]
fn filled_where_there_is_as_little_as_on_older_kernels() {
    require_lab!();
    let scene = Scene::adaptive();
    scene.lab.client().sysctl(SYSCTL, "20480").unwrap();
    filled_by(WITH_FILTERS, &scene, "with_classic_filter");
}

/// A container's root sets it for its own namespace.
#[test]
fn where_there_is_none_at_all() {
    require_lab!();
    let scene = Scene::adaptive();
    scene.lab.client().sysctl(SYSCTL, "64").unwrap();
    scene.scan(&scene.dead());
    scene.reached_fewer_than(MOST, "without option memory");
    assert!(scene.reached() >= 1, "an innocent namespace may still connect");
}
