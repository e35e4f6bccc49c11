//! Nobody waits for another account's patience: however many of an attacker's wait, an innocent's next turn comes.

use crate::scene::{ATTACKER, DEAD, INNOCENT, LIVE, Rights, Scene, Waits};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::chown;
use testkit::desk::PATIENCE;
use testkit::rig::program::Program;
use testkit::{Cgroup, Mix, require_lab};

const SOURCE: &str = include_str!("../programs/attacks/patience.py");
const INNOCENT_DIALS: usize = 40;
/// Users of one user namespace.
const USERS: u32 = 8_000;

#[test]
fn thousands_that_wait_for_an_address_tried_before() {
    require_lab!();
    let scene = Scene::adaptive();
    let attack = scene.attack(SOURCE, "many_to_one", &json!({"dead": scene.dead(), "count": 9_000}));
    attack.hear(PATIENCE);
    let waits = scene.visit(&scene.live()[..INNOCENT_DIALS], 4);
    println!("queued: {}", scene.limiter.status().unwrap().host.queued);
    waits.hardly_disturbed("strangers beside 9,000 waiters for one address");
}

fn beside_users(same_cgroup: bool) {
    let scene = Scene::adaptive();
    let cgroup = if same_cgroup { &scene.attacker } else { &scene.innocent };
    let known = &scene.live()[..INNOCENT_DIALS];
    scene.visit_from(cgroup, known, 0).hardly_disturbed("before");
    let asked = json!({"dead": scene.dead(), "users": USERS, "each": 2});
    let attack = scene.run(Rights::Root, &scene.attacker, SOURCE, "many_users", &asked);
    println!("{}", attack.hear(PATIENCE));
    let what = format!("known ones beside {USERS} users, in their cgroup: {same_cgroup}");
    scene.visit_from(cgroup, known, 4).hardly_disturbed(&what);
}

#[test]
fn thousands_of_users_in_another_cgroup() {
    require_lab!();
    beside_users(false);
}

#[test]
#[ignore = "a known limit: one cgroup of the host's manager is one account, whoever runs in it"]
fn thousands_of_users_in_the_same_cgroup() {
    require_lab!();
    beside_users(true);
}

/// The attacker's cgroups have an account each, as a host has them that gives away a subtree.
pub fn with_an_account_for_each(more: &str) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("halfopen.toml");
    let rule = "[[scope]]\nname = \"given-away\"\nmatch = { cgroup = \"/*/attacker/*\" }\nper = \"cgroup\"\n\
                first_contacts = 10\nanswers_of_a_scan = \"2%\"\n";
    fs::write(&file, format!("preset = \"adaptive\"\n{more}\n{rule}")).unwrap();
    let scene = Scene::of(Mix { dead: DEAD, live: LIVE, ..Mix::default() }, |limiter| limiter.config(&file));
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        chown(scene.attacker.path().join(file), Some(ATTACKER), Some(ATTACKER)).unwrap();
    }
    scene
}

fn beside_cgroups(count: u32) {
    let scene = with_an_account_for_each("");
    let asked =
        json!({"dead": scene.dead(), "cgroup": scene.attacker.path(), "count": count, "sockets": 10_000});
    let attack = scene.attack(SOURCE, "many_cgroups", &asked);
    println!("{}", attack.hear(PATIENCE));
    let waits = scene.visit(&scene.live()[..15], 1);
    println!("{} of {} dead reached meanwhile", scene.reached(), scene.dead().len());
    waits.hardly_disturbed(&format!("a stranger a second beside {count} cgroups"));
}

#[test]
fn one_cgroup_of_an_attacker() {
    require_lab!();
    beside_cgroups(1);
}

#[test]
fn a_hundred_cgroups_of_an_attacker() {
    require_lab!();
    beside_cgroups(100);
}

#[test]
fn a_thousand_cgroups_of_an_attacker() {
    require_lab!();
    beside_cgroups(1_000);
}

/// The host's queue counts those, too, who wait in accounts.
#[test]
fn the_host_s_queue_holds_for_those_who_wait_in_accounts() {
    const QUEUE: i64 = 200;
    const ACCOUNTS: i64 = 20;
    /// What each account has for itself, whatever the others have.
    const FLOOR: i64 = 10;
    require_lab!();
    let scene = with_an_account_for_each(&format!("[host]\nqueue = {QUEUE}\n"));
    let asked =
        json!({"dead": scene.dead(), "cgroup": scene.attacker.path(), "count": ACCOUNTS, "each": 300});
    let attack = scene.attack(SOURCE, "fill_queue", &asked);
    let told = attack.hear(PATIENCE);
    let queued = scene.limiter.status().unwrap().host.queued;
    println!("queue = {QUEUE}: {queued} queued in {ACCOUNTS} accounts; {told}");
    let waits = scene.visit(&scene.live()[..20], 4);
    assert!(queued <= QUEUE + ACCOUNTS * FLOOR, "{queued} queued");
    let refused = told["failed"]["ENOBUFS"].as_i64().unwrap_or_default();
    assert!(refused >= ACCOUNTS * 300 - queued - 20 * ACCOUNTS, "the others are refused: {told}");
    waits.hardly_disturbed("beside a full queue");
}

/// An innocent that itself has some waiting is not refused where the attacker has filled the queue.
#[test]
fn a_full_queue_has_room_for_an_innocent_s_waiters() {
    require_lab!();
    let scene = with_an_account_for_each("[host]\nqueue = 200\n");
    let asked = json!({"dead": scene.dead(), "cgroup": scene.attacker.path(), "count": 20, "each": 100});
    let attack = scene.attack(SOURCE, "fill_queue", &asked);
    attack.hear(PATIENCE);
    // Ten are free: so many more must wait.
    let few: Vec<_> = scene.dead().into_iter().take(15).collect();
    let told = keep_open(&scene, &scene.innocent, &few);
    println!("an innocent's fifteen beside a full queue: {told}");
    assert_eq!(told["failed"], json!({}), "{told}");
}

fn keep_open(scene: &Scene, cgroup: &Cgroup, addresses: &[std::net::IpAddr]) -> Value {
    let program: Program =
        scene.run(Rights::User(INNOCENT), cgroup, "", "keep_open", &json!({"addresses": addresses}));
    program.hear(PATIENCE)
}

/// A loop of connect() and close() on a host that tracks connections makes no more entries than what leaves is worth.
#[test]
fn connections_are_not_tracked_for_what_never_left() {
    require_lab!();
    let scene = Scene::adaptive();
    let client = scene.lab.client();
    client
        .nft("table inet tracking {\n chain out { type filter hook output priority 0; ct state new counter; }\n}")
        .unwrap();
    let entries = || {
        let counted = client.run(|| fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count"));
        counted.unwrap().unwrap().trim().parse::<u64>().unwrap()
    };
    let before = entries();
    let capture = scene.lab.capture(testkit::Side::World).unwrap();
    let told = scene.carried_out(SOURCE, "connect_and_close", &json!({"dead": scene.dead(), "seconds": 4}));
    let made = entries().saturating_sub(before);
    let captured = capture.finish().unwrap();
    let syns =
        captured.segments.iter().filter(|segment| matches!(segment.kind, testkit::Kind::Syn(_))).count();
    println!("connect() and close() for 4 s: {told}, {syns} SYNs left, {made} conntrack entries");
    assert!(made <= 2 * syns as u64 + 50, "{made} entries for {syns} SYNs");
}

/// What the innocent's waits are measured by.
#[test]
fn an_innocent_alone_does_not_wait() {
    require_lab!();
    let scene = Scene::adaptive();
    let waits: Waits = scene.visit(&scene.live(), 10);
    waits.hardly_disturbed("alone");
}
