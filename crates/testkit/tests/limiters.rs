//! The program under test is started, asked and ended as the contract says.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Lab, LabError, Limiter, require_lab};

/// Stands in for the program, so that this crate's own tests need no other: it speaks as the contract says and limits
/// nothing.
const STAND_IN: &str = r#"#!/bin/sh
case $1 in
run)
    echo "already running is not the word" >&2
    case "$*" in *refuse=yes*) echo "refused" >&2; exit 3 ;; esac
    trap 'echo "let go" >&2; exit 0' TERM
    cat "$3/cgroup.procs" >/dev/null || exit 1
    echo "halfopen: ready" >&2
    while :; do sleep 0.02; done ;;
status)
    counters='"half_open":1,"aged":0,"queued":2,"admitted":3,"released":0,"cancelled":0,"gave_up_while_queued":0'
    more='"established":0,"failed":0,"refused_overflow":0,"longest_wait_ms":0,"saturated":true'
    echo '{"mode":"enforce","preset":"xp-sp2","persist":false,"config_hash":"0","host":{"name":"host",' \
        '"half_open_limit":null,"drain_per_s":10,'"$counters,$more"'},"scopes":[]}' ;;
set) echo "$3" >"$HALFOPEN_RUN_DIR/$2" ;;
get) cat "$HALFOPEN_RUN_DIR/$2" ;;
esac
"#;

fn stand_in(directory: &Path) -> PathBuf {
    let path = directory.join("halfopen");
    std::fs::write(&path, STAND_IN).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn it_is_ready_when_started_answers_and_leaves_nothing() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::new().unwrap();
    let limiter =
        Limiter::builder(&lab).program(stand_in(directory.path())).set("host.half_open", 10).start().unwrap();
    assert!(limiter.stderr().contains("ready"));
    let status = limiter.status().unwrap();
    assert_eq!(
        (status.host.half_open_limit, status.host.queued, status.host.drain_per_s),
        (None, 2, Some(10.0))
    );
    limiter.set("TcpNumConnections", "0xfffffe").unwrap();
    assert_eq!(limiter.get("TcpNumConnections").unwrap(), "0xfffffe");
    let late = limiter.await_status("3 queued", Duration::from_millis(50), |status| status.host.queued == 3);
    assert!(matches!(late, Err(LabError::Late { .. })), "{late:?}");
    let (run_directory, pid) = (limiter.run_directory().to_owned(), limiter.pid());
    let (status, stderr) = limiter.stop().unwrap();
    assert!(status.success() && stderr.ends_with("let go\n"), "{status} {stderr}");
    assert!(!run_directory.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn one_that_does_not_start_says_why() {
    require_lab!();
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::new().unwrap();
    let error =
        Limiter::builder(&lab).program(stand_in(directory.path())).set("refuse", "yes").start().unwrap_err();
    let LabError::NotReady { status, stderr, .. } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(3));
    assert!(stderr.ends_with("refused\n"), "{stderr}");
}
