//! Options that a program sets while its attempts wait, or that change how they begin.

use crate::scene::{ATTACKER, MOST, Rights, Scene, WATCHED_S};
use serde_json::json;
use testkit::desk::PATIENCE;
use testkit::require_lab;

const SOURCE: &str = include_str!("../programs/attacks/options.py");
const EPERM: i32 = 1;

#[test]
fn retries_and_timeouts_changed_while_they_wait() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let told = scene.carried_out(SOURCE, "change_while_they_wait", &asked);
    scene.reached_fewer_than(MOST, &format!("options changed while they wait ({told})"));
}

#[test]
fn repair_is_not_for_a_plain_user() {
    require_lab!();
    let scene = Scene::adaptive();
    assert_eq!(scene.carried_out(SOURCE, "repair", &json!({"dead": scene.dead()})), json!(EPERM));
}

fn declared_established(contained: bool) {
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "contained": contained});
    let rights = if contained { Rights::User(ATTACKER) } else { Rights::Root };
    let mut attack = scene.run(rights, &scene.attacker, SOURCE, "declare_established", &asked);
    if contained {
        scene.connect(&mut attack);
    }
    let told = attack.hear(PATIENCE);
    assert_eq!(told["declared"], scene.dead().len(), "{told}");
    scene.reached_fewer_than(MOST, &format!("declared established by TCP_REPAIR ({told})"));
    assert!(scene.reached() >= 5, "there is no way out: nothing is shown");
}

#[test]
fn repair_in_a_container_earns_nothing() {
    require_lab!();
    declared_established(true);
}

/// Who has `CAP_NET_ADMIN` in the host's namespace.
#[test]
fn repair_on_the_host_earns_nothing() {
    require_lab!();
    declared_established(false);
}

#[test]
fn bound_to_the_loopback_or_to_the_link() {
    require_lab!();
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    let told = scene.carried_out(SOURCE, "mark_and_device", &asked);
    assert_eq!(told["refused"]["EPERM"], 2 * scene.dead().len(), "marks are not for a plain user: {told}");
    scene.reached_fewer_than(MOST, &format!("bound to devices ({told})"));
}

fn fast_open(how: &str, sysctl: &str) {
    let scene = Scene::adaptive();
    scene.lab.client().sysctl("net.ipv4.tcp_fastopen", sysctl).unwrap();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "how": how});
    let told = scene.carried_out(SOURCE, "fast_open", &asked);
    scene.reached_fewer_than(MOST, &format!("fast open, {how}, tcp_fastopen={sysctl} ({told})"));
}

/// Each SYN asks for a cookie.
#[test]
fn fast_open_that_asks_for_cookies() {
    require_lab!();
    fast_open("by sendto", "1");
}

/// The namespace sends data without one.
#[test]
fn fast_open_without_cookies() {
    require_lab!();
    fast_open("by sendto", "5");
}

#[test]
fn fast_open_deferred_to_the_first_send() {
    require_lab!();
    fast_open("deferred", "5");
}
