//! In namespaces of its own, as a container has them, the program says what it cannot do there, and why.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, program, said, until};
use testkit::{Lab, require_lab};

/// A program in `directory` that moves to the lab's cgroup, then does `changes` in namespaces of its own, and becomes
/// halfopen there. `$WHOLE` is where the hierarchy of cgroups is mounted.
fn inside(lab: &Lab, directory: &Path, namespaces: &str, changes: &str) -> PathBuf {
    let path = directory.join("halfopen-inside");
    let cgroup = lab.cgroup().path();
    let text = format!(
        "#!/bin/sh\nset -e\nexport WHOLE={}\necho $$ >{}/cgroup.procs\n\
         exec unshare {namespaces} -- sh -e -c '{changes}\nexec \"$0\" \"$@\"' '{}' \"$@\"\n",
        cgroup.parent().unwrap().display(),
        cgroup.display(),
        program().display()
    );
    install(text.as_bytes(), &path);
    path
}

fn at(program: &Path, directory: &Path, arguments: &[&str]) -> testkit::desk::Said {
    let mut command = Command::new(program);
    command.env("HALFOPEN_RUN_DIR", directory.join("run")).env("HALFOPEN_PIN_DIR", directory.join("pins"));
    said(command.args(arguments))
}

#[test]
fn a_part_of_the_cgroups_is_refused_with_the_reason() {
    require_lab!();
    let cases = [
        (
            "--mount --cgroup",
            "umount $WHOLE; mount -t cgroup2 none $WHOLE",
            "in a cgroup namespace of its own",
            "--cgroupns=host",
        ),
        (
            "--mount",
            "mount --bind $WHOLE$(grep ^0:: /proc/self/cgroup | cut -d : -f 3) $WHOLE",
            "only this part",
            "mount -t cgroup2",
        ),
    ];
    for (namespaces, changes, reason, remedy) in cases {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let program = inside(&lab, directory.path(), namespaces, changes);
        for arguments in [&["run"][..], &["run", "--cgroup", "/"]] {
            let refused = at(&program, directory.path(), arguments);
            assert_eq!((refused.code, refused.error.lines().count()), (Some(3), 1), "{refused:?}");
            for named in [reason, remedy] {
                assert!(refused.error.contains(named), "{named:?} in {refused:?}");
            }
        }
        let doctor = at(&program, directory.path(), &["doctor"]);
        assert_eq!(doctor.code, Some(3), "{doctor:?}");
        let line = doctor.out.lines().find(|line| line.starts_with("MISSING   cgroup2: "));
        assert!(line.is_some_and(|line| line.contains(reason)), "{doctor:?}");
    }
}

/// What a container sees that has the host's hierarchy mounted somewhere besides its own part.
#[test]
fn the_whole_hierarchy_is_found_wherever_it_is_mounted() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let beside = directory.path().join("host");
    fs::create_dir(&beside).unwrap();
    let changes =
        format!("mount --bind $WHOLE {}; umount $WHOLE; mount -t cgroup2 none $WHOLE", beside.display());
    let program = inside(&lab, directory.path(), "--mount --cgroup", &changes);
    let cgroup = beside.join(lab.cgroup().path().file_name().unwrap());
    let doctor = at(&program, directory.path(), &["doctor", "--cgroup", cgroup.to_str().unwrap()]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    let line = format!("good      cgroup2: {}", cgroup.display());
    assert!(doctor.out.lines().any(|found| found == line), "{doctor:?}");
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Its death signals what it runs.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pid_namespace_of_its_own_is_a_degradation() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child=SIGTERM", "--"]).arg(program());
    command.args(["run", "--set", "persist=false", "--cgroup"]).arg(lab.cgroup().path());
    command.env("HALFOPEN_RUN_DIR", directory.path().join("run"));
    let log = fs::File::create(directory.path().join("log")).unwrap();
    let _daemon = Ended(command.stdin(Stdio::null()).stderr(log).spawn().unwrap());
    let status = until("the daemon", PATIENCE, || {
        let status = at(&program(), directory.path(), &["status", "--json"]);
        (status.code == Some(0)).then(|| serde_json::from_str::<serde_json::Value>(&status.out).unwrap())
    });
    let degraded = status["degraded"].as_array().unwrap();
    let own = degraded.iter().find(|found| found["reason"] == "own_pid_namespace");
    assert!(
        own.is_some_and(|found| found["explanation"].as_str().unwrap().contains("--pid=host")),
        "{status}"
    );
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("a PID namespace of its own"), "{log}");
}
