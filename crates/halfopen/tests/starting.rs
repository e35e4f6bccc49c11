//! Whoever ends a daemon that is still starting gets a clean end, and nothing is left.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, Said, ask, limit, said, until};
use testkit::{Lab, Limiter, require_lab};

/// A limiter that has begun to start: it has its lock, and no socket yet.
fn starting(lab: &Lab, persist: bool) -> Limiter {
    let limiter = limit(lab, 10);
    let mut limiter = if persist { limiter.persist() } else { limiter }.start().unwrap();
    limiter.signal(Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    limiter.begin_again().unwrap();
    let (lock, own) = (limiter.run_directory().join("lock"), limiter.pid().to_string());
    until("the lock", PATIENCE, || {
        fs::read_to_string(&lock).ok().filter(|text| text.trim() == own).map(drop)
    });
    assert!(!limiter.run_directory().join("control.sock").exists(), "it is ready already");
    limiter
}

fn nothing_is_left(lab: &Lab, limiter: &Limiter) {
    assert!(!lab.pins().exists());
    assert!(!limiter.run_directory().join("lock").exists());
    let again = ask(limiter, &["off"]);
    assert!(again.out.contains("nothing is pinned: nothing is limited"), "{again:?}");
}

#[test]
fn off_ends_it_cleanly() {
    require_lab!();
    for persist in [false, true] {
        let lab = Lab::new().unwrap();
        let mut limiter = starting(&lab, persist);
        let said = ask(&limiter, &["off"]);
        assert_eq!((said.code, said.error.as_str()), (Some(0), ""), "{said:?}");
        assert!(said.out.contains("has let go and ended: nothing is limited any more"), "{said:?}");
        assert_eq!(limiter.await_end(PATIENCE).unwrap().code(), Some(0), "{}", limiter.stderr());
        nothing_is_left(&lab, &limiter);
    }
}

#[test]
fn a_signal_ends_it_cleanly() {
    require_lab!();
    for signal in [Signal::TERM, Signal::INT] {
        let lab = Lab::new().unwrap();
        let mut limiter = starting(&lab, true);
        limiter.signal(signal).unwrap();
        assert_eq!(limiter.await_end(PATIENCE).unwrap().code(), Some(0), "{}", limiter.stderr());
        nothing_is_left(&lab, &limiter);
    }
}

/// A restart of one that is still starting keeps the limit, as any restart does.
#[test]
fn a_restart_meanwhile_hands_over() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let mut limiter = starting(&lab, true);
    limiter.signal(Signal::USR2).unwrap();
    assert_eq!(limiter.await_end(PATIENCE).unwrap().code(), Some(0), "{}", limiter.stderr());
    until("its last words", PATIENCE, || limiter.stderr().contains("handed over").then_some(()));
    assert!(lab.pins().exists());
    limiter.start_again().unwrap();
    assert!(limiter.stderr().contains("took over the limit"), "{}", limiter.stderr());
}

/// `off` with a `systemctl` that says whether the unit is enabled. It asks only for the unit's own directories.
fn off_beside(systemctl: &str, by_systemd: bool) -> Said {
    let directory = tempfile::tempdir().unwrap();
    install(systemctl.as_bytes(), &directory.path().join("systemctl"));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    // In a mount namespace of its own, so that a limit of this host is not ended.
    let script = "mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/bpf; exec \"$0\" off";
    let script = if by_systemd { format!("export SYSTEMD_EXEC_PID=$$; {script}") } else { script.to_owned() };
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--", "sh", "-e", "-c", &script]).arg(testkit::desk::program());
    command.env("PATH", path).env_remove("HALFOPEN_RUN_DIR").env_remove("HALFOPEN_PIN_DIR");
    said(&mut command)
}

#[test]
fn off_says_that_the_unit_begins_again_at_the_next_boot() {
    require_lab!();
    let enabled = "#!/bin/sh\n[ \"$*\" = \"is-enabled --quiet halfopen.service\" ]\n";
    let said = off_beside(enabled, false);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("halfopen.service is still enabled"), "{said:?}");
    assert!(said.out.contains("systemctl disable halfopen"), "{said:?}");
    for (systemctl, by_systemd) in [("#!/bin/sh\nexit 1\n", false), (enabled, true)] {
        let said = off_beside(systemctl, by_systemd);
        assert_eq!((said.code, said.out.lines().count()), (Some(0), 1), "{said:?}");
    }
}
