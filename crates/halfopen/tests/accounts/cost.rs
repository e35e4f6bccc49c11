use crate::scene::{Dials, path_of, rule, settings, start};
use halfopen_kernel::{InterfaceRule, Per, ScopeRule};
use halfopen_lab::{Lab, require_lab};
use serde_json::json;
use std::process::Command;
fn stat() -> Vec<(String, u64, u64)> {
    let out = Command::new("bpftool").args(["prog", "show", "-j"]).output().unwrap();
    let v: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    v.as_array()
        .unwrap()
        .iter()
        .filter(|p| ["on_sock_op", "on_connect4", "on_egress"].contains(&p["name"].as_str().unwrap_or("")))
        .map(|p| {
            (
                p["name"].as_str().unwrap().to_owned(),
                p["run_time_ns"].as_u64().unwrap_or(0),
                p["run_cnt"].as_u64().unwrap_or(0),
            )
        })
        .collect()
}
#[test]
fn cost() {
    require_lab!();
    for round in 0..2 {
        for (what, per) in [
            ("none", None),
            ("cgroup", Some(Per::Cgroup)),
            ("user", Some(Per::User)),
            ("process", Some(Per::Process)),
            ("rule", Some(Per::Rule)),
            ("all", Some(Per::Process)),
        ] {
            let lab = Lab::new().unwrap();
            let below = path_of(lab.cgroup());
            let mut rules = Vec::new();
            if let Some(per) = per {
                if what == "all" {
                    rules.push(ScopeRule {
                        user: Some(77),
                        cgroup: Some(format!("{below}/x*")),
                        ..rule("a", Per::Rule)
                    });
                    rules.push(ScopeRule { exe: Some("/bin/true".into()), ..rule("b", Per::Rule) });
                    rules.push(ScopeRule { comm: Some("zzz".into()), ..rule("c", Per::Rule) });
                }
                let mut r = ScopeRule { cgroup: Some(format!("{below}*")), ..rule("r", per) };
                r.limits.half_open = Some(100);
                rules.push(r);
            }
            let mut s = settings(rules);
            if what == "all" {
                s.interfaces =
                    vec![InterfaceRule { name: "lab0".into(), limits: crate::scene::limits(Some(100)) }];
            }
            let limiter = start(&lab, &s, None);
            let scene = crate::scene::Scene { limiter, lab };
            let mut p: Dials = scene.program(scene.lab.cgroup());
            let to = crate::rig::host(&scene.lab, halfopen_lab::HostKind::Live, halfopen_lab::Family::V4);
            let to = json!([to.ip().to_string(), to.port()]);
            p.ask(json!({"dial": to, "times": 500}));
            let a = stat();
            p.ask(json!({"dial": to, "times": 8000}));
            let b = stat();
            for (x, y) in a.iter().zip(&b) {
                print!("{round} {what} {} {} ns/conn; ", y.0, (y.1 - x.1) / 8000);
            }
            println!();
        }
    }
}
