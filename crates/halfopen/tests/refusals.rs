//! Where something is missing, the limit holds, or the program ends with an exit code and one sentence that says what
//! to do. A kernel that is too old cannot be had here: what is said of one is tested with the error's type.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::desk::mounts::{NO_BPF_FS, NO_BTF, NO_CGROUP2, NO_KERNEL_CONFIG, changed_for, install};
use testkit::desk::other_program::{Attached, Does, attach};
use testkit::desk::{PATIENCE, Said, has, limit, program, said};
use testkit::invariant::{Invariant, attempts, destinations};
use testkit::{Cgroup, Dialer, Lab, LabError, Limiter, Mix, Side, require_lab};

/// Runs `program run`, which must end by itself, on a cgroup of the lab.
fn refused(lab: &Lab, program: &Path, limited: &Cgroup) -> Said {
    match Limiter::builder(lab).program(program.into()).limited(limited).start() {
        Err(LabError::NotReady { status, stderr, .. }) => {
            Said { code: status.code(), out: String::new(), error: stderr.trim_end().to_owned() }
        }
        other => panic!("{other:?}"),
    }
}

/// One line, and nothing of what libbpf or the kernel say besides.
fn one_sentence(said: &Said, code: i32, named: &[&str]) {
    assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
    assert_eq!(said.error.lines().count(), 1, "{said:?}");
    assert!(said.error.starts_with("halfopen: "), "{said:?}");
    for name in named {
        assert_eq!(said.error.matches(name).count(), 1, "{name:?} in {said:?}");
    }
}

/// The program at a place where anybody can run it, as somebody who is not root.
fn as_nobody(copy: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(copy);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(copy);
    command
}

#[test]
fn not_root() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let copy = directory.path().join("halfopen");
    install(&fs::read(program()).unwrap(), &copy);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |run_directory: &Path, arguments: &[&str]| {
        said(as_nobody(&copy).env("HALFOPEN_RUN_DIR", run_directory).args(arguments))
    };
    one_sentence(&at(&directory.path().join("none"), &["run"]), 3, &["run as root"]);

    // Where it may write, the kernel is what refuses.
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o777)).unwrap();
    one_sentence(&at(&run.join("own"), &["run"]), 3, &["run as root", "CAP_BPF"]);
    assert_eq!(fs::read_dir(&run).unwrap().count(), 0, "something is left");

    let doctor = at(&run, &["doctor"]);
    assert_eq!(doctor.code, Some(3), "{doctor:?}");
    for line in ["MISSING   privilege: ", "MISSING   programs load: ", "good      kernel types (BTF)"] {
        assert!(doctor.out.lines().any(|found| found.starts_with(line)), "{line:?} in {doctor:?}");
    }
    assert_eq!(doctor.error, "");
}

#[test]
fn no_cgroup2() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = changed_for(directory.path(), NO_CGROUP2);
    let named = ["no cgroup2 hierarchy is mounted", "mount -t cgroup2 none"];
    one_sentence(&refused(&lab, &program, lab.cgroup()), 3, &named);
    let doctor = said(Command::new(&program).arg("doctor"));
    assert_eq!(doctor.code, Some(3));
    assert!(doctor.out.contains("MISSING   cgroup2: no cgroup2 hierarchy is mounted"), "{doctor:?}");
}

#[test]
fn no_kernel_types() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = changed_for(directory.path(), NO_BTF);
    let named = ["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF=y"];
    one_sentence(&refused(&lab, &program, lab.cgroup()), 3, &named);
    let doctor = said(Command::new(&program).arg("doctor"));
    assert_eq!(doctor.code, Some(3));
    assert!(doctor.out.contains("MISSING   kernel types (BTF): "), "{doctor:?}");
}

#[test]
fn the_kernel_s_configuration_need_not_be_readable() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = changed_for(directory.path(), NO_KERNEL_CONFIG);
    let limiter = Limiter::builder(&lab).program(program.clone()).start().unwrap();
    limiter.status().unwrap();
    let doctor = said(Command::new(&program).arg("doctor").arg("--cgroup").arg(lab.cgroup().path()));
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
}

#[test]
fn without_a_bpf_file_system_the_limit_holds() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = changed_for(directory.path(), NO_BPF_FS);
    let limiter = Limiter::builder(&lab).program(program.clone()).start().unwrap();
    let capture = lab.capture(Side::Client).unwrap();
    let dead = lab.draw(&Mix { dead: 30, ..Mix::default() }).unwrap();
    let _dialling = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    limiter.await_status("20 to wait", PATIENCE, |status| status.host.queued == 20).unwrap();
    let attempts = attempts(&capture.finish().unwrap().segments, &[]);
    assert_eq!(destinations(&attempts).len(), 10);
    let slot_life = Duration::from_secs(21);
    Invariant { half_open: 10, slot_life, tolerance: Duration::ZERO }.check(&attempts).unwrap();
    let doctor = said(Command::new(&program).arg("doctor").arg("--cgroup").arg(lab.cgroup().path()));
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert!(
        doctor
            .out
            .contains("degraded  bpf file system: /sys/fs/bpf is no bpf file system: with persist = true"),
        "{doctor:?}"
    );
}

#[test]
fn a_second_one_is_told_of_the_first() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 10).start().unwrap();
    let second = said(limiter.command().args(["run", "--cgroup"]).arg(lab.cgroup().path()));
    one_sentence(
        &second,
        1,
        &["already running", &format!("pid {}", limiter.pid()), "`halfopen off` ends it"],
    );
    limiter.status().unwrap();
}

#[test]
fn an_exclusive_program_on_the_hook() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let lab = Lab::new().unwrap();
    let below = lab.cgroup().child("below").unwrap();
    attach(Does::Nothing, lab.cgroup(), Attached::Exclusively);
    for limited in [lab.cgroup(), &below] {
        let path = limited.path().display().to_string();
        let named = ["sock_ops", path.as_str(), "exclusively", "halfopen doctor", "BPF_F_ALLOW_MULTI"];
        one_sentence(&refused(&lab, &program(), limited), 3, &named);
        assert_eq!(attached_to(limited), usize::from(limited.path() == lab.cgroup().path()), "on {path}");
        let doctor = said(Command::new(program()).arg("doctor").arg("--cgroup").arg(limited.path()));
        assert_eq!(doctor.code, Some(3), "{doctor:?}");
        let found = format!("at sock_ops of {}: attached exclusively", lab.cgroup().path().display());
        assert!(doctor.out.contains("MISSING   other programs: other (id "), "{doctor:?}");
        assert!(doctor.out.contains(&found), "{doctor:?}");
    }
}

/// How many programs are attached to a cgroup itself.
fn attached_to(cgroup: &Cgroup) -> usize {
    let output = Command::new("bpftool").args(["-j", "cgroup", "show"]).arg(cgroup.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // bpftool says nothing at all where nothing is attached.
    if text.trim().is_empty() {
        return 0;
    }
    serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len()
}
