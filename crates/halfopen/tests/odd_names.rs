//! Names that a program chooses: whatever bytes they are made of, people and logs read one line without a control
//! character in it, and the bytes can be told from it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testkit::desk::mounts::{changed_for, install};
use testkit::desk::own_options::{OwnOptions, arguments};
use testkit::desk::system_log::SystemLog;
use testkit::desk::{PATIENCE, ask_well, said, unbroken, until};
use testkit::{Cgroup, Lab, Limiter, LimiterBuilder, Mix, require_lab};

/// A line break, a terminal's escape, a byte that is no UTF-8, a turn of the writing direction, and what looks like an
/// escape of ours. Its first fifteen bytes become the process's name.
const EXE: &[u8] = b"sc\n\x1b[1m\xff\xe2\x80\xaeX\\x0a";
const EXE_SHOWN: &str = r"sc\x0a\x1b[1m\xff\xe2\x80\xaeX\x5cx0a";
const COMM_SHOWN: &str = r"sc\x0a\x1b[1m\xff\xe2\x80\xaeX\x0";
/// The kernel takes no line break here. `\x2d` is what systemd makes of a dash.
const CGROUP: &[u8] = b"a\x1b[31mred\xc3\x28\xc2\x9b2J\xe2\x80\xae\\x2d\\x1b";
const CGROUP_SHOWN: &str = r"a\x1b[31mred\xc3(\xc2\x9b2J\xe2\x80\xae\x2d\x5cx1b";

/// Python under such a name.
fn odd_program(directory: &Path) -> PathBuf {
    let found = said(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]));
    let path = directory.join(OsStr::from_bytes(EXE));
    install(&fs::read(found.out).unwrap(), &path);
    path
}

fn odd_cgroup(lab: &Lab) -> Cgroup {
    lab.cgroup().child(OsStr::from_bytes(CGROUP)).unwrap()
}

fn below_the_mount(lab: &Lab) -> String {
    format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap())
}

/// Dials more than the limit has room for.
fn dial(lab: &Lab, cgroup: &Cgroup, program: &Path) -> OwnOptions {
    let dead = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap().destinations();
    let mut command = lab.client().command_in(cgroup, program);
    command.args(arguments(&dead));
    OwnOptions::start(command)
}

fn limiter<'l>(lab: &'l Lab, directory: &Path) -> LimiterBuilder<'l> {
    let config = directory.join("halfopen.toml");
    let text = format!(
        "preset = \"xp-sp2\"\n[host]\nhalf_open = 50\n[[scope]]\nname = \"each\"\nper = \"cgroup\"\n\
         match = {{ cgroup = \"{}/*\" }}\nhalf_open = 3\ndrain = \"unlimited\"\n",
        below_the_mount(lab)
    );
    fs::write(&config, text).unwrap();
    Limiter::builder(lab).config(&config)
}

/// Nothing in it moves a cursor, ends a line, or turns the writing direction.
fn assert_harmless(what: &str, text: &str) {
    let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{fffd}';
    assert!(!text.contains(harmful), "{what}: {text:?}");
}

fn accused(limiter: &Limiter) -> Value {
    let line = until("an event", PATIENCE, || {
        ask_well(limiter, &["events", "--json"]).lines().next().map(ToOwned::to_owned)
    });
    serde_json::from_str::<Value>(&line).unwrap()["programs"][0].clone()
}

#[test]
fn every_place_that_shows_a_name_shows_it_escaped_and_whole() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (program, cgroup) = (odd_program(directory.path()), odd_cgroup(&lab));
    let limiter = limiter(&lab, directory.path()).start().unwrap();
    let dialer = dial(&lab, &cgroup, &program);
    let accused = accused(&limiter);
    let exe = format!("{}/{EXE_SHOWN}", directory.path().display());
    let cgroup_shown = format!("{}/{CGROUP_SHOWN}", below_the_mount(&lab));
    assert_eq!(accused["comm"], COMM_SHOWN);
    assert_eq!(accused["exe"], exe);
    assert_eq!(accused["cgroup"], cgroup_shown);

    let account = format!("each[{cgroup_shown}]");
    let pid = dialer.pid().to_string();
    for (arguments, names) in [
        (vec!["events"], vec![COMM_SHOWN, &exe, &cgroup_shown]),
        (vec!["events", "--json"], vec![]),
        (vec!["status"], vec![COMM_SHOWN, &exe, &cgroup_shown]),
        (vec!["status", "--json"], vec![]),
        (vec!["why", &pid], vec![COMM_SHOWN, &account]),
        (vec!["inspect", &pid], vec![COMM_SHOWN, &exe, &cgroup_shown, &account]),
        (vec!["inspect", &account], vec![COMM_SHOWN, &exe, &cgroup_shown, &account]),
        (vec!["inspect", &account, "--json"], vec![]),
        (vec!["inspect", &cgroup_shown], vec![&account]),
        (vec!["report"], vec![COMM_SHOWN, &exe, &cgroup_shown]),
        (vec!["report", "--json"], vec![]),
    ] {
        let told = ask_well(&limiter, &arguments);
        assert_harmless(&arguments.join(" "), &told);
        let told = if ["status", "report"].contains(&arguments[0]) { unbroken(&told) } else { told };
        for name in names {
            assert!(told.contains(name), "{arguments:?} shows no {name}: {told}");
        }
    }
    let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    assert_eq!(status["programs"][0]["cgroup"], cgroup_shown);
    // The table may have left out the middle of its name.
    assert!(status["scopes"].as_array().unwrap().iter().any(|scope| scope["name"] == account), "{status}");
    assert_eq!(ask_well(&limiter, &["events"]).lines().count(), 1);
    assert_harmless("stderr", &limiter.stderr());
    // What is shown is what can be named.
    assert_eq!(
        ask_well(&limiter, &["release", &account]),
        "nothing to release: it is neither a suspect nor blocked"
    );
    let blocked = ask_well(&limiter, &["block", &account, "--for", "1h"]);
    assert_harmless("block", &blocked);
    assert!(blocked.contains(&account), "{blocked}");
    assert_eq!(ask_well(&limiter, &["release", &cgroup_shown]), format!("released {account}"));
}

#[test]
fn a_record_of_the_log_is_one_line() {
    require_lab!();
    let Some(log) = SystemLog::rsyslog() else { return };
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (program, cgroup) = (odd_program(directory.path()), odd_cgroup(&lab));
    let halfopen = changed_for(directory.path(), &log.as_syslog(directory.path()));
    let _limiter = limiter(&lab, directory.path()).program(halfopen).start().unwrap();
    let _dialer = dial(&lab, &cgroup, &program);
    let found = || log.lines().into_iter().find(|line| line.contains("event 4226"));
    let line = until("the event in the syslog", PATIENCE, found);
    for name in [COMM_SHOWN, EXE_SHOWN, CGROUP_SHOWN] {
        assert!(line.contains(name), "{line}");
    }
    assert_eq!(log.lines().iter().filter(|line| line.contains("sc")).count(), 1);
}

#[test]
fn a_journal_s_fields_are_one_line_each() {
    require_lab!();
    let Some(log) = SystemLog::journald() else { return };
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (program, cgroup) = (odd_program(directory.path()), odd_cgroup(&lab));
    let halfopen = changed_for(directory.path(), &log.as_journal(directory.path()));
    let _limiter = limiter(&lab, directory.path()).program(halfopen).start().unwrap();
    let _dialer = dial(&lab, &cgroup, &program);
    let message_id = format!("MESSAGE_ID={}", halfopen::events::system_log::MESSAGE_ID);
    let entry = until("the event in the journal", PATIENCE, || log.entries(&[&message_id]).pop());
    assert_eq!(entry["HALFOPEN_COMM"], COMM_SHOWN, "{entry}");
    assert_eq!(entry["HALFOPEN_CGROUP"], format!("{}/{CGROUP_SHOWN}", below_the_mount(&lab)), "{entry}");
    assert!(entry["HALFOPEN_EXE"].as_str().unwrap().ends_with(EXE_SHOWN), "{entry}");
}

/// Holds a packet socket until it is dropped.
struct Sniffer(Child);

impl Drop for Sniffer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn doctor_names_who_has_a_packet_socket() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = odd_program(directory.path());
    let limiter = limiter(&lab, directory.path()).start().unwrap();
    let mut command = lab.client().command_in(lab.cgroup(), program);
    let text = "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nprint(flush=True)\nsys.stdin.read()";
    command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sniffer = Sniffer(command.spawn().unwrap());
    BufReader::new(sniffer.0.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let told = said(limiter.command().arg("doctor")).out;
    assert_harmless("doctor", &told);
    assert!(told.contains(&format!("{COMM_SHOWN} (pid {})", sniffer.0.id())), "{told}");
}

/// Cgroups one in another until their path is longer than the kernel tells, with a process in the last.
struct Deep<'l> {
    lab: &'l Lab,
    dialer: Option<OwnOptions>,
}

const DEPTH: usize = 20;
const DESCEND: &str = r"
import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir('d' * 250)
    os.chdir('d' * 250)
open('cgroup.procs', 'w').write(str(os.getpid()))
os.chdir('/')
os.execvp(sys.argv[3], sys.argv[3:])
";
const ASCEND: &str = r"
import os, sys
for _, directories, _, above in os.fwalk(sys.argv[1], topdown=False):
    for directory in directories:
        os.rmdir(directory, dir_fd=above)
";

impl<'l> Deep<'l> {
    fn dial(lab: &'l Lab) -> Self {
        let dead = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap().destinations();
        let mut command = lab.client().command("python3");
        command.args(["-c", DESCEND]).arg(lab.cgroup().path()).arg(DEPTH.to_string()).arg("python3");
        Self {
            lab,
            dialer: Some(OwnOptions::start({
                command.args(arguments(&dead));
                command
            })),
        }
    }
}

impl Drop for Deep<'_> {
    fn drop(&mut self) {
        drop(self.dialer.take());
        let _ = Command::new("python3").args(["-c", ASCEND]).arg(self.lab.cgroup().path()).status();
    }
}

#[test]
fn a_cgroup_too_deep_to_be_told_is_named_by_those_above_it() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let limiter = limiter(&lab, directory.path()).start().unwrap();
    let _deep = Deep::dial(&lab);
    let accused = accused(&limiter);
    let told = accused["cgroup"].as_str().unwrap_or_else(|| panic!("{accused}"));
    assert!(told.starts_with(&below_the_mount(&lab)), "{told}");
    assert!(told.ends_with(r"\[longer than 4096 bytes]"), "{told}");
    assert!(told.len() < 1024, "{told}");
}
