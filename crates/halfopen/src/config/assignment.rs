//! One assignment of a file or a command line.

use super::error::Wrong;
use super::key::Key;
use super::name::{Name, RuleName};
use super::value::Value;
use super::written::{self, WrongValue};
use halfopen_policy::Limits;

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// A value of the host, or of a rule. A `[[scope]]` or `[[deny]]` must exist; the first limit of an `[[interface]]`
    /// makes it.
    Value(Name, Value),
    /// Makes a `[[scope]]` or `[[deny]]`, which replaces an earlier one of that name. Its other values follow it.
    Rule(RuleName, Vec<(&'static Key, Value)>),
}

impl Assignment {
    /// Reads the value of `name` from a command line.
    ///
    /// # Errors
    /// If the name does not take the value.
    pub fn read(name: &Name, text: &str) -> Result<Self, Wrong> {
        let value = if name.original {
            tcp_num_connections(text)?
        } else {
            name.key.form.read_text(&name.to_string(), text)?
        };
        Ok(Self::Value(name.clone().plain(), value))
    }

    /// The name by which `get` finds its value; `None` for a whole rule.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        if let Self::Value(name, _) = self { Some(name) } else { None }
    }

    /// Its value as `get` prints it.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Value(name, value) => name.key.form.show(value),
            Self::Rule(name, _) => name.leaf().to_owned(),
        }
    }

    /// Whether it is the value of this key of the host.
    #[must_use]
    pub fn is(&self, key: &Key) -> bool {
        self.name().is_some_and(|name| name.is(key))
    }
}

/// Reads a number in the original's terms: decimal or 0x hex, `0xfffffe` = unlimited.
fn tcp_num_connections(text: &str) -> Result<Value, WrongValue> {
    const ACCEPTED: &str =
        "expected a whole number from 1 to 16777213, decimal or as 0x32, or 0xfffffe for unlimited";
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = hex.unwrap_or(text);
    let number = u32::from_str_radix(digits, if hex.is_some() { 16 } else { 10 }).ok();
    match number.filter(|_| !digits.starts_with('+')) {
        Some(Limits::UNLIMITED) => Ok(Value::Unlimited),
        Some(number @ 1..Limits::UNLIMITED) => Ok(Value::Number(number)),
        _ => Err(written::not_toml("TcpNumConnections", text, ACCEPTED)),
    }
}

/// A `half_open` in the numbers of the original.
#[must_use]
pub fn in_original_numbers(half_open: &Value) -> u32 {
    if let Value::Number(number) = half_open { (*number).min(Limits::UNLIMITED) } else { Limits::UNLIMITED }
}
