//! Users whom nobody knew when the configuration was read: the daemon starts before the network, and so often before
//! the name service.

use crate::daemon::enforcement::Enforcement;
use anyhow::Result;
use halfopen_bpf::monotonic;

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
        self.is_in_force(again);
        tracing::info!("users or files that rules name were found: the rules match them from now on");
        Ok(())
    }
}
