//! How long accounts last: beyond their daemon, until they are released, until their rule is gone.

use crate::scene::{Scene, id_of, is, path_of, rule, settings, start};
use halfopen_bpf::{AccountOf, Fault, Keep, Per, ScopeRule, monotonic};
use halfopen_policy::{FirstContact, OnSuspect, Order, Rate};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::{Lab, require_lab};

#[test]
fn the_next_daemon_knows_rules_by_name_and_their_accounts() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let keep = Keep { pins: lab.pins().to_owned(), persist: true };
    let below = path_of(lab.cgroup());
    let by_cgroup = |name: &str, path: &str| {
        let cgroups = vec![format!("{below}/{path}")];
        ScopeRule { cgroups, ..rule(name, Per::Cgroup) }
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
    scene.reconcile_agrees();
}

#[test]
fn the_account_of_a_path_is_found_without_its_cgroup() {
    require_lab!();
    // The kernel part reads 63 bytes of a name at a time, and not all of the longest.
    let names = [1, 62, 63, 64, 126, 127, 252, 253, 255].map(|length| "n".repeat(length));
    let scene = Scene::with(|path| {
        let cgroups = ["/*", "/*/*"].map(|below| format!("{path}{below}")).to_vec();
        vec![ScopeRule { cgroups, ..rule("each", Per::Cgroup) }]
    });
    let top = path_of(scene.lab.cgroup());
    let number = |names: &[&str]| {
        let all = std::iter::once(top.trim_start_matches('/')).chain(names.iter().copied());
        scene.limiter.account_of_path(&all.map(str::as_bytes).collect::<Vec<_>>()).unwrap()
    };
    for name in &names {
        let cgroup = scene.lab.cgroup().child(name).unwrap();
        scene.program(&cgroup).dial();
        let accounts = scene.accounts();
        let account = accounts.iter().find(|account| account.cgroup == id_of(&cgroup)).unwrap();
        assert_eq!(account.id.id, number(&[name]), "{} bytes", name.len());
        drop(cgroup);
        assert!(scene.accounts().iter().any(|account| account.id.id == number(&[name])));
    }
    assert!(names.iter().skip(1).all(|name| number(&[name]) != number(&[&names[0]])));
    assert!(scene.limiter.account_of_path(&[b"a".as_slice(); 13]).is_none(), "too deep for an account");
}

#[test]
fn a_release_gives_a_new_account_s_credit() {
    require_lab!();
    let once = FirstContact {
        credit: 1,
        rate: Rate::of_interval(Duration::from_hours(1)),
        working_set: 1,
        order: Order::Oldest,
        on_suspect: OnSuspect::Notify,
        ..FirstContact::virus_throttle()
    };
    let mut users = rule("users", Per::User);
    users.limits.half_open = Some(100);
    users.limits.first_contact = Some(once);
    let mut scene = Scene::with(|_| vec![users]);
    let mut program = scene.program(scene.lab.cgroup());
    let mut dial = |scene: &Scene, user: u32| {
        let to = scene.dead(testkit::Family::V4);
        let to = json!([to.ip().to_string(), to.port()]);
        program.ask(json!({ "users": 1, "first": user, "dial": to }));
    };
    for user in [4711, 4711, 4712, 4712] {
        dial(&scene, user);
    }
    let whose = |user| AccountOf::User(user);
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
    is("the waiter to be let go", &(2, 0), || scene.of(AccountOf::User(4712)));
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
    assert_eq!(scene.of(AccountOf::User(4712)), (1, 0));
    scene.limiter.apply(&settings(vec![rule("stays", Per::User), rule("users", Per::User)])).unwrap();
    assert_eq!(scene.scope("users"), was);
}

/// Changes the accounting of every account behind the limiter's back. Nobody may use them meanwhile.
fn change_accounting(lab: &Lab, change: impl Fn(&mut [u8])) {
    let accounts = MapHandle::from_pinned_path(lab.pins().join("accounts")).unwrap();
    for key in accounts.keys().collect::<Vec<_>>() {
        let mut accounting = accounts.lookup(&key, MapFlags::ANY).unwrap().unwrap();
        change(&mut accounting);
        accounts.update(&key, &accounting, MapFlags::EXIST).unwrap();
    }
}

#[test]
fn a_reconcile_corrects_an_account() {
    /// Behind the lock.
    const QUEUED: usize = 4;
    require_lab!();
    let lab = Lab::new().unwrap();
    let keep = Keep { pins: lab.pins().to_owned(), persist: true };
    let limiter = start(&lab, &settings(vec![rule("users", Per::User)]), Some(&keep));
    let scene = Scene { limiter, lab };
    let mut program = scene.program(scene.lab.cgroup());
    program.dial();
    program.dial();
    change_accounting(&scene.lab, |accounting| accounting[QUEUED] += 5);
    assert_eq!(scene.of(AccountOf::User(0)), (1, 6));
    scene.limiter.reconcile(halfopen_bpf::walk_namespaces).unwrap();
    assert_eq!((scene.of(AccountOf::User(0)), scene.faults(Fault::Reconciled)), ((1, 1), 1));
    scene.reconcile_agrees();
}

#[test]
fn an_idle_account_is_collected_unless_it_has_trust_to_gain() {
    const MINUTE: Duration = Duration::from_mins(1);
    require_lab!();
    let lab = Lab::new().unwrap();
    let keep = Keep { pins: lab.pins().to_owned(), persist: true };
    let plain = ScopeRule { users: vec![4711], ..rule("plain", Per::User) };
    let mut credit = rule("credit", Per::User);
    // The slot of a closed attempt is held for a moment.
    credit.limits.half_open = None;
    credit.limits.first_contact = Some(FirstContact {
        credit: 2,
        rate: Rate::of_interval(Duration::from_hours(1)),
        working_set: 1,
        order: Order::Oldest,
        on_suspect: OnSuspect::Notify,
        ..FirstContact::virus_throttle()
    });
    let limiter = start(&lab, &settings(vec![plain, credit]), Some(&keep));
    let scene = Scene { limiter, lab };
    let mut program = scene.program(scene.lab.cgroup());
    let now = || u64::try_from(monotonic().as_nanos()).unwrap();
    let began = now();
    program.ask(json!({ "users": 2, "first": 4711 }));
    assert_eq!(scene.accounts().len(), 2);
    program.close();
    is("both to have ended", &((0, 0), (0, 0)), || {
        (scene.of(AccountOf::User(4711)), scene.of(AccountOf::User(4712)))
    });
    // Whatever happened since `began` shall have happened so much earlier.
    let age = |already: Duration, time: Duration| {
        let (from, to) = (began - already.as_nanos() as u64, now() - already.as_nanos() as u64);
        change_accounting(&scene.lab, |accounting| {
            for word in accounting.chunks_exact_mut(8) {
                let at = u64::from_ne_bytes(word.try_into().unwrap());
                if (from..=to).contains(&at) {
                    word.copy_from_slice(&(at - time.as_nanos() as u64).to_ne_bytes());
                }
            }
        });
    };
    let collect = || scene.limiter.collect_accounts().unwrap();
    age(Duration::ZERO, 9 * MINUTE);
    assert_eq!((collect(), scene.accounts().len()), (0, 2));
    age(9 * MINUTE, 2 * MINUTE);
    assert_eq!((collect(), scene.accounts().len()), (1, 1));
    assert_eq!(scene.accounts()[0].id.of(), Some(AccountOf::User(4712)));
    // It is made anew, and the one that stayed goes on.
    program.ask(json!({ "users": 2, "first": 4711 }));
    assert_eq!(["plain", "credit"].map(|name| scene.of_rule(name)), [(0, 0); 2]);
    assert_eq!((scene.of(AccountOf::User(4711)), scene.of(AccountOf::User(4712))), ((1, 0), (1, 0)));
}
