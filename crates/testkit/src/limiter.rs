mod launch;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

pub use launch::LimiterBuilder;
use launch::{Plan, Process};

use crate::{Cgroup, Lab, LabError, tool};

const START: Duration = Duration::from_mins(1);
const END: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(2);

/// What `halfopen status --json` says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Status {
    /// `enforce`, `audit` or `off`.
    pub mode: String,
    /// The preset's name.
    pub preset: String,
    /// Whether the limit outlives the daemon.
    pub persist: bool,
    /// Changes with the configuration.
    pub config_hash: String,
    /// The account every attempt is charged to.
    pub host: Scope,
    /// The other accounts.
    pub scopes: Vec<Scope>,
}

/// What `status --json` says of a scope's connections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the names are documented where they are written")]
pub struct Connections {
    pub open: i64,
    pub ended: i64,
    pub waited: i64,
    pub waited_for_destination: i64,
}

/// An account of attempts. The counters are signed, so that one that falls below zero can be seen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the contract")]
pub struct Scope {
    pub name: String,
    pub half_open_limit: Option<u64>,
    pub drain_per_s: Option<f64>,
    pub half_open: i64,
    pub aged: i64,
    pub queued: i64,
    pub admitted: i64,
    pub released: i64,
    pub cancelled: i64,
    pub gave_up_while_queued: i64,
    pub established: i64,
    pub failed: i64,
    pub refused_overflow: i64,
    pub longest_wait_ms: i64,
    pub saturated: bool,
    #[serde(default)]
    pub connections: Option<Connections>,
}

/// A line of `halfopen events --json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the contract")]
pub struct Event {
    pub id: u32,
    pub time: String,
    pub level: String,
    pub message: String,
    pub state: String,
    pub scope: String,
    pub limit: Option<u64>,
    pub queued: u64,
    pub programs: Vec<Program>,
}

/// A program an event names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the contract")]
pub struct Program {
    pub pid: u32,
    pub comm: String,
    pub exe: Option<String>,
    pub cgroup: String,
    pub user: String,
    pub attempts: u64,
    pub sample: Vec<String>,
}

/// The program under test at work, in a cgroup of its own. Dropping it ends it by SIGTERM, then by SIGKILL.
#[derive(Debug)]
pub struct Limiter {
    plan: Plan,
    process: Process,
    own_cgroup: Cgroup,
    _own_directory: TempDir,
}

impl Limiter {
    /// One for the cgroup of this lab.
    pub fn builder(lab: &Lab) -> LimiterBuilder<'_> {
        LimiterBuilder::new(lab)
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; what it said is in the error.
    pub fn await_ready(&mut self) -> Result<(), LabError> {
        let deadline = Instant::now() + START;
        loop {
            let ready = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ready");
            if self.stderr().lines().any(ready) {
                return Ok(());
            }
            let shown = self.process.shown.clone();
            if let Some(status) = self.ended()? {
                let stderr = self.last_words();
                return Err(LabError::NotReady { command: shown, status, stderr });
            }
            if Instant::now() > deadline {
                let what = format!("`{shown}` to be ready; it said:\n{}", self.stderr());
                return Err(LabError::Late { what, waited: START });
            }
            std::thread::sleep(STEP);
        }
    }

    /// Ends it by SIGKILL and returns when it is gone; all it said on stderr.
    pub fn kill(&mut self) -> String {
        // Both fail only where it has ended already.
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
        self.last_words()
    }

    /// Has it hand over: it ends, and what is pinned goes on. How it ended, and all it said on stderr.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn hand_over(&mut self) -> Result<(ExitStatus, String), LabError> {
        self.signal(Signal::USR2)?;
        let status = self.await_end(END)?;
        Ok((status, self.last_words()))
    }

    /// Runs the program again as before, once it has ended, without waiting until it is ready.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn begin_again(&mut self) -> Result<(), LabError> {
        self.process = Process::begin(&self.plan, &self.own_cgroup)?;
        Ok(())
    }

    /// Runs the program again as before, once it has ended, and waits until it is ready.
    ///
    /// # Errors
    /// As [`LimiterBuilder::start`].
    pub fn start_again(&mut self) -> Result<(), LabError> {
        self.begin_again()?;
        self.await_ready()
    }

    /// What the next run is of.
    pub fn replace_program(&mut self, program: PathBuf) {
        self.plan.program = program;
    }

    /// Adds `--set name=value` for the next run; the last one counts.
    pub fn set_for_next_run(&mut self, name: &str, value: impl std::fmt::Display) {
        self.plan.arguments.extend(["--set".into(), format!("{name}={value}").into()]);
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has said on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.said()
    }

    /// A command that talks to it: `halfopen`, to be given arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match &self.plan.own_mounts {
            Some(program) => {
                let mut command = Command::new("nsenter");
                command.args(["--mount", "--target", &self.pid().to_string(), "--"]).arg(program);
                command
            }
            None => Command::new(&self.plan.program),
        };
        command.envs(self.plan.directories());
        command
    }

    /// Its run directory.
    #[must_use]
    pub fn run_directory(&self) -> &Path {
        &self.plan.run_directory
    }

    /// Asks for its status.
    ///
    /// # Errors
    /// When it does not answer, or not as the contract says.
    pub fn status(&self) -> Result<Status, LabError> {
        let text = tool::run(self.command().args(["status", "--json"]), "")?;
        serde_json::from_str(&text).map_err(unreadable(text))
    }

    /// Waits until its status is as wanted, and returns it.
    ///
    /// # Errors
    /// When it is not within `patience`, or cannot be asked for.
    pub fn await_status(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, LabError> {
        let start = Instant::now();
        loop {
            let status = self.status()?;
            if wanted(&status) {
                return Ok(status);
            }
            if start.elapsed() > patience {
                return Err(LabError::Late {
                    what: format!("{what}; last seen: {status:?}"),
                    waited: patience,
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The events so far.
    ///
    /// # Errors
    /// When they cannot be had, or are not as the contract says.
    pub fn events(&self) -> Result<Vec<Event>, LabError> {
        let text = tool::run(self.command().args(["events", "--json"]), "")?;
        text.lines().map(|line| serde_json::from_str(line).map_err(unreadable(line.to_owned()))).collect()
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// When it refuses.
    pub fn set(&self, name: &str, value: impl std::fmt::Display) -> Result<(), LabError> {
        tool::run(self.command().args(["set", name, &value.to_string()]), "").map(drop)
    }

    /// Reads a setting.
    ///
    /// # Errors
    /// When it refuses.
    pub fn get(&self, name: &str) -> Result<String, LabError> {
        Ok(tool::run(self.command().args(["get", name]), "")?.trim().to_owned())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let pid = Pid::from_child(&self.process.child);
        kill_process(pid, signal)
            .map_err(LabError::errno(format!("send {signal:?} to the limiter, process {pid}")))
    }

    /// Ends it by SIGTERM; how it ended, and all it said on stderr.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<(ExitStatus, String), LabError> {
        self.signal(Signal::TERM)?;
        let status = self.await_end(END)?;
        Ok((status, self.last_words()))
    }

    /// Waits until it has ended by itself, or by a signal.
    ///
    /// # Errors
    /// When it has not within `patience`.
    pub fn await_end(&mut self, patience: Duration) -> Result<ExitStatus, LabError> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > patience {
                let what = format!("the limiter to end; it said:\n{}", self.stderr());
                return Err(LabError::Late { what, waited: patience });
            }
            std::thread::sleep(STEP);
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, LabError> {
        self.process.child.try_wait().map_err(LabError::io("ask whether the limiter has ended"))
    }

    /// All it has said; not what a process that it left behind might still say.
    fn last_words(&mut self) -> String {
        let start = Instant::now();
        while self.process.reader.as_ref().is_some_and(|reader| !reader.is_finished()) {
            if start.elapsed() > END {
                self.process.reader = None;
                tracing::warn!("a process that the limiter has left behind keeps its stderr open");
            }
            std::thread::sleep(STEP);
        }
        if self.process.reader.take().is_some_and(|reader| reader.join().is_err()) {
            tracing::warn!("the reader of the limiter's stderr had panicked");
        }
        self.stderr()
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            // One that is stopped takes no other signal.
            let asked = self.signal(Signal::TERM).and_then(|()| self.signal(Signal::CONT));
            let asked = asked.and_then(|()| self.await_end(END));
            if let Err(error) = asked {
                tracing::warn!(%error, "the limiter is killed");
            }
        }
        // Both fail only where it has ended already.
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
    }
}

fn unreadable(text: String) -> impl FnOnce(serde_json::Error) -> LabError {
    |error| LabError::Unreadable { from: "halfopen".to_owned(), reason: error.to_string(), text }
}
