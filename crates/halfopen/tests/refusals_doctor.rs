//! `doctor` tries everything for real, leaves nothing, and lists what passes by the limit.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::commands::{CheckResult, Doctor};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use testkit::desk::other_program::{Attached, Does, attach};
use testkit::desk::{PATIENCE, Said, has, limit, program, said, until};
use testkit::{Cgroup, Lab, require_lab};

fn doctor(cgroup: &Cgroup) -> Said {
    said(Command::new(program()).arg("doctor").arg("--cgroup").arg(cgroup.path()))
}

#[test]
fn a_good_host_is_good_beside_a_running_limiter_too() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let alone = doctor(lab.cgroup());
    let _limiter = limit(&lab, 10).start().unwrap();
    for said in [alone, doctor(lab.cgroup())] {
        assert_eq!((said.code, said.error.as_str()), (Some(0), ""), "{said:?}");
        for found in [
            "good      privilege",
            "good      kernel types (BTF)",
            "good      programs load",
            "good      hooks",
            "good      other programs: none on our hooks",
        ] {
            assert!(said.out.lines().any(|line| line == found), "{found:?} in {}", said.out);
        }
        let here = format!("good      cgroup2: {}", lab.cgroup().path().display());
        assert!(said.out.lines().any(|line| line == here), "{}", said.out);
        assert!(said.out.contains("bridged or routed guests"), "{}", said.out);
    }
    let left = fs::read_dir(lab.cgroup().path()).unwrap().flatten();
    assert_eq!(
        left.filter(|entry| entry.file_type().unwrap().is_dir()).count(),
        0,
        "a probe's cgroup is left"
    );
}

#[test]
fn programs_of_others_are_named_up_to_the_root() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let lab = Lab::new().unwrap();
    let middle = lab.cgroup().child("middle").unwrap();
    let limited = middle.child("limited").unwrap();
    attach(Does::Nothing, lab.cgroup(), Attached::BesideOthers);
    attach(Does::Nothing, &limited, Attached::BesideOthers);
    let said = doctor(&limited);
    assert_eq!(said.code, Some(0), "{said:?}");
    let line = said.out.lines().find(|line| line.contains("other programs: ")).unwrap();
    for cgroup in [&limited, lab.cgroup()] {
        assert!(line.contains(&format!("at sock_ops of {}", cgroup.path().display())), "{line}");
    }
    assert_eq!(line.matches("other (id ").count(), 2, "{line}");
}

#[test]
fn an_open_packet_socket_is_listed_with_its_owner() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let script = "import socket, sys\n\
                  opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
                  print('open', flush=True)\n\
                  sys.stdin.read()";
    let mut owner = lab.client().command("python3");
    let mut owner = owner.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "open\n");
    let pid = owner.id();
    let listed = || {
        let said = doctor(lab.cgroup());
        assert_eq!(said.code, Some(0), "{said:?}");
        let owner = format!("(pid {pid})");
        said.out.lines().find(|line| line.contains(&owner)).map(ToOwned::to_owned)
    };
    let found = listed().unwrap();
    let namespace = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert!(found.starts_with("bypass    packet socket of python3 "), "{found}");
    assert!(
        found.contains(namespace.to_str().unwrap()) && found.contains("neither held nor counted"),
        "{found}"
    );
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("nobody to be listed", PATIENCE, || listed().is_none().then_some(()));
}

#[test]
fn a_cgroup_that_is_none_is_told() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let told = said(Command::new(program()).arg("doctor").arg("--cgroup").arg(directory.path()));
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.out.contains("not a cgroup2 directory: name one below the cgroup2 mount"), "{told:?}");

    // The same as JSON: exactly what the types, and so docs/reference/json.md, say.
    let json = said(Command::new(program()).args(["doctor", "--json", "--cgroup"]).arg(directory.path()));
    assert_eq!(json.code, Some(3), "{json:?}");
    let printed: Value = serde_json::from_str(&json.out).unwrap();
    let typed: Doctor = serde_json::from_str(&json.out).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), printed);
    let missing = typed.checks.iter().find(|check| check.result == CheckResult::Missing).unwrap();
    assert!(told.out.contains(&missing.to_string()), "{missing} in {}", told.out);
}
