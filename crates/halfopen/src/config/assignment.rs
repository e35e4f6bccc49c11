//! One assignment of a file or a command line.

use super::deny::DenyValue;
use super::error::Wrong;
use super::key::Key;
use super::limit::Limit;
use super::name::{Name, RuleName};
use super::setting::Setting;
use super::who::Who;
use halfopen_bpf::Per;
use ipnet::IpNet;

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// A key and its value.
    Setting(Setting),
    /// Defines a `[[scope]]`, which replaces an earlier one of that name. Its limits follow it.
    Scope {
        /// Its name.
        name: String,
        /// Whose attempts it applies to.
        who: Who,
        /// Which of them share an account.
        per: Per,
    },
    /// Defines a `[[deny]]`, which replaces an earlier one of that name. Its values follow it.
    Deny {
        /// Its name.
        name: String,
        /// What it refuses.
        to: Vec<IpNet>,
    },
    /// A value of a `[[deny]]`, which must exist.
    DenyValue(String, DenyValue),
    /// A limit of a rule. A `[[scope]]` must exist; the first limit of an `[[interface]]` defines it.
    Limit(RuleName, Limit),
}

impl Assignment {
    /// Reads the value of `name` from a command line.
    ///
    /// # Errors
    /// If the name does not take the value.
    pub fn read(name: &Name, value: &str) -> Result<Self, Wrong> {
        Ok(match name {
            Name::Key(key) => Self::Setting(Setting::from_text(*key, value)?),
            Name::TcpNumConnections(None) => {
                Self::Setting(Setting::Host(Limit::from_tcp_num_connections(value)?))
            }
            Name::TcpNumConnections(Some(interface)) => {
                Self::Limit(RuleName::Interface(interface.clone()), Limit::from_tcp_num_connections(value)?)
            }
            Name::Deny(rule, key) => {
                Self::DenyValue(rule.clone(), DenyValue::from_text(*key, &name.to_string(), value)?)
            }
            Name::Limit(rule, key) => {
                Self::Limit(rule.clone(), Limit::from_text(*key, &name.to_string(), value)?)
            }
        })
    }

    /// The name by which `get` finds its value; `None` for a whole rule.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        match self {
            Self::Setting(setting) => Some(Name::Key(setting.key())),
            Self::Scope { .. } | Self::Deny { .. } => None,
            Self::DenyValue(rule, value) => Some(Name::Deny(rule.clone(), value.key())),
            Self::Limit(rule, limit) => Some(Name::Limit(rule.clone(), limit.key())),
        }
    }

    /// Its value as `get` prints it.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Setting(setting) => setting.show(),
            Self::Scope { name, .. } | Self::Deny { name, .. } => name.clone(),
            Self::DenyValue(_, value) => value.show(),
            Self::Limit(_, limit) => limit.show(),
        }
    }

    /// The key, unless it belongs to a rule.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        if let Self::Setting(setting) = self { Some(setting.key()) } else { None }
    }
}
