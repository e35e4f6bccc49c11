//! `import`: saves the limits that a file of the registry editor sets, and says what that changes.

use crate::cli::Import;
use crate::config::limits::HALF_OPEN;
use crate::config::save::{self, Edit};
use crate::config::{Assignment, Disk, Name, OwnRights, Resolved, RuleName, Sources, Value};
use crate::name_service::finding_users_here;
use crate::output;
use crate::registry::{self, Ignored, Limit, Meaning, Of, Wish};
use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file that is read: one of a whole registry would be no file of limits.
const LONGEST: u64 = 64 * 1024 * 1024;
const NOT_SET: &str = "not set";

/// What `import --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Whether the file of saved values is now another than before, or with `--dry-run` would be.
    pub changed: bool,
    /// Whether nothing was written because of `--dry-run`.
    pub dry_run: bool,
    /// The file of saved values.
    pub saved_to: PathBuf,
    /// What FILE says about limits.
    pub values: Vec<ImportedValue>,
    /// What else is in FILE.
    pub ignored: Vec<Ignored>,
}

/// A limit that FILE sets or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedValue {
    /// The line of FILE, counted from 1.
    pub line: usize,
    /// The key.
    pub name: String,
    /// The configuration's value before; `not set` if there was none.
    pub was: String,
    /// The configuration's value after; `not set` if there is none.
    pub now: String,
    /// What gives that value, such as a file with line and column, if not the file of saved values.
    pub overridden_by: Option<String>,
}

pub fn import(import: Import) -> Result<()> {
    let sources = Sources::new(import.config, &[])?;
    let path = save::local_file(sources.path());
    let of_file = || import.file.display().to_string();
    let found = registry::read(&contents(&import.file).with_context(of_file)?).with_context(of_file)?;
    let interfaces: BTreeMap<String, String> = import.interfaces.into_iter().collect();
    let meaning = Meaning::of(&found.entries, &interfaces, import.yes_unlimited).with_context(of_file)?;

    let mut wishes = meaning.wishes;
    let edited = save::edited(&path, |saved| {
        if let Some(line) = meaning.other_interfaces_deleted {
            for name in saved {
                wishes.entry(Of::Interface(name.clone())).or_insert(Wish { line, limit: None });
            }
        }
        wishes.iter().map(|(of, wish)| edit(of, wish.limit)).collect()
    })?;
    let before = finding_users_here(|| sources.load())?;
    let mut with = Overlaid { path: &path, text: edited.text() };
    let after = finding_users_here(|| sources.load_from(&mut with))?;
    let imported = Imported {
        changed: edited.is_other(),
        dry_run: import.dry_run,
        values: wishes.iter().map(|(of, wish)| value(of, wish, &before, &after, &path)).collect(),
        ignored: found.ignored,
        saved_to: path,
    };
    if imported.changed && !import.dry_run {
        edited.prepare()?.commit()?;
    }
    if import.json { output::line(&serde_json::to_string(&imported)?) } else { print(&imported) }
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= LONGEST, "longer than {} MiB", LONGEST >> 20);
    Ok(bytes)
}

fn name(of: &Of) -> Name {
    let rule = match of {
        Of::Host => None,
        Of::Interface(name) => Some(RuleName::Interface(name.clone())),
    };
    Name::of(rule, HALF_OPEN)
}

fn edit(of: &Of, limit: Option<Limit>) -> Edit {
    let say = |value| Edit::Say(Assignment::Value(name(of), value));
    match limit {
        Some(Limit::Attempts(number)) => say(Value::Number(number)),
        Some(Limit::Unlimited) => say(Value::Unlimited),
        None => Edit::Remove(name(of)),
    }
}

fn value(of: &Of, wish: &Wish, before: &Resolved, after: &Resolved, path: &Path) -> ImportedValue {
    let name = name(of).to_string();
    let given = |by: &Resolved| by.all_said().find(|(said, ..)| *said == name);
    let shown = |by| given(by).map_or_else(|| NOT_SET.to_owned(), |(_, value, _)| value);
    let by = given(after).map(|(.., origin)| origin);
    let saved = format!("{}:", path.display());
    ImportedValue {
        line: wish.line,
        was: shown(before),
        now: shown(after),
        overridden_by: by.filter(|by| wish.limit.is_some() && !by.starts_with(&saved)),
        name,
    }
}

fn print(imported: &Imported) -> Result<()> {
    for Ignored { line, name } in &imported.ignored {
        output::line(&format!("ignored: line {line}: {name}"))?;
    }
    for value in &imported.values {
        output::line(&format!("{} = {} (was {}), line {}", value.name, value.now, value.was, value.line))?;
        if let Some(by) = &value.overridden_by {
            output::error_line(&format!("halfopen: {} is saved, but {by} overrides it", value.name));
        }
    }
    let path = imported.saved_to.display();
    output::line(&match (imported.changed, imported.dry_run) {
        (false, _) => format!("nothing to change in {path}"),
        (true, true) => format!("not saved (--dry-run): {path} would change"),
        (true, false) => format!("saved to {path}; in force when the daemon reads its files again"),
    })
}

/// The file system, but for one file that is yet to be written.
struct Overlaid<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Disk for Overlaid<'_> {
    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = match OwnRights.list(directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            listed => listed?,
        };
        if self.path.parent() == Some(directory) && !files.iter().any(|file| file == self.path) {
            files.push(self.path.to_owned());
        }
        Ok(files)
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        OwnRights.open(path)
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path == self.path { Ok(self.text.as_bytes().to_vec()) } else { OwnRights.read(path) }
    }
}
