//! What a scrape reads.

use crate::control::Degradation;
use crate::otlp::Counts as Sent;
use crate::runs_in::RunsIn;
use halfopen_bpf::{Durations, FaultCount, Histogram};
use halfopen_policy::Ledger;
use std::time::Duration;

/// The account that stands for those of a scope that have no metrics of their own.
pub const OTHER: &str = "other";

/// Everything that the metrics show.
#[derive(Debug, Default)]
pub struct Reading {
    /// Scopes, with an empty account name, and accounts.
    pub accounts: Vec<Account>,
    /// The scopes.
    pub scopes: Vec<ScopeTotal>,
    /// What has been timed.
    pub durations: Durations,
    /// How long attempts would have waited in audit mode.
    pub would_wait: Histogram,
    /// The faults that have happened.
    pub faults: Vec<FaultCount>,
    /// What became of events for a collector; `None` = there is none.
    pub sent: Option<Sent>,
    /// Why the limit is less than it could be.
    pub degraded: Vec<Degradation>,
    /// The word of the mode in force.
    pub mode: &'static str,
    /// The preset's name.
    pub preset: String,
    /// The hash of the configuration.
    pub config_hash: String,
    /// For how long the counts have been kept.
    pub counting_for: Duration,
}

/// What holds for a scope as a whole.
#[derive(Debug)]
pub struct ScopeTotal {
    /// Its name.
    pub name: String,
    /// How many may hold a slot; `None` = unlimited.
    pub half_open_limit: Option<u32>,
    /// How many accounts it has.
    pub accounts: u64,
}

/// A scope, an account, or the sum of the other accounts.
#[derive(Debug)]
pub struct Account {
    /// The scope's name.
    pub scope: String,
    /// Whose account it is; empty for the scope itself.
    pub name: String,
    /// What the cgroup belongs to that it is for.
    pub runs_in: RunsIn,
    /// What it counts.
    pub counts: Counts,
    /// How it is now.
    pub now: Now,
}

/// Numbers that only grow while an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the table of metrics documents each")]
pub struct Counts {
    pub established: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub gave_up: u64,
    pub refused_queue_full: u64,
    pub refused_blocked: u64,
    pub at_once: u64,
    pub after_wait: u64,
    pub would_have_waited: u64,
    pub first_contacts: u64,
    pub waited_for_connection: u64,
    pub waited_for_destination: u64,
}

/// Numbers of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the table of metrics documents each")]
pub struct Now {
    pub waiting: u64,
    pub half_open: u64,
    pub aged: u64,
    pub longest_wait: Duration,
    pub suspects: u64,
    pub connections_open: u64,
    pub connections_ended: u64,
}

impl Counts {
    /// Those of a ledger, with its first contacts.
    #[must_use]
    pub fn of(ledger: &Ledger, first_contacts: u64) -> Self {
        Self {
            established: ledger.established,
            failed: ledger.failed,
            cancelled: ledger.cancelled,
            gave_up: ledger.gave_up_while_queued,
            refused_queue_full: ledger.refused_overflow,
            refused_blocked: ledger.blocked,
            at_once: ledger.admitted,
            after_wait: ledger.released,
            would_have_waited: ledger.would_have_waited,
            first_contacts,
            waited_for_connection: ledger.connections.waited_to_open,
            waited_for_destination: ledger.connections.waited_to_reach,
        }
    }

    fn each(&mut self) -> [&mut u64; 12] {
        let Self { established, failed, cancelled, gave_up, refused_queue_full, refused_blocked, .. } = self;
        let Self { at_once, after_wait, would_have_waited, first_contacts, .. } = self;
        let Self { waited_for_connection, waited_for_destination, .. } = self;
        [
            established,
            failed,
            cancelled,
            gave_up,
            refused_queue_full,
            refused_blocked,
            at_once,
            after_wait,
            would_have_waited,
            first_contacts,
            waited_for_connection,
            waited_for_destination,
        ]
    }

    /// Adds what has been counted since `before`. A number that has become less was counted anew.
    pub fn grow(&mut self, mut before: Self, mut now: Self) {
        for ((sum, before), now) in self.each().into_iter().zip(before.each()).zip(now.each()) {
            *sum += now.checked_sub(*before).unwrap_or(*now);
        }
    }
}

impl Now {
    /// Those of a ledger.
    #[must_use]
    pub fn of(ledger: &Ledger, is_suspect: bool) -> Self {
        Self {
            waiting: ledger.queued,
            half_open: ledger.half_open,
            aged: ledger.aged,
            longest_wait: ledger.longest_wait,
            suspects: is_suspect.into(),
            connections_open: ledger.connections.open,
            connections_ended: ledger.connections.ended,
        }
    }

    /// Adds the numbers of another account.
    pub fn add(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.half_open += other.half_open;
        self.aged += other.aged;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.suspects += other.suspects;
        self.connections_open += other.connections_open;
        self.connections_ended += other.connections_ended;
    }
}
