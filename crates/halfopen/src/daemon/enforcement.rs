//! The limiter with its configuration and scopes, and what is asked of it.

use super::announcer::Announcer;
use super::exec_cgroup;
use super::fault_log::FaultLog;
use crate::config::{
    ConfigError, Effective, Key, Limit, LimitKey, Name, Origin, Setting, Sources, Wrong, read_name,
    read_setting, save, setting,
};
use crate::control::{Answer, AttemptStatus, FaultStatus, ScopeStatus, Status, Subject, Why};
use crate::events::{Waiter, identity};
use crate::exit::{WrongUse, explained};
use anyhow::{Context, Result, anyhow};
use halfopen_kernel::{Attempt, AttemptState, EnforcementStopped, KernelError, Limiter, ScopeId};
use halfopen_policy::{Limits, Mode};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The host scope's name.
const HOST: &str = "host";
/// Attempts that `why` lists.
const LISTED: usize = 1_000;

/// A scope that `exec` made.
#[derive(Debug)]
struct ExecScope {
    id: ScopeId,
    name: String,
    path: PathBuf,
    limits: Limits,
}

/// All that the daemon owns.
pub struct Enforcement {
    limiter: Limiter,
    sources: Sources,
    effective: Effective,
    scopes: Vec<ExecScope>,
    exec_parent: Option<PathBuf>,
    faults: FaultLog,
    /// Where events go.
    pub announcer: Announcer,
}

/// Now, on the clock of the kernel part.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

impl Enforcement {
    /// Takes over a `limiter` that has `effective` in force.
    #[must_use]
    pub fn new(limiter: Limiter, sources: Sources, effective: Effective, announcer: Announcer) -> Self {
        Self {
            limiter,
            sources,
            effective,
            scopes: Vec::new(),
            exec_parent: None,
            faults: FaultLog::default(),
            announcer,
        }
    }

    /// A descriptor that becomes readable when attempts have begun to wait.
    ///
    /// # Errors
    /// Where the process has no descriptor left.
    pub fn held_fd(&self) -> std::io::Result<OwnedFd> {
        self.limiter.as_fd().try_clone_to_owned()
    }

    /// Takes the attempts that began to wait from the kernel part into their episodes.
    ///
    /// # Errors
    /// Where the ring buffer cannot be read.
    pub fn take_held(&mut self) -> Result<(), KernelError> {
        let Self { limiter, scopes, announcer, .. } = self;
        limiter.take_held(&mut |held| {
            let scope = scopes.iter().find(|scope| scope.id == held.scope);
            let waiter = Waiter {
                at: held.at,
                scope: scope.map_or(HOST, |scope| &scope.name),
                program: &held.program,
                destination: held.destination,
                audited: held.audited,
            };
            announcer.episodes.waits(&waiter, identity::identify);
        })
    }

    /// Reads the ledgers, writes the events that are due, and logs new faults.
    ///
    /// # Errors
    /// Where the kernel part cannot be read.
    pub fn look(&mut self) -> Result<(), KernelError> {
        self.take_held()?;
        // Narrower scopes first: the host's queue counts their waiters too, which are no sign that the host is full.
        let mut waiting_below = 0;
        let execs = self.scopes.iter().map(|scope| (scope.id, scope.name.clone(), scope.limits.half_open));
        let host = (ScopeId::HOST, HOST.to_owned(), self.host_limits().half_open);
        for (id, name, limit) in execs.chain([host]).collect::<Vec<_>>() {
            let ledger = self.limiter.ledger(id)?;
            let waiting = if id == ScopeId::HOST {
                ledger.queued.saturating_sub(waiting_below)
            } else {
                waiting_below += ledger.queued;
                ledger.queued
            };
            if let Some(report) =
                self.announcer.episodes.look(monotonic(), &name, waiting, ledger.last_waiter)
            {
                self.announcer.announce(report, limit, ledger.queued);
            }
        }
        for line in self.faults.due(monotonic(), &self.limiter.faults()?) {
            tracing::warn!("{line}");
        }
        Ok(())
    }

    /// Has the kernel part count its sockets and correct its ledger.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn recount(&self) -> Result<(), KernelError> {
        self.limiter.recount()
    }

    /// Re-reads the files. Values set live and not saved are dropped, and the log says which.
    ///
    /// # Errors
    /// [`ConfigError`], or where the kernel part refuses; what was in force still is.
    pub fn reload(&mut self) -> Result<()> {
        let again = self.sources.load()?;
        self.limiter.apply(&again.settings())?;
        for dropped in self.effective.live() {
            if let Some((now, origin)) = again.get(dropped.key()) {
                tracing::warn!(
                    "{} = {} was set without --save and is dropped: now {} ({origin})",
                    dropped.key(),
                    dropped.show(),
                    now.show()
                );
            }
        }
        self.effective = again;
        tracing::info!(
            "{}: read again, config_hash {}",
            self.sources.path().display(),
            self.effective.hash()
        );
        Ok(())
    }

    /// All numbers.
    ///
    /// # Errors
    /// Where the kernel part cannot be read.
    pub fn status(&self) -> Result<Status> {
        let scope = |id, name: &str, limits: &Limits| {
            Ok::<_, KernelError>(ScopeStatus::new(name, limits, &self.limiter.ledger(id)?))
        };
        let scopes = self.scopes.iter().map(|exec| scope(exec.id, &exec.name, &exec.limits));
        let faults = self.limiter.faults()?;
        Ok(Status {
            mode: setting::mode_name(self.effective.settings().mode).into(),
            preset: self.shown(Key::Preset),
            persist: false,
            config_hash: self.effective.hash(),
            host: scope(ScopeId::HOST, HOST, &self.host_limits())?,
            scopes: scopes.collect::<Result<_, _>>()?,
            faults: faults.iter().map(FaultStatus::from).collect(),
            degraded: self.degraded(),
            pid: std::process::id(),
        })
    }

    /// The value that `name` has.
    ///
    /// # Errors
    /// For a wrong name.
    pub fn get(&self, name: &str) -> Result<String> {
        Ok(match read_name(name)? {
            Name::Key(key) => self.shown(key),
            Name::TcpNumConnections => setting::tcp_num_connections(self.host_limits().half_open).to_string(),
            Name::Scope(scope, key) => Limit::of(&self.limits_of(&scope)?, key).show(),
        })
    }

    /// Puts a value in force, and saves it where asked to.
    ///
    /// # Errors
    /// For a wrong name or value, where it cannot be saved, and where the kernel part refuses; nothing has changed.
    pub fn set(&mut self, name: &str, value: &str, save: bool) -> Result<Answer> {
        match read_name(name)? {
            Name::Scope(..) if save => {
                Err(ConfigError::Given { given: "set --save".into(), wrong: Wrong::ScopeIsPassing }.into())
            }
            Name::Scope(scope, key) => self.set_scope(&scope, key, value),
            key => self.set_key(&read_setting(&key, value)?, save),
        }
    }

    fn set_key(&mut self, setting: &Setting, save: bool) -> Result<Answer> {
        let (key, was) = (setting.key(), self.shown(setting.key()));
        let path = save::local_file(self.sources.path());
        let prepared = save.then(|| save::prepare(&path, setting)).transpose()?;
        let mut changed = self.effective.clone();
        changed.put(setting.clone(), Origin::Live);
        self.limiter.apply(&changed.settings())?;
        self.effective = changed;
        let mut note = None;
        if let Some(prepared) = prepared {
            prepared
                .commit()
                .with_context(|| format!("{key} = {} is in force but not saved", setting.show()))?;
            note = match self.sources.load() {
                Ok(again) => match again.get(key) {
                    Some((saved, origin)) if saved == setting => {
                        self.effective.put(setting.clone(), origin.clone());
                        None
                    }
                    Some((other, origin)) => {
                        Some(format!("{origin} overrides it: {} holds after a reload", other.show()))
                    }
                    None => None,
                },
                Err(e) => Some(format!("the files cannot be read again as they are: {e}")),
            };
        }
        tracing::info!("{key} = {} (was {was})", setting.show());
        let saved = save.then_some(path);
        Ok(Answer::Changed { name: key.to_string(), was, now: setting.show(), saved, note })
    }

    fn set_scope(&mut self, scope: &str, key: LimitKey, value: &str) -> Result<Answer> {
        let name = format!("scope.{scope}.{}", key.name());
        let limit = Limit::from_text(key, &name, value)
            .map_err(|e| ConfigError::Given { given: "set".into(), wrong: e.into() })?;
        let mut limits = self.limits_of(scope)?;
        let was = Limit::of(&limits, key).show();
        limit.apply(&mut limits);
        if scope == HOST {
            return self.set_key(&Setting::Host(limit), false);
        }
        if let Some(exec) = self.scopes.iter_mut().find(|exec| exec.name == scope) {
            self.limiter.set_scope(exec.id, &limits)?;
            exec.limits = limits;
        }
        Ok(Answer::Changed { name, was, now: limit.show(), saved: None, note: None })
    }

    /// Makes a scope for the process `peer`. Limits not given are the host's as they are now.
    ///
    /// # Errors
    /// For a wrong value, and where no scope or cgroup can be made.
    pub fn begin_scope(
        &mut self,
        peer: u32,
        half_open: Option<&str>,
        drain: Option<&str>,
    ) -> Result<(String, PathBuf)> {
        let mut limits = self.host_limits();
        let given = [(LimitKey::HalfOpen, "--half-open", half_open), (LimitKey::Drain, "--drain", drain)];
        for (key, option, value) in given {
            if let Some(value) = value {
                Limit::from_text(key, option, value)
                    .map_err(|e| ConfigError::Given { given: "exec".into(), wrong: e.into() })?
                    .apply(&mut limits);
            }
        }
        let name = format!("exec-{peer}");
        if self.scopes.iter().any(|scope| scope.name == name) {
            return Err(WrongUse(format!("process {peer} already has the scope {name}")).into());
        }
        let parent = self.limiter.exec_parent()?;
        self.exec_parent = Some(parent.clone());
        let path = exec_cgroup::make(&parent, &name)?;
        match self.limiter.add_scope(&path, &limits) {
            Ok(id) => self.scopes.push(ExecScope { id, name: name.clone(), path: path.clone(), limits }),
            Err(e) => {
                exec_cgroup::remove(&path)?;
                return Err(e.into());
            }
        }
        Ok((name, path))
    }

    /// Ends a scope. Processes left in it go to the parent cgroup.
    ///
    /// # Errors
    /// Where its cgroup cannot be removed; the scope has ended all the same.
    pub fn end_scope(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.scopes.iter().position(|scope| scope.name == name) else { return Ok(()) };
        let scope = self.scopes.swap_remove(at);
        if let Some(report) = self.announcer.episodes.remove(name) {
            self.announcer.announce(report, scope.limits.half_open, 0);
        }
        self.limiter.remove_scope(scope.id)?;
        exec_cgroup::remove(&scope.path)
    }

    /// The attempts of a program or to a destination, and what they wait for.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn why(&self, subject: Subject) -> Result<Why> {
        let status = self.status()?;
        let mut found: Vec<Attempt> = self.limiter.attempts()?;
        found.retain(|attempt| match subject {
            Subject::Pid(pid) => attempt.program.pid == pid,
            Subject::Address(address) => attempt.destination.ip() == address,
            Subject::Destination(destination) => attempt.destination == destination,
        });
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        let attempts = found.iter().take(LISTED).map(|attempt| self.explained(attempt, &status)).collect();
        Ok(Why { host: status.host, note: self.note_on(subject), in_all: found.len(), attempts })
    }

    fn explained(&self, attempt: &Attempt, status: &Status) -> AttemptStatus {
        let exec = attempt.scope.and_then(|id| self.scopes.iter().find(|scope| scope.id == id));
        let waits_for = (attempt.state == AttemptState::Queued).then(|| {
            let host = (&status.host, self.host_limits().strict);
            let narrower = exec.and_then(|exec| {
                let numbers = status.scopes.iter().find(|scope| scope.name == exec.name)?;
                (numbers.queued > 0).then_some((numbers, exec.limits.strict))
            });
            let (numbers, strict) = narrower.unwrap_or(host);
            numbers.waited_for(strict)
        });
        AttemptStatus::new(attempt, exec.map(|exec| exec.name.as_str()), waits_for)
    }

    fn note_on(&self, subject: Subject) -> Option<String> {
        let settings = self.effective.settings();
        let address = match subject {
            Subject::Pid(_) => None,
            Subject::Address(address) => Some(address),
            Subject::Destination(destination) => Some(destination.ip()),
        };
        let exempt =
            address.and_then(|address| settings.exempt.iter().find(|prefix| prefix.contains(&address)));
        match (settings.mode, exempt) {
            (_, Some(prefix)) => {
                Some(format!("{prefix} is exempt: attempts to it are never counted or held"))
            }
            (Mode::Audit, None) => Some("mode is audit: nothing is held".into()),
            (Mode::Off, None) => Some("mode is off: nothing is held or counted".into()),
            (Mode::Enforce, None) => None,
        }
    }

    /// Ends enforcement: every held attempt is let go.
    ///
    /// # Errors
    /// Where the kernel part could not restore every socket; enforcement has ended all the same.
    pub fn finish(mut self) -> Result<EnforcementStopped, KernelError> {
        for name in self.scopes.iter().map(|scope| scope.name.clone()).collect::<Vec<_>>() {
            if let Err(e) = self.end_scope(&name) {
                tracing::warn!("ending {name}: {}", explained(&e));
            }
        }
        let stopped = self.limiter.let_go();
        if let Some(parent) = self.exec_parent.filter(|parent| fs::exists(parent).unwrap_or(false))
            && let Err(e) = exec_cgroup::remove(&parent)
        {
            tracing::warn!("{}", explained(&e));
        }
        stopped
    }

    fn host_limits(&self) -> Limits {
        self.effective.settings().host
    }

    fn limits_of(&self, scope: &str) -> Result<Limits> {
        if scope == HOST {
            return Ok(self.host_limits());
        }
        let exec = self.scopes.iter().find(|exec| exec.name == scope);
        exec.map(|exec| exec.limits).ok_or_else(|| {
            let names = self.scopes.iter().map(|exec| exec.name.as_str());
            let names = std::iter::once(HOST).chain(names).collect::<Vec<_>>().join(", ");
            anyhow!(WrongUse(format!("there is no scope {scope:?}: the scopes are {names}")))
        })
    }

    fn shown(&self, key: Key) -> String {
        self.effective.get(key).map_or_else(String::new, |(setting, _)| setting.show())
    }

    fn degraded(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.effective.settings().mode {
            Mode::Enforce => {}
            Mode::Audit => reasons.push("mode is audit: nothing is held".into()),
            Mode::Off => reasons.push("mode is off: nothing is held or counted".into()),
        }
        if !self.announcer.log_reached() {
            reasons
                .push("no system log takes events: they are on stderr and in `halfopen events` only".into());
        }
        reasons
    }
}
