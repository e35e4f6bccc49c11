//! What an account cannot do about the trust in it, nor to the memory of others.

use crate::scene::{Scene, id_of, is, rule};
use halfopen_bpf::{Per, ScopeRule};
use halfopen_policy::FirstContact;
use serde_json::json;
use std::fs;
use testkit::{Family, require_lab};

/// First contacts cost as in `adaptive`, and nothing else holds anybody back.
fn by_credit(per: Per) -> ScopeRule {
    let mut rule = rule("each", per);
    rule.limits.half_open = None;
    rule.limits.first_contact = Some(FirstContact::adaptive());
    rule
}

#[test]
fn a_network_of_one_s_own_answers_for_nothing() {
    const MANY: u32 = 100;
    require_lab!();
    let scene = Scene::with(|_| vec![by_credit(Per::User)]);
    // A user namespace of root's is an account of its own.
    let account = |foreign: bool| {
        let accounts = scene.accounts();
        accounts.into_iter().find(|account| account.trust.credit_foreign.is_some() == foreign).unwrap()
    };
    let mut program = scene.program(scene.lab.cgroup());
    program.ask(json!({ "elsewhere": scene.dead(Family::V4).port() }));
    program.ask(json!({ "many": MANY }));
    let trust = account(true).trust;
    assert_eq!((trust.first_contacts, trust.credit_foreign), (u64::from(MANY), Some(32)));
    assert_eq!(account(true).ledger.established, u64::from(MANY));

    // The same addresses where they are not its own.
    let mut here = scene.program(scene.lab.cgroup());
    here.ask(json!({ "many": MANY }));
    let account = account(false);
    assert!(account.ledger.queued >= u64::from(MANY) - 40, "{account:?}");
    scene.reconcile_agrees();
}

#[test]
fn a_cgroup_made_anew_has_the_account_of_its_name() {
    require_lab!();
    let scene =
        Scene::with(|lab| vec![ScopeRule { cgroups: vec![format!("{lab}/*")], ..by_credit(Per::Cgroup) }]);
    let unit = || scene.lab.cgroup().child("unit").unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let cgroup = unit();
        let mut program = scene.program(&cgroup);
        program.ask(json!({ "many": 20 }));
        ids.push(id_of(&cgroup));
        program.kill();
        is("the cgroup to be empty", &true, || {
            fs::remove_dir(cgroup.path()).is_ok() || !cgroup.path().exists()
        });
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each is another one");
    let accounts = scene.accounts();
    assert_eq!((accounts.len(), accounts[0].cgroup), (1, ids[2]));
    assert!(accounts[0].trust.first_contacts < 40, "{accounts:?}");
}

#[test]
fn names_taken_by_the_hundred_push_no_program_out() {
    /// `PROGRAMS_OF_CGROUP` of bpf/abi.h.
    const ROWS: usize = 64;
    const NAMES: u64 = 300;
    require_lab!();
    let scene = Scene::with(|_| vec![rule("users", Per::User)]);
    let mut program = scene.program(scene.lab.cgroup());
    program.dial();
    for name in 0..NAMES {
        program.ask(json!({ "name": format!("name {name}") }));
    }
    let programs = scene.limiter.programs().unwrap();
    let others = programs.iter().find(|count| count.program.comm.is_empty()).unwrap();
    assert_eq!((programs.len(), others.held), (ROWS + 1, NAMES - ROWS as u64));
}
