//! What the daemon does for the dashboard, and for nobody who is not logged in there.

use crate::config::general::MODE;
use crate::config::{Table, Words, read_name};
use crate::control::{Answer, DegradedStatus, Inspected, SettingShown};
use crate::daemon::enforcement::Enforcement;
use crate::dashboard::message::{EventKey, Told, Wanted};
use crate::dashboard::{Call, Dashboard};
use crate::events::Event;
use crate::exit::{WrongUse, refusal};
use anyhow::{Context, Result, bail};
use halfopen_bpf::monotonic;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many events it shows at most.
const EVENTS: usize = 200;

impl Enforcement {
    /// Answers the dashboard from now on, if there is one. What it wants is sent to `wants`.
    pub(super) fn serve_dashboard(&mut self, wants: mpsc::Sender<Call>) {
        if let Some(dashboard) = &self.dashboard
            && let Err(e) = dashboard.serve(wants)
        {
            tracing::error!("there is no dashboard: {e}");
            self.dashboard = None;
        }
    }

    /// A way in.
    ///
    /// # Errors
    /// If there is no dashboard.
    pub(super) fn admit_to_dashboard(&self) -> Result<Answer> {
        let dashboard = self.dashboard.as_ref().context(
            "there is no dashboard: run `halfopen set --save dashboard.listen 127.0.0.1:4227`, and restart the daemon",
        )?;
        let (address, good_for) = dashboard.admit(monotonic()).map_err(anyhow::Error::msg)?;
        Ok(Answer::Dashboard { address, good_for_s: good_for.as_secs() })
    }

    pub(super) fn dashboard_not_served(&self) -> Option<DegradedStatus> {
        let why = self.dashboard.as_ref().and_then(Dashboard::not_served)?;
        Some(DegradedStatus::dashboard_not_served(&why))
    }

    /// Does what somebody who is logged in wants.
    pub(super) fn answer_dashboard(&mut self, call: Call) {
        let Call { wanted, reply } = call;
        if wanted.is_change() {
            tracing::info!("by the dashboard: {wanted:?}");
        }
        let told = self.told(wanted).unwrap_or_else(|e| Told::Answer(Box::new(refusal(&e))));
        // Whoever asked may be gone.
        let _ = reply.send(told);
    }

    fn told(&mut self, wanted: Wanted) -> Result<Told> {
        let answer = match wanted {
            Wanted::Events => return Ok(Told::Events(self.latest_events(|_| true))),
            Wanted::Event(key) => {
                return Ok(Told::Events(self.latest_events(|event| EventKey::of(event) == key)));
            }
            Wanted::Settings => Answer::Settings { settings: self.settings_now() },
            Wanted::Status => Answer::Status(Box::new(self.status()?)),
            Wanted::Inspect(account) => {
                Answer::Inspection(Box::new(self.inspect(&Inspected::Account(account))?))
            }
            Wanted::Set { name, value, was } => self.set_by_dashboard(&name, &value, &was)?,
            Wanted::Enforce(order) => self.trial(order)?,
            Wanted::Block(account, for_ms) => self.block(&account, Duration::from_millis(for_ms))?,
            Wanted::Release(account) => self.release(Some(&account))?,
        };
        Ok(Told::Answer(Box::new(answer)))
    }

    fn latest_events(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<Event> {
        let meant = self.announcer.remembered(None).into_iter().filter(|event| is_meant(event));
        let meant: Vec<Event> = meant.map(|event| Event::clone(&event)).collect();
        meant.into_iter().rev().take(EVENTS).rev().collect()
    }

    /// With the mode that is in force, which a trial may have changed.
    fn settings_now(&self) -> Vec<SettingShown> {
        let mut settings = self.settings();
        if let Some(mode) = settings.iter_mut().find(|setting| setting.name == MODE.name) {
            self.mode_now().word().clone_into(&mut mode.value);
        }
        settings
    }

    /// Limits and the mode, and nothing else: whoever takes the dashboard over must not exempt programs for good, nor
    /// reach what the configuration says of this host's files and sockets.
    fn set_by_dashboard(&mut self, name: &str, value: &str, was: &str) -> Result<Answer> {
        let key = read_name(name)?.key;
        if key.table != Table::Host && key != MODE {
            return Err(
                WrongUse(format!("{name} cannot be changed here: run `halfopen set {name} ...`")).into()
            );
        }
        let now = self.get(name)?;
        if now != was {
            bail!("{name} is {now} by now, and was {was} on the page: load the page again");
        }
        self.set(name, value, false, false)
    }
}
