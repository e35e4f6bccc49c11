//! As many accounts as there is room for, and more.

use crate::scene::{Scene, rule};
use halfopen_bpf::{Fault, Per, ScopeId};
use serde_json::json;
use std::fs;
use std::time::Instant;
use testkit::require_lab;

/// `ACCOUNTS` of bpf/abi.h.
const ROOM: u32 = 16_384;

/// Bytes of kernel memory in slabs.
fn slab() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("Slab:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn each_of_ten_thousand_cgroups_has_its_account() {
    const CGROUPS: u32 = 10_000;
    require_lab!();
    let scene = Scene::with(|lab| {
        let pattern = format!("{lab}/many/*");
        vec![halfopen_bpf::ScopeRule { cgroups: vec![pattern], ..rule("many", Per::Cgroup) }]
    });
    let many = scene.lab.cgroup().child("many").unwrap();
    let mut program = scene.program(&many);
    let before = slab();
    let done = program.ask(json!({ "cgroups": CGROUPS, "path": many.path() }));
    let bytes = slab().saturating_sub(before) / u64::from(CGROUPS);
    let began = Instant::now();
    let accounts = scene.accounts();
    let read = began.elapsed();
    assert_eq!(accounts.len(), CGROUPS as usize);
    assert!(accounts.iter().all(|account| crate::scene::at(&account.ledger) == (1, 0)));
    assert_eq!((scene.faults(Fault::AccountsFull), scene.of_rule("many")), (0, (0, 0)));
    let began = Instant::now();
    scene.limiter.reconcile(halfopen_bpf::walk_namespaces).unwrap();
    println!(
        "{CGROUPS} cgroups in {} s, {bytes} bytes of slab each with its cgroup and socket; read in {read:?}, reconciled in {:?}",
        done["took_s"],
        began.elapsed()
    );
    scene.reconcile_agrees();
}

#[test]
fn what_finds_no_room_shares_the_rule_s_own_account() {
    const BEYOND: u32 = 3;
    require_lab!();
    let scene = Scene::with(|_| vec![rule("users", Per::User)]);
    let mut program = scene.program(scene.lab.cgroup());
    program.ask(json!({ "users": ROOM + BEYOND, "first": 100_000 }));
    assert_eq!(scene.accounts().len(), ROOM as usize);
    assert_eq!(scene.of_rule("users"), (1, u64::from(BEYOND) - 1));
    assert_eq!(scene.faults(Fault::AccountsFull), u64::from(BEYOND));
    assert_eq!(scene.limiter.ledger(ScopeId::HOST).unwrap().half_open, u64::from(ROOM) + 1);
    scene.reconcile_agrees();
}
