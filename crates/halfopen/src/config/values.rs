//! Values of keys, each with its origin.

use super::key::{Field, Key, Table};
use super::place::Origin;
use super::value::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The values of the host, or of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<(Table, &'static str), (Value, Origin)>);

impl Values {
    /// Puts in a value, in place of an earlier one.
    pub fn put(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.0.insert((key.table, key.name), (value, origin));
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&(Value, Origin)> {
        self.0.get(&(key.table, key.name))
    }

    /// Those of `keys`, in their order.
    pub fn of(
        &self,
        keys: impl IntoIterator<Item = &'static Key>,
    ) -> impl Iterator<Item = (&'static Key, &Value, &Origin)> {
        keys.into_iter().filter_map(|key| self.get(key).map(|(value, origin)| (key, value, origin)))
    }

    /// Puts the values of `fields` into `to`, in the order of the table.
    pub fn apply<T>(&self, fields: &'static [Field<T>], to: &mut T) {
        for field in fields {
            if let Some((value, _)) = self.get(&field.key) {
                (field.place.set)(to, value);
            }
        }
    }
}

/// A line of a file, with its origin.
pub(super) fn line(text: &mut String, line: &str, origin: &Origin) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line:<40} # {origin}");
}
