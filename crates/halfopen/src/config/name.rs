//! The names that `get`, `set` and `--set` take.

use super::hint::{did_you_mean, meant, nearest, replaced};
use super::key::{Key, Table};
use super::limits::HALF_OPEN;
use super::tables;
use std::fmt;

/// A rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleName {
    /// A `[[scope]]`, or a scope of `exec`.
    Scope(String),
    /// An `[[interface]]`.
    Interface(String),
    /// A `[[deny]]`.
    Deny(String),
}

impl RuleName {
    /// The rule that `accounts.KEY` and `[accounts]` stand for.
    #[must_use]
    pub fn accounts() -> Self {
        Self::Scope(ACCOUNTS.to_owned())
    }

    /// The table of the rule.
    #[must_use]
    pub fn table(&self) -> Table {
        match self {
            Self::Scope(_) => Table::Scope,
            Self::Interface(_) => Table::Interface,
            Self::Deny(_) => Table::Deny,
        }
    }

    /// Its name.
    #[must_use]
    pub fn leaf(&self) -> &str {
        let (Self::Scope(name) | Self::Interface(name) | Self::Deny(name)) = self;
        name
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table().name(), self.leaf())
    }
}

/// A value that can be read or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The rule that it belongs to; `None` = the host.
    pub rule: Option<RuleName>,
    /// The key.
    pub key: &'static Key,
    /// Whether it is `half_open`, in the name and the numbers of the original.
    pub original: bool,
}

/// No such name exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchName {
    /// Neither a key nor an alias: the name, as the user wrote it, and the nearest name, or all of them.
    #[error("unknown name {0:?}: {1}")]
    Unknown(String, String),
    /// No interface can have that name.
    #[error("{0}: expected Interfaces\\NAME\\TcpNumConnections, such as Interfaces\\eth0\\TcpNumConnections")]
    Interface(String),
}

/// The rule of the preset `adaptive` that gives everybody an account.
const ACCOUNTS: &str = "adaptive";
const ORIGINAL: &str = "TcpNumConnections";
const INTERFACES: &str = "Interfaces\\";

impl Name {
    /// The name of a key of the host or of a rule.
    #[must_use]
    pub fn of(rule: Option<RuleName>, key: &'static Key) -> Self {
        Self { rule, key, original: false }
    }

    /// The name that means the same in the terms of the configuration.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { original: false, ..self }
    }

    /// Whether it is `key` of the host.
    #[must_use]
    pub fn is(&self, key: &Key) -> bool {
        self.rule.is_none() && !self.original && self.key == key
    }

    /// Reads a name as `get`, `set` and `--set` take it. Case does not matter in the names of the original.
    ///
    /// # Errors
    /// [`NoSuchName`] with the nearest name there is.
    pub fn read(text: &str) -> Result<Self, NoSuchName> {
        let original = |rule| Self { rule, key: HALF_OPEN, original: true };
        if text.eq_ignore_ascii_case(ORIGINAL) {
            return Ok(original(None));
        }
        let (start, rest) = text.split_at_checked(INTERFACES.len()).unwrap_or_default();
        if start.eq_ignore_ascii_case(INTERFACES) {
            let parts = rest.rsplit_once('\\').filter(|(_, value)| value.eq_ignore_ascii_case(ORIGINAL));
            let name = parts.map(|(name, _)| name).filter(|name| is_interface(name));
            let rule = name.map(|name| RuleName::Interface(name.to_owned()));
            return rule
                .map(|rule| original(Some(rule)))
                .ok_or_else(|| NoSuchName::Interface(text.to_owned()));
        }
        if let Some(named) = of_rule(text) {
            return named;
        }
        let mut known = tables::of_host().into_iter().map(|key| Self::of(None, key));
        let is_meant = |name: &Self| {
            let in_short = matches!(name.key.table, Table::Top | Table::Host);
            text == name.to_string() || (text == name.key.name && in_short)
        };
        known.find(is_meant).ok_or_else(|| {
            let names = tables::of_host().into_iter().map(|key| Self::of(None, key).to_string());
            let names: Vec<String> = names.chain([ORIGINAL.to_owned()]).collect();
            let leaves = tables::names(Table::Host);
            let known = names.iter().map(String::as_str).chain(leaves);
            let hint = replaced(text.strip_prefix("host.").unwrap_or(text))
                .or_else(|| nearest(text, known).map(did_you_mean))
                .unwrap_or_else(|| {
                    format!(
                        "the names are {}, accounts.first_contacts, scope.NAME.half_open, interface.NAME.half_open \
                         and deny.NAME.mode",
                        names.join(", ")
                    )
                });
            NoSuchName::Unknown(text.to_owned(), hint)
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) if self.original => write!(f, "{INTERFACES}{}\\{ORIGINAL}", rule.leaf()),
            None if self.original => f.write_str(ORIGINAL),
            Some(rule) => write!(f, "{rule}.{}", self.key.name),
            None if self.key.table == Table::Top => f.write_str(self.key.name),
            None => write!(f, "{}.{}", self.key.table.name(), self.key.name),
        }
    }
}

/// `accounts.KEY`, `scope.NAME.KEY`, `interface.NAME.KEY` and `deny.NAME.KEY`: names may have dots in them, keys have
/// none.
fn of_rule(text: &str) -> Option<Result<Name, NoSuchName>> {
    let (table, rest) = text.split_once('.')?;
    let (name, leaf) = if table == "accounts" { ("", rest) } else { rest.rsplit_once('.')? };
    let rule = match table {
        "accounts" => Some(RuleName::accounts()),
        "scope" if name == "host" => None,
        "scope" => Some(RuleName::Scope(name.to_owned())),
        "interface" if is_interface(name) => Some(RuleName::Interface(name.to_owned())),
        "deny" => Some(RuleName::Deny(name.to_owned())),
        _ => return None,
    };
    let keys = tables::keys(rule.as_ref().map_or(Table::Host, RuleName::table));
    let (in_files, known): (Vec<&'static Key>, Vec<&'static Key>) =
        keys.into_iter().partition(|key| key.makes_rule());
    if let Some(key) = known.iter().find(|key| key.name == leaf) {
        return Some(Ok(Name::of(rule, key)));
    }
    let names = |keys: &[&'static Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
    let hint = meant(leaf, names(&known)).unwrap_or_else(|| {
        let only_in_files = match names(&in_files).join(" and ") {
            none if none.is_empty() => none,
            names => format!("; {names} can only be set in a file"),
        };
        format!("the keys are {}{only_in_files}", names(&known).join(", "))
    });
    Some(Err(NoSuchName::Unknown(text.to_owned(), hint)))
}

/// Whether an interface can have that name, by the rules of the kernel's `dev_valid_name()`.
#[must_use]
pub fn is_interface(name: &str) -> bool {
    let good = |c: char| c != '/' && c != ':' && c != '\0' && !c.is_whitespace();
    (1..16).contains(&name.len()) && !matches!(name, "." | "..") && name.chars().all(good)
}

/// Whether that is the name of a scope of `exec`.
#[must_use]
pub fn is_of_exec(name: &str) -> bool {
    let pid = name.strip_prefix("exec-");
    pid.is_some_and(|pid| pid.bytes().all(|digit| digit.is_ascii_digit()))
}
