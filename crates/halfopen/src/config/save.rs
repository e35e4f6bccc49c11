//! `set --save` and `import`: write values to `conf.d/90-local.toml` and leave everything else there unchanged.

use super::assignment::Assignment;
use super::error::{ConfigError, Wrong};
use super::key;
use super::name::{Name, RuleName};
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

/// A change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Gives a value.
    Say(Assignment),
    /// Removes a value, if it is there.
    Remove(Name),
}

/// What the file will contain, and what it contains now.
#[derive(Debug)]
pub struct Edited {
    path: PathBuf,
    old: String,
    text: String,
    mode: Permissions,
}

/// Writes a new version of `path` that contains `said`. [`Prepared::commit`] puts it in place.
///
/// # Errors
/// If the present file cannot be read, or if its directory cannot be written.
pub fn prepare(path: &Path, said: &Assignment) -> Result<Prepared, ConfigError> {
    edited(path, |_| vec![Edit::Say(said.clone())])?.prepare()
}

/// The file at `path` with changes that depend on the interfaces in it. Writes nothing.
///
/// # Errors
/// If the present file cannot be read.
pub fn edited(path: &Path, edits: impl FnOnce(&[String]) -> Vec<Edit>) -> Result<Edited, ConfigError> {
    let (old, mode) = match fs::read_to_string(path) {
        Ok(text) => (text, fs::metadata(path).map_err(|e| failed(path, e))?.permissions()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => (String::new(), Permissions::from_mode(0o644)),
        Err(reason) => return Err(failed(path, reason)),
    };
    let interfaces = interfaces(&parsed(path, &old)?);
    let text = edits(&interfaces).iter().try_fold(old.clone(), |text, edit| match edit {
        Edit::Say(said) => with_said(path, &text, said),
        Edit::Remove(name) => without(path, &text, name),
    })?;
    Ok(Edited { path: path.to_owned(), old, text, mode })
}

fn failed(path: &Path, reason: io::Error) -> ConfigError {
    ConfigError::Save { path: path.to_owned(), reason }
}

impl Edited {
    /// What the file will contain.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether that differs from what it contains.
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.text != self.old
    }

    /// Writes the new version beside the file.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn prepare(self) -> Result<Prepared, ConfigError> {
        let is_other = self.is_other();
        let Self { path, text, mode, .. } = self;
        match write_beside(&path, &text, mode) {
            Ok(file) => Ok(Prepared { file, path, is_other }),
            Err(reason) => Err(failed(&path, reason)),
        }
    }
}

fn write_beside(path: &Path, text: &str, mode: Permissions) -> io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    Ok(file)
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

fn parsed(path: &Path, text: &str) -> Result<DocumentMut, ConfigError> {
    text.parse().map_err(|e: toml_edit::TomlError| ConfigError::InFile {
        place: Place::in_text(path, text, e.span().map_or(0, |span| span.start)),
        wrong: Wrong::Toml(e.message().to_owned()),
    })
}

/// The names of the interfaces that the file has rules for.
fn interfaces(document: &DocumentMut) -> Vec<String> {
    let name = |table: &dyn TableLike| table.get("name").and_then(Item::as_str).map(ToOwned::to_owned);
    match document.get(key::Table::Interface.name()) {
        Some(Item::ArrayOfTables(tables)) => tables.iter().filter_map(|table| name(table)).collect(),
        Some(Item::Value(Value::Array(tables))) => {
            tables.iter().filter_map(Value::as_inline_table).filter_map(|table| name(table)).collect()
        }
        _ => Vec::new(),
    }
}

/// The file without the value of `name`. A rule that has nothing left but its name goes with it.
fn without(path: &Path, text: &str, name: &Name) -> Result<String, ConfigError> {
    let mut document = parsed(path, text)?;
    let key = name.key.name;
    let Some(rule) = &name.rule else {
        let table = match name.key.table {
            key::Table::Top => Some(document.as_table_mut() as &mut dyn TableLike),
            table => document.get_mut(table.name()).and_then(Item::as_table_like_mut),
        };
        table.and_then(|table| table.remove(key));
        return Ok(document.to_string());
    };
    let is_it = |table: &dyn TableLike| table.get("name").and_then(Item::as_str) == Some(rule.leaf());
    let goes = |table: &dyn TableLike| is_it(table) && table.contains_key(key) && table.len() == 2;
    match document.get_mut(rule.table().name()) {
        Some(Item::ArrayOfTables(tables)) => {
            tables.retain(|table| !goes(table));
            for table in tables.iter_mut().filter(|table| is_it(&**table)) {
                table.remove(key);
            }
        }
        Some(Item::Value(Value::Array(tables))) => {
            tables.retain(|value| !value.as_inline_table().is_some_and(|table| goes(table)));
            for table in tables.iter_mut().filter_map(Value::as_inline_table_mut) {
                if is_it(table) {
                    table.remove(key);
                }
            }
        }
        _ => {}
    }
    Ok(document.to_string())
}

fn with_said(path: &Path, text: &str, said: &Assignment) -> Result<String, ConfigError> {
    let wrong = |at, wrong| ConfigError::InFile { place: Place::in_text(path, text, at), wrong };
    let mut document = parsed(path, text)?;
    let Assignment::Value(name, value) = said else { return Ok(document.to_string()) };
    let in_file = name.rule.as_ref().map_or(name.key.table, RuleName::table);
    let table = match &name.rule {
        Some(rule) => {
            table_of(&mut document, rule).ok_or_else(|| wrong(0, Wrong::NoList(in_file.written())))?
        }
        None if in_file == key::Table::Top => document.as_table_mut(),
        None => document
            .entry(in_file.name())
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or_else(|| wrong(0, Wrong::IsATable(in_file)))?,
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
