//! A user at the desk: runs the real program, asks it, and looks at what it leaves.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test fails where its tools do"
)]

pub mod browser;
pub mod kernel_objects;
pub mod mounts;
pub mod names;
pub mod other_program;
pub mod own_options;
pub mod processes;
pub mod system_log;

use crate::{Lab, Limiter, LimiterBuilder, Skip, artifact};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Long enough for anything that is going to happen on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Re-checks are 0.5 s apart at most for the first 30 s: what happens at the next one has happened within this on a
/// busy machine.
pub const NEXT_RECHECK: Duration = Duration::from_secs(4);

/// The program under test.
pub fn program() -> PathBuf {
    artifact("halfopen", "HALFOPEN_BIN").unwrap()
}

/// The program under test, to limit the lab's cgroup. Its slots last and are let out as they come free.
pub fn limit(lab: &Lab, half_open: u32) -> LimiterBuilder<'_> {
    let builder = Limiter::builder(lab);
    builder.set("half_open", half_open).set("drain", "unlimited")
}

/// Whether a program that a test needs besides a lab is installed. If not, the test is noted as skipped.
pub fn has(program: &'static str, package: &'static str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    Lab::required(if found { Ok(()) } else { Err(Skip::NoProgram { program, package }) })
}

/// How a command ended and what it said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub error: String,
}

/// Runs a command of the program to its end, which must come in time.
pub fn said(command: &mut Command) -> Said {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_LOG");
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (ended, output) = channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let Output { status, stdout, stderr } = match output.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap(),
        Err(late) => {
            // It may have ended in this moment; nobody has waited for it yet, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
            panic!("{command:?} has not ended: {late}");
        }
    };
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    Said { code: status.code(), out: text(stdout), error: text(stderr) }
}

/// Asks a running limiter.
pub fn ask(limiter: &Limiter, arguments: &[&str]) -> Said {
    said(limiter.command().args(arguments))
}

/// Asks a running limiter for what it must be able to do.
pub fn ask_well(limiter: &Limiter, arguments: &[&str]) -> String {
    let said = ask(limiter, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said.out
}

/// What `text` says, where a line that is indented by four columns goes on with the one before it.
pub fn unbroken(text: &str) -> String {
    let mut whole: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("    "), whole.last_mut()) {
            (Some(rest), Some(last)) if !rest.starts_with(' ') => last.extend([" ", rest]),
            _ => whole.push(line.to_owned()),
        }
    }
    whole.join("\n")
}

/// Where the waiting attempts of a process are going, and how often each has asked for its turn, as `why` tells it.
pub fn waiting(limiter: &Limiter, pid: u32) -> HashMap<String, u32> {
    let told = ask_well(limiter, &["why", "--json", &pid.to_string()]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let attempts = told["attempts"].as_array().unwrap().iter().filter(|attempt| attempt["state"] == "queued");
    let asked = |attempt: &serde_json::Value| u32::try_from(attempt["rechecks"].as_u64().unwrap()).unwrap();
    attempts.map(|attempt| (attempt["destination"].as_str().unwrap().to_owned(), asked(attempt))).collect()
}

/// Waits until `found` finds something.
pub fn until<T>(what: &str, patience: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
