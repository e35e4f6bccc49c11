//! Reads a file: the values that halfopen knows, in their order, and what else there is.

use super::error::{RegistryError, Unexpected};
use super::line::{name_and_data, whole_lines};
use super::{HEADERS, INTERFACES, LIMIT, PARAMETERS, RATE_LIMITING, data, encoding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the file: a later one replaces an earlier one.
    pub entries: Vec<Entry>,
    /// What halfopen does not know.
    pub ignored: Vec<Ignored>,
}

/// A statement that concerns halfopen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line, counted from 1.
    pub line: usize,
    /// What it says.
    pub said: Said,
}

/// What a line says. Interfaces have the names of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// `TcpNumConnections` of the host or of an interface; `None` = deleted.
    Limit(Option<String>, Option<u32>),
    /// `EnableConnectionRateLimiting`; `None` = deleted.
    RateLimiting(Option<bool>),
    /// The key of all limits is deleted.
    AllDeleted,
    /// The key of all interfaces is deleted.
    InterfacesDeleted,
}

/// What is in the file and has no meaning here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ignored {
    /// The line, counted from 1.
    pub line: usize,
    /// The key, and the name of the value if only that is ignored.
    pub name: String,
}

/// Where the values that follow belong.
enum Key {
    Host,
    Interface(String),
    /// The key of all interfaces, or one above that of the limits.
    Above {
        all: bool,
    },
    Other,
}

/// Reads a file.
///
/// # Errors
/// The first mistake. Data of values that halfopen does not know are not looked at.
pub fn read(bytes: &[u8]) -> Result<Found, RegistryError> {
    let text = encoding::decode(bytes)?;
    let mut lines = whole_lines(&text)?.into_iter();
    let first = lines.next();
    if !first.as_ref().is_some_and(|line| HEADERS.contains(&line.text.as_str())) {
        let line = first.map_or(1, |line| line.number);
        return Err(RegistryError { line, unexpected: Unexpected::Header });
    }
    let (mut found, mut key) = (Found::default(), None);
    for line in lines {
        let at = |unexpected| RegistryError { line: line.number, unexpected };
        if let Some(path) = line.text.strip_prefix('[') {
            let path = path.strip_suffix(']').ok_or_else(|| at(Unexpected::Line))?;
            match path.strip_prefix('-') {
                None => {
                    let named = Key::at(path);
                    if matches!(named, Key::Other) {
                        found.ignored.push(Ignored { line: line.number, name: path.to_owned() });
                    }
                    key = Some((named, path.to_owned()));
                }
                Some(path) => {
                    found.delete(line.number, path);
                    key = Some((Key::Other, path.to_owned()));
                }
            }
            continue;
        }
        let (name, data) = name_and_data(&line.text).ok_or_else(|| at(Unexpected::Line))?;
        let (key, path) = key.as_ref().ok_or_else(|| at(Unexpected::NoKey))?;
        match said(key, &name, data).map_err(at)? {
            Some(said) => found.entries.push(Entry { line: line.number, said }),
            // A key that is ignored is listed once, and not value by value.
            None if matches!(key, Key::Other) => {}
            None => found.ignored.push(Ignored { line: line.number, name: format!("{path}: {name:?}") }),
        }
    }
    Ok(found)
}

impl Key {
    fn at(path: &str) -> Self {
        let (named, ours): (Vec<&str>, Vec<&str>) =
            (path.split('\\').collect(), PARAMETERS.split('\\').collect());
        if named.iter().zip(&ours).any(|(named, ours)| !named.eq_ignore_ascii_case(ours)) {
            return Self::Other;
        }
        match named.get(ours.len()..) {
            None => Self::Above { all: true },
            Some([]) => Self::Host,
            Some([below]) if below.eq_ignore_ascii_case(INTERFACES) => Self::Above { all: false },
            Some([below, name]) if below.eq_ignore_ascii_case(INTERFACES) => {
                Self::Interface((*name).to_owned())
            }
            Some(_) => Self::Other,
        }
    }
}

impl Found {
    fn delete(&mut self, line: usize, path: &str) {
        let said = match Key::at(path) {
            Key::Host | Key::Above { all: true } => Said::AllDeleted,
            Key::Above { all: false } => Said::InterfacesDeleted,
            Key::Interface(name) => Said::Limit(Some(name), None),
            Key::Other => return self.ignored.push(Ignored { line, name: format!("-{path}") }),
        };
        self.entries.push(Entry { line, said });
    }
}

fn said(key: &Key, name: &str, data: &str) -> Result<Option<Said>, Unexpected> {
    let of = match key {
        Key::Host => None,
        Key::Interface(name) => Some(name.clone()),
        Key::Above { .. } | Key::Other => return Ok(None),
    };
    if name.eq_ignore_ascii_case(LIMIT) {
        return Ok(Some(Said::Limit(of, data::number(LIMIT, data)?)));
    }
    if of.is_none() && name.eq_ignore_ascii_case(RATE_LIMITING) {
        let on = match data::number(RATE_LIMITING, data)? {
            None => None,
            Some(number @ (0 | 1)) => Some(number == 1),
            Some(number) => return Err(Unexpected::RateLimiting(number)),
        };
        return Ok(Some(Said::RateLimiting(on)));
    }
    Ok(None)
}
