use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::dial::{Line, Report, Spec, Style};
use crate::invariant::End;
use crate::{Cgroup, Lab, LabError, Namespace, artifact};

/// A child process that dials, in a lab's client namespace and cgroup unless told otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Dialer<'a> {
    namespace: &'a Namespace,
    cgroup: &'a Cgroup,
    spec: Spec,
}

impl<'a> Dialer<'a> {
    /// One that dials all its destinations at once, keeps what it establishes and stays until it is dropped.
    pub fn new(lab: &'a Lab) -> Self {
        let spec = Spec { keep: true, until_stdin_closes: true, ..Spec::default() };
        Self { namespace: lab.client(), cgroup: lab.cgroup(), spec }
    }

    /// Adds destinations; they are dialled in this order.
    pub fn destinations(mut self, destinations: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.spec.destinations.extend(destinations);
        self
    }

    /// Dials from this many threads with blocking sockets.
    pub fn blocking(mut self, threads: usize) -> Self {
        self.spec.style = Style::Blocking(threads);
        self
    }

    /// Gives each dial up after this time; without it the kernel alone ends them.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.spec.patience_ms = Some(patience.as_millis() as u64);
        self
    }

    /// Spreads the dials evenly, so many a second.
    pub fn dials_per_s(mut self, rate: f64) -> Self {
        self.spec.dials_per_s = Some(rate);
        self
    }

    /// Has no more than so many dials under way.
    pub fn at_a_time(mut self, most: usize) -> Self {
        self.spec.at_a_time = Some(most);
        self
    }

    /// Begins no more dials once so many have connected.
    pub fn enough(mut self, connected: usize) -> Self {
        self.spec.enough = Some(connected);
        self
    }

    /// Closes connections once they are established.
    pub fn close_when_connected(mut self) -> Self {
        self.spec.keep = false;
        self
    }

    /// Dials IPv4 destinations from IPv6 sockets.
    pub fn mapped(mut self) -> Self {
        self.spec.mapped = true;
        self
    }

    /// Sets the sockets' own TCP_USER_TIMEOUT.
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.spec.user_timeout_ms = Some(timeout.as_millis() as u32);
        self
    }

    /// Sets the sockets' own SO_SNDTIMEO.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.spec.send_timeout_ms = Some(timeout.as_millis() as u64);
        self
    }

    /// Runs in another cgroup.
    pub fn cgroup(mut self, cgroup: &'a Cgroup) -> Self {
        self.cgroup = cgroup;
        self
    }

    /// Runs in another namespace.
    pub fn namespace(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Starts to dial.
    ///
    /// # Errors
    /// When `lab-dial` is not built or does not start.
    pub fn spawn(self) -> Result<Dialling, LabError> {
        let program = artifact("lab-dial", "LAB_DIAL")?;
        Dialling::start(self.namespace.command_in(self.cgroup, program), &self.spec)
    }
}

/// A dialer at work. Dropping it ends its process and with it all its sockets.
#[derive(Debug)]
pub struct Dialling {
    child: Child,
    /// The dialer ends when this is closed, so it outlives nobody, however this process ends.
    lifeline: ChildStdin,
    tasks: usize,
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct SoFar {
    reports: Vec<Report>,
    /// How many tasks have got so far.
    all_dialled: usize,
    all_done: usize,
    silent: bool,
}

impl Dialling {
    fn start(mut command: Command, spec: &Spec) -> Result<Self, LabError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(LabError::io("run lab-dial"))?;
        let (Some(lifeline), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        let heard = Arc::new(Heard::default());
        let hearing = heard.clone();
        std::thread::spawn(move || hearing.listen(BufReader::new(stdout)));
        let mut dialling = Self { child, lifeline, tasks: 0, heard };
        dialling.also(spec)?;
        Ok(dialling)
    }

    /// Gives it another task, beside what it is at: its number is one more than the last one's, the first has 0.
    ///
    /// # Errors
    /// When it has ended.
    pub fn also(&mut self, spec: &Spec) -> Result<(), LabError> {
        self.tasks += 1;
        serde_json::to_string(spec)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(self.lifeline, "{text}"))
            .map_err(LabError::io("tell lab-dial what to dial"))
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The dials that have ended so far, in the order of their ends.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.heard.so_far().reports.clone()
    }

    /// The ends of all dials that have ended so far, for [`attempts`](crate::invariant::attempts).
    #[must_use]
    pub fn ends(&self) -> Vec<End> {
        self.heard.so_far().reports.iter().filter_map(Report::end).collect()
    }

    /// Waits until connect() has been called for all destinations of all tasks.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or the dialer ends before.
    pub fn await_all_dialled(&self, patience: Duration) -> Result<(), LabError> {
        self.heard.wait(patience, "all dials to begin", |so_far| so_far.all_dialled == self.tasks).map(drop)
    }

    /// Waits until `count` dials have ended and returns those that have.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or the dialer ends before.
    pub fn await_reports(&self, count: usize, patience: Duration) -> Result<Vec<Report>, LabError> {
        let what = format!("{count} dials to end");
        let so_far = self.heard.wait(patience, &what, |so_far| so_far.reports.len() >= count)?;
        Ok(so_far.reports.clone())
    }

    /// Waits until all dials of all tasks have ended and returns them.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or the dialer ends before.
    pub fn await_all_done(&self, patience: Duration) -> Result<Vec<Report>, LabError> {
        Ok(self
            .heard
            .wait(patience, "all dials to end", |so_far| so_far.all_done == self.tasks)?
            .reports
            .clone())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal)
            .map_err(LabError::errno(format!("send {signal:?} to the dialer, process {pid}")))
    }

    /// Ends it by SIGKILL and returns when it is gone, with the dials that had ended.
    #[must_use]
    pub fn kill(mut self) -> Vec<Report> {
        self.end();
        // What it said before is still in the pipe.
        match self.heard.wait(Duration::from_secs(5), "its last words", |so_far| so_far.silent) {
            Ok(so_far) => so_far.reports.clone(),
            Err(_) => self.reports(),
        }
    }

    fn end(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        self.end();
    }
}

impl Heard {
    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, stdout: impl BufRead) {
        for line in stdout.lines().map_while(Result::ok) {
            let mut so_far = self.so_far();
            match serde_json::from_str(&line) {
                Ok(Line::Done(report)) => so_far.reports.push(report),
                Ok(Line::AllDialled(_)) => so_far.all_dialled += 1,
                Ok(Line::AllDone(_)) => so_far.all_done += 1,
                // The last line of one that is killed may be cut.
                Err(error) => tracing::debug!(%line, %error, "not a dialer's line"),
            }
            drop(so_far);
            self.more.notify_all();
        }
        self.so_far().silent = true;
        self.more.notify_all();
    }

    fn wait(
        &self,
        patience: Duration,
        what: &str,
        reached: impl Fn(&SoFar) -> bool,
    ) -> Result<MutexGuard<'_, SoFar>, LabError> {
        let start = Instant::now();
        let mut so_far = self.so_far();
        while !reached(&so_far) {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() || so_far.silent {
                let done = so_far.reports.len();
                let ended = if so_far.silent { ", but the dialer has ended" } else { "" };
                let what = format!("{what} ({done} have ended{ended})");
                return Err(LabError::Late { what, waited: start.elapsed() });
            }
            so_far = self.more.wait_timeout(so_far, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(so_far)
    }
}
