//! The configuration: the files, the values that the command line sets on top, and the values that result.
//!
//! A value that `set` changed without saving lasts until SIGHUP or until the daemon ends. A reload returns to the files
//! and `--set`, so that two hosts with the same files are alike after it.
//!
//! A preset is a file that is part of the program. It is read before all others, and its rules are tried after theirs.

pub mod accounts;
pub mod assignment;
mod check;
pub mod collector_url;
mod comm;
pub mod container_files;
pub mod container_sources;
pub mod containers;
pub mod dashboard;
pub mod disk;
pub mod error;
pub mod events;
pub mod file;
pub mod form;
pub mod general;
mod hint;
pub mod history;
mod inherited;
pub mod key;
mod laxer;
pub mod limits;
pub mod metrics;
pub mod name;
pub mod never_hold;
mod never_hold_shipped;
pub mod otlp;
pub mod pattern;
pub mod per_destination;
pub mod place;
mod ports;
pub mod preset;
mod preset_layer;
pub mod quota;
pub mod remark;
mod remarks;
pub mod resolved;
pub mod resolvers;
pub mod rule_keys;
pub mod rules;
pub mod sample;
pub mod save;
pub mod tables;
mod unmatched;
pub mod value;
pub mod values;
pub mod who;
mod whose_account;
mod without_effect;
mod written;

#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use assignment::Assignment;
pub use collector_url::CollectorUrl;
pub use containers::Containers;
pub use disk::{Disk, OwnRights};
pub use error::{ConfigError, Wrong};
pub use hint::alike;
pub use key::{Key, Table};
pub use name::{Name, RuleName};
pub use pattern::CgroupPattern;
pub use place::{Origin, Place};
pub use preset::Preset;
pub use remark::{Remark, RemarkKind};
pub use resolved::Resolved;
pub use rules::{Rule, Rules};
pub use sample::sample;
pub use value::{Action, Value, Words};

use std::io;
use std::path::{Path, PathBuf};

/// The configuration file if none is named.
pub const DEFAULT_FILE: &str = "/etc/halfopen/halfopen.toml";

/// The sources of a configuration. Each [`Sources::load`] reads them again.
#[derive(Debug, Clone)]
pub struct Sources {
    path: PathBuf,
    must_exist: bool,
    overrides: Vec<Assignment>,
}

impl Sources {
    /// `file` (relative to the working directory) or else [`DEFAULT_FILE`], with `--set KEY=VALUE` on top.
    ///
    /// # Errors
    /// [`ConfigError::Given`] for a wrong `--set`.
    pub fn new(file: Option<PathBuf>, sets: &[String]) -> Result<Self, ConfigError> {
        let overrides = sets.iter().map(|set| read_set(set)).collect::<Result<_, _>>()?;
        Ok(Self { must_exist: file.is_some(), path: file.unwrap_or_else(|| DEFAULT_FILE.into()), overrides })
    }

    /// The main file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all files with the rights of this process.
    ///
    /// # Errors
    /// The first mistake.
    pub fn load(&self) -> Result<Resolved, ConfigError> {
        self.load_from(&mut OwnRights)
    }

    /// Reads all files.
    ///
    /// # Errors
    /// The first mistake.
    pub fn load_from(&self, disk: &mut dyn Disk) -> Result<Resolved, ConfigError> {
        let first = self.read(disk)?;
        let found = containers::look_for(&first.containers(), |wanted| disk.containers(wanted));
        if found.is_empty() { Ok(first) } else { first.with_containers_of_now() }
    }

    fn read(&self, disk: &mut dyn Disk) -> Result<Resolved, ConfigError> {
        Accounts::read_anew(disk);
        let mut said = Vec::new();
        for path in [vec![self.path.clone()], self.conf_d_files(disk)?].concat() {
            let Some(layer) = file::read(disk, &path)? else {
                if path == self.path && !self.must_exist {
                    continue;
                }
                return Err(unreadable(&path, rustix::io::Errno::NOENT.into()));
            };
            said.extend(layer.into_iter().map(|(said, place)| (said, Origin::File(place))));
        }
        said.extend(self.overrides.iter().map(|said| (said.clone(), Origin::CommandLine)));
        Resolved::of(said)
    }

    fn conf_d_files(&self, disk: &mut dyn Disk) -> Result<Vec<PathBuf>, ConfigError> {
        let directory = conf_d(&self.path);
        let mut files = match disk.list(&directory) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(&directory, e)),
        };
        files.retain(|path| disk::is_layer(path));
        files.sort();
        Ok(files)
    }
}

/// The directory of further files beside the configuration file at `config`.
#[must_use]
pub fn conf_d(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join("conf.d")
}

/// Reads NAME and VALUE as `set` takes them.
///
/// # Errors
/// [`ConfigError::Given`].
pub fn read_said(name: &Name, value: &str) -> Result<Assignment, ConfigError> {
    Assignment::read(name, value).map_err(|wrong| ConfigError::Given { given: "set".into(), wrong })
}

/// Reads NAME as `get` and `set` take it.
///
/// # Errors
/// [`ConfigError::Given`] with the nearest known name.
pub fn read_name(name: &str) -> Result<Name, ConfigError> {
    Name::read(name).map_err(|e| ConfigError::Given { given: name.to_owned(), wrong: e.into() })
}

fn read_set(set: &str) -> Result<Assignment, ConfigError> {
    let given = |wrong| ConfigError::Given { given: format!("--set {set}"), wrong };
    let (name, value) = set.split_once('=').ok_or_else(|| given(Wrong::NoValue))?;
    let name = Name::read(name.trim()).map_err(|e| given(e.into()))?;
    Assignment::read(&name, value.trim()).map_err(given)
}

fn unreadable(path: &Path, reason: io::Error) -> ConfigError {
    ConfigError::Unreadable { place: Place::in_text(path, "", 0), reason }
}
