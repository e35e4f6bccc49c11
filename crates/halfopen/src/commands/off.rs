//! `off`: asks the daemon to end, and kills it if it does not answer. Works without a configuration.

use crate::control::{Answer, Client, ClientError, Request};
use crate::lock::{Holder, holder};
use crate::output;
use crate::runtime_dir::{self, RuntimeDir, pins_of_this_host};
use anyhow::{Context, Result, bail};
use halfopen_bpf::end_pinned;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the daemon may then take to let go of its held attempts, in all namespaces.
const LET_GO: Duration = Duration::from_mins(1);
/// How long the kernel may take to end a killed process.
const KILLED: Duration = Duration::from_secs(5);

/// Ends the limit, and says if the service manager would begin it again.
pub fn off() -> Result<()> {
    end()?;
    if is_enabled() {
        output::line(&format!(
            "{UNIT} is still enabled: the limit begins again at the next boot; to prevent that: systemctl disable \
             halfopen"
        ))?;
    }
    Ok(())
}

/// The unit of the package.
const UNIT: &str = "halfopen.service";

/// Whether systemd starts the daemon of this host at boot. A limiter in other directories is not the unit's, and the
/// service manager itself need not be told.
fn is_enabled() -> bool {
    let other = [runtime_dir::VARIABLE, runtime_dir::PINS_VARIABLE].map(std::env::var_os);
    let by_systemd = std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if by_systemd || other.iter().flatten().any(|value| !value.is_empty()) {
        return false;
    }
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["is-enabled", "--quiet", UNIT]);
    systemctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    systemctl.status().is_ok_and(|status| status.success())
}

fn end() -> Result<()> {
    let directory = RuntimeDir::of_this_host();
    let Some(found) = holder(&directory)? else {
        let ended = end_pinned(&pins_of_this_host())?;
        return match ended {
            Some(stopped) => output::line(&format!(
                "no daemon was running; the pinned programs are removed and nothing is limited any more; held \
                 attempts let go: {}",
                stopped.let_go
            )),
            None => output::line("no daemon is running here and nothing is pinned: nothing is limited"),
        };
    };
    match asked_to_end(&directory) {
        Ok(pid) => ends(&directory, pid, found),
        // It is loading, or ends already. A signal waits until it can be heeded.
        Err(ClientError::NoDaemon(_)) => {
            let pid = signal(&directory, found, Signal::TERM)?;
            ends(&directory, pid, found)
        }
        Err(e @ ClientError::NotPermitted(_)) => Err(e.into()),
        Err(e) => {
            output::error_line(&format!("halfopen: the daemon does not answer ({e}): killing it"));
            kill(&directory, found)
        }
    }
}

/// Waits for the daemon, which has been asked to end, and removes what it could not remove.
fn ends(directory: &RuntimeDir, pid: u32, found: Holder) -> Result<()> {
    if !wait_until_ended(directory, LET_GO)? {
        output::error_line(&format!("halfopen: pid {pid} did not end within {LET_GO:?}: killing it"));
        return kill(directory, found);
    }
    // A daemon that has lost its privileged helper cannot remove anything itself.
    let left = end_pinned(&pins_of_this_host())?.is_some();
    if left | fs::remove_file(directory.socket()).is_ok() {
        output::error_line(
            "halfopen: the daemon could not clean up after itself: `halfopen off` has done it",
        );
        let _ = fs::remove_dir(directory.path());
    }
    output::line(&format!("the daemon (pid {pid}) has let go and ended: nothing is limited any more"))
}

fn asked_to_end(directory: &RuntimeDir) -> Result<u32, ClientError> {
    let mut client = Client::ask(directory, &Request::Off, Some(ANSWER))?;
    match client.answer()? {
        Answer::Ending { pid } => Ok(pid),
        other => Err(client.unexpected(&other)),
    }
}

fn wait_until_ended(directory: &RuntimeDir, patience: Duration) -> Result<bool> {
    let end = Instant::now() + patience;
    while holder(directory)?.is_some() {
        if Instant::now() >= end {
            return Ok(false);
        }
        sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// Sends `signal` to the daemon that holds the lock. Returns its pid.
fn signal(directory: &RuntimeDir, Holder { pid }: Holder, signal: Signal) -> Result<u32> {
    let pid = pid.context("the lock file names no process: end the daemon by hand")?;
    if !is_this_program(pid) {
        bail!("pid {pid} in {} is not halfopen: end the daemon by hand", directory.lock().display());
    }
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw).context("the lock file names no process")?;
    match kill_process(target, signal) {
        // It has ended in this moment.
        Err(Errno::SRCH) => Ok(pid),
        sent => sent.map(|()| pid).with_context(|| format!("cannot signal pid {pid}")),
    }
}

fn kill(directory: &RuntimeDir, found: Holder) -> Result<()> {
    let pid = signal(directory, found, Signal::KILL)?;
    if !wait_until_ended(directory, KILLED)? {
        bail!("pid {pid} was killed but has not ended: it is stuck in the kernel");
    }
    if end_pinned(&pins_of_this_host())?.is_some() {
        return output::line(&format!(
            "the daemon (pid {pid}) did not answer and was killed; the pinned programs are removed: nothing is \
             limited any more"
        ));
    }
    output::line(&format!(
        "the daemon (pid {pid}) did not answer and was killed: nothing is limited any more; held attempts go out at \
         their next re-check, but keep the retry count of a hold"
    ))
}

fn is_this_program(pid: u32) -> bool {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // A newer version may have replaced its file: the link then ends in " (deleted)".
    let named = exe.and_then(|exe| Some(exe.file_name()?.to_string_lossy().starts_with("halfopen")));
    named.unwrap_or(false) || comm.trim_end() == "halfopen"
}
