//! `set`: changes a value while the limit runs, and says whether anything has changed.

use super::ask;
use crate::config::name::is_of_exec;
use crate::config::{ConfigError, RuleName, Wrong, read_name, read_said, save};
use crate::control::{Answer, Request};
use crate::output;
use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `set --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Set {
    /// The key.
    pub name: String,
    /// Whether the value in force, or with `--save` the file, is now another than before.
    pub changed: bool,
    /// The value in force before; `not set` for an interface without that limit.
    pub was: String,
    /// The value in force.
    pub now: String,
    /// The file that the value is saved in; `None` without `--save`.
    pub saved_to: Option<PathBuf>,
    /// What else to know, for people, such as that another file overrides the saved value.
    pub note: Option<String>,
}

pub fn set(name: String, value: String, save: bool, json: bool) -> Result<()> {
    let set = change(name, value, save)?;
    if json {
        return output::line(&serde_json::to_string(&set)?);
    }
    let saved = set.saved_to.map(|path| format!(", saved to {}", path.display())).unwrap_or_default();
    output::line(&format!("{} = {} (was {}){saved}", set.name, set.now, set.was))?;
    if let Some(note) = set.note {
        output::error_line(&format!("halfopen: {note}"));
    }
    Ok(())
}

/// Puts the value in force, and with `save` into the daemon's file.
pub fn change(name: String, value: String, save: bool) -> Result<Set> {
    // The file is prepared first: a value that cannot be saved is not put in force.
    let prepared = save.then(|| prepare(&name, &value)).transpose()?;
    let (key, was, now) = match ask(&Request::Set { name: name.clone(), value, save, dry_run: false })? {
        (_, Answer::Changed { name, was, now, .. }) => (name, was, now),
        (client, other) => return Err(client.unexpected(&other).into()),
    };
    let mut set = Set { changed: was != now, name: key, was, now, saved_to: None, note: None };
    if let Some((prepared, path)) = prepared {
        set.changed |= prepared.is_other();
        let of = || format!("{} = {} is in force but not saved", set.name, set.now);
        prepared.commit().with_context(of)?;
        set.saved_to = Some(path);
        set.note = match ask(&Request::Saved { name })? {
            (_, Answer::Saved { note }) => note,
            (client, other) => return Err(client.unexpected(&other).into()),
        };
    }
    Ok(set)
}

/// A new version of the daemon's file with the value in it, and the file's path. The daemon itself may not write files.
fn prepare(name: &str, value: &str) -> Result<(save::Prepared, PathBuf)> {
    let name = read_name(name)?;
    if matches!(&name.rule, Some(RuleName::Scope(scope)) if is_of_exec(scope)) {
        let given = name.to_string();
        return Err(ConfigError::Given { given, wrong: Wrong::ScopeIsPassing }.into());
    }
    let said = read_said(&name, value)?;
    let path = match ask(&Request::LocalFile)? {
        (_, Answer::LocalFile { path }) => path,
        (client, other) => return Err(client.unexpected(&other).into()),
    };
    Ok((save::prepare(&path, &said)?, path))
}
