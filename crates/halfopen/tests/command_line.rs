//! The program as scripts see it, where no daemon runs.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up ends the test")]

use std::fs;
use std::process::{Command, Output, Stdio};

fn halfopen(run_dir: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
    command.env("HALFOPEN_RUN_DIR", run_dir.path().join("run")).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let run_dir = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = halfopen(&run_dir).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn without_a_daemon_it_says_how_to_start_one() {
    for arguments in [
        &["status"][..],
        &["events", "--json"],
        &["get", "mode"],
        &["set", "mode", "audit"],
        &["why", "1"],
        &["exec", "--", "true"],
    ] {
        let (code, out, error) = output(arguments);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(error.contains("halfopen run"), "{arguments:?}: {error}");
    }
}

#[test]
fn wrong_use_is_two() {
    for arguments in [
        &[][..],
        &["sattus"],
        &["run", "--set", "half_open"],
        &["run", "--set", "half_open=0"],
        &["run", "--set", "half_opne=3"],
        &["events", "--since", "yesterday"],
        &["why", "localhost"],
        &["exec"],
    ] {
        let (code, _, error) = output(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(!error.is_empty());
    }
}

#[test]
fn check_names_the_place_of_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("halfopen.toml");
    fs::write(&file, "[host]\nhalf_open = 12\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, out, _) = output(&["check", "--config", file]);
    assert_eq!(code, Some(0));
    let line = out.lines().find(|line| line.starts_with("half_open = 12 ")).unwrap();
    assert!(line.ends_with(&format!("# {file}:2:13")), "{line}");

    fs::write(file, "[host]\nhalf_open = \"ten\"\n").unwrap();
    let (code, out, error) = output(&["check", "--config", file]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.starts_with(&format!("halfopen: {file}:2:13: ")), "{error}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let run_dir = tempfile::tempdir().unwrap();
    let mut child =
        halfopen(&run_dir).arg("check").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8_lossy(&stderr).as_ref()), (Some(0), ""));
}
