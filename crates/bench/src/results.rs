//! Where the results of measurements are kept.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Cargo's target directory: this program is in `target/<profile>`.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding the running program")?;
    Ok(program.ancestors().nth(2).context("finding the target directory")?.to_owned())
}

/// The directory of the results. It exists.
pub fn directory() -> Result<PathBuf> {
    let directory = target()?.join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}
