//! A user that a rule names.

use super::accounts::Accounts;
use toml::de::DeValue;

/// By name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// The name, as the user wrote it.
    pub name: String,
    /// The number when the value was read; `None` = there was no such user.
    pub id: Option<u32>,
}

impl User {
    pub fn of(name: &str, accounts: &Accounts) -> Self {
        Self { name: name.to_owned(), id: accounts.id(name) }
    }

    /// `None` for a value that is neither a name nor a number.
    pub fn read(value: &DeValue<'_>, accounts: &Accounts) -> Option<Self> {
        match value {
            DeValue::String(name) if !name.is_empty() => Some(Self::of(name, accounts)),
            DeValue::Integer(number) => {
                let id = u32::from_str_radix(number.as_str(), number.radix()).ok()?;
                Some(Self { name: id.to_string(), id: Some(id) })
            }
            _ => None,
        }
    }
}
