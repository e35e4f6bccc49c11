//! A fresh account is fresh credit: who may have one for the asking has as much as he likes.

use crate::scene::{ATTACKER, MOST, Rights, Scene, WATCHED_S};
use serde_json::{Value, json};
use std::os::unix::fs::chown;
use std::time::{Duration, Instant};
use testkit::desk::PATIENCE;
use testkit::require_lab;

const SOURCE: &str = include_str!("../programs/attacks/accounts.py");
/// What a new account has to spend.
const CREDIT: usize = 10;

/// The attacker's cgroup is his own to divide, as systemd delegates it.
fn delegated(scene: &Scene) {
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        chown(scene.attacker.path().join(file), Some(ATTACKER), Some(ATTACKER)).unwrap();
    }
}

fn carried_out(what: &str, more: &Value) {
    let scene = Scene::adaptive();
    delegated(&scene);
    let mut asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if more.get("cgroup").is_some() {
        asked["cgroup"] = json!(scene.attacker.path());
    }
    let told = scene.carried_out(SOURCE, what, &asked);
    scene.reached_fewer_than(MOST, &format!("{what} ({told})"));
}

#[test]
fn moved_to_another_cgroup_while_they_wait() {
    require_lab!();
    carried_out("move_while_they_wait", &json!({"cgroup": ""}));
}

#[test]
fn a_cgroup_of_one_s_own_for_each_ten_dials() {
    require_lab!();
    carried_out("a_cgroup_for_each", &json!({"cgroup": "", "each": CREDIT}));
}

#[test]
fn a_fork_for_each_dial() {
    require_lab!();
    carried_out("fork_for_each", &json!({}));
}

#[test]
fn a_thread_for_each_dial() {
    require_lab!();
    carried_out("threads_for_each", &json!({}));
}

/// As a service manager does it, with a unit that ends itself.
#[test]
fn a_service_that_is_restarted_for_each_ten_dials() {
    require_lab!();
    let scene = Scene::adaptive();
    let (dead, start) = (scene.dead(), Instant::now());
    let mut restarts = 0;
    for ten in dead.chunks(CREDIT) {
        if start.elapsed() > Duration::from_secs(20) {
            break;
        }
        let unit = scene.lab.cgroup().child("unit.service").unwrap();
        let asked = json!({"dead": ten, "seconds": 0.05});
        scene.run(Rights::User(ATTACKER), &unit, "", "scan_only", &asked).hear(PATIENCE);
        restarts += 1;
    }
    scene.reached_fewer_than(MOST, &format!("{restarts} restarts of one service"));
}
