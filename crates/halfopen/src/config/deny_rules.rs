//! The rules of `[[deny]]`: reading them from a file, and the rules in force.

use super::assignment::Assignment;
use super::deny::{DenyKey, DenyValue};
use super::error::Wrong;
use super::key::{did_you_mean, nearest};
use super::name::RuleName;
use super::place::Origin;
use super::rule::{Found, NAME, Sayings, is_name};
use super::setting::prefixes;
use super::value::{Written, WrongValue, written};
use halfopen_bpf::DenyRule;
use halfopen_policy::Mode;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// `DENY_RULES` and `DENY_PREFIXES` of the kernel part.
const MOST: usize = 64;
const MOST_PREFIXES: usize = 4096;
const TABLE: &str = "[[deny]]";
const TO: &str = "to";
const NOWHERE: &str =
    "expected at least one prefix, such as [\"10.0.0.0/8\"]; mode = \"off\" switches a rule off";

/// A rule, with the origin of each of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    name: String,
    origin: Origin,
    to: Vec<IpNet>,
    values: BTreeMap<DenyKey, (DenyValue, Origin)>,
}

/// All rules of `[[deny]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenyRules(Vec<Deny>);

impl DenyRules {
    /// Adds a rule, or replaces the rule of that name in its place.
    pub fn put(&mut self, name: &str, to: &[IpNet], origin: Origin) {
        let new = Deny { name: name.to_owned(), origin, to: to.to_vec(), values: BTreeMap::new() };
        match self.0.iter_mut().find(|rule| rule.name == name) {
            Some(old) => *old = new,
            None => self.0.push(new),
        }
    }

    /// Puts a value into a rule.
    ///
    /// # Errors
    /// [`Wrong::NoSuchRule`] if there is no rule of that name.
    pub fn put_value(&mut self, name: &str, value: DenyValue, origin: Origin) -> Result<(), Wrong> {
        let known = self.known();
        let Some(rule) = self.0.iter_mut().find(|rule| rule.name == name) else {
            return Err(Wrong::NoSuchRule { rule: RuleName::Deny(name.to_owned()), known });
        };
        rule.values.insert(value.key(), (value, origin));
        Ok(())
    }

    /// The hint for a user who named a rule that does not exist.
    #[must_use]
    pub fn known(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|rule| rule.name.as_str()).collect();
        match names.as_slice() {
            [] => format!("there is no {TABLE} in force"),
            names => format!("the rules in force are {}", names.join(", ")),
        }
    }

    /// The value of `key` in the rule of that name, and its origin.
    #[must_use]
    pub fn get(&self, name: &str, key: DenyKey) -> Option<(DenyValue, &Origin)> {
        let rule = self.0.iter().find(|rule| rule.name == name)?;
        let said = rule.values.get(&key).map(|(value, origin)| (value.clone(), origin));
        Some(said.unwrap_or_else(|| (DenyValue::usual(key), &rule.origin)))
    }

    /// Checks the rules together.
    ///
    /// # Errors
    /// The first mistake, and the origin of the rule that it concerns.
    pub fn check(&self) -> Result<(), (Wrong, Origin)> {
        let mut prefixes = 0;
        for (number, rule) in self.0.iter().enumerate() {
            let named = RuleName::Deny(rule.name.clone());
            if number >= MOST {
                return Err((Wrong::TooMany { rule: named, most: MOST }, rule.origin.clone()));
            }
            let deny = rule.rule();
            prefixes += deny.to.len() + deny.except.len();
            // The kernel part needs one prefix itself.
            if prefixes >= MOST_PREFIXES {
                return Err((
                    Wrong::TooManyPrefixes { rule: named, most: MOST_PREFIXES - 1 },
                    rule.origin.clone(),
                ));
            }
        }
        Ok(())
    }

    /// The rules in the form for the kernel part.
    #[must_use]
    pub fn rules(&self) -> Vec<DenyRule> {
        self.0.iter().map(Deny::rule).collect()
    }

    /// Each rule with all its values, for a hash.
    pub fn in_full(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|rule| {
            let values = DenyKey::ALL.map(|key| {
                let value = rule.values.get(&key).map(|(value, _)| value.clone());
                format!(" {} = {}", key.name(), value.unwrap_or_else(|| DenyValue::usual(key)).value())
            });
            format!("deny.{} {}{}\n", rule.name, list(&rule.to), values.concat())
        })
    }

    /// The rules as a file, each line with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for rule in &self.0 {
            let mut line = |key: &str, value: &toml_edit::Value, origin: &Origin| {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{:<40} # {origin}", format!("{key} = {value}"));
            };
            line(&format!("\n{TABLE}\nname"), &rule.name.as_str().into(), &rule.origin);
            line(TO, &list(&rule.to), &rule.origin);
            for (key, (value, origin)) in &rule.values {
                line(key.name(), &value.value(), origin);
            }
        }
        text
    }
}

fn list(prefixes: &[IpNet]) -> toml_edit::Value {
    prefixes.iter().map(ToString::to_string).collect()
}

impl Deny {
    fn rule(&self) -> DenyRule {
        let mut rule = DenyRule {
            name: self.name.clone(),
            to: self.to.clone(),
            except: Vec::new(),
            tcp: true,
            udp: true,
            ports: Vec::new(),
            mode: Mode::Enforce,
        };
        self.values.values().for_each(|(value, _)| value.apply(&mut rule));
        rule
    }
}

/// Reads the rules of `[[deny]]`, in their order.
pub(super) fn read_all(value: &Spanned<DeValue<'_>>) -> Result<Sayings, Found> {
    let no_list = |span| (span, Wrong::NoList(TABLE));
    let DeValue::Array(list) = value.get_ref() else { return Err(no_list(value.span())) };
    let mut names: Vec<String> = Vec::new();
    let mut sayings = Sayings::new();
    for item in list {
        let DeValue::Table(rule) = item.get_ref() else { return Err(no_list(item.span())) };
        let name = read_name(rule, item.span())?;
        if names.contains(&name) {
            return Err((item.span(), Wrong::Twice { table: TABLE, name }));
        }
        sayings.extend(read(&name, rule, item.span())?);
        names.push(name);
    }
    Ok(sayings)
}

fn read_name(rule: &DeTable<'_>, span: Range<usize>) -> Result<String, Found> {
    let Some(value) = rule.get("name") else { return Err((span, Wrong::NoName("deny"))) };
    let name = value.get_ref().as_str().filter(|name| is_name(name));
    name.map(ToOwned::to_owned).ok_or_else(|| {
        let given = written(value.get_ref());
        let wrong = WrongValue::new("deny.name".into(), given, NAME.to_owned(), value.span());
        (value.span(), wrong.into())
    })
}

fn read(name: &str, table: &DeTable<'_>, span: Range<usize>) -> Result<Sayings, Found> {
    let mut sayings = Sayings::new();
    for (key, value) in table {
        let written = Written { value: value.get_ref(), span: value.span() };
        let wrong = |e: WrongValue| (e.span.clone(), e.into());
        let named = format!("deny.{name}.{}", key.get_ref());
        match key.get_ref().as_ref() {
            "name" => {}
            TO => {
                let to = prefixes(&named, &written).map_err(wrong)?;
                if to.is_empty() {
                    return Err(wrong(written.wrong(named, NOWHERE.into())));
                }
                // The values of a rule come after the rule itself.
                sayings.insert(0, (Assignment::Deny { name: name.to_owned(), to }, span.clone()));
            }
            given => match DenyKey::named(given) {
                Some(key) => {
                    let value = DenyValue::read(key, &named, &written).map_err(wrong)?;
                    sayings.push((Assignment::DenyValue(name.to_owned(), value), written.span));
                }
                None => return Err((key.span(), Wrong::UnknownKey { key: named, hint: hint(given) })),
            },
        }
    }
    if sayings.is_empty() { Err((span, Wrong::NoDestination(name.to_owned()))) } else { Ok(sayings) }
}

fn hint(given: &str) -> String {
    let known = || ["name", TO].into_iter().chain(DenyKey::ALL.into_iter().map(DenyKey::name));
    nearest(given, known())
        .map_or_else(|| format!("{TABLE} has {}", known().collect::<Vec<_>>().join(", ")), did_you_mean)
}
