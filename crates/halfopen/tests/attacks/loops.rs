//! A slot belongs to the SYN that is out, not to the socket: who closes, disconnects or calls again gets none for it.

use crate::scene::{MOST, Scene, WATCHED_S};
use serde_json::{Value, json};
use testkit::require_lab;

const SOURCE: &str = include_str!("../programs/attacks/loops.py");
/// Ten slots of `xp-sp2`: reached with the first ten, and ten more each time that they come free, which is no sooner than a
/// seventh of the 21 s that a slot lasts, whoever closes.
const MOST_BY_SLOTS: usize = 10 + 10 * 8;
const LONGER_S: u32 = 20;

fn adaptive(what: &str, more: &Value) {
    carried_out(&Scene::adaptive(), what, WATCHED_S, more, MOST);
}

fn xp(what: &str, more: &Value) {
    carried_out(&Scene::xp(), what, LONGER_S, more, MOST_BY_SLOTS);
}

fn carried_out(scene: &Scene, what: &str, seconds: u32, more: &Value, most: usize) {
    let mut asked = json!({"dead": scene.dead(), "seconds": seconds});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let told = scene.carried_out(SOURCE, what, &asked);
    scene.reached_fewer_than(most, &format!("{what} {more} ({told})"));
}

#[test]
fn one_socket_that_is_disconnected_and_calls_the_next() {
    require_lab!();
    adaptive("disconnect_and_go_on", &json!({"sockets": 1}));
}

#[test]
fn ten_sockets_that_are_disconnected_and_call_the_next_under_xp_sp2() {
    require_lab!();
    xp("disconnect_and_go_on", &json!({"sockets": 10}));
}

#[test]
fn sockets_that_are_shut_down_and_call_the_next() {
    require_lab!();
    adaptive("shut_down_and_go_on", &json!({"sockets": 10}));
}

#[test]
fn connect_on_sockets_that_are_at_it() {
    require_lab!();
    adaptive("connect_again", &json!({}));
}

#[test]
fn ten_at_a_time_that_are_closed_after_30_ms_under_xp_sp2() {
    require_lab!();
    xp("close_soon", &json!({"going": 10, "after": 0.03}));
}

#[test]
fn dials_that_are_closed_at_once_under_xp_sp2() {
    require_lab!();
    xp("close_soon", &json!({"going": 10, "after": 0}));
}

#[test]
fn dials_that_are_closed_at_once() {
    require_lab!();
    adaptive("close_soon", &json!({"going": 10, "after": 0}));
}
