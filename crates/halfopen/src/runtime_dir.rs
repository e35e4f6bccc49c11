//! The directories where a running daemon is found: its lock and its control socket, and what outlives it.

use std::path::{Path, PathBuf};

/// Names another directory than [`DEFAULT`].
pub const VARIABLE: &str = "HALFOPEN_RUN_DIR";
const DEFAULT: &str = "/run/halfopen";

/// The directory of this program's running daemon.
#[derive(Debug, Clone)]
pub struct RuntimeDir(PathBuf);

impl RuntimeDir {
    /// As [`VARIABLE`] says, else `/run/halfopen`.
    #[must_use]
    pub fn of_this_host() -> Self {
        let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        Self(named.map_or_else(|| DEFAULT.into(), PathBuf::from))
    }

    /// At `path`.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Held by the daemon; its pid is in it.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The events it remembers, for the next daemon.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// Where the daemon answers.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
}

/// Names another directory than `/sys/fs/bpf/halfopen`.
pub const PINS_VARIABLE: &str = "HALFOPEN_PIN_DIR";

/// Where this program's limit is pinned.
#[must_use]
pub fn pins_of_this_host() -> PathBuf {
    let named = std::env::var_os(PINS_VARIABLE).filter(|value| !value.is_empty());
    named.map_or_else(|| halfopen_bpf::PINS.into(), PathBuf::from)
}
