//! All keys of the configuration, from the tables of [`super::general`], [`super::limits`] and [`super::rule_keys`].

use super::container_sources::CONTAINERS;
use super::dashboard::DASHBOARD;
use super::events::EVENTS;
use super::general::{GENERAL, NEVER_HOLD};
use super::history::HISTORY;
use super::key::{Field, Key, Table};
use super::limits::{LIMITS, PER_DESTINATION};
use super::metrics::METRICS;
use super::otlp::OTLP;
use super::per_destination;
use super::rule_keys::{DENY, MATCH, SCOPE};
use super::who::For;

/// The keys that a table of a file takes, besides the name of a rule.
#[must_use]
pub fn keys(table: Table) -> Vec<&'static Key> {
    fn of<T>(fields: &'static [Field<T>]) -> impl Iterator<Item = &'static Key> {
        fields.iter().map(|field| &field.key)
    }
    match table {
        Table::Top => of(GENERAL).collect(),
        Table::Host | Table::Accounts | Table::Interface => of(LIMITS).collect(),
        Table::Metrics => of(METRICS).collect(),
        Table::History => of(HISTORY).collect(),
        Table::Events => of(EVENTS).collect(),
        Table::Otlp => of(OTLP).collect(),
        Table::Dashboard => of(DASHBOARD).collect(),
        Table::Containers => of(CONTAINERS).collect(),
        Table::Scope => SCOPE.iter().chain(of(LIMITS)).collect(),
        Table::Deny => of(DENY).collect(),
    }
}

/// The keys of the host: above the first table, its limits, and what it tells.
#[must_use]
pub fn of_host() -> Vec<&'static Key> {
    Table::OF_HOST.map(keys).concat()
}

/// What the tables that a key takes can have, each with what it means; empty for most keys.
#[must_use]
pub fn conditions(key: &Key) -> &'static [(&'static str, &'static str)] {
    match key {
        key if key == MATCH => For::Scope.keys(),
        key if key == PER_DESTINATION => &per_destination::KEYS,
        key if key == NEVER_HOLD => For::NeverHold.keys(),
        _ => &[],
    }
}

/// The key of that name.
#[must_use]
pub fn named(table: Table, name: &str) -> Option<&'static Key> {
    keys(table).into_iter().find(|key| key.name == name)
}

/// The names of [`keys`].
#[must_use]
pub fn names(table: Table) -> Vec<&'static str> {
    keys(table).into_iter().map(|key| key.name).collect()
}
