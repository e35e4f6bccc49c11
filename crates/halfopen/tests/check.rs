//! What `check` says besides the values: what is accepted but probably not meant.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up ends the test")]

use halfopen::commands::Checked;
use halfopen::config::RemarkKind;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use testkit::{Lab, require_lab};

/// The exit code, what is printed, and the lines of standard error.
fn check(configuration: &str, more: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("halfopen.toml");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
    let Output { status, stdout, stderr } =
        command.arg("check").args(more).arg("--config").arg(&file).env_remove("RUST_LOG").output().unwrap();
    let errors = String::from_utf8(stderr).unwrap().replace(&directory.path().display().to_string(), "");
    let errors = errors.lines().map(ToOwned::to_owned).collect();
    (status.code(), String::from_utf8(stdout).unwrap(), errors)
}

fn warnings(configuration: &str) -> Vec<String> {
    let (code, _, errors) = check(configuration, &[]);
    assert_eq!(code, Some(0), "{errors:?}");
    let (code, json, again) = check(configuration, &["--json"]);
    assert_eq!((code, &again), (Some(0), &errors), "JSON or not");
    let checked: Checked = serde_json::from_str(&json).unwrap();
    assert_eq!(checked.warnings.len(), errors.len(), "{json}");
    errors
}

/// The lab's cgroup, as patterns have it.
fn in_hierarchy(lab: &Lab) -> String {
    let root = halfopen_bpf::cgroup2_mount().unwrap();
    format!("/{}", lab.cgroup().path().strip_prefix(root).unwrap().display())
}

fn scope(name: &str, keys: &str) -> String {
    format!("[[scope]]\nname = \"{name}\"\n{keys}\n")
}

#[test]
fn each_warning_is_told_with_its_place() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let exe = directory.path().join("program");
    fs::write(&exe, "#!/bin/sh\n").unwrap();
    let (exe, near) = (exe.display(), directory.path().join("pogram"));
    let near = near.display();
    let lab = Lab::new().unwrap();
    let here = in_hierarchy(&lab);
    let cases = [
        (
            scope("x", "match = { user = \"no such\" }"),
            "1:1: scope.x: matches nobody: there is no user no such",
        ),
        (scope("x", &format!("match = {{ exe = \"{near}\" }}")), "did you mean "),
        (
            scope("x", &format!("match = {{ exe = \"{exe}\" }}")),
            "is a script, and what runs is its interpreter",
        ),
        (scope("x", "match = { exe = \"/etc\" }"), "matches nobody: /etc is no file"),
        (
            scope("x", "match = { cgroup = \"/sys/fs/cgroup/a.slice\" }"),
            "write \"/a.slice\", not \"/sys/fs/cgroup/a.slice\"",
        ),
        (
            scope("x", "match = { cgroup = [\"/nowhere*\", \"/not/here\"] }\nper = \"cgroup\""),
            "matches nobody now: there is no cgroup /nowhere*; there is no cgroup /not/here",
        ),
        (
            scope("x", &format!("match = {{ cgroup = \"{here}x\" }}")),
            &format!("matches nobody now: there is no cgroup {here}x: did you mean {here}?"),
        ),
        (
            scope("x", "match = { container = \"no such\" }\nper = \"cgroup\""),
            "scope.x: matches nobody now: no running container of Docker or Podman",
        ),
        (
            scope("x", "match = { user = 0, not = { cgroup = \"/sys/fs/cgroup/a\" } }"),
            "scope.x: its `not` matches nobody: paths of cgroups begin at the root",
        ),
        (
            scope("x", "match = { user = 7 }") + &scope("y", "match = { user = 7, exe = \"/bin/sh\" }"),
            "4:1: scope.y: never counts, because scope.x before it matches all its programs",
        ),
        (
            "[[interface]]\nname = \"no-such0\"\nhalf_open = 5\n".to_owned(),
            "interface.no-such0: matches no interface now: this network namespace has none of that name",
        ),
        (scope("x", "match = { cgroup = \"/\" }\nper = \"cgroup\""), "preset: scope.adaptive: never counts"),
        (
            scope("x", "match = { cgroup = \"/*\" }\nhalf_open = 4"),
            "scope.x: tightens scope.adaptive: all programs of the rule share one account",
        ),
        (
            "[host]\nblock_for = \"5m\"\n".to_owned(),
            "2:13: host.block_for: has no effect, because first_contacts is",
        ),
        (
            scope("adaptive", "block_for = \"5m\""),
            "3:13: scope.adaptive.block_for: has no effect, because on_suspect is not \"block\"",
        ),
        (scope("adaptive", "udp_excess = \"drop\""), "has no effect, because udp_first_contacts is \"off\""),
        (
            "names = \"off\"\nnames_for = \"2h\"\n".to_owned(),
            "2:13: names_for: has no effect, because names is",
        ),
        (
            "[host]\nfirst_contacts = 99\n".to_owned(),
            "2:18: host.first_contacts: makes one account of the whole host",
        ),
        ("exempt = [\"10.0.0.0/8\"]\n".to_owned(), "1:10: exempt: lacks loopback"),
        (
            "[accounts]\nfirst_contacts = \"20/m\"\ncredit_rate = \"1/s\"\n".to_owned(),
            "3:15: scope.adaptive.credit_rate: has no effect, because first_contacts gives a number per unit of time",
        ),
        (
            "never_hold = [\"shipped\", { exe = \"/no/such\" }]\n".to_owned(),
            "never_hold: { exe = \"/no/such\" } matches nobody: there is no /no/such",
        ),
    ];
    for (configuration, expected) in cases {
        let warnings = warnings(&configuration);
        let [warning] = warnings.as_slice() else { panic!("{configuration}: {warnings:?}") };
        assert!(warning.starts_with("warning: ") && warning.contains(expected), "{configuration}: {warning}");
    }
}

#[test]
fn of_what_does_what_it_says_nothing_warns() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let here = in_hierarchy(&lab);
    for quiet in [
        "",
        "preset = \"none\"\n",
        "preset = \"none\"\n[host]\nfirst_contacts = 99\n",
        "exempt = [\"shipped\", \"10.0.0.0/8\"]\n[accounts]\nfirst_contacts = \"20/m\"\n",
        &scope("adaptive", "on_suspect = \"block\"\nblock_for = \"5m\""),
        &scope("x", "match = { user = 0 }\nhalf_open = 5"),
        "[[interface]]\nname = \"lo\"\nhalf_open = 5\n",
        &scope("x", "match = { exe = \"/bin/sh\" }\nfirst_contacts = \"off\""),
        &scope(
            "x",
            &format!("match = {{ cgroup = [\"/nowhere\", \"{here}\"] }}\nper = \"cgroup\"\nhalf_open = 5"),
        ),
        &(scope("x", "match = { user = 0, exe = \"/bin/sh\" }") + &scope("y", "match = { user = 0 }")),
    ] {
        assert_eq!(warnings(quiet), Vec::<String>::new(), "{quiet}");
    }
}

#[test]
fn json_has_what_the_text_says_and_a_mistake_ends_with_1() {
    let rule = scope("x", "match = { user = 0 }\nfirst_contacts = \"off\"");
    let (code, json, errors) = check(&rule, &["--json"]);
    assert_eq!((code, errors), (Some(0), Vec::new()));
    let checked: Checked = serde_json::from_str(&json).unwrap();
    let kinds: BTreeSet<String> = checked.notes.iter().map(|remark| format!("{:?}", remark.kind)).collect();
    assert_eq!(kinds, BTreeSet::from(["Inherits".to_owned(), "Loosens".to_owned()]), "{json}");
    let loosens = checked.notes.iter().find(|remark| remark.kind == RemarkKind::Loosens).unwrap();
    assert_eq!(loosens.message, "loosens scope.adaptive: first_contacts = \"off\" instead of 32");
    let value = |name: &str| {
        let found = checked.settings.iter().find(|setting| setting.name == name);
        found.map(|setting| (setting.value.clone(), setting.origin.rsplit('/').next().unwrap().to_owned()))
    };
    assert_eq!(value("scope.x.first_contacts"), Some(("off".into(), "halfopen.toml:4:18".into())));
    assert_eq!(value("host.half_open"), Some(("256".into(), "preset".into())));
    let (_, text, _) = check(&rule, &[]);
    assert!(text.starts_with(&format!("# config_hash {}\n", checked.config_hash.unwrap())), "{text}");

    let (code, json, errors) = check("[host]\nhalf_open = \"ten\"\n", &["--json"]);
    let checked: Checked = serde_json::from_str(&json).unwrap();
    assert_eq!((code, checked.config_hash), (Some(1), None));
    let mistake = checked.mistake.unwrap();
    assert!(mistake.contains("halfopen.toml:2:13: host.half_open = \"ten\""), "{mistake}");
    assert_eq!(errors.len(), 1, "{errors:?}");
}
