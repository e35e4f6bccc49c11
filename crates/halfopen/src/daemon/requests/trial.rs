//! Enforcing on trial. The kernel part keeps the deadline, so the trial ends on time even if this process hangs or is
//! gone, or if the session that began it has ended. The daemon keeps only the configured mode, which the trial
//! overrides.

use crate::config::general::MODE;
use crate::config::value::Typed;
use crate::config::{Assignment, Name, Origin, Resolved, Words};
use crate::control::trial::LONGEST;
use crate::control::{Answer, TrialOrder, TrialStatus, status::span};
use crate::daemon::enforcement::Enforcement;
use crate::exit::WrongUse;
use crate::utc_time::UtcTime;
use anyhow::Result;
use halfopen_bpf::{KernelError, Settings, monotonic};
use halfopen_policy::Mode;
use std::time::Duration;

impl Enforcement {
    /// Begins or renews, confirms or cancels a trial.
    ///
    /// # Errors
    /// If there is nothing to try, confirm or cancel, or if the kernel part refuses. Nothing has changed then.
    pub fn trial(&mut self, order: TrialOrder) -> Result<Answer> {
        match order {
            TrialOrder::Begin(millis) => self.begin_trial(Duration::from_millis(millis).min(LONGEST))?,
            TrialOrder::Confirm => {
                self.must_be_on_trial("confirm")?;
                let enforce = Assignment::Value(Name::of(None, MODE), Mode::Enforce.value());
                let confirmed = self.resolved.with(enforce, Origin::Live)?;
                self.put_in_force(&confirmed.settings())?;
                self.is_in_force(confirmed);
                tracing::info!("mode enforce is confirmed: it stays in force");
            }
            TrialOrder::Cancel => {
                self.must_be_on_trial("cancel")?;
                self.put_in_force(&self.resolved.settings())?;
                tracing::info!(
                    "the trial of mode enforce is cancelled: mode is {} again",
                    self.configured_mode()
                );
            }
        }
        Ok(Answer::Trial { mode: self.mode_now().into(), trial: self.trial_status() })
    }

    fn begin_trial(&mut self, time: Duration) -> Result<()> {
        if self.resolved.general().mode == Mode::Enforce {
            let (_, origin) = self.resolved.shown_of_host(MODE);
            return Err(WrongUse(format!(
                "mode is already enforce ({origin}): there is no other mode to revert to"
            ))
            .into());
        }
        let settings = Settings { enforce_until: Some(monotonic() + time), ..self.resolved.settings() };
        self.put_in_force(&settings)?;
        tracing::info!(
            "mode is enforce for {}, then {} again unless confirmed",
            span(time.as_secs()),
            self.configured_mode()
        );
        Ok(())
    }

    fn must_be_on_trial(&self, to: &str) -> Result<()> {
        let none = || {
            let message = format!(
                "there is nothing to {to}: mode is {} and not on trial; `halfopen enforce --for 10m` begins a trial",
                self.mode_now().word()
            );
            WrongUse(message).into()
        };
        self.trial_left().map(drop).ok_or_else(none)
    }

    /// The time left of the trial; `None` if there is no trial.
    fn trial_left(&self) -> Option<Duration> {
        let left = self.limiter.enforce_until()?.saturating_sub(monotonic());
        (!left.is_zero()).then_some(left)
    }

    pub(in crate::daemon) fn trial_status(&self) -> Option<TrialStatus> {
        let left = self.trial_left()?;
        Some(TrialStatus {
            reverts_at: UtcTime::ahead(left),
            reverts_in_ms: left.as_millis() as u64,
            to: self.resolved.general().mode.into(),
        })
    }

    fn configured_mode(&self) -> &'static str {
        self.resolved.general().mode.word()
    }

    /// The mode in force.
    pub(in crate::daemon) fn mode_now(&self) -> Mode {
        if self.trial_left().is_some() { Mode::Enforce } else { self.resolved.general().mode }
    }

    /// The settings of `resolved` with a trial that may be running. The trial goes on, unless `resolved` enforces
    /// itself.
    pub(in crate::daemon) fn settings_on_trial(&self, resolved: &Resolved) -> Settings {
        let settings = resolved.settings();
        let on_trial = self.trial_left().is_some();
        if on_trial && settings.mode == Mode::Enforce {
            tracing::info!("mode is enforce as configured: the trial is over");
            return settings;
        }
        Settings { enforce_until: self.limiter.enforce_until().filter(|_| on_trial), ..settings }
    }

    /// Logs the end of a trial, once it has ended.
    ///
    /// # Errors
    /// If the kernel part cannot be written. The next call tries again.
    pub(in crate::daemon) fn end_trial(&mut self) -> Result<(), KernelError> {
        if self.limiter.enforce_until().is_none() || self.trial_left().is_some() {
            return Ok(());
        }
        self.put_in_force(&self.resolved.settings())?;
        tracing::warn!(
            "nobody confirmed mode enforce in time: mode is {} again, and held attempts are let go",
            self.configured_mode()
        );
        Ok(())
    }

    /// Logs what has become of the trial of an earlier daemon, which was to end at `until`.
    pub(in crate::daemon) fn take_over_trial(&self, until: Duration) {
        match self.trial_status() {
            Some(trial) => tracing::info!("the trial of mode enforce goes on: it {trial}"),
            None if self.resolved.general().mode == Mode::Enforce => {
                tracing::info!("mode is enforce as configured: the trial is over");
            }
            None => tracing::warn!(
                "nobody confirmed mode enforce in time: the trial ended {:.1} s ago, and mode is {}",
                monotonic().saturating_sub(until).as_secs_f64(),
                self.configured_mode()
            ),
        }
    }
}
