//! `import` on a configuration, and `export` of a running limit.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up ends the test")]

use halfopen::commands::Imported;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const PARAMETERS: &str = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("halfopen.toml"), configuration).unwrap();
        Self { directory }
    }

    fn saved(&self) -> PathBuf {
        self.directory.path().join("conf.d/90-local.toml")
    }

    fn import(&self, body: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let file = self.directory.path().join("limits.reg");
        fs::write(&file, format!("REGEDIT4\r\n[{PARAMETERS}]\r\n{body}\r\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
        command.arg("import").args(more).arg("--config").arg(self.directory.path().join("halfopen.toml"));
        let Output { status, stdout, stderr } = command.arg(&file).env_remove("RUST_LOG").output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    fn imported(&self, body: &str, more: &[&str]) -> Imported {
        let (code, json, error) = self.import(body, &[more, &["--json"]].concat());
        assert_eq!((code, error.as_str()), (Some(0), ""));
        serde_json::from_str(&json).unwrap()
    }
}

#[test]
fn a_second_import_changes_nothing_and_a_dry_run_never() {
    let place = Place::new("[host]\nhalf_open = 20\n");
    let body = format!(
        "\"TcpNumConnections\"=dword:32\n\"TTL\"=dword:1\n[{PARAMETERS}\\Interfaces\\eth0]\n\"TcpNumConnections\"=dword:7"
    );
    let dry = place.imported(&body, &["--dry-run"]);
    assert!(dry.changed && dry.dry_run && !place.directory.path().join("conf.d").exists());
    let first = place.imported(&body, &[]);
    assert!(first.changed);
    let values: Vec<_> =
        first.values.iter().map(|of| (of.name.as_str(), of.was.as_str(), of.now.as_str())).collect();
    assert_eq!(values, [("host.half_open", "20", "50"), ("interface.eth0.half_open", "not set", "7")]);
    assert_eq!(first.ignored.len(), 1);
    assert_eq!((&dry.values, &dry.saved_to), (&first.values, &place.saved()));
    let text = fs::read_to_string(place.saved()).unwrap();
    assert!(!place.imported(&body, &[]).changed);
    assert_eq!(fs::read_to_string(place.saved()).unwrap(), text);
    let (_, said, _) = place.import(&body, &[]);
    assert!(said.contains("nothing to change in ") && said.contains("ignored: line 4: "), "{said}");
}

#[test]
fn deletions_take_back_what_was_saved_and_nothing_else() {
    let place = Place::new("");
    fs::create_dir(place.directory.path().join("conf.d")).unwrap();
    let kept =
        "# mine\n[host]\nqueue = 77\n\n[[interface]]\nname = \"eth1\"\nhalf_open = 3\ndrain = \"1/s\"\n";
    fs::write(place.saved(), kept).unwrap();
    place.imported(
        &format!(
            "\"TcpNumConnections\"=dword:5\n[{PARAMETERS}\\Interfaces\\eth0]\n\"TcpNumConnections\"=dword:7"
        ),
        &[],
    );
    let deleted = place.imported(&format!("[-{PARAMETERS}]"), &[]);
    assert_eq!(deleted.values.len(), 3, "{deleted:?}");
    assert_eq!(fs::read_to_string(place.saved()).unwrap(), kept.replace("half_open = 3\n", ""));
    assert!(!place.imported(&format!("[-{PARAMETERS}]"), &[]).changed);
}

#[test]
fn a_mistake_changes_nothing() {
    let place = Place::new("");
    let (code, _, error) = place.import("\"TcpNumConnections\"=dword:fffffe", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("limits.reg: line 3: ") && error.contains("--yes-unlimited"), "{error}");
    assert!(!place.saved().exists());
    let unlimited = place.imported("\"TcpNumConnections\"=dword:fffffe", &["--yes-unlimited"]);
    assert_eq!(unlimited.values[0].now, "unlimited");
    let (code, ..) = place.import("", &["--interface", "eth0"]);
    assert_eq!(code, Some(2));
}

#[test]
fn a_value_that_a_later_file_overrides_is_said() {
    let place = Place::new("");
    fs::create_dir(place.directory.path().join("conf.d")).unwrap();
    fs::write(place.directory.path().join("conf.d/95-site.toml"), "[host]\nhalf_open = 9\n").unwrap();
    let (code, said, error) = place.import("\"TcpNumConnections\"=dword:5", &[]);
    assert_eq!(code, Some(0));
    assert!(said.contains("host.half_open = 9 (was 9)"), "{said}");
    assert!(error.contains("95-site.toml:2:13 overrides it"), "{error}");
}
