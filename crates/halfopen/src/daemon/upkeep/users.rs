//! Users whom nobody knew when the configuration was read: the daemon starts before the network, and so often before
//! the name service.

use crate::daemon::enforcement::Enforcement;
use anyhow::Result;
use halfopen_bpf::monotonic;
use std::time::Duration;

/// The first pause before they are looked for again. Each is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// When to look for users again.
#[derive(Debug)]
pub(in crate::daemon) struct Search {
    next: Duration,
    pause: Duration,
}

impl Search {
    /// A search for the users of a configuration that was read at `now`.
    pub fn from(now: Duration) -> Self {
        Self { next: now + FIRST_PAUSE, pause: FIRST_PAUSE }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.next = now + self.pause;
        }
        is_due
    }
}

impl Enforcement {
    /// Looks for the users again whom rules name and nobody knew, and puts the rules of those found in force. Has no
    /// effect once the files say something else than what is in force: only SIGHUP reads such files.
    ///
    /// # Errors
    /// If the files cannot be read, or if the kernel part refuses. The previous values then stay in force.
    pub(in crate::daemon) fn look_for_users(&mut self) -> Result<()> {
        if !self.user_search.is_due(monotonic())
            || (self.resolved.unmet_rules().is_empty() && self.resolved.unmet_scopes().is_empty())
        {
            return Ok(());
        }
        let again = self.load()?;
        let (found, now) = (again.settings(), self.resolved.settings());
        if again.hash() != self.resolved.hash() || found == now {
            return Ok(());
        }
        self.put_in_force(&self.settings_on_trial(&again))?;
        self.resolved = again;
        tracing::info!("users or files that rules name were found: the rules match them from now on");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_double_up_to_an_hour() {
        let mut search = Search::from(Duration::ZERO);
        let seconds = (0..10_000).filter(|second| search.is_due(Duration::from_secs(*second)));
        assert_eq!(seconds.collect::<Vec<_>>(), [10, 30, 70, 150, 310, 630, 1_270, 2_550, 5_110, 8_710]);
    }
}
