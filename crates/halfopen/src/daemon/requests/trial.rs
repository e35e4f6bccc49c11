//! Enforcing on trial. The kernel part itself knows the end: it comes although this process hangs or is gone, and no
//! session of the one who began it is needed. Only the configured mode is kept here; the trial stands above it.

use crate::config::{Assignment, Key, Origin, Resolved, Setting, setting::mode_name};
use crate::control::trial::LONGEST;
use crate::control::{Answer, TrialOrder, TrialStatus, status::span};
use crate::daemon::clock::monotonic;
use crate::daemon::enforcement::Enforcement;
use crate::events::record::written_time;
use crate::exit::WrongUse;
use anyhow::Result;
use halfopen_bpf::{KernelError, Settings};
use halfopen_policy::Mode;
use jiff::Timestamp;
use std::time::Duration;

impl Enforcement {
    /// Begins or renews, confirms or cancels a trial.
    ///
    /// # Errors
    /// Where there is nothing to try, confirm or cancel, and where the kernel part refuses; nothing has changed.
    pub fn trial(&mut self, order: TrialOrder) -> Result<Answer> {
        match order {
            TrialOrder::Begin(millis) => self.begin_trial(Duration::from_millis(millis).min(LONGEST))?,
            TrialOrder::Confirm => {
                self.must_be_on_trial("confirm")?;
                let enforce = Assignment::Setting(Setting::Mode(Mode::Enforce));
                let confirmed = self.resolved.with(enforce, Origin::Live)?;
                self.put_in_force(&confirmed.settings())?;
                self.resolved = confirmed;
                tracing::info!("mode enforce is confirmed and stays");
            }
            TrialOrder::Cancel => {
                self.must_be_on_trial("cancel")?;
                self.put_in_force(&self.resolved.settings())?;
                tracing::info!("mode enforce is cancelled: mode is {} again", self.configured_mode());
            }
        }
        Ok(Answer::Trial { mode: mode_name(self.mode_now()).to_owned(), trial: self.trial_status() })
    }

    fn begin_trial(&mut self, time: Duration) -> Result<()> {
        if self.resolved.settings().mode == Mode::Enforce {
            let origin =
                self.resolved.get(Key::Mode).map_or_else(String::new, |(_, origin)| origin.to_string());
            return Err(WrongUse(format!(
                "mode is enforce already ({origin}): there is nothing to revert to"
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
                "there is nothing to {to}: mode is {} and not on trial; `halfopen enforce --for 10m` begins one",
                mode_name(self.mode_now())
            );
            WrongUse(message).into()
        };
        self.trial_left().map(drop).ok_or_else(none)
    }

    /// How long a trial has still to run; `None` where none does.
    fn trial_left(&self) -> Option<Duration> {
        let left = self.limiter.enforce_until()?.saturating_sub(monotonic());
        (!left.is_zero()).then_some(left)
    }

    pub(in crate::daemon) fn trial_status(&self) -> Option<TrialStatus> {
        let left = self.trial_left()?;
        let now = Timestamp::now();
        Some(TrialStatus {
            reverts_at: written_time(now.checked_add(left).unwrap_or(now)),
            reverts_in_ms: left.as_millis() as u64,
            to: self.configured_mode().to_owned(),
        })
    }

    fn configured_mode(&self) -> &'static str {
        mode_name(self.resolved.settings().mode)
    }

    /// The mode in force.
    pub(in crate::daemon) fn mode_now(&self) -> Mode {
        if self.trial_left().is_some() { Mode::Enforce } else { self.resolved.settings().mode }
    }

    /// What `effective` comes to while a trial may run: it goes on, unless that mode is what it tries.
    pub(in crate::daemon) fn settings_on_trial(&self, resolved: &Resolved) -> Settings {
        let settings = resolved.settings();
        let on_trial = self.trial_left().is_some();
        if on_trial && settings.mode == Mode::Enforce {
            tracing::info!("mode is enforce as configured: the trial of it is over");
            return settings;
        }
        Settings { enforce_until: self.limiter.enforce_until().filter(|_| on_trial), ..settings }
    }

    /// Says that a trial has ended, once it has.
    ///
    /// # Errors
    /// Where the kernel part cannot be written; it will be tried again.
    pub(in crate::daemon) fn end_trial(&mut self) -> Result<(), KernelError> {
        if self.limiter.enforce_until().is_none() || self.trial_left().is_some() {
            return Ok(());
        }
        self.put_in_force(&self.resolved.settings())?;
        tracing::warn!(
            "mode enforce was not confirmed in time: mode is {} again, held attempts are let go",
            self.configured_mode()
        );
        Ok(())
    }

    /// Says what has become of the trial of an earlier daemon, which was to end at `until`.
    pub(in crate::daemon) fn take_over_trial(&self, until: Duration) {
        match self.trial_status() {
            Some(trial) => tracing::info!("the trial of mode enforce goes on: it {trial}"),
            None if self.resolved.settings().mode == Mode::Enforce => {
                tracing::info!("mode is enforce as configured: the trial of it is over");
            }
            None => tracing::warn!(
                "mode enforce was not confirmed in time and ended {:.1} s ago: mode is {}",
                monotonic().saturating_sub(until).as_secs_f64(),
                self.configured_mode()
            ),
        }
    }
}
