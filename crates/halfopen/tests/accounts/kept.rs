//! How long accounts last: beyond their daemon, until they are released, until their rule is gone.

use crate::scene::{Scene, is, path_of, rule, settings, start};
use halfopen_kernel::{Keep, Per, ScopeRule};
use halfopen_lab::{Lab, require_lab};
use halfopen_policy::{FirstContact, OnSuspect, Order};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn the_next_daemon_knows_rules_by_name_and_their_accounts() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let keep = Keep { pins: lab.pins().to_owned(), persist: true };
    let below = path_of(lab.cgroup());
    let by_cgroup = |name: &str, path: &str| {
        let cgroup = Some(format!("{below}/{path}"));
        ScopeRule { cgroup, ..rule(name, Per::Cgroup) }
    };
    let (web, mail) = (by_cgroup("web", "web*"), by_cgroup("mail", "mail"));
    let limiter = start(&lab, &settings(vec![web.clone(), mail.clone()]), Some(&keep));
    let cgroup = lab.cgroup().child("web").unwrap();
    let scene = Scene { limiter, lab };
    let mut program = scene.program(&cgroup);
    program.dial();
    program.dial();
    let (known, of_web, lab) = (scene.scope("web"), scene.of_cgroup(&cgroup), scene.lab);
    assert_eq!(of_web, (1, 1));
    drop(scene.limiter);
    program.dial();

    let new = by_cgroup("new", "w*b");
    let limiter = start(&lab, &settings(vec![new, web, mail]), Some(&keep));
    let scene = Scene { limiter, lab };
    assert_eq!(scene.scope("web"), known);
    assert_eq!(scene.of_cgroup(&cgroup), (1, 2));
    program.dial();
    let of =
        |name: &str| scene.accounts().iter().filter(|account| account.id.scope == scene.scope(name)).count();
    assert_eq!(["new", "web", "mail"].map(of), [1, 1, 0]);
    scene.recount_agrees();
}

#[test]
fn a_release_gives_a_new_account_s_credit() {
    require_lab!();
    let once = FirstContact {
        credit: 1,
        reward: 0,
        recover: Duration::from_hours(1),
        recover_most: Duration::from_hours(1),
        working_set: 1,
        order: Order::Oldest,
        on_suspect: OnSuspect::Notify,
    };
    let mut users = rule("users", Per::User);
    users.limits.half_open = Some(100);
    users.limits.first_contact = Some(once);
    let mut scene = Scene::with(|_| vec![users]);
    let mut program = scene.program(scene.lab.cgroup());
    let mut dial = |scene: &Scene, user: u32| {
        let to = scene.dead(halfopen_lab::Family::V4);
        let to = json!([to.ip().to_string(), to.port()]);
        program.ask(json!({ "users": 1, "first": user, "dial": to }));
    };
    for user in [4711, 4711, 4712, 4712] {
        dial(&scene, user);
    }
    let whose = |user| halfopen_kernel::AccountOf::User(user);
    assert_eq!((scene.of(whose(4711)), scene.of(whose(4712))), ((1, 1), (1, 1)));
    let accounts = scene.accounts();
    let of = accounts.iter().find(|account| account.id.of() == Some(whose(4711))).unwrap();
    assert_eq!((of.trust.credit, of.trust.first_contacts), (0, 1));
    scene.limiter.release(of.id.scope, Some(of.id.id)).unwrap();
    is("the waiter to go out", &(2, 0), || scene.of(whose(4711)));
    // It is released once: the release of another is none of its.
    dial(&scene, 4711);
    let scope = scene.scope("users");
    scene.limiter.release(scope, Some(12)).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((scene.of(whose(4711)), scene.of(whose(4712))), ((2, 1), (1, 1)));
    scene.limiter.release(scope, None).unwrap();
    is("both waiters to go out", &((3, 0), (2, 0)), || (scene.of(whose(4711)), scene.of(whose(4712))));
}

#[test]
fn the_accounts_of_a_rule_that_is_gone_are_collected_once_empty() {
    const LASTS: Duration = Duration::from_mins(1);
    require_lab!();
    let mut scene = Scene::with(|_| vec![rule("users", Per::User), rule("stays", Per::User)]);
    let mut program = scene.program(scene.lab.cgroup());
    program.ask(json!({ "users": 2, "first": 4711 }));
    let mut other = scene.program(scene.lab.cgroup());
    other.ask(json!({ "users": 1, "first": 4712 }));
    assert_eq!(scene.accounts().len(), 2);
    let was = scene.scope("users");
    scene.limiter.apply(&settings(vec![rule("stays", Per::User)])).unwrap();
    is("the waiter to be let go", &(2, 0), || scene.of(halfopen_kernel::AccountOf::User(4712)));
    program.close();
    let ended = Instant::now();
    assert_eq!(scene.limiter.collect_accounts().unwrap(), 0);
    while scene.accounts().len() == 2 {
        scene.limiter.collect_accounts().unwrap();
        assert!(ended.elapsed() < 2 * LASTS);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(ended.elapsed() + Duration::from_secs(2) > LASTS, "{:?}", ended.elapsed());
    // One still has an attempt, and its name its number.
    assert_eq!(scene.of(halfopen_kernel::AccountOf::User(4712)), (1, 0));
    scene.limiter.apply(&settings(vec![rule("stays", Per::User), rule("users", Per::User)])).unwrap();
    assert_eq!(scene.scope("users"), was);
}
