//! The table of records has room for so many attempts: whoever fills it is refused, and nobody else.

use crate::patience::with_an_account_for_each;
use crate::scene::{ATTACKER, DEAD, INNOCENT, LIVE, Rights, Scene};
use serde_json::{Value, json};
use std::net::IpAddr;
use testkit::desk::other_program::{Attached, Does, attach};
use testkit::desk::{PATIENCE, ask_well, has, until};
use testkit::rig::{self, faults, program::Program};
use testkit::{Cgroup, Mix, require_lab};

const SOURCE: &str =
    concat!(include_str!("../programs/attacks/trust.py"), include_str!("../programs/attacks/records.py"));
/// So many that nobody waits.
const UNREACHED: u32 = 100_000;
/// The least that it may have room for, and so many find room beside.
const RECORDS: usize = 1024;
const BESIDE: usize = RECORDS / 4;
const ATTEMPTS: usize = 2_500;

fn simple(dead: usize, mode: &str, half_open: u32) -> Scene {
    Scene::of(Mix { dead, live: LIVE, ..Mix::default() }, |limiter| {
        limiter.set("records", RECORDS).set("mode", mode).set("half_open", half_open)
    })
}

fn count(told: &Value, what: &str) -> usize {
    told[what].as_u64().unwrap_or_default().try_into().unwrap()
}

fn no_record(scene: &Scene) -> u64 {
    faults(&scene.limiter).get("no_record").copied().unwrap_or_default()
}

fn arrived_of(scene: &Scene, addresses: &[IpAddr]) -> usize {
    let arrived = scene.arrived_at();
    addresses.iter().filter(|address| arrived.contains(address)).count()
}

fn fill(scene: &Scene, cgroup: &Cgroup, user: u32, dead: &[IpAddr], count: usize) -> (Program, Value) {
    let asked = json!({"dead": dead, "count": count});
    let program = scene.run(Rights::User(user), cgroup, SOURCE, "fill", &asked);
    let told = program.hear(PATIENCE);
    (program, told)
}

/// The attacker has as many attempts as he is given a record for; how it went.
fn attack(scene: &Scene) -> Program {
    let (program, told) = fill(scene, &scene.attacker, ATTACKER, &scene.dead(), ATTEMPTS);
    println!("the attacker: {told}");
    assert!(count(&told, "kept") >= RECORDS && count(&told, "ENOBUFS") > 0, "{told}");
    program
}

fn adaptive() -> Scene {
    let mix = Mix { dead: DEAD, live: LIVE, ..Mix::default() };
    Scene::of(mix, |limiter| limiter.set("preset", "adaptive").set("records", RECORDS))
}

#[test]
fn without_room_connect_fails_and_no_syn_leaves() {
    require_lab!();
    let scene = simple(ATTEMPTS + DEAD, "enforce", UNREACHED);
    let dead = scene.dead();
    let (dialled, translated) = dead.split_at(ATTEMPTS);
    let (_program, told) = fill(&scene, &scene.attacker, ATTACKER, dialled, ATTEMPTS);
    let (kept, refused) = (count(&told, "kept"), count(&told, "ENOBUFS"));
    println!("room for {RECORDS} and {BESIDE} beside: {told}");
    assert_eq!(kept + refused, ATTEMPTS, "{told}");
    assert!((RECORDS..=RECORDS + BESIDE).contains(&kept), "{told}");
    until("those with a record to arrive", PATIENCE, || (arrived_of(&scene, dialled) == kept).then_some(()));
    assert_eq!(no_record(&scene), refused as u64);
    let status = ask_well(&scene.limiter, &["status"]);
    assert!(status.contains("no room for the record of one more attempt"), "{status}");

    // Exempt as they are addressed, connect() does not refuse them; they go elsewhere.
    let mut container = scene.attack(SOURCE, "translated", &json!({"dead": translated, "seconds": 3}));
    scene.connect(&mut container);
    assert_eq!(container.hear(PATIENCE)["failed"], json!({}));
    assert!(no_record(&scene) >= (refused + translated.len()) as u64, "{:?}", faults(&scene.limiter));
    assert_eq!((arrived_of(&scene, translated), arrived_of(&scene, dialled)), (0, kept));
}

#[test]
fn without_room_nothing_is_withheld_in_audit_mode() {
    require_lab!();
    let scene = simple(ATTEMPTS, "audit", 5);
    let (_program, told) = fill(&scene, &scene.attacker, ATTACKER, &scene.dead(), ATTEMPTS);
    assert_eq!(told, json!({"kept": ATTEMPTS}));
    until("all to arrive", PATIENCE, || (scene.reached() == ATTEMPTS).then_some(()));
    assert!(no_record(&scene) > 0, "it had room");
}

#[test]
fn one_account_that_fills_the_table() {
    require_lab!();
    let scene = adaptive();
    let _attack = attack(&scene);
    scene.visit(&scene.live(), 10).hardly_disturbed("beside one that has filled the table");
}

/// All at once: they find no place in the table, and have records beside.
#[test]
fn many_dials_at_once_beside_one_account_that_fills_the_table() {
    require_lab!();
    let scene = adaptive();
    let _attack = attack(&scene);
    let few = &scene.dead()[..15];
    let (_program, told) = fill(&scene, &scene.innocent, INNOCENT, few, 15);
    assert_eq!(told, json!({"kept": 15}));
}

/// ... but for those that are never held, which may have what there is.
#[test]
fn the_never_held_have_more_than_a_share() {
    const MANY: usize = 100;
    require_lab!();
    for (never_hold, had) in [(true, MANY..=MANY), (false, BESIDE / 16..=BESIDE / 16 + 1)] {
        let rules = format!("[{{ user = {INNOCENT}, reason = \"a test\" }}]");
        let scene = Scene::of(Mix { dead: DEAD, live: LIVE, ..Mix::default() }, |limiter| {
            let limiter = limiter.set("preset", "adaptive").set("records", RECORDS);
            if never_hold { limiter.set("never_hold", &rules) } else { limiter }
        });
        let _attack = attack(&scene);
        let (_program, told) = fill(&scene, &scene.innocent, INNOCENT, &scene.dead(), MANY);
        assert!(had.contains(&count(&told, "kept")), "never_hold: {never_hold}: {told}");
    }
}

#[test]
fn a_dozen_accounts_of_one_cgroup_that_fill_the_table() {
    const ACCOUNTS: u32 = 12;
    require_lab!();
    let scene = with_an_account_for_each(&format!("records = {RECORDS}\n"));
    let asked = json!({"dead": scene.dead(), "cgroup": scene.attacker.path(), "cgroups": ACCOUNTS,
                       "count": ATTEMPTS / 4});
    let attack = scene.attack(SOURCE, "fill_from_cgroups", &asked);
    println!("{ACCOUNTS} accounts: {}", attack.hear(PATIENCE));
    assert!(no_record(&scene) > 0, "they had room");
    scene.visit(&scene.live()[..30], 10).hardly_disturbed("beside a dozen accounts");
}

#[test]
fn an_account_that_fills_the_table_beside_one_of_the_same_cgroup() {
    require_lab!();
    let scene = with_an_account_for_each(&format!("records = {RECORDS}\n"));
    let asked =
        json!({"dead": scene.dead(), "cgroup": scene.attacker.path(), "cgroups": 1, "count": ATTEMPTS});
    let attack = scene.attack(SOURCE, "fill_from_cgroups", &asked);
    println!("one account: {}", attack.hear(PATIENCE));
    assert!(no_record(&scene) > 0, "it had room");
    let neighbour = scene.attacker.child("neighbour").unwrap();
    scene.visit_from(&neighbour, &scene.live()[..30], 10).hardly_disturbed("in the same cgroup");
}

/// The innocent had as many attempts as the table has room for, and has none any more.
fn had_filled_the_table(scene: &Scene, before_it_ends: impl FnOnce()) {
    let (program, told) = fill(scene, &scene.innocent, INNOCENT, &scene.dead(), ATTEMPTS);
    println!("the innocent: {told}");
    before_it_ends();
    program.kill();
    rig::until(&scene.limiter, "all to end", PATIENCE, |host| host.queued + host.half_open + host.aged == 0);
    let _attack = attack(scene);
    scene.visit(&scene.live()[..30], 10).hardly_disturbed("one that had filled the table itself");
}

#[test]
fn what_has_ended_is_not_counted() {
    require_lab!();
    // Who cancels so many that wait is refused for a while.
    had_filled_the_table(&simple(DEAD, "enforce", UNREACHED), || {});
}

/// The reconcile walk ends them.
#[test]
fn what_has_ended_unseen_is_not_counted() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let scene = adaptive();
    attach(Does::ClearsFlags, scene.lab.cgroup(), Attached::BesideOthers);
    had_filled_the_table(&scene, || {
        until("flags to be cleared", PATIENCE, || {
            faults(&scene.limiter).contains_key("decided_at_egress").then_some(())
        });
    });
    assert!(faults(&scene.limiter).contains_key("reconciled"), "all were seen to end");
}
