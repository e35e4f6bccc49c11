//! What the table of the configuration says about a key.

use super::form::Form;
use super::value::{Typed, Value};

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where a file has it.
    pub table: Table,
    /// Its name there.
    pub name: &'static str,
    /// What values it takes.
    pub form: Form,
    /// What [`Key::doc`] shows, as comments have it.
    comment: &'static str,
    /// When a new value takes effect, if not at once.
    pub takes_effect: Option<&'static str>,
}

/// The tables of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Above the first table.
    Top,
    /// The limits: of `[host]`, and of each rule.
    Host,
    /// `[metrics]`.
    Metrics,
    /// `[history]`.
    History,
    /// `[events]`.
    Events,
    /// `[otlp]`.
    Otlp,
    /// `[dashboard]`.
    Dashboard,
    /// `[containers]`.
    Containers,
    /// `[accounts]`: the limits of the rule that gives everybody an account. It has no keys of its own.
    Accounts,
    /// `[[scope]]`.
    Scope,
    /// `[[interface]]`, which has no keys of its own.
    Interface,
    /// `[[deny]]`.
    Deny,
}

impl Table {
    /// Those with a name.
    pub(super) const NAMED: [Self; 11] = [
        Self::Host,
        Self::Metrics,
        Self::History,
        Self::Events,
        Self::Otlp,
        Self::Dashboard,
        Self::Containers,
        Self::Accounts,
        Self::Scope,
        Self::Interface,
        Self::Deny,
    ];
    /// Those with the keys of the host, in the order of the sample file.
    pub const OF_HOST: [Self; 8] = [
        Self::Top,
        Self::Host,
        Self::Metrics,
        Self::History,
        Self::Events,
        Self::Otlp,
        Self::Dashboard,
        Self::Containers,
    ];

    /// Its name; empty above the first table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.written().trim_matches(['[', ']'])
    }

    /// Whether a file can have several of it, each with a name.
    pub(super) fn is_list(self) -> bool {
        self.written().starts_with("[[")
    }

    /// As a file begins it.
    #[must_use]
    pub fn written(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Host => "[host]",
            Self::Metrics => "[metrics]",
            Self::History => "[history]",
            Self::Events => "[events]",
            Self::Otlp => "[otlp]",
            Self::Dashboard => "[dashboard]",
            Self::Containers => "[containers]",
            Self::Accounts => "[accounts]",
            Self::Scope => "[[scope]]",
            Self::Interface => "[[interface]]",
            Self::Deny => "[[deny]]",
        }
    }
}

/// A key, and the place of its value.
#[derive(Debug)]
pub struct Field<T: 'static> {
    /// The key.
    pub key: Key,
    /// The place.
    pub place: Place<T>,
}

/// Where a structure has a value.
#[derive(Debug)]
pub struct Place<T> {
    /// The value in the structure.
    pub get: fn(&T) -> Value,
    /// Puts a value of the key's type into the structure.
    pub set: fn(&mut T, &Value),
}

/// A table of keys: the comment above each is what documentation says about it.
macro_rules! fields {
    (
        $(#[doc = $about:literal])* pub static $table:ident: $type:ty, in $in:expr;
        $($(#[doc = $doc:literal])* $name:ident: $form:expr => $place:expr $(, $when:literal)?;)*
    ) => {
        $(#[doc = $about])*
        pub static $table: &[Field<$type>] = &[$(Field {
            key: Key::new($in, stringify!($name), $form, concat!($($doc, "\n"),*))$(.takes_effect($when))?,
            place: $place,
        }),*];
    };
}
pub(super) use fields;

impl Key {
    pub(super) const fn new(table: Table, name: &'static str, form: Form, comment: &'static str) -> Self {
        Self { table, name, form, comment, takes_effect: None }
    }

    pub(super) const fn takes_effect(self, when: &'static str) -> Self {
        Self { takes_effect: Some(when), ..self }
    }

    /// What it does: a line for each paragraph. Lines that begin with four spaces are to stay as they are.
    #[must_use]
    pub fn doc(&self) -> String {
        let mut doc = String::new();
        for line in self.comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)) {
            let apart = if line.is_empty() { "\n" } else { " " };
            let begins = doc.is_empty() || doc.ends_with('\n');
            doc.push_str(if begins { "" } else { apart });
            doc.push_str(line);
        }
        doc
    }

    /// Whether only a file can set it, since it makes the rule.
    #[must_use]
    pub fn makes_rule(&self) -> bool {
        self.table == Table::Scope || (self.table == Table::Deny && self.name == "to")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table && self.name == other.name
    }
}

impl Eq for Key {}

/// Puts a value into its place.
pub(super) fn put<T: Typed>(place: &mut T, value: &Value) {
    if let Some(value) = T::of(value) {
        *place = value;
    }
}

/// The key of that name. For the keys that the program itself refers to: a wrong name does not compile.
pub(super) const fn key<T>(fields: &'static [Field<T>], name: &str) -> &'static Key {
    let mut at = 0;
    while !same(fields[at].key.name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    &fields[at].key
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
