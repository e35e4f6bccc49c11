//! Which rule an attempt is charged to.

use crate::scene::{Scene, path_of, rule, settings, start};
use halfopen_bpf::{InterfaceRule, Per, ScopeRule};
use halfopen_policy::Limits;
use serde_json::json;
use std::process::{Child, Command, Stdio};
use testkit::desk::{self, PATIENCE};
use testkit::{Family, Lab, require_lab};

fn by_cgroup(name: &str, cgroup: String) -> ScopeRule {
    ScopeRule { cgroups: vec![cgroup], ..rule(name, Per::Rule) }
}

#[test]
fn a_pattern_fits_the_names_it_should_from_the_first_connect_on() {
    require_lab!();
    let hex = "0123456789abcdef".repeat(4);
    let scene = Scene::with(|lab| {
        [
            by_cgroup("exact", format!("{lab}/web")),
            by_cgroup("ends", format!("{lab}/docker-*.scope")),
            by_cgroup("twice", format!("{lab}/*a*ab")),
            by_cgroup("below", format!("{lab}/user-*/session-*")),
            by_cgroup("begins", format!("{lab}/batch*")),
            by_cgroup("one", format!("{lab}/one-*")),
        ]
        .map(|rule| {
            // The slot of a closed attempt is held for a moment: nobody is to wait for it.
            let limits = Limits { half_open: None, ..rule.limits };
            ScopeRule { limits, ..rule }
        })
        .into()
    });
    // Names as long as they may be, names that fit only if a `*` takes more than it first did, and near misses.
    let long = format!("docker-{}.scope", "x".repeat(255 - "docker-.scope".len()));
    let cases = [
        ("web", Some("exact")),
        ("web/below/deeper", Some("exact")),
        ("web2", None),
        ("we", None),
        (&format!("docker-{hex}.scope"), Some("ends")),
        (&long, Some("ends")),
        ("docker-.scope", Some("ends")),
        ("docker-x.scopes", None),
        ("docker-.scop", None),
        ("aaab", Some("twice")),
        ("xaxaabxab", Some("twice")),
        ("ab", None),
        ("aba", None),
        ("user-7/session-c1", Some("below")),
        ("user-7/session-c2/app", Some("below")),
        ("user-7", None),
        ("user-7/x/session-c1", None),
        ("batch", Some("begins")),
        ("batch-job/1", Some("begins")),
        ("one-", Some("one")),
        ("two-one-", None),
    ];
    let rules: Vec<String> = scene.limiter.rule_scopes().into_keys().collect();
    let admitted = |name: &str| {
        let ledger = scene.limiter.ledger(scene.scope(name)).unwrap();
        ledger.admitted + ledger.queued
    };
    for (path, wanted) in cases {
        let before: Vec<u64> = rules.iter().map(|name| admitted(name)).collect();
        let mut cgroups = Vec::new();
        for name in path.split('/') {
            let above = cgroups.last().unwrap_or_else(|| scene.lab.cgroup());
            cgroups.push(above.child(name).unwrap());
        }
        scene.program(cgroups.last().unwrap()).dial();
        let charged: Vec<&str> =
            rules.iter().zip(before).filter(|(name, was)| admitted(name) > *was).map(|(n, _)| &**n).collect();
        assert_eq!(charged, wanted.into_iter().collect::<Vec<_>>(), "{path}");
        // The inner ones first.
        while cgroups.pop().is_some() {}
    }
}

#[test]
fn the_first_rule_that_holds_counts_until_rules_change() {
    require_lab!();
    let narrow = |lab: &str| by_cgroup("narrow", format!("{lab}/a/b"));
    let mut scene = Scene::with(|lab| {
        let other = ScopeRule { users: vec![4711], ..by_cgroup("other user", format!("{lab}/a")) };
        vec![other, narrow(lab), by_cgroup("wide", format!("{lab}/a")), by_cgroup("all", "/".to_owned())]
    });
    let a = scene.lab.cgroup().child("a").unwrap();
    let b = a.child("b").unwrap();
    let mut programs = [scene.program(&b), scene.program(&a), scene.program(scene.lab.cgroup())];
    programs.iter_mut().for_each(crate::scene::Dials::dial);
    let found = |scene: &Scene| ["other user", "narrow", "wide", "all"].map(|name| scene.of_rule(name));
    assert_eq!(found(&scene), [(0, 0), (1, 0), (1, 0), (1, 0)]);

    let lab = path_of(scene.lab.cgroup());
    let all = by_cgroup("all", "/".to_owned());
    scene.limiter.apply(&settings(vec![all.clone(), narrow(&lab)])).unwrap();
    programs.iter_mut().for_each(crate::scene::Dials::dial);
    assert_eq!(["narrow", "all"].map(|name| scene.of_rule(name)), [(1, 0), (1, 3)]);
    // What the first of these rules asks for is not what the first one asked for before.
    let elsewhere = by_cgroup("wide", format!("{lab}/elsewhere"));
    scene.limiter.apply(&settings(vec![elsewhere, narrow(&lab), all])).unwrap();
    programs[0].dial();
    assert_eq!(["narrow", "all"].map(|name| scene.of_rule(name)), [(1, 1), (1, 3)]);
}

#[test]
fn a_rule_s_patterns_give_accounts_at_their_depths_all_with_its_limits() {
    require_lab!();
    let by = |patterns: &[String]| {
        settings(vec![ScopeRule { cgroups: patterns.to_vec(), ..rule("each", Per::Cgroup) }])
    };
    let lab = Lab::new().unwrap();
    let below = path_of(lab.cgroup());
    let patterns = ["pods/*/*", "own", "*"].map(|pattern| format!("{below}/{pattern}"));
    let mut scene = Scene { limiter: start(&lab, &by(&patterns), None), lab };
    let child = |above: &testkit::Cgroup, name| above.child(name).unwrap();
    let pods = child(scene.lab.cgroup(), "pods");
    let class = child(&pods, "class");
    let (pod, other_pod) = (child(&class, "pod-1"), child(&class, "pod-2"));
    let container = child(&pod, "container");
    let own = child(scene.lab.cgroup(), "own");
    let unit = child(scene.lab.cgroup(), "unit");
    let within = child(&unit, "within");
    let places = [&container, &pod, &other_pod, &own, &within, &unit];
    let mut programs = places.map(|cgroup| scene.program(cgroup));
    programs.iter_mut().for_each(crate::scene::Dials::dial);
    let found = |scene: &Scene| [&pod, &other_pod, &own, &unit].map(|cgroup| scene.of_cgroup(cgroup));
    assert_eq!(found(&scene), [(1, 1), (1, 0), (1, 0), (1, 1)]);
    assert_eq!(scene.of_rule("each"), (0, 0), "each has an account of its own");
    let ids = |scene: &Scene| scene.accounts().into_iter().map(|account| account.id).collect::<Vec<_>>();
    let before = ids(&scene);
    assert_eq!(before.len(), 4);

    // The last pattern fits this one too, at the same depth: its account stays.
    scene.limiter.apply(&by(&[patterns[0].clone(), patterns[2].clone()])).unwrap();
    programs[3].dial();
    assert_eq!((found(&scene)[2], ids(&scene)), ((1, 1), before));
    // The limits are the rule's, and so every account's.
    let mut wider = by(&patterns);
    wider.scopes[0].limits.half_open = Some(2);
    scene.limiter.apply(&wider).unwrap();
    for at in [1, 2, 5] {
        programs[at].dial();
    }
    assert_eq!(found(&scene)[1], (2, 0));
    crate::scene::is("all accounts to have two", &[2; 4], || found(&scene).map(|(out, _)| out));
    scene.reconcile_agrees();
}

/// A shell that dials and waits, run from `program`.
struct Shell(Child);

impl Shell {
    fn dial(scene: &Scene, program: &std::path::Path) -> Self {
        let to = scene.dead(Family::V4);
        let mut command = scene.lab.client().command_in(scene.lab.cgroup(), program);
        let script = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
        Self(command.args(["-c", &script]).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_executable_is_its_file_and_a_name_is_what_the_program_says() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let [agent, copy] = ["agent", "copy"].map(|name| directory.path().join(name));
    for path in [&agent, &copy] {
        assert!(Command::new("cp").arg("/bin/bash").arg(path).status().unwrap().success());
    }
    let mut scene = Scene::with(|_| {
        let by_name = ScopeRule { comms: vec!["scanner".to_owned()], ..rule("name", Per::Rule) };
        vec![ScopeRule { exes: vec![agent.clone()], ..rule("file", Per::Rule) }, by_name]
    });
    let _agent = Shell::dial(&scene, &agent);
    crate::scene::is("the agent's attempt", &(1, 0), || scene.of_rule("file"));
    let _copy = Shell::dial(&scene, &copy);
    crate::scene::is("both attempts", &2, || {
        scene.limiter.ledger(halfopen_bpf::ScopeId::HOST).unwrap().admitted
    });
    assert_eq!(scene.of_rule("file"), (1, 0));

    std::fs::rename(&copy, &agent).unwrap();
    assert!(scene.limiter.follow_rule_files().unwrap() && !scene.limiter.follow_rule_files().unwrap());
    let _new = Shell::dial(&scene, &agent);
    crate::scene::is("the new file's attempt", &(1, 1), || scene.of_rule("file"));

    let mut program = scene.program(scene.lab.cgroup());
    program.dial();
    assert_eq!(scene.of_rule("name"), (0, 0));
    program.ask(json!({ "name": "scanner" }));
    program.ask(json!({ "name": "scanner2" }));
    program.ask(json!({ "name": "scanne" }));
    assert_eq!(scene.of_rule("name"), (1, 0));
}

#[test]
fn an_interface_has_its_own_limit_besides_any_rule_s() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut settings = settings(vec![by_cgroup("all", "/".to_owned())]);
    settings.scopes[0].limits.half_open = Some(3);
    let limits = crate::scene::limits(Some(2));
    settings.interfaces =
        ["lo", "lab0", "lab01"].map(|name| InterfaceRule { name: name.to_owned(), limits }).into();
    let scene = Scene { limiter: start(&lab, &settings, None), lab };
    // Leaves the rest of the longer name behind the shorter one's zero. Kernels before 6.2 rename none that is up.
    let _ = scene.lab.client().ip("link set lab0 name lab0longer\nlink set lab0longer name lab0\n");
    let of = |name: &str| {
        let scope = scene.limiter.interface_scopes()[name];
        crate::scene::at(&scene.limiter.ledger(scope).unwrap())
    };
    let mut program = scene.program(scene.lab.cgroup());
    program.dial();
    let v6 = scene.dead(Family::V6);
    program.ask(json!({ "dial": [v6.ip().to_string(), v6.port()] }));
    assert_eq!((of("lab0"), of("lo"), of("lab01")), ((2, 0), (0, 0), (0, 0)));
    program.dial();
    assert_eq!((of("lab0"), scene.of_rule("all")), ((2, 1), (2, 1)));
    program.close();
    desk::until("all to end", PATIENCE, || {
        ((of("lab0"), scene.of_rule("all")) == ((0, 0), (0, 0))).then_some(())
    });
    scene.reconcile_agrees();
}
