//! What the waker learns of the accounting: how an attempt ended, and the state of an account. Times are
//! nanoseconds of the waker's clock.

use crate::{CreditBucket, Limits, PortCell};

/// How an attempt that was out has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When its first SYN left.
    pub out_at: u64,
    /// Whether the peer accepted.
    pub established: bool,
    /// Whether it held the host's slot until then.
    pub host_slot: bool,
    /// Whether it held a slot of its own account until then.
    pub own_slot: bool,
}

/// The accounting of one account, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When it was read.
    pub at: u64,
    /// The limits in force; with `half_open` `None`, every waiter may go.
    pub limits: Limits,
    /// Slots that were held.
    pub in_use: u32,
    /// When the next turn falls due; meaningful only with a rate.
    pub next_turn: u64,
    /// Connections that counted, if their number is limited.
    pub open: u32,
    /// When the next connection would be due if all came evenly; meaningful only with a limit on their rate.
    pub next_connection: u64,
    /// The credit for first contacts, if they cost credit.
    pub credit: Option<Credits>,
}

/// The credit of one account in its credit buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credits {
    /// Contacts with named addresses.
    pub named: CreditReading,
    /// Contacts with other addresses, whatever the port.
    pub strangers: CreditReading,
    /// Contacts with these other addresses, by cell of ports.
    pub ports: [CreditReading; PortCell::COUNT as usize],
    /// Contacts from foreign network namespaces.
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
    /// When the next credit comes back by itself, if one is missing.
    pub recovers_at: Option<u64>,
    /// Whether it is the newest waiter's turn, not the oldest's.
    pub newest: bool,
}
