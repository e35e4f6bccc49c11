//! `check`: the values that result from the configuration, and what is probably not as it was meant.

use crate::config::{Remark, Resolved, Sources};
use crate::control::SettingShown;
use crate::exit::explained;
use crate::name_service::finding_users_here;
use crate::output;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `check --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Equal for equal values on every host; `None` if there is a mistake.
    pub config_hash: Option<String>,
    /// The first mistake, with its place, for people: the exit code is then 1 or 2, and the lists are empty.
    pub mistake: Option<String>,
    /// What is accepted but probably not meant.
    pub warnings: Vec<Remark>,
    /// What rules inherit and loosen, and whose accounts they have.
    pub notes: Vec<Remark>,
    /// All values that a file, a preset or the command line gives.
    pub settings: Vec<SettingShown>,
}

pub fn check(config: Option<PathBuf>, json: bool) -> Result<()> {
    let sources = Sources::new(config, &[])?;
    let resolved = finding_users_here(|| sources.load()).map_err(anyhow::Error::from);
    if json {
        output::line(&serde_json::to_string(&checked(resolved.as_ref()))?)?;
    }
    let resolved = resolved?;
    if !json {
        output::line(&format!("# config_hash {}\n{}", resolved.hash(), resolved.to_toml().trim_end()))?;
    }
    for warning in resolved.remarks().iter().filter(|remark| remark.is_warning()) {
        output::error_line(&format!("warning: {warning}"));
    }
    Ok(())
}

fn checked(resolved: Result<&Resolved, &anyhow::Error>) -> Checked {
    match resolved {
        Ok(resolved) => {
            let (warnings, notes) = resolved.remarks().into_iter().partition(Remark::is_warning);
            Checked {
                config_hash: Some(resolved.hash()),
                mistake: None,
                warnings,
                notes,
                settings: SettingShown::all(resolved),
            }
        }
        Err(mistake) => Checked {
            config_hash: None,
            mistake: Some(explained(mistake)),
            warnings: Vec::new(),
            notes: Vec::new(),
            settings: Vec::new(),
        },
    }
}
