//! Those that wait in the shadow, in the order in which they came, by account and by the kind of their addresses.

use crate::wake::AccountId;
use crate::{Contact, CreditBucket, Origin};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many lanes are looked at at once.
const AT_ONCE: usize = 64;

/// The rank of the addresses comes first.
pub(super) type Lane = (u8, AccountId, Option<CreditBucket>);

#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// By ticket, the oldest first.
    queues: BTreeMap<Lane, BTreeSet<u64>>,
    /// The first contacts among them, by address.
    to: HashMap<u64, Vec<u64>>,
    waiting: usize,
    /// The lane that was looked at last.
    last: Option<Lane>,
}

fn lane_of(account: AccountId, origin: &Origin) -> Lane {
    let contact = if origin.first { Contact::First(origin.bucket()) } else { Contact::Known };
    (contact.rank(), account, origin.first.then(|| origin.bucket()))
}

impl Lanes {
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    pub fn join(&mut self, ticket: u64, account: AccountId, origin: &Origin) {
        self.waiting += 1;
        self.queues.entry(lane_of(account, origin)).or_default().insert(ticket);
        if origin.first {
            self.to.entry(origin.address).or_default().push(ticket);
        }
    }

    /// One waits no more, or not in this lane.
    pub fn left(&mut self, ticket: u64, account: AccountId, origin: &Origin) {
        self.waiting = self.waiting.saturating_sub(1);
        let lane = lane_of(account, origin);
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.remove(&ticket);
            if queue.is_empty() {
                self.queues.remove(&lane);
            }
        }
        if let Some(same) = self.to.get_mut(&origin.address).filter(|_| origin.first) {
            same.retain(|other| *other != ticket);
            if same.is_empty() {
                self.to.remove(&origin.address);
            }
        }
    }

    /// A first contact that waits for this address.
    pub fn to_address(&self, address: u64) -> Option<u64> {
        self.to.get(&address)?.first().copied()
    }

    pub fn take_to_address(&mut self, address: u64) -> Vec<u64> {
        self.to.remove(&address).unwrap_or_default()
    }

    /// The lanes to look at now: all, or if they are many, the next ones.
    pub fn round(&mut self) -> Vec<Lane> {
        let after = self.last.filter(|_| self.queues.len() > AT_ONCE);
        let all = self.queues.keys().copied();
        let (before, later): (Vec<_>, Vec<_>) =
            all.partition(|lane| after.is_some_and(|after| *lane <= after));
        let round: Vec<_> = later.into_iter().chain(before).take(AT_ONCE).collect();
        self.last = round.last().copied();
        round
    }

    /// The oldest or the newest waiter of a lane.
    pub fn next(&self, lane: Lane, newest: bool) -> Option<u64> {
        let queue = self.queues.get(&lane)?;
        if newest { queue.last() } else { queue.first() }.copied()
    }
}
