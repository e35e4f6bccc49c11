//! Event 4226 is found in the log that the host has.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use std::path::Path;
use testkit::desk::mounts::changed_for;
use testkit::desk::system_log::{self, SystemLog};
use testkit::desk::{PATIENCE, ask_well, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

/// A limiter on a host with the log that `changes` make, and a program that saturates it.
fn saturated(lab: &Lab, directory: &Path, changes: &str) -> (Limiter, Dialling) {
    let program = changed_for(directory, changes);
    let limiter =
        Limiter::builder(lab).program(program).set("half_open", 3).set("drain", "unlimited").start().unwrap();
    let dead = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(lab).destinations(dead.destinations()).spawn().unwrap();
    (limiter, dialling)
}

#[test]
fn by_journalctl() {
    require_lab!();
    let Some(log) = SystemLog::journald() else { return };
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (limiter, dialling) = saturated(&lab, directory.path(), &log.as_journal(directory.path()));
    let message_id = format!("MESSAGE_ID={}", halfopen::events::system_log::MESSAGE_ID);
    let entry = until("the event in the journal", PATIENCE, || log.entries(&[&message_id]).pop());
    let pid = dialling.pid().to_string();
    for (field, value) in [
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "halfopen"),
        ("HALFOPEN_EVENT", "4226"),
        ("HALFOPEN_STATE", "reached"),
        ("HALFOPEN_SCOPE", "host"),
        ("HALFOPEN_LIMIT", "3"),
        ("HALFOPEN_QUEUED", "17"),
        ("HALFOPEN_PID", &pid),
        ("HALFOPEN_COMM", "lab-dial"),
        ("HALFOPEN_USER", "root"),
        ("_PID", &limiter.pid().to_string()),
    ] {
        assert_eq!(entry[field], value, "{field} in {entry}");
    }
    let exe = entry["HALFOPEN_EXE"].as_str().unwrap();
    assert!(exe.ends_with("/lab-dial"), "{exe}");
    let message = entry["MESSAGE"].as_str().unwrap();
    assert!(message.starts_with("event 4226: TCP/IP has reached the security limit"), "{message}");
    assert!(message.contains(&format!("lab-dial (pid {pid}, {exe}, ")), "{message}");
    assert_eq!(log.entries(&["SYSLOG_IDENTIFIER=halfopen"]).len(), 1);
}

/// What systemd tells a service whose standard error journald reads, before `changes`.
fn read_by_journald(changes: &str) -> String {
    format!("export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)\n{changes}")
}

#[test]
fn once_where_journald_reads_standard_error_too() {
    require_lab!();
    let Some(log) = SystemLog::journald() else { return };
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let changes = read_by_journald(&log.as_journal(directory.path()));
    let (limiter, _dialling) = saturated(&lab, directory.path(), &changes);
    until("the event", PATIENCE, || limiter.events().unwrap().pop());
    let found = || log.entries(&["HALFOPEN_EVENT=4226", "HALFOPEN_STATE=reached"]).pop();
    until("the event in the journal", PATIENCE, found);
    let (_, said) = limiter.stop().unwrap();
    assert!(!said.contains("event 4226"), "{said}");
}

#[test]
fn once_where_journald_only_reads_standard_error() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let changes = read_by_journald(&system_log::none(directory.path()));
    let (limiter, _dialling) = saturated(&lab, directory.path(), &changes);
    until("the event", PATIENCE, || limiter.events().unwrap().pop());
    let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    let degraded = status["degraded"].as_array().unwrap();
    assert!(degraded.iter().all(|reason| reason["reason"] != "no_system_log"), "{status}");
    let (_, said) = limiter.stop().unwrap();
    assert_eq!(said.matches("event 4226: TCP/IP has reached").count(), 1, "{said}");
}

#[test]
fn in_the_syslog() {
    require_lab!();
    let Some(log) = SystemLog::rsyslog() else { return };
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (limiter, dialling) = saturated(&lab, directory.path(), &log.as_syslog(directory.path()));
    let found = || log.lines().into_iter().find(|line| line.contains("event 4226"));
    let line = until("the event in the syslog", PATIENCE, found);
    // RFC 5424: <facility daemon, severity warning>, version, time, host, program, process.
    assert!(line.starts_with("<28>1 "), "{line}");
    assert!(line.contains(&format!(" halfopen {} ", limiter.pid())), "{line}");
    assert!(line.contains("event 4226: TCP/IP has reached the security limit"), "{line}");
    assert!(line.contains(&format!("lab-dial (pid {}, ", dialling.pid())), "{line}");
    assert_eq!(log.lines().iter().filter(|line| line.contains("event 4226")).count(), 1);
}

#[test]
fn without_a_log_status_says_so() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let (limiter, _dialling) = saturated(&lab, directory.path(), &system_log::none(directory.path()));
    until("the event", PATIENCE, || limiter.events().unwrap().pop());
    let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    assert_eq!(status["degraded"][0]["reason"], "no_system_log", "{status}");
    let told = limiter.stderr();
    assert!(told.contains("no system log takes events") && told.contains("/dev/log"), "{told}");
}
