//! All documents, in the order that their links expect.

use super::put;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// What README leads to, beside `docs`.
const PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
/// A package has its licence in the file of this name, and no second time.
const LICENCE: (&str, &str) = ("(LICENSE)", "(copyright)");

/// Writes all of them.
pub fn write(directory: &Path) -> Result<()> {
    for name in PAGES {
        copy(&Path::new(ROOT).join(name), &directory.join(name))?;
    }
    folder(&Path::new(ROOT).join("docs"), &directory.join("docs"))
}

fn folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("listing {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { folder(&entry.path(), &to)? } else { copy(&entry.path(), &to)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    match str::from_utf8(&bytes) {
        Ok(text) => put(to, &text.replace(LICENCE.0, LICENCE.1)),
        // A picture.
        Err(_) => put(to, &bytes),
    }
}
