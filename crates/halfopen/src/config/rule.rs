//! Reads `[[scope]]` and `[[interface]]` from a file.

use super::assignment::Assignment;
use super::error::Wrong;
use super::key::{Key, LimitKey, limit_meant};
use super::limit::Limit;
use super::name::{RuleName, is_interface, is_of_exec};
use super::value::{Written, WrongValue, name_of, written};
use super::who::Who;
use halfopen_bpf::Per;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest name of a rule that the kernel part keeps for the next daemon.
const LONGEST_NAME: usize = 63;
const PER: [(&str, Per); 3] = [("cgroup", Per::Cgroup), ("user", Per::User), ("process", Per::Process)];
pub(super) const NAME: &str =
    "expected a name of at most 63 letters, digits, \".\", \"_\" and \"-\", such as \"torrent\"";
const RESERVED: &str =
    "this name is reserved: host is the whole host, exec-1234 is a scope that `halfopen exec` makes";
const INTERFACE: &str = "expected an interface's name, such as \"eth0\": 1 to 15 bytes, no blanks, no \"/\"";
const NO_DEPTH: &str = "per = \"cgroup\" gives an account to each cgroup that match.cgroup names: give it, such as \
                        match = { cgroup = \"/system.slice/*\" }";

/// A mistake, and its place in the text.
pub(super) type Found = (Range<usize>, Wrong);
/// The assignments of a rule, each with its place.
pub(super) type Sayings = Vec<(Assignment, Range<usize>)>;

/// Reads the rules of `[[scope]]` (`is_scope`) or `[[interface]]`, in their order.
pub(super) fn read_all(is_scope: bool, value: &Spanned<DeValue<'_>>) -> Result<Sayings, Found> {
    let table = if is_scope { "[[scope]]" } else { "[[interface]]" };
    let no_list = |span| (span, Wrong::NoList(table));
    let DeValue::Array(list) = value.get_ref() else { return Err(no_list(value.span())) };
    let mut names: Vec<String> = Vec::new();
    let mut sayings = Sayings::new();
    for item in list {
        let DeValue::Table(rule) = item.get_ref() else { return Err(no_list(item.span())) };
        let name = read_name(is_scope, rule, item.span())?;
        if names.contains(&name) {
            return Err((item.span(), Wrong::Twice { table, name }));
        }
        names.push(name.clone());
        sayings.extend(read(is_scope, name, rule, item.span())?);
    }
    Ok(sayings)
}

fn read_name(is_scope: bool, rule: &DeTable<'_>, span: Range<usize>) -> Result<String, Found> {
    let table = if is_scope { "scope" } else { "interface" };
    let Some(value) = rule.get("name") else { return Err((span, Wrong::NoName(table))) };
    let refused = |accepted: &str| {
        let given = written(value.get_ref());
        let wrong = WrongValue::new(format!("{table}.name"), given, accepted.to_owned(), value.span());
        Err((value.span(), wrong.into()))
    };
    match value.get_ref().as_str() {
        Some(name) if !is_scope && is_interface(name) => Ok(name.to_owned()),
        _ if !is_scope => refused(INTERFACE),
        Some(name) if name == "host" || is_of_exec(name) => refused(RESERVED),
        Some(name) if is_name(name) => Ok(name.to_owned()),
        _ => refused(NAME),
    }
}

pub(super) fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(good)
}

fn read(is_scope: bool, name: String, table: &DeTable<'_>, span: Range<usize>) -> Result<Sayings, Found> {
    let rule = if is_scope { RuleName::Scope(name.clone()) } else { RuleName::Interface(name.clone()) };
    let (mut who, mut per, mut limits) = (None, None, Sayings::new());
    for (key, value) in table {
        let written = Written { value: value.get_ref(), span: value.span() };
        let wrong = |e: WrongValue| (e.span.clone(), e.into());
        match key.get_ref().as_ref() {
            "name" => {}
            "match" if is_scope => {
                let found = Who::read(&rule.to_string(), value.get_ref(), value.span()).map_err(wrong)?;
                who = Some((found, value.span()));
            }
            "per" if is_scope => {
                let chosen = written.choice(&PER);
                per =
                    Some((chosen.map_err(|e| wrong(written.wrong(format!("{rule}.per"), e)))?, value.span()));
            }
            given => match LimitKey::named(given) {
                Some(limit) => {
                    let name = format!("{rule}.{given}");
                    let limit = Limit::read(limit, &name, &written).map_err(wrong)?;
                    limits.push((Assignment::Limit(rule.clone(), limit), value.span()));
                }
                None => return Err((key.span(), unknown(&rule, given))),
            },
        }
    }
    match who {
        Some((who, at)) => {
            if who.cgroups().is_empty() && matches!(per, Some((Per::Cgroup, _))) {
                return Err((at, Wrong::Rule { rule, wrong: NO_DEPTH }));
            }
            let per = per.map(|(per, _)| per).unwrap_or_default();
            limits.insert(0, (Assignment::Scope { name, who, per }, span));
        }
        None if per.is_some() => return Err((span, Wrong::NoMatch(name))),
        None if limits.is_empty() => {
            return Err((span, if is_scope { Wrong::NoMatch(name) } else { Wrong::NoLimit(name) }));
        }
        None => {}
    }
    Ok(limits)
}

fn unknown(rule: &RuleName, given: &str) -> Wrong {
    let own: &[&str] = if matches!(rule, RuleName::Scope(_)) { &["name", "match", "per"] } else { &["name"] };
    let known = || own.iter().copied().chain(LimitKey::ALL.into_iter().map(LimitKey::name));
    let hint = match limit_meant(given, known()) {
        _ if Key::TOP.iter().any(|key| key.leaf() == given) => {
            format!("{given} belongs above the first table")
        }
        Some(hint) => hint,
        None => format!("[[{}]] has {}", rule.table(), known().collect::<Vec<_>>().join(", ")),
    };
    Wrong::UnknownKey { key: format!("{rule}.{given}"), hint }
}

/// `per` as a file writes it; `None` if a file leaves it out.
pub(super) fn per_name(per: Per) -> Option<&'static str> {
    Some(name_of(&PER, &per)).filter(|name| !name.is_empty())
}
