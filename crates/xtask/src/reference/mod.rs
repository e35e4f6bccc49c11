//! The pages of docs/reference, which the program's own definitions write.

mod configuration;

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of a page, and what writes it.
type Page = (&'static str, fn() -> String);

const PAGES: [Page; 1] = [("configuration.md", configuration::page)];

/// Writes all pages.
pub fn write() -> Result<()> {
    let directory = directory();
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    for (name, page) in PAGES {
        let path = directory.join(name);
        fs::write(&path, page()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_pages_are_those_that_would_be_written() {
        for (name, page) in PAGES {
            let committed = fs::read_to_string(directory().join(name)).unwrap_or_default();
            let same = committed.lines().zip(page().lines()).take_while(|(old, new)| old == new).count();
            assert!(
                committed == page(),
                "docs/reference/{name} is out of date from line {}: run `make reference` and commit the page",
                same + 1
            );
        }
    }
}
