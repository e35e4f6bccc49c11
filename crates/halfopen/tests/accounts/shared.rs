//! Who shares an account.

use crate::scene::{Scene, rule};
use halfopen_bpf::{AccountOf, Per, ScopeRule};
use serde_json::json;
use testkit::require_lab;

#[test]
fn a_cgroup_shares_with_those_below_it_and_not_with_those_beside_it() {
    require_lab!();
    let scene = Scene::with(|lab| {
        vec![ScopeRule { cgroups: vec![format!("{lab}/web-*")], ..rule("web", Per::Cgroup) }]
    });
    // Made after the rule: its first process is held.
    let first = scene.lab.cgroup().child("web-1").unwrap();
    let mut program = scene.program(&first);
    program.dial();
    program.dial();
    assert_eq!(scene.of_cgroup(&first), (1, 1));
    let below = first.child("below").unwrap();
    let deeper = below.child("deeper").unwrap();
    let mut programs = [scene.program(&below), scene.program(&deeper)];
    programs.iter_mut().for_each(crate::scene::Dials::dial);
    assert_eq!(scene.of_cgroup(&first), (1, 3));

    let beside = scene.lab.cgroup().child("web-2").unwrap();
    let other = scene.lab.cgroup().child("other").unwrap();
    let mut programs_beside =
        [scene.program(&beside), scene.program(&other), scene.program(scene.lab.cgroup())];
    programs_beside.iter_mut().for_each(crate::scene::Dials::dial);
    assert_eq!((scene.of_cgroup(&beside), scene.of_cgroup(&first)), ((1, 0), (1, 3)));
    assert_eq!((scene.accounts().len(), scene.of_rule("web")), (2, (0, 0)));
    scene.reconcile_agrees();
    // A slot that comes free is taken by a waiter of the same account.
    program.close();
    crate::scene::is("the next to go out", &(1, 1), || scene.of_cgroup(&first));
}

#[test]
fn a_user_shares_with_nobody() {
    require_lab!();
    let scene = Scene::with(|_| vec![rule("users", Per::User)]);
    let mut program = scene.program(scene.lab.cgroup());
    program.ask(json!({ "users": 3, "first": 4711 }));
    program.ask(json!({ "users": 1, "first": 4712 }));
    program.dial();
    let found = [4711, 4712, 4713, 0].map(|user| scene.of(AccountOf::User(user)));
    assert_eq!((found, scene.accounts().len()), ([(1, 0), (1, 1), (1, 0), (1, 0)], 4));
    scene.reconcile_agrees();
}

#[test]
fn all_users_of_a_namespace_are_the_one_who_made_it() {
    require_lab!();
    let scene = Scene::with(|_| vec![rule("users", Per::User)]);
    let mut program = scene.program(scene.lab.cgroup());
    program.ask(json!({ "users": 1, "first": 4711 }));
    program.ask(json!({ "namespace": 5, "first": 4711 }));
    assert_eq!((scene.of(AccountOf::User(4711)), scene.accounts().len()), ((1, 5), 1));
    // Root makes one for each container, say: they are not all root.
    program.ask(json!({ "namespace": 3, "first": 0 }));
    program.ask(json!({ "namespace": 2, "first": 0 }));
    let of_namespaces = |account: &halfopen_bpf::Account| {
        matches!(account.id.of(), Some(AccountOf::UserNamespace(_))).then_some(account.ledger.queued)
    };
    let mut waiting: Vec<_> = scene.accounts().iter().filter_map(of_namespaces).collect();
    waiting.sort_unstable();
    assert_eq!(waiting, [1, 2]);
    scene.reconcile_agrees();
}

#[test]
fn a_process_shares_with_those_that_come_from_it() {
    require_lab!();
    let scene = Scene::with(|_| vec![rule("processes", Per::Process)]);
    // Their ancestors are in other cgroups.
    let mut first = scene.program(scene.lab.cgroup());
    let mut second = scene.program(scene.lab.cgroup());
    let found = || {
        let mut found: Vec<_> = scene
            .accounts()
            .iter()
            .map(|account| match account.id.of() {
                Some(AccountOf::Process { pid, .. }) => (pid, crate::scene::at(&account.ledger)),
                other => panic!("{other:?}"),
            })
            .collect();
        found.sort_unstable();
        found
    };
    // The child is the first to dial.
    first.ask(json!({ "child": true }));
    assert_eq!(found(), [(first.pid(), (1, 0))]);
    first.dial();
    first.ask(json!({ "child": true }));
    second.dial();
    // It has lost its parent, but not its account.
    first.ask(json!({ "grandchild": true }));
    let mut wanted = [(first.pid(), (1, 4)), (second.pid(), (1, 0))];
    wanted.sort_unstable();
    assert_eq!(found(), wanted);
    scene.reconcile_agrees();
    second.kill();
}
