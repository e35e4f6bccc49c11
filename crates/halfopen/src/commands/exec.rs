//! `exec`: a program in a scope of its own, for as long as it runs.

use super::ask;
use super::unanswered::asked;
use crate::cli::Exec;
use crate::control::{Answer, Request, client};
use crate::exit::explained;
use crate::output;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// There is no such program. Shells use the same code.
const NOT_FOUND: u8 = 127;
/// The program exists but cannot be started. Shells use the same code.
const NOT_STARTED: u8 = 126;

pub fn exec(exec: &Exec) -> Result<u8> {
    let request = Request::Exec { half_open: exec.half_open.clone(), drain: exec.drain.clone() };
    let mut client = asked(&request, Some(client::PATIENCE))?;
    // The scope ends with this connection.
    let (name, path) = match client.answer()? {
        Answer::Scope { name, path } => (name, path),
        other => return Err(client.unexpected(&other).into()),
    };
    // A socket belongs to the cgroup in which it was made, so the program must be there from the start.
    let procs = path.join("cgroup.procs");
    fs::write(&procs, std::process::id().to_string())
        .with_context(|| format!("cannot move this process to {}", procs.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(run(exec))?;
    if let Err(e) = end(name) {
        output::error_line(&format!(
            "halfopen: the scope has ended together with the daemon, or could not be removed: {}",
            explained(&e)
        ));
    }
    Ok(code)
}

async fn run(exec: &Exec) -> Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (program, arguments) = exec.command.split_first().context("no program was given")?;
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(e) => {
            output::error_line(&format!("halfopen: cannot start {}: {e}", program.display()));
            return Ok(if e.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED });
        }
    };
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    loop {
        let sent = tokio::select! {
            ended = child.wait() => return Ok(code(ended?)),
            // A terminal has sent the signal to the program too: a second one could mean something else to it.
            _ = interrupt.recv() => if in_foreground() { continue } else { Signal::INT },
            _ = terminate.recv() => Signal::TERM,
        };
        if let Some(pid) = pid {
            // The program may have ended meanwhile.
            let _ = kill_process(pid, sent);
        }
    }
}

/// Whether the keys of a terminal signal this process and its child.
fn in_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty").ok();
    let foreground = terminal.and_then(|terminal| tcgetpgrp(terminal).ok());
    foreground.is_some_and(|group| group == getpgrp())
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::exit::FAILED)
}

fn end(name: String) -> Result<()> {
    match ask(&Request::EndExec { name })? {
        (_, Answer::ScopeEnded) => Ok(()),
        (client, other) => Err(client.unexpected(&other).into()),
    }
}
