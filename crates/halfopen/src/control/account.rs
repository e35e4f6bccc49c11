//! The names of accounts: `torrent`, `adaptive[/system.slice/foo.service]`, `web[user www-data]`, `dialers[pid 7
//! nmap]`.

use super::as_text::as_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose account of a rule it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// That of a cgroup and those below it, by its path in the hierarchy.
    CgroupAt(String),
    /// The same by the cgroup's number, which is needed if the cgroup is gone.
    Cgroup(u64),
    /// That of a user, by name.
    UserNamed(String),
    /// The same by number.
    User(u32),
    /// That of all users of a user namespace made by root, by its inode number.
    UserNamespace(u32),
    /// That of a process and its children. The name, if known, is only for people.
    Process(u32, String),
}

/// The name of a scope, or of one account of it, such as `adaptive[/system.slice/x.service]` or `web[user www-data]`. A
/// path alone is enough if one scope alone has such an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String", inline)]
pub struct AccountName {
    /// The scope's name; empty if the account may be of any.
    pub scope: String,
    /// `None` if the rule has one account for all, or if all are meant.
    pub whose: Option<Whose>,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CgroupAt(path) => f.write_str(path),
            Self::Cgroup(number) => write!(f, "cgroup {number}"),
            Self::UserNamed(name) => write!(f, "user {name}"),
            Self::User(number) => write!(f, "user {number}"),
            Self::UserNamespace(number) => write!(f, "userns {number}"),
            Self::Process(pid, comm) if comm.is_empty() => write!(f, "pid {pid}"),
            Self::Process(pid, comm) => write!(f, "pid {pid} {comm}"),
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whose {
            None => f.write_str(&self.scope),
            Some(whose) if self.scope.is_empty() => whose.fmt(f),
            Some(whose) => write!(f, "{}[{whose}]", self.scope),
        }
    }
}

/// The text does not have the form of an account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a scope such as torrent, or one of its accounts as `halfopen status` shows it, such as \
     'torrent[/system.slice/x.service]', 'torrent[user www-data]' or 'torrent[pid 7]'; a path such as \
     /system.slice/x.service is enough if one scope alone has such an account"
)]
pub struct NoAccountName;

as_text!(AccountName);

impl FromStr for AccountName {
    type Err = NoAccountName;

    fn from_str(text: &str) -> Result<Self, NoAccountName> {
        if text.starts_with('/') {
            return Ok(Self { scope: String::new(), whose: Some(Whose::CgroupAt(text.to_owned())) });
        }
        let Some((scope, rest)) = text.split_once('[') else {
            let scope = text.to_owned();
            return if scope.is_empty() { Err(NoAccountName) } else { Ok(Self { scope, whose: None }) };
        };
        let inside = rest.strip_suffix(']').filter(|_| !scope.is_empty()).ok_or(NoAccountName)?;
        let whose = match inside.split_once(' ').filter(|_| !inside.starts_with('/')) {
            None if inside.starts_with('/') => Some(Whose::CgroupAt(inside.to_owned())),
            Some(("cgroup", number)) => number.parse().ok().map(Whose::Cgroup),
            Some(("user", name)) if !name.is_empty() => {
                Some(name.parse().map_or_else(|_| Whose::UserNamed(name.to_owned()), Whose::User))
            }
            Some(("userns", number)) => number.parse().ok().map(Whose::UserNamespace),
            Some(("pid", rest)) => {
                let (pid, comm) = rest.split_once(' ').unwrap_or((rest, ""));
                pid.parse().ok().map(|pid| Whose::Process(pid, comm.to_owned()))
            }
            _ => None,
        };
        Ok(Self { scope: scope.to_owned(), whose: Some(whose.ok_or(NoAccountName)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for text in [
            "torrent",
            "adaptive[/system.slice/a b.service]",
            "adaptive[/]",
            "adaptive[cgroup 4242]",
            "web[user www-data]",
            "web[user 33]",
            "dialers[pid 7]",
            "dialers[pid 7 my [odd] name]",
            "/system.slice/x.service",
            "/odd [one]",
        ] {
            let name = text.parse::<AccountName>().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(serde_json::to_value(&name).unwrap(), text);
        }
        assert_eq!("web[user 33]".parse::<AccountName>().unwrap().whose, Some(Whose::User(33)));
        for text in
            ["", "a[", "a[]", "a[x", "a[x]", "a[pid x]", "a[cgroup /x]", "a[user ]", "a[pid]", "[user 1]"]
        {
            assert!(text.parse::<AccountName>().is_err(), "{text}");
        }
    }
}
