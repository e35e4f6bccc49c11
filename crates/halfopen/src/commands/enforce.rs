//! `enforce`: enforcing on trial.

use super::{ask, set};
use crate::cli::Enforce;
use crate::control::{Answer, Request, TrialOrder};
use crate::output;
use anyhow::{Context, Result};

pub fn enforce(enforce: &Enforce) -> Result<()> {
    let order = match enforce.time {
        Some(time) => TrialOrder::Begin(time.as_millis() as u64),
        None if enforce.confirm => TrialOrder::Confirm,
        None => TrialOrder::Cancel,
    };
    let (mode, trial) = match ask(&Request::Enforce(order))? {
        (_, Answer::Trial { mode, trial }) => (mode, trial),
        (client, other) => return Err(client.unexpected(&other).into()),
    };
    match (order, trial) {
        (_, Some(trial)) => output::line(&format!("mode {mode}: {trial}"))?,
        (TrialOrder::Confirm, None) if !enforce.save => output::line(&format!(
            "mode {mode} stays until SIGHUP or until the daemon ends: `halfopen set --save mode {mode}` keeps it for \
             good"
        ))?,
        (TrialOrder::Confirm, None) => output::line(&format!("mode {mode} stays"))?,
        (_, None) => {
            output::line(&format!("mode is {mode} again: held attempts go out at their next re-check"))?;
        }
    }
    if enforce.save {
        set::set("mode".into(), mode.to_string(), true, false)
            .context("mode enforce is confirmed but not saved")?;
    }
    Ok(())
}
