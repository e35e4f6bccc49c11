//! The names that `get`, `set` and `--set` take.

use super::deny::DenyKey;
use super::key::{Key, LimitKey, did_you_mean, limit_meant, nearest};
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
    /// The table of the rule.
    #[must_use]
    pub fn table(&self) -> &'static str {
        match self {
            Self::Scope(_) => "scope",
            Self::Interface(_) => "interface",
            Self::Deny(_) => "deny",
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
        write!(f, "{}.{}", self.table(), self.leaf())
    }
}

/// A value that can be read or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A key of the configuration.
    Key(Key),
    /// A limit of a rule.
    Limit(RuleName, LimitKey),
    /// A value of a `[[deny]]`.
    Deny(String, DenyKey),
    /// The `half_open` of the host, or of an interface, in the numbers of the original.
    TcpNumConnections(Option<String>),
}

/// No such name exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchName {
    /// Neither a key nor an alias.
    #[error("unknown name {given:?}: {hint}")]
    Unknown {
        /// The name, as the user wrote it.
        given: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// No interface can have that name.
    #[error("{0}: expected Interfaces\\NAME\\TcpNumConnections, such as Interfaces\\eth0\\TcpNumConnections")]
    Interface(String),
}

const ORIGINAL: &str = "TcpNumConnections";
const INTERFACES: &str = "Interfaces\\";

impl Name {
    /// Reads a name as `get`, `set` and `--set` take it. Case does not matter in the names of the original.
    ///
    /// # Errors
    /// [`NoSuchName`] with the nearest name there is.
    pub fn read(text: &str) -> Result<Self, NoSuchName> {
        if text.eq_ignore_ascii_case(ORIGINAL) {
            return Ok(Self::TcpNumConnections(None));
        }
        let (start, rest) = text.split_at_checked(INTERFACES.len()).unwrap_or_default();
        if start.eq_ignore_ascii_case(INTERFACES) {
            let parts = rest.rsplit_once('\\').filter(|(_, value)| value.eq_ignore_ascii_case(ORIGINAL));
            let name = parts.map(|(name, _)| name).filter(|name| is_interface(name));
            return name.map_or_else(
                || Err(NoSuchName::Interface(text.to_owned())),
                |name| Ok(Self::TcpNumConnections(Some(name.to_owned()))),
            );
        }
        if let Some(named) = limit_of_rule(text).or_else(|| value_of_deny(text)) {
            return named;
        }
        let key = Key::all().find(|key| text == key.to_string() || text == key.leaf());
        key.map(Self::Key).ok_or_else(|| {
            let names: Vec<String> = Key::all().map(|key| key.to_string()).chain([ORIGINAL.into()]).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let leaves: Vec<&str> = LimitKey::ALL.map(LimitKey::name).to_vec();
            let limit = text.strip_prefix("host.").unwrap_or(text);
            let meant = limit_meant(limit, std::iter::empty());
            let meant =
                meant.or_else(|| nearest(text, names.iter().chain(&leaves).copied()).map(did_you_mean));
            let hint = meant.unwrap_or_else(|| {
                let names = names.join(", ");
                format!(
                    "the names are {names}, scope.NAME.half_open, interface.NAME.half_open and deny.NAME.mode"
                )
            });
            NoSuchName::Unknown { given: text.to_owned(), hint }
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Limit(rule, key) => write!(f, "{rule}.{}", key.name()),
            Self::Deny(rule, key) => write!(f, "deny.{rule}.{}", key.name()),
            Self::TcpNumConnections(None) => f.write_str(ORIGINAL),
            Self::TcpNumConnections(Some(name)) => write!(f, "{INTERFACES}{name}\\{ORIGINAL}"),
        }
    }
}

/// `scope.NAME.KEY` and `interface.NAME.KEY`: names may have dots in them, keys have none.
fn limit_of_rule(text: &str) -> Option<Result<Name, NoSuchName>> {
    let (table, rest) = text.split_once('.')?;
    let (name, limit) = rest.rsplit_once('.')?;
    let of_rule = |key| match (table, name) {
        ("scope", "host") => Name::Key(Key::Host(key)),
        ("scope", _) => Name::Limit(RuleName::Scope(name.to_owned()), key),
        _ => Name::Limit(RuleName::Interface(name.to_owned()), key),
    };
    match table {
        "scope" => {}
        "interface" if is_interface(name) => {}
        _ => return None,
    }
    Some(
        LimitKey::named(limit)
            .map(of_rule)
            .ok_or_else(|| NoSuchName::Unknown { given: text.to_owned(), hint: no_such_limit(limit) }),
    )
}

/// `deny.NAME.KEY`.
fn value_of_deny(text: &str) -> Option<Result<Name, NoSuchName>> {
    let (name, key) = text.strip_prefix("deny.")?.rsplit_once('.')?;
    Some(DenyKey::named(key).map(|key| Name::Deny(name.to_owned(), key)).ok_or_else(|| {
        let keys = DenyKey::ALL.map(DenyKey::name);
        let hint = nearest(key, keys.into_iter()).map_or_else(
            || format!("the keys are {}; to can only be set in a file", keys.join(", ")),
            did_you_mean,
        );
        NoSuchName::Unknown { given: text.to_owned(), hint }
    }))
}

/// What the user may have meant by an unknown limit.
fn no_such_limit(given: &str) -> String {
    limit_meant(given, LimitKey::ALL.into_iter().map(LimitKey::name))
        .unwrap_or_else(|| format!("the limits are {}", LimitKey::ALL.map(LimitKey::name).join(", ")))
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
