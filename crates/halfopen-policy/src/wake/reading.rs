//! What those who wake are told of the accounting: how an attempt ended, and what stands in a scope's.

use crate::{CreditBucket, Limits, PortCell};

/// How an attempt that was out has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When its first SYN left.
    pub out_at: u64,
    /// Whether the peer accepted.
    pub established: bool,
    /// Whether it had the host's slot until then.
    pub host_slot: bool,
    /// Whether it had the slot of its own scope until then.
    pub own_slot: bool,
}

/// The accounting of one scope, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: u64,
    /// What was in force; `half_open` without a limit lets every waiter go.
    pub limits: Limits,
    /// Slots that were held.
    pub in_use: u32,
    /// When the next turn falls due; only means something with a rate.
    pub next_turn: u64,
    /// The credit for first contacts, where they cost some.
    pub credit: Option<Credits>,
}

/// The credit of one scope in its credit buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credits {
    /// For named addresses.
    pub named: CreditReading,
    /// For others, whatever the port.
    pub strangers: CreditReading,
    /// For those, by port.
    pub ports: [CreditReading; PortCell::COUNT as usize],
    /// For foreign network namespaces.
    pub foreign: CreditReading,
}

impl Credits {
    pub(super) fn all(&self) -> impl Iterator<Item = &CreditReading> {
        [&self.named, &self.strangers, &self.foreign].into_iter().chain(&self.ports)
    }

    pub(super) fn of(&self, bucket: CreditBucket) -> &CreditReading {
        match bucket {
            CreditBucket::Named => &self.named,
            CreditBucket::Strangers => &self.strangers,
            CreditBucket::Port(cell) => &self.ports[usize::from(cell.number())],
            CreditBucket::Foreign => &self.foreign,
        }
    }
}

/// The credit of one credit bucket, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditReading {
    /// Whole credits.
    pub credits: u32,
    /// When the next comes back by itself, if one does.
    pub recovers_at: Option<u64>,
    /// Whether it is the newest waiter's turn, not the oldest's.
    pub newest: bool,
}
