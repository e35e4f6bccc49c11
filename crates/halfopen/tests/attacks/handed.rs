//! Who connects is not always who made the socket: rings, descriptors that are passed on, other namespaces.

use crate::scene::{ACCOMPLICE, ATTACKER, MOST, Rights, Scene, WATCHED_S};
use serde_json::json;
use testkit::desk::PATIENCE;
use testkit::require_lab;

const SOURCE: &str = include_str!("../programs/attacks/handed.py");

fn ring(polled: bool, workers: bool) {
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "polled": polled, "workers": workers});
    let told = scene.carried_out(SOURCE, "uring", &asked);
    assert!(scene.reached() >= 5, "the ring has not worked: nothing is shown");
    scene.reached_fewer_than(MOST, &format!("io_uring, polled {polled}, by workers {workers} ({told})"));
}

#[test]
fn connects_of_a_ring() {
    require_lab!();
    ring(false, false);
}

/// Threads that the kernel makes for the program.
#[test]
fn connects_of_a_ring_s_workers() {
    require_lab!();
    ring(false, true);
}

#[test]
fn connects_of_a_ring_that_the_kernel_polls() {
    require_lab!();
    ring(true, false);
}

/// Passes sockets to an accomplice: another user in another cgroup.
fn passed_on(connected: bool) {
    let scene = Scene::adaptive();
    let accomplice = scene.lab.cgroup().child("accomplice").unwrap();
    let at = scene.lab.client().name();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "at": at, "connected": connected});
    let taker = scene.run(Rights::User(ACCOMPLICE), &accomplice, SOURCE, "take_sockets", &asked);
    taker.hear(PATIENCE);
    let giver = scene.run(Rights::User(ATTACKER), &scene.attacker, SOURCE, "send_sockets", &asked);
    giver.hear(PATIENCE);
    drop(giver);
    let told = taker.hear(PATIENCE);
    // Two accounts at most.
    scene.reached_fewer_than(MOST, &format!("passed on, connected before {connected} ({told})"));
}

#[test]
fn sockets_made_here_and_connected_elsewhere() {
    require_lab!();
    passed_on(false);
}

#[test]
fn sockets_that_wait_and_are_passed_on() {
    require_lab!();
    passed_on(true);
}

#[test]
fn answers_to_sockets_of_a_namespace_of_one_s_own() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let told = scene.carried_out(SOURCE, "earn_with_sockets_of_another_namespace", &asked);
    assert_eq!(told["answered"], scene.dead().len(), "{told}");
    scene.reached_fewer_than(MOST, &format!("answered in a namespace of his own ({told})"));
}
