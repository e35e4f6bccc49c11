//! The configuration: files, what the command line sets on top, and what holds in the end.
//!
//! A live `set` that was not saved lasts until SIGHUP or the daemon's end: the files and `--set` are the truth that a
//! reload returns to, so that two hosts with the same files are alike after it.

pub mod accounts;
pub mod disk;
pub mod effective;
pub mod error;
pub mod essential;
mod essential_shipped;
pub mod file;
pub mod key;
pub mod place;
pub mod save;
pub mod setting;

#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use disk::{Disk, OwnRights};
pub use effective::Effective;
pub use error::{ConfigError, Wrong};
pub use essential::EssentialList;
pub use key::{Key, LimitKey, Name};
pub use place::{Origin, Place};
pub use setting::{Limit, Setting};

use std::io;
use std::path::{Path, PathBuf};

/// The configuration file where none is named.
pub const DEFAULT_FILE: &str = "/etc/halfopen/halfopen.toml";

/// What the shipped configuration file says.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Where a configuration comes from; read anew at each [`Sources::load`].
#[derive(Debug, Clone)]
pub struct Sources {
    path: PathBuf,
    must_exist: bool,
    overrides: Vec<Setting>,
}

impl Sources {
    /// `file` or else [`DEFAULT_FILE`], meant from the working directory, and `--set KEY=VALUE` on top.
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
    /// The first thing that is wrong.
    pub fn load(&self) -> Result<Effective, ConfigError> {
        self.load_from(&mut OwnRights)
    }

    /// Reads all files.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load_from(&self, disk: &mut dyn Disk) -> Result<Effective, ConfigError> {
        Accounts::read_anew(disk);
        let mut effective = Effective::default();
        for path in [vec![self.path.clone()], self.conf_d_files(disk)?].concat() {
            let Some(layer) = file::read(disk, &path)? else {
                if path == self.path && !self.must_exist {
                    continue;
                }
                return Err(unreadable(&path, rustix::io::Errno::NOENT.into()));
            };
            for (setting, place) in layer {
                effective.put(setting, Origin::File(place));
            }
        }
        for setting in &self.overrides {
            effective.put(setting.clone(), Origin::CommandLine);
        }
        Ok(effective)
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

/// Reads NAME and VALUE as `set` takes them, where the name is not a scope's.
///
/// # Errors
/// [`ConfigError::Given`].
pub fn read_setting(name: &Name, value: &str) -> Result<Setting, ConfigError> {
    let read = match name {
        Name::Key(key) => Setting::from_text(*key, value).map_err(Wrong::from),
        Name::TcpNumConnections => {
            Limit::from_tcp_num_connections(value).map(Setting::Host).map_err(Wrong::from)
        }
        Name::Scope(..) => Err(Wrong::ScopeIsPassing),
    };
    read.map_err(|wrong| ConfigError::Given { given: "set".into(), wrong })
}

/// Reads NAME as `get` and `set` take it.
///
/// # Errors
/// [`ConfigError::Given`] with the nearest name there is.
pub fn read_name(name: &str) -> Result<Name, ConfigError> {
    Name::read(name).map_err(|e| ConfigError::Given { given: name.to_owned(), wrong: e.into() })
}

fn read_set(set: &str) -> Result<Setting, ConfigError> {
    let given = |wrong| ConfigError::Given { given: format!("--set {set}"), wrong };
    let (name, value) = set.split_once('=').ok_or_else(|| given(Wrong::NoValue))?;
    let name = Name::read(name.trim()).map_err(|e| given(e.into()))?;
    read_setting(&name, value.trim()).map_err(|e| match e {
        ConfigError::Given { wrong, .. } => given(wrong),
        other => other,
    })
}

fn unreadable(path: &Path, reason: io::Error) -> ConfigError {
    ConfigError::Unreadable { place: Place::in_text(path, "", 0), reason }
}
