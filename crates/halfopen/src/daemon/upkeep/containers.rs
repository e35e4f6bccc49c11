//! Containers that rules name: they start and end while the rules are in force.

use crate::config::{Disk, containers};
use crate::daemon::enforcement::Enforcement;
use crate::events::text::plain;
use anyhow::Result;

impl Enforcement {
    /// Looks where the containers are that rules name, and puts the rules in force for those that run now.
    ///
    /// # Errors
    /// If there is no room for them, or if the kernel part refuses. The previous ones then stay in force.
    pub(in crate::daemon) fn follow_containers(&mut self) -> Result<()> {
        let wanted = self.resolved.containers();
        let helper = &mut self.means.helper;
        let changed = containers::look_for(&wanted, |wanted| helper.containers(wanted));
        if changed.is_empty() {
            return Ok(());
        }
        let now = self.resolved.with_containers_of_now().map_err(anyhow::Error::from);
        let put = now.and_then(|now| Ok(self.put_in_force(&self.settings_on_trial(&now)).map(|()| now)?));
        self.is_in_force(put.inspect_err(|_| containers::forget())?);
        for (wanted, running) in changed {
            let running = if running.is_empty() { "none".to_owned() } else { running.join(", ") };
            tracing::info!(
                "containers that rules name have started or ended: of {wanted}, now {}",
                plain(&running)
            );
        }
        Ok(())
    }
}
