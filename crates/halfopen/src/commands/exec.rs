//! `exec`: a program in a scope of its own, for as long as it runs.

use crate::cli::Exec;
use crate::control::{Answer, Client, Request, client};
use crate::exit::explained;
use crate::output;
use crate::runtime_dir::RuntimeDir;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// As shells have it: there is no such program.
const NOT_FOUND: u8 = 127;
/// As shells have it: there is one, but it cannot be started.
const NOT_STARTED: u8 = 126;

pub fn exec(exec: &Exec) -> Result<u8> {
    let request = Request::Exec { half_open: exec.half_open.clone(), drain: exec.drain.clone() };
    let mut client = Client::ask(&RuntimeDir::of_this_host(), &request, Some(client::PATIENCE))?;
    let path = match client.answer()? {
        Answer::Scope { path, .. } => path,
        other => return Err(client.unexpected(&other).into()),
    };
    // A socket belongs to the cgroup it was made in, so the program must be there from its start.
    let procs = path.join("cgroup.procs");
    fs::write(&procs, std::process::id().to_string())
        .with_context(|| format!("moving this process to {}", procs.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(run(exec))?;
    if let Err(e) = end(&mut client) {
        output::error_line(&format!(
            "halfopen: the scope has ended with its daemon or could not be removed: {}",
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
            output::error_line(&format!("halfopen: starting {}: {e}", program.display()));
            return Ok(if e.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED });
        }
    };
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    loop {
        let sent = tokio::select! {
            ended = child.wait() => return Ok(code(ended?)),
            // A terminal has sent it to the program itself: a second one would be an order of its own.
            _ = interrupt.recv() => if in_foreground() { continue } else { Signal::INT },
            _ = terminate.recv() => Signal::TERM,
        };
        if let Some(pid) = pid {
            // It may have ended meanwhile.
            let _ = kill_process(pid, sent);
        }
    }
}

/// Whether this process and its child are what a terminal's keys signal.
fn in_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty").ok();
    let foreground = terminal.and_then(|terminal| tcgetpgrp(terminal).ok());
    foreground.is_some_and(|group| group == getpgrp())
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::exit::FAILED)
}

fn end(client: &mut Client) -> Result<()> {
    client.close()?;
    match client.answer()? {
        Answer::ScopeEnded => Ok(()),
        other => Err(client.unexpected(&other).into()),
    }
}
