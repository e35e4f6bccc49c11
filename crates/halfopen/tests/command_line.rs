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
        &["why", "nmap"],
        &["inspect", "1"],
        &["inspect", "adaptive[/system.slice/foo.service]"],
        &["exec", "--", "true"],
        &["block", "adaptive[user root]", "--for", "1h"],
        &["release", "--all"],
        &["release", "adaptive[user root]"],
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
        &["why", "192.0.2"],
        &["block", "adaptive[user root]"],
        &["block", "adaptive[user root]", "--for", "2d"],
        &["inspect"],
        &["inspect", "adaptive["],
        &["exec"],
        &["run", "--set", "scope.torrent.half_opne=3"],
        &["preset", "vista"],
        &["release"],
        &["release", "--all", "torrent"],
        &["release", "torrent[/a"],
    ] {
        let (code, _, error) = output(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(!error.is_empty());
    }
}

/// Who knows nothing yet sees the commands, and where to begin.
#[test]
fn without_arguments_it_says_where_to_begin() {
    let (code, out, error) = output(&[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains("\n  status ") && error.contains("halfopen doctor  "), "{error}");
    let (_, _, error) = output(&["sattus"]);
    assert!(error.contains("'status'"), "{error}");
}

#[test]
fn help_says_what_the_option_says() {
    for (asked, as_option) in [(&["help"][..], &["--help"][..]), (&["help", "status"], &["status", "--help"])]
    {
        let (code, out, error) = output(asked);
        assert_eq!((code, &out, error.as_str()), (Some(0), &output(as_option).1, ""), "{asked:?}");
        assert!(out.contains("Usage: halfopen"), "{out}");
    }
    let (code, out, error) = output(&["help", "statsu"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains("'status'"), "{error}");
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

/// What `check` says of a configuration, without where it stands.
fn checked(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("halfopen.toml");
    fs::write(&file, text).unwrap();
    let (code, out, error) = output(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{text}");
    let lines = out.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim_end().to_owned());
    // Which preset is named, and so the hash, differs.
    lines.filter(|line| !line.starts_with("# config_hash") && !line.starts_with("preset = ")).collect()
}

#[test]
fn a_printed_preset_is_a_configuration_that_says_what_its_name_does() {
    let (code, list, error) = output(&["preset"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["none", "xp-sp2", "vista-home", "virus-throttle", "adaptive", "hosting"]);
    let mut seen = Vec::new();
    for name in names {
        let (code, text, error) = output(&["preset", name]);
        assert_eq!((code, error.as_str()), (Some(0), ""));
        let printed = checked(&text);
        assert_eq!(printed, checked(&format!("preset = {name:?}\n")), "{name}");
        assert!(!seen.contains(&printed), "{name} says the same as another");
        seen.push(printed);
    }
}

#[test]
fn check_shows_rules_with_their_origin() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("halfopen.toml");
    fs::write(&file, "preset = \"adaptive\"\n[[scope]]\nname = \"x\"\nmatch = { user = 7 }\nqueue = 3\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let (code, out, _) = output(&["check", "--config", file]);
    assert_eq!(code, Some(0));
    let rules: Vec<&str> = out.lines().skip_while(|line| *line != "[[scope]]").take(4).collect();
    for (line, (says, origin)) in rules[1..].iter().zip([
        ("name = \"x\" ", format!("# {file}:2:1")),
        ("match = { user = \"7\" } ", format!("# {file}:2:1")),
        ("queue = 3 ", format!("# {file}:5:9")),
    ]) {
        assert!(line.starts_with(says) && line.ends_with(&origin), "{says}{origin} in {line}");
    }
    assert!(
        out.lines().any(|line| line.starts_with("name = \"adaptive\" ") && line.ends_with("# preset")),
        "{out}"
    );
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

#[test]
fn a_png_is_twice_the_size_and_without_fonts_is_refused_before_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lan.png");
    let simulate = ["simulate", "lan", "--runs", "1", "--png", file.to_str().unwrap()];
    assert_eq!(output(&simulate).0, Some(0));
    let picture = fs::read(&file).unwrap();
    assert_eq!((&picture[1..4], &picture[16..24]), (&b"PNG"[..], &[0, 0, 6, 104, 0, 0, 3, 112][..]));
    fs::remove_file(&file).unwrap();

    if !rustix::process::geteuid().is_root() {
        return;
    }
    let hidden = "mount -t tmpfs none /usr/share/fonts && exec \"$@\"";
    let without = Command::new("unshare")
        .args(["-m", "sh", "-c", hidden, "sh", env!("CARGO_BIN_EXE_halfopen")])
        .args(simulate)
        .output()
        .unwrap();
    let error = String::from_utf8(without.stderr).unwrap();
    assert_eq!((without.status.code(), without.stdout.len(), file.exists()), (Some(1), 0, false), "{error}");
    assert!(error.contains("fonts-dejavu-core"), "{error}");
}
