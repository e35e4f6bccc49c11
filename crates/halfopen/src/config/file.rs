//! One configuration file, read key by key.

use super::assignment::Assignment;
use super::deny_rules;
use super::disk::Disk;
use super::error::{ConfigError, Wrong};
use super::key::{Key, LimitKey, did_you_mean, limit_meant, nearest, replaced};
use super::place::Place;
use super::rule;
use super::setting::Setting;
use std::io;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The assignments of a file, each with the place of its value.
pub type Layer = Vec<(Assignment, Place)>;

/// Reads the file at `path`; `None` if there is none.
///
/// # Errors
/// The first mistake in it.
pub fn read(disk: &mut dyn Disk, path: &Path) -> Result<Option<Layer>, ConfigError> {
    let unreadable = |text: &str, at, reason| {
        Err(ConfigError::Unreadable { place: Place::in_text(path, text, at), reason })
    };
    let bytes = match disk.read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return unreadable("", 0, e),
    };
    match str::from_utf8(&bytes) {
        Ok(text) => parse(path, text).map(Some),
        Err(e) => {
            let readable = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
            unreadable(&readable, readable.len(), io::Error::new(io::ErrorKind::InvalidData, e))
        }
    }
}

/// Reads `text`, the contents of `path`.
///
/// # Errors
/// The first mistake in it.
pub fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let at = |span: std::ops::Range<usize>| Place::in_text(path, text, span.start);
    let wrong = |span, wrong| ConfigError::InFile { place: at(span), wrong };
    let (document, mistakes) = DeTable::parse_recoverable(text);
    // After a mistake, the parser continues with a guess and may report more mistakes that follow from it.
    let places = mistakes.iter().map(|e| (e.span().unwrap_or(0..0), e.message()));
    if let Some((span, message)) = places.min_by_key(|(span, _)| span.start) {
        return Err(wrong(span, Wrong::Toml(message.to_owned())));
    }
    let mut layer = Layer::new();
    let mut take = |key, value: &Spanned<DeValue<'_>>| {
        let setting = Setting::from_toml(key, value.get_ref(), value.span())
            .map_err(|e| wrong(e.span.clone(), e.into()))?;
        layer.push((Assignment::Setting(setting), at(value.span())));
        Ok(())
    };
    let (mut rules, mut denies) = (Layer::new(), Layer::new());
    let mut take_rules = |is_scope, value| {
        let sayings = rule::read_all(is_scope, value).map_err(|(span, e)| wrong(span, e))?;
        rules.extend(sayings.into_iter().map(|(said, span)| (said, at(span))));
        Ok(())
    };
    for (name, value) in document.get_ref() {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("host", DeValue::Table(host)) => {
                for (name, value) in host {
                    match LimitKey::named(name.get_ref()) {
                        Some(key) => take(Key::Host(key), value)?,
                        None => return Err(wrong(name.span(), unknown_in_host(name.get_ref()))),
                    }
                }
            }
            ("host", _) => return Err(wrong(value.span(), Wrong::HostIsATable)),
            ("deny", _) => {
                let sayings = deny_rules::read_all(value).map_err(|(span, e)| wrong(span, e))?;
                denies.extend(sayings.into_iter().map(|(said, span)| (said, at(span))));
            }
            (table @ ("scope" | "interface"), _) => take_rules(table == "scope", value)?,
            (given, _) => match Key::TOP.into_iter().find(|key| key.leaf() == given) {
                Some(key) => take(key, value)?,
                None => return Err(wrong(name.span(), unknown_on_top(given))),
            },
        }
    }
    layer.extend(rules);
    layer.extend(denies);
    Ok(layer)
}

fn unknown_in_host(given: &str) -> Wrong {
    let hint = match limit_meant(given, LimitKey::ALL.into_iter().map(LimitKey::name)) {
        _ if Key::TOP.iter().any(|key| key.leaf() == given) => {
            format!("{given} belongs above the first table, not in [host]")
        }
        Some(hint) => hint,
        None => format!("[host] has {}", LimitKey::ALL.map(LimitKey::name).join(", ")),
    };
    Wrong::UnknownKey { key: format!("host.{given}"), hint }
}

/// As a file writes them.
const TABLES: [(&str, &str); 4] =
    [("host", "[host]"), ("scope", "[[scope]]"), ("interface", "[[interface]]"), ("deny", "[[deny]]")];

fn unknown_on_top(given: &str) -> Wrong {
    let tables = || TABLES.into_iter().map(|(name, _)| name);
    let hint = if let Some(new) = replaced(given) {
        new.to_owned()
    } else if LimitKey::named(given).is_some() {
        format!("{given} belongs below [host], [[scope]] or [[interface]]")
    } else if let Some(name) = nearest(given, Key::TOP.into_iter().map(Key::leaf).chain(tables())) {
        let table = TABLES.into_iter().find(|(table, _)| *table == name);
        did_you_mean(table.map_or(name, |(_, written)| written))
    } else if let Some(name) = nearest(given, LimitKey::ALL.into_iter().map(LimitKey::name)) {
        format!("did you mean {name} below [host]?")
    } else {
        let keys = Key::TOP.map(Key::leaf).join(", ");
        let tables = TABLES.map(|(_, written)| written).join(", ");
        format!("the keys are {keys} and the tables {tables}")
    };
    Wrong::UnknownKey { key: given.to_owned(), hint }
}
