//! What a package ships beside the program. All of it follows from the program's own definitions, and none of it is in
//! the program.

mod documents;
mod event_pages;
mod first_config;
#[cfg(test)]
mod installation;
mod manual;

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes manual, documents and first configuration into `directory`.
pub fn write_files(directory: &Path) -> Result<()> {
    let manual = made(directory, "man")?;
    manual::write(&manual)?;
    event_pages::write(&manual)?;
    documents::write(&made(directory, "doc")?)?;
    put(&directory.join(first_config::NAME), &first_config::text()?)
}

/// Makes `name` below `directory` anew, so that nothing of an earlier version is in it.
fn made(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("emptying {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

fn put(path: &Path, text: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
