//! Whose wakes are lost, by rules or options of his own, waits for his own timers; others are woken as ever.

use crate::scene::{ACCOMPLICE, INNOCENT, Rights, Scene, Waits};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;
use testkit::desk::{self, PATIENCE};
use testkit::rig::AT_ONCE;
use testkit::{Mix, require_lab};

const SOURCE: &str = include_str!("../programs/attacks/lost_wakes.py");
const WAITERS: u32 = 100;
const DIALS: usize = 32;
/// All attempts but one wait for the turns of this rate.
const PER_S: u32 = 5;
const RATE: [(&str, &str); 5] =
    [("half_open", "1"), ("slot_life", "5m"), ("strict", "false"), ("drain", "5/s"), ("max_wait", "5m")];
/// After which the daemon's promise to wake waiters is in force.
const PROMISED: Duration = Duration::from_millis(1_500);
/// The wakes that are sent in the namespace of the host.
const COUNTED: &str = "table inet wakes {
    chain sent { type filter hook input priority 0; iifname lo tcp flags rst counter; }
}";

fn wakes_sent(scene: &Scene) -> u64 {
    let chain = scene.lab.client().feed("nft", &["-j", "list", "chain", "inet", "wakes", "sent"], "");
    let told: Value = serde_json::from_str(&chain.unwrap()).unwrap();
    let listed = told["nftables"].as_array().unwrap();
    let counted = |found: &Value| found["rule"]["expr"][2]["counter"]["packets"].as_u64();
    listed.iter().find_map(counted).unwrap()
}

/// What the limiter says of lost wakes.
fn said(scene: &Scene, reason: &str) -> Option<String> {
    let output = scene.limiter.command().args(["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = status["degraded"].as_array().unwrap().iter().find(|found| found["reason"] == reason);
    found.map(|found| found["explanation"].as_str().unwrap().to_owned())
}

fn visit(scene: &Scene, live: &[IpAddr], per_s: u32) -> Waits {
    let asked = json!({"live": live, "per_s": per_s, "patience": 60});
    Waits::of(&scene.run(Rights::User(INNOCENT), &scene.innocent, "", "visit_only", &asked).hear(PATIENCE))
}

/// The attacker waits alone until it is known that his wakes are lost. Then half of the turns are the innocent's, who dials
/// for as long as all turns would take him.
fn beside(what: &str, arguments: &Value, reason: &str) {
    let mix = Mix { dead: 100, live: 2 * DIALS, ..Mix::default() };
    let scene =
        Scene::of(mix, |limiter| RATE.iter().fold(limiter, |limiter, (key, value)| limiter.set(key, value)));
    scene.lab.client().nft(COUNTED).unwrap();
    let (live, dead) = (scene.live(), scene.dead());
    let other = scene.lab.cgroup().child("other").unwrap();
    let has_the_slot = json!({"dead": dead, "count": 1});
    let blocker = scene.run(Rights::User(ACCOMPLICE), &other, SOURCE, "wait_for_turns", &has_the_slot);
    blocker.hear(PATIENCE);
    sleep(PROMISED);
    let alone = visit(&scene, &live[..DIALS], 0);
    let mut asked = json!({"dead": dead});
    asked.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    let attack = scene.attack(SOURCE, what, &asked);
    attack.hear(PATIENCE);
    desk::until("the limiter to say so", AT_ONCE, || said(&scene, reason).is_some().then_some(()));
    println!("{}", said(&scene, reason).unwrap());
    let before = wakes_sent(&scene);
    let beside = visit(&scene, &live[DIALS..], PER_S);
    let woken = wakes_sent(&scene) - before;
    println!("alone {alone:?}\n{what} {beside:?}, {woken} wakes");
    assert_eq!((alone.connected, beside.connected), (DIALS, DIALS));
    // Those of the first second or two are there before the promise is made again.
    assert!(woken >= DIALS as u64 / 3, "{woken} of {DIALS} were woken");
    let (alone, beside) = (alone.median.unwrap(), beside.median.unwrap());
    assert!(beside <= 2 * alone, "half of them after {beside:?}, alone after {alone:?}");
}

#[test]
fn dropped_in_a_namespace_of_one_s_own() {
    require_lab!();
    beside("dropped_in_a_namespace", &json!({"count": WAITERS}), "wakeups_without_effect");
}

#[test]
fn refused_in_a_namespace_of_one_s_own() {
    require_lab!();
    beside("refused_in_a_namespace", &json!({"count": WAITERS}), "wakeups_not_sent");
}

#[test]
fn dropped_at_sockets_that_take_only_what_is_signed() {
    require_lab!();
    beside("dropped_at_the_socket", &json!({"count": WAITERS}), "wakeups_without_effect");
}

#[test]
fn unsendable_in_many_namespaces() {
    require_lab!();
    beside("unsendable_in_many_namespaces", &json!({"namespaces": 40, "each": 4}), "wakeups_not_sent");
}
