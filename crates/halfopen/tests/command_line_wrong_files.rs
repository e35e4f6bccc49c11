//! A configuration with a mistake: `check` and `run` end with 1 and name file, line and column, SIGHUP logs the same, and
//! nothing changes.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::desk;

use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::{PATIENCE, program, said, until};
use testkit::{Lab, Limiter, require_lab};

/// A mistake, its line and column, and what the message must name besides.
const MISTAKES: [(&str, &str, &str); 17] = [
    ("mode = \"enforce\nhalf_open", "1:", "not valid TOML"),
    ("[host\nhalf_open = 3", "1:", "not valid TOML"),
    ("[host]\nhalf_open = 3\nhalf_open = 4", "3:1", "duplicate key"),
    ("[host]\nhalf_open = \"ten\"", "2:13", "\"ten\""),
    ("[host]\nhalf_open = ten", "2:13", "not valid TOML"),
    ("[host]\nhalf_open = 0", "2:13", "from 1 to 4294967295, or \"unlimited\""),
    ("[host]\nhalf_open = -10", "2:13", "-10"),
    ("[host]\nhalf_open = 18446744073709551616", "2:13", "18446744073709551616"),
    ("[host]\nhalf_open = true", "2:13", "true"),
    ("[host]\n\tqueue = 0 # none", "2:10", "from 1"),
    ("[host]\ndrain = 10", "2:9", "\"10/s\""),
    ("[host]\nhalf_opne = 3", "2:1", "did you mean half_open?"),
    ("half_open = 3", "1:1", "half_open belongs below [host]"),
    ("mode = \"enforced\"", "1:8", "\"enforce\" or \"audit\" or \"off\""),
    ("exempt = [\"::/0\",\n\"10.0.0.0/33\"]", "2:1", "\"10.0.0.0/33\""),
    ("persist = \"yes\"", "1:11", "expected true or false"),
    ("# größer\n[host]\nslot_life = \"21\" # größer", "3:13", "from 100ms to 1h"),
];

/// Does to files what keeps them from being read.
type Spoil = fn(&Files);

/// A configuration directory.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn main(&self) -> PathBuf {
        self.0.path().join("halfopen.toml")
    }

    fn further(&self) -> PathBuf {
        self.0.path().join("conf.d/50-more.toml")
    }

    /// Each way to have a file that cannot be read, and the place that is named for it. Undone by the next.
    fn unreadable(&self) -> Vec<(Spoil, String)> {
        let (main, conf_d) = (self.main(), self.0.path().join("conf.d"));
        vec![
            (
                |files| fs::remove_file(files.main()).unwrap(),
                format!("{}:1:1: cannot read it: ", main.display()),
            ),
            (
                |files| fs::create_dir(files.main()).unwrap(),
                format!("{}:1:1: cannot read it: Is a directory", main.display()),
            ),
            (
                |files| {
                    fs::remove_dir(files.main()).unwrap();
                    fs::write(files.main(), b"mode = \"off\"\n# gr\xf6\xdfer\n").unwrap();
                },
                format!("{}:2:5: cannot read it: invalid utf-8", main.display()),
            ),
            (
                |files| {
                    fs::write(files.main(), "").unwrap();
                    fs::write(files.0.path().join("conf.d"), "").unwrap();
                },
                format!("{}:1:1: cannot read it: Not a directory", conf_d.display()),
            ),
        ]
    }
}

fn runs(config: &Path, command: &str) -> desk::Said {
    let run_directory = tempfile::tempdir().unwrap();
    let mut halfopen = Command::new(program());
    halfopen
        .env("HALFOPEN_RUN_DIR", run_directory.path().join("run"))
        .args([command, "--config"])
        .arg(config);
    let said = said(&mut halfopen);
    assert_eq!(fs::read_dir(run_directory.path()).unwrap().count(), 0, "something is left: {said:?}");
    said
}

fn refused(config: &Path, place: &str, named: &str) {
    for command in ["check", "run"] {
        let said = runs(config, command);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{command}: {said:?}");
        assert!(said.error.starts_with(&format!("halfopen: {place}")), "{place} in {command}: {said:?}");
        assert!(said.error.contains(named) && said.error.lines().count() == 1, "{command}: {said:?}");
    }
}

#[test]
fn check_and_run_name_file_line_and_column() {
    let files = Files::new();
    for (text, place, named) in MISTAKES {
        fs::write(files.main(), text).unwrap();
        refused(&files.main(), &format!("{}:{place}", files.main().display()), named);
    }
    fs::write(files.main(), "").unwrap();
    fs::create_dir(files.further().parent().unwrap()).unwrap();
    for (text, place, named) in MISTAKES {
        fs::write(files.further(), text).unwrap();
        refused(&files.main(), &format!("{}:{place}", files.further().display()), named);
    }
}

#[test]
fn check_and_run_name_what_cannot_be_read() {
    let files = Files::new();
    fs::write(files.main(), "").unwrap();
    for (spoil, place) in files.unreadable() {
        spoil(&files);
        refused(&files.main(), &place, "");
    }
}

#[test]
fn what_the_command_line_says_wrong_is_2() {
    for set in
        ["half_open=0", "half_open=-1", "half_open=18446744073709551616", "half_open=ten", "hlaf_open=3"]
    {
        let said = said(Command::new(program()).args(["run", "--set", set]));
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.error.starts_with(&format!("halfopen: --set {set}: ")), "{said:?}");
    }
}

#[test]
fn sighup_with_a_mistake_changes_nothing() {
    require_lab!();
    let (lab, files) = (Lab::new().unwrap(), Files::new());
    fs::write(files.main(), "[host]\nhalf_open = 7\n").unwrap();
    let limiter = Limiter::builder(&lab).config(&files.main()).start().unwrap();
    limiter.set("queue", 77).unwrap();
    let in_force = || {
        let status = limiter.status().unwrap();
        (status.config_hash, status.host.half_open_limit, limiter.get("queue").unwrap())
    };
    let before = in_force();
    let mut refused = 0;
    let mut hang_up = |place: &str, named: &str| {
        limiter.signal(Signal::HUP).unwrap();
        let kept = |line: &&str| line.contains("the previous configuration stays in force: ");
        let line = until(&format!("{place} to be refused"), PATIENCE, || {
            let told = limiter.stderr();
            told.lines().filter(kept).nth(refused).map(ToOwned::to_owned)
        });
        refused += 1;
        assert!(line.contains(place) && line.contains(named), "{place} {named} in {line}");
        assert_eq!(in_force(), before, "{line}");
    };
    for (text, place, named) in MISTAKES {
        fs::write(files.main(), text).unwrap();
        hang_up(&format!("{}:{place}", files.main().display()), named);
    }
    for (spoil, place) in files.unreadable() {
        spoil(&files);
        hang_up(&place, "");
    }
    fs::remove_file(files.0.path().join("conf.d")).unwrap();
    fs::write(files.main(), "[host]\nhalf_open = 8\n").unwrap();
    limiter.signal(Signal::HUP).unwrap();
    limiter
        .await_status("the repaired file", PATIENCE, |status| status.host.half_open_limit == Some(8))
        .unwrap();
}
