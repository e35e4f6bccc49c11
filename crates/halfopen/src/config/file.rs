//! One configuration file, read key by key.

use super::assignment::Assignment;
use super::disk::Disk;
use super::error::{ConfigError, Wrong};
use super::hint::{did_you_mean, meant, nearest, replaced};
use super::key::{Key, Table};
use super::name::{Name, RuleName, is_interface, is_of_exec};
use super::place::Place;
use super::rule_keys::{MATCH, PER};
use super::tables;
use super::value::{Typed, Value};
use super::written::Written;
use halfopen_bpf::Per;
use std::io;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The assignments of a file, each with the place of its value.
pub type Layer = Vec<(Assignment, Place)>;
/// The same with places in the text, and a mistake at its place.
type Said = Vec<(Assignment, Range<usize>)>;
type Found = (Range<usize>, Wrong);

/// The longest name of a rule that the kernel part keeps for the next daemon.
const LONGEST_NAME: usize = 63;
const NAME: &str =
    "expected a name of at most 63 letters, digits, \".\", \"_\" and \"-\", such as \"torrent\"";
const RESERVED: &str =
    "this name is reserved: host is the whole host, exec-1234 is a scope that `halfopen exec` makes";
const INTERFACE: &str = "expected an interface's name, such as \"eth0\": 1 to 15 bytes, no blanks, no \"/\"";

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
    let at = |span: Range<usize>| Place::in_text(path, text, span.start);
    let (document, mistakes) = DeTable::parse_recoverable(text);
    // After a mistake, the parser continues with a guess and may report more mistakes that follow from it.
    let mistakes = mistakes.iter().map(|e| (e.span().unwrap_or(0..0), Wrong::Toml(e.message().to_owned())));
    let said = match mistakes.min_by_key(|(span, _)| span.start) {
        Some(mistake) => Err(mistake),
        None => document_said(document.get_ref()),
    };
    let said = said.map_err(|(span, wrong)| ConfigError::InFile { place: at(span), wrong })?;
    Ok(said.into_iter().map(|(said, span)| (said, at(span))).collect())
}

fn document_said(document: &DeTable<'_>) -> Result<Said, Found> {
    let (mut said, mut accounts, mut rules) = (Said::new(), Said::new(), Said::new());
    let mut take = |table, name: &Spanned<_>, value: &Spanned<_>| {
        let rule = (table == Table::Accounts).then(RuleName::accounts);
        let (key, (value, at)) = read_key(table, rule.as_ref(), name, value)?;
        let to = if rule.is_some() { &mut accounts } else { &mut said };
        to.push((Assignment::Value(Name::of(rule, key), value), at));
        Ok(())
    };
    for (name, value) in document {
        match (Table::NAMED.into_iter().find(|table| table.name() == name.get_ref()), value.get_ref()) {
            (None, _) => take(Table::Top, name, value)?,
            (Some(table), _) if table.is_list() => rules.extend(rules_said(table, value)?),
            (Some(table), DeValue::Table(keys)) => {
                keys.iter().try_for_each(|(name, value)| take(table, name, value))?;
            }
            (Some(table), _) => return Err((value.span(), Wrong::IsATable(table))),
        }
    }
    // The rule that they change may stand in this file.
    said.extend(rules);
    said.extend(accounts);
    Ok(said)
}

/// A key of the host or of a rule, and its value with its place.
fn read_key(
    table: Table,
    rule: Option<&RuleName>,
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(&'static Key, (Value, Range<usize>)), Found> {
    let given = name.get_ref();
    let Some(key) = tables::named(table, given) else {
        let hint = if table == Table::Top { hint_on_top(given) } else { hint_in(table, given) };
        let of = rule.map_or_else(|| table.name().to_owned(), ToString::to_string);
        let key = if of.is_empty() { given.to_string() } else { format!("{of}.{given}") };
        return Err((name.span(), Wrong::UnknownKey { key, hint }));
    };
    let named = Name::of(rule.cloned(), key).to_string();
    let read = key.form.read(&named, &Written::at(value));
    read.map(|read| (key, (read, value.span()))).map_err(|e| (e.span.clone(), e.into()))
}

/// The rules of one kind, in their order.
fn rules_said(table: Table, value: &Spanned<DeValue<'_>>) -> Result<Said, Found> {
    let no_list = |span| (span, Wrong::NoList(table.written()));
    let list = value.get_ref().as_array().ok_or_else(|| no_list(value.span()))?;
    let (mut said, mut names) = (Said::new(), Vec::new());
    for item in list {
        let DeValue::Table(rule) = item.get_ref() else { return Err(no_list(item.span())) };
        let name = rule_name(table, rule, item.span())?;
        if names.contains(&name) {
            return Err((item.span(), Wrong::Twice(table.written(), name.leaf().to_owned())));
        }
        said.extend(rule_said(&name, rule, item.span())?);
        names.push(name);
    }
    Ok(said)
}

fn rule_name(table: Table, rule: &DeTable<'_>, span: Range<usize>) -> Result<RuleName, Found> {
    let Some(value) = rule.get("name") else { return Err((span, Wrong::NoName(table.name()))) };
    let value = Written::at(value);
    let refused = |accepted| {
        let wrong = value.wrong(&format!("{}.name", table.name()), accepted);
        Err((value.span.clone(), wrong.into()))
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(good);
    match (table, value.text()) {
        (Table::Interface, Some(name)) if is_interface(name) => Ok(RuleName::Interface(name.to_owned())),
        (Table::Interface, _) => refused(INTERFACE),
        (Table::Scope, Some(name)) if name == "host" || is_of_exec(name) => refused(RESERVED),
        (Table::Scope, Some(name)) if is_name(name) => Ok(RuleName::Scope(name.to_owned())),
        (_, Some(name)) if is_name(name) => Ok(RuleName::Deny(name.to_owned())),
        _ => refused(NAME),
    }
}

fn rule_said(rule: &RuleName, table: &DeTable<'_>, span: Range<usize>) -> Result<Said, Found> {
    let (mut making, mut said) = (Vec::new(), Said::new());
    for (name, value) in table.iter().filter(|(name, _)| name.get_ref() != "name") {
        let (key, (value, at)) = read_key(rule.table(), Some(rule), name, value)?;
        if key.makes_rule() {
            making.push((key, value));
        } else {
            said.push((Assignment::Value(Name::of(Some(rule.clone()), key), value), at));
        }
    }
    let name = rule.leaf().to_owned();
    match rule {
        RuleName::Scope(_) => match making.iter().find(|(key, _)| *key == MATCH) {
            None if !making.is_empty() || said.is_empty() => return Err((span, Wrong::NoMatch(name))),
            Some((_, Value::Match(who)))
                if who.cgroups.is_empty()
                    && who.containers.is_none()
                    && making.contains(&(PER, Per::Cgroup.value())) =>
            {
                let at = table.get("match").map_or(span, Spanned::span);
                return Err((at, Wrong::NoDepth(rule.clone())));
            }
            _ => {}
        },
        RuleName::Interface(_) if said.is_empty() => return Err((span, Wrong::NoLimit(name))),
        RuleName::Deny(_) if said.is_empty() && making.is_empty() => {
            return Err((span, Wrong::NoDestination(name)));
        }
        RuleName::Interface(_) | RuleName::Deny(_) => {}
    }
    if !making.is_empty() {
        // The other values of a rule come after the rule itself.
        said.insert(0, (Assignment::Rule(rule.clone(), making), span));
    }
    Ok(said)
}

/// What the user may have meant by an unknown key below a table.
fn hint_in(table: Table, given: &str) -> String {
    if table != Table::Deny && tables::named(Table::Top, given).is_some() {
        return format!("{given} belongs above the first table, not in {}", table.written());
    }
    let own = table.is_list().then_some("name");
    let known: Vec<&str> = own.into_iter().chain(tables::names(table)).collect();
    meant(given, known.iter().copied())
        .unwrap_or_else(|| format!("{} has {}", table.written(), known.join(", ")))
}

/// The same above the first table.
fn hint_on_top(given: &str) -> String {
    let (keys, limits) = (tables::names(Table::Top), tables::names(Table::Host));
    if let Some(new) = replaced(given) {
        new
    } else if limits.contains(&given) {
        format!("{given} belongs below [host], [[scope]] or [[interface]]")
    } else if let Some(name) = nearest(given, keys.iter().copied().chain(Table::NAMED.map(Table::name))) {
        let table = Table::NAMED.into_iter().find(|table| table.name() == name);
        did_you_mean(table.map_or(name, Table::written))
    } else if let Some(name) = nearest(given, limits) {
        format!("did you mean {name} below [host]?")
    } else {
        let tables = Table::NAMED.map(Table::written).join(", ");
        format!("the keys are {} and the tables {tables}", keys.join(", "))
    }
}
