//! The directories of a running daemon: its lock, its control socket, and what outlives it.

use std::path::{Path, PathBuf};

/// The environment variable that names another directory than `/run/halfopen`.
pub const VARIABLE: &str = "HALFOPEN_RUN_DIR";
const DEFAULT: &str = "/run/halfopen";

/// The runtime directory of the daemon.
#[derive(Debug, Clone)]
pub struct RuntimeDir(PathBuf);

impl RuntimeDir {
    /// The directory that [`VARIABLE`] names, or else `/run/halfopen`.
    #[must_use]
    pub fn of_this_host() -> Self {
        let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        Self(named.map_or_else(|| DEFAULT.into(), PathBuf::from))
    }

    /// The directory at `path`.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The lock file that the daemon holds. It contains the daemon's pid.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The file of remembered events, for the next daemon.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// The number of starts in a row that have failed.
    #[must_use]
    pub fn failed_starts(&self) -> PathBuf {
        self.0.join("failed-starts")
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
}

/// The environment variable that names another directory than `/sys/fs/bpf/halfopen`.
pub const PINS_VARIABLE: &str = "HALFOPEN_PIN_DIR";

/// The directory of the pinned limit.
#[must_use]
pub fn pins_of_this_host() -> PathBuf {
    let named = std::env::var_os(PINS_VARIABLE).filter(|value| !value.is_empty());
    named.map_or_else(|| halfopen_bpf::PINS.into(), PathBuf::from)
}
