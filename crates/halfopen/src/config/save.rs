//! `set --save`: one key into `conf.d/90-local.toml`, everything else there left as it is.

use super::error::{ConfigError, Wrong};
use super::key::Key;
use super::place::Place;
use super::setting::Setting;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use toml_edit::{DocumentMut, Item, Table};

/// A new version of the file, written beside it and not yet in its place. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct Prepared {
    file: NamedTempFile,
    path: PathBuf,
}

/// The file that holds what was saved, for the configuration file at `config`.
#[must_use]
pub fn local_file(config: &Path) -> PathBuf {
    super::conf_d(config).join("90-local.toml")
}

/// Writes a version of `path` with `setting` in it; it takes the place of the old with [`Prepared::commit`].
///
/// # Errors
/// Where the file as it is cannot be read, and where its directory cannot be written.
pub fn prepare(path: &Path, setting: &Setting) -> Result<Prepared, ConfigError> {
    let failed = |reason| ConfigError::Save { path: path.to_owned(), reason };
    let (text, mode) = match fs::read_to_string(path) {
        Ok(text) => (text, fs::metadata(path).map_err(failed)?.permissions()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => (String::new(), Permissions::from_mode(0o644)),
        Err(reason) => return Err(failed(reason)),
    };
    let text = with_setting(path, &text, setting)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory).map_err(failed)?;
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(Prepared { file, path: path.to_owned() })
}

impl Prepared {
    /// Puts it in the place of the old one, at once.
    ///
    /// # Errors
    /// Where the rename fails; the old one is in place then.
    pub fn commit(self) -> Result<(), ConfigError> {
        let Self { file, path } = self;
        file.persist(&path).map(drop).map_err(|e| ConfigError::Save { path, reason: e.error })
    }
}

/// Readable for the daemon's user, whatever the umask of the one who saves.
fn make_directory(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn with_setting(path: &Path, text: &str, setting: &Setting) -> Result<String, ConfigError> {
    let wrong = |at, wrong| ConfigError::InFile { place: Place::in_text(path, text, at), wrong };
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
        wrong(e.span().map_or(0, |span| span.start), Wrong::Toml(e.message().to_owned()))
    })?;
    let key = setting.key();
    let table = match key {
        Key::Host(_) => document
            .entry("host")
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or_else(|| wrong(0, Wrong::HostIsATable))?,
        _ => document.as_table_mut(),
    };
    let mut value = setting.value();
    if let Some(old) = table.get(key.leaf()).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key.leaf()) {
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(key.leaf(), Item::Value(value))),
    }
    Ok(document.to_string())
}
