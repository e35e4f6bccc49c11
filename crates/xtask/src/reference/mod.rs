//! The pages of docs/reference, from the program's own definitions.

mod api;
mod commands;
mod configuration;
mod errors;
mod events;
mod json;
mod metrics;

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
const REMARK: &str =
    "<!-- `make reference` writes this page from the program's own definitions: change those. -->";

/// All pages: name and text.
fn pages() -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("api.md", api::page()?),
        ("commands.md", commands::page()),
        ("configuration.md", configuration::page()),
        ("errors.md", errors::page()),
        ("events.md", events::page()),
        ("json.md", json::page()?),
        ("metrics.md", metrics::page()),
    ])
}

/// Writes all pages.
pub fn write() -> Result<()> {
    fs::create_dir_all(DIRECTORY).with_context(|| format!("making {DIRECTORY}"))?;
    for (name, text) in pages()? {
        let path = Path::new(DIRECTORY).join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The beginning of a page.
fn title(title: &str) -> String {
    format!("# {title}\n\n{REMARK}\n\n")
}

/// A table with these columns.
fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [&str; N]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.into_iter().map(|row| row.map(|cell| cell.replace('|', "\\|").replace('\n', " ")));
    let rows = rows.map(|row| line(row.each_ref().map(String::as_str)));
    format!("{}{}{}\n", line(columns), line(["---"; N]), rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_as_the_program_is() {
        for (name, text) in pages().unwrap() {
            let found = fs::read_to_string(Path::new(DIRECTORY).join(name)).unwrap_or_default();
            assert!(
                found == text,
                "docs/reference/{name} is out of date: run `make reference` and commit it"
            );
        }
    }

    #[test]
    fn a_cell_cannot_break_its_table() {
        let table = table(["a"], [["x | y\nz".to_owned()]]);
        assert_eq!(table, "| a |\n| --- |\n| x \\| y z |\n\n");
    }
}
