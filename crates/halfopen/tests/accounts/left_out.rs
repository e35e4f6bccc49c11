//! Whom a rule leaves out, and rules that name several users or files: the next rule that matches counts.

use crate::scene::{Dials, Scene, path_of, rule};
use halfopen_bpf::{LeftOut, Per, ScopeRule};
use serde_json::json;
use testkit::require_lab;

#[test]
fn a_cgroup_that_a_rule_leaves_out_meets_the_next_one() {
    require_lab!();
    let mut scene = Scene::with(|lab| {
        let not = LeftOut { cgroups: vec![format!("{lab}/pods/b*")], ..LeftOut::default() };
        let own =
            ScopeRule { cgroups: vec![format!("{lab}/pods")], not: not.clone(), ..rule("own", Per::Rule) };
        // Without a cgroup of its own.
        let any = ScopeRule { users: vec![0], not, ..rule("any", Per::Rule) };
        vec![own, any, ScopeRule { cgroups: vec!["/".into()], ..rule("rest", Per::Rule) }]
    });
    let child = |above: &testkit::Cgroup, name| above.child(name).unwrap();
    let pods = child(scene.lab.cgroup(), "pods");
    let (a, b) = (child(&pods, "a"), child(&pods, "b1"));
    let below = child(&b, "below");
    let found = |scene: &Scene| ["own", "any", "rest"].map(|name| scene.of_rule(name).0);
    // One at a time is let out in each.
    let mut programs = Vec::new();
    for (cgroup, expected) in [(&a, [1, 0, 0]), (&b, [1, 0, 1]), (scene.lab.cgroup(), [1, 1, 1])] {
        let mut program = scene.program(cgroup);
        program.dial();
        assert_eq!(found(&scene), expected);
        programs.push(program);
    }
    let mut deeper = scene.program(&below);
    deeper.dial();
    assert_eq!(scene.of_rule("rest"), (1, 1));

    // What is remembered of a cgroup does not outlive the rules.
    let lab = path_of(scene.lab.cgroup());
    let own = ScopeRule { cgroups: vec![format!("{lab}/pods")], ..rule("own", Per::Rule) };
    scene.limiter.apply(&crate::scene::settings(vec![own])).unwrap();
    programs[1].dial();
    assert_eq!(scene.of_rule("own"), (1, 1));
}

#[test]
fn a_rule_names_several_users_and_leaves_some_out() {
    require_lab!();
    let scene = Scene::with(|_| {
        let two = ScopeRule { users: vec![4711, 4712], ..rule("two", Per::Rule) };
        let not = LeftOut { users: vec![4713], ..LeftOut::default() };
        vec![two, ScopeRule { cgroups: vec!["/".into()], not, ..rule("others", Per::Rule) }]
    });
    let mut program: Dials = scene.program(scene.lab.cgroup());
    program.ask(json!({ "users": 4, "first": 4711 }));
    let found = ["two", "others"].map(|name| scene.of_rule(name));
    assert_eq!(found, [(1, 1), (1, 0)], "the third is in no rule");
}

#[test]
fn a_file_that_a_rule_leaves_out_meets_the_next_one() {
    require_lab!();
    let mut scene = Scene::with(|_| Vec::new());
    let mut program = scene.program(scene.lab.cgroup());
    // It is a shell until it has begun.
    program.dial();
    let python = std::fs::read_link(format!("/proc/{}/exe", program.pid())).unwrap();
    let not = LeftOut { exes: vec![python.clone()], ..LeftOut::default() };
    let but = ScopeRule { cgroups: vec!["/".into()], not, ..rule("but", Per::Rule) };
    let several = ScopeRule { exes: vec!["/bin/true".into(), python], ..rule("several", Per::Rule) };
    scene.limiter.apply(&crate::scene::settings(vec![but, several])).unwrap();
    program.dial();
    assert_eq!(["but", "several"].map(|name| scene.of_rule(name).0), [0, 1]);
}
