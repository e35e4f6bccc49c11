//! The table of the keys of `[metrics]`.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, key, put};
use super::value::Typed;
use std::net::SocketAddr;

/// How metrics are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// Where; `None` = nowhere.
    pub listen: Option<SocketAddr>,
    /// How many accounts have metrics of their own.
    pub max_accounts: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: None, max_accounts: 100 }
    }
}

/// `metrics.listen`.
pub const LISTEN: &Key = key(METRICS, "listen");

fields! {
    /// All of them, in the order of the sample file.
    pub static METRICS: Metrics, in Table::Metrics;

    /// Where Prometheus finds the metrics: http://127.0.0.1:4226/metrics for "127.0.0.1:4226". Everybody who reaches
    /// this address can read them, and they name services, users and containers: choose one beyond loopback only on a
    /// network that you trust.
    listen: Form::ADDRESS.or("off") => Place {
        get: |metrics| metrics.listen.value(),
        set: |metrics, value| put(&mut metrics.listen, value),
    };

    /// How many accounts have metrics of their own: suspects first, then those with waiters. The metrics of a scope's
    /// other accounts are summed up, as the account "other". An account adds some 15 time series.
    max_accounts: Form::number(0, 10_000).such_as("100") => Place {
        get: |metrics| metrics.max_accounts.value(),
        set: |metrics, value| put(&mut metrics.max_accounts, value),
    };
}
