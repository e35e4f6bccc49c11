//! `set --save`: writes a value to `conf.d/90-local.toml` and leaves everything else there unchanged.

use super::assignment::Assignment;
use super::error::{ConfigError, Wrong};
use super::key;
use super::name::RuleName;
use super::place::Place;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

/// A new version of the file, written beside it and not yet in its place. If dropped, it leaves no trace.
#[derive(Debug)]
pub struct Prepared {
    file: NamedTempFile,
    path: PathBuf,
    is_other: bool,
}

/// The file of saved values, for the configuration file at `config`.
#[must_use]
pub fn local_file(config: &Path) -> PathBuf {
    super::conf_d(config).join("90-local.toml")
}

/// Writes a new version of `path` that contains `said`. [`Prepared::commit`] puts it in place.
///
/// # Errors
/// If the present file cannot be read, or if its directory cannot be written.
pub fn prepare(path: &Path, said: &Assignment) -> Result<Prepared, ConfigError> {
    let failed = |reason| ConfigError::Save { path: path.to_owned(), reason };
    let (text, mode) = match fs::read_to_string(path) {
        Ok(text) => (text, fs::metadata(path).map_err(failed)?.permissions()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => (String::new(), Permissions::from_mode(0o644)),
        Err(reason) => return Err(failed(reason)),
    };
    let old = text;
    let text = with_said(path, &old, said)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory).map_err(failed)?;
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(Prepared { file, path: path.to_owned(), is_other: text != old })
}

impl Prepared {
    /// Whether it differs from the present version.
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.is_other
    }

    /// Replaces the old version in one step.
    ///
    /// # Errors
    /// If the rename fails. The old version then stays in place.
    pub fn commit(self) -> Result<(), ConfigError> {
        let Self { file, path, .. } = self;
        file.persist(&path).map(drop).map_err(|e| ConfigError::Save { path, reason: e.error })
    }
}

/// Makes a directory that the daemon's user can read, whatever the umask of the caller.
fn make_directory(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn with_said(path: &Path, text: &str, said: &Assignment) -> Result<String, ConfigError> {
    let wrong = |at, wrong| ConfigError::InFile { place: Place::in_text(path, text, at), wrong };
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
        wrong(e.span().map_or(0, |span| span.start), Wrong::Toml(e.message().to_owned()))
    })?;
    let Assignment::Value(name, value) = said else { return Ok(document.to_string()) };
    let in_file = name.rule.as_ref().map_or(name.key.table, RuleName::table);
    let table = match &name.rule {
        Some(rule) => {
            table_of(&mut document, rule).ok_or_else(|| wrong(0, Wrong::NoList(in_file.written())))?
        }
        None if in_file == key::Table::Host => document
            .entry("host")
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or_else(|| wrong(0, Wrong::IsATable(key::Table::Host)))?,
        None => document.as_table_mut(),
    };
    let (key, mut value) = (name.key.name, name.key.form.toml(value));
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(key, Item::Value(value))),
    }
    Ok(document.to_string())
}

/// The rule's own table, or a new one that changes the rule of another file. `None` if something else is in its place.
fn table_of<'d>(document: &'d mut DocumentMut, rule: &RuleName) -> Option<&'d mut dyn TableLike> {
    let named = |table: &dyn TableLike| table.get("name").and_then(Item::as_str) == Some(rule.leaf());
    let new = || {
        let mut table = Table::new();
        table.insert("name", rule.leaf().into());
        table
    };
    match document.entry(rule.table().name()).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new())) {
        Item::ArrayOfTables(tables) => {
            let at = tables.iter().position(|table| named(table)).unwrap_or(tables.len());
            if at == tables.len() {
                tables.push(new());
            }
            tables.get_mut(at).map(|table| table as &mut dyn TableLike)
        }
        Item::Value(Value::Array(tables)) => {
            let is_it = |value: &Value| value.as_inline_table().is_some_and(|table| named(table));
            let at = tables.iter().position(is_it).unwrap_or(tables.len());
            if at == tables.len() {
                tables.push(new().into_inline_table());
            }
            tables.get_mut(at)?.as_inline_table_mut().map(|table| table as &mut dyn TableLike)
        }
        _ => None,
    }
}
